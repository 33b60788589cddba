"""Follow one face: matched by its look from frame to frame, put right by detections now and then."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mercli.face.box import Box, part_about
from mercli.face.detect import Detection
from mercli.picture import Picture

PATIENCE = 12  # frames a face is kept on its look alone, or out of sight, before it counts as lost
SMOOTHING = 0.5  # weight of a new detection against where the face was expected
_LOOK_PX = 48  # a look is kept in a picture halved so often that the longer side of the face is under this
_MATCH = 0.6  # normalised correlation under which the look no longer matches
_REACH = 0.35  # how far a face may move between two frames, in box sides
_SAME = 0.3  # intersection over union from which a detection is the face being followed
_NEAR = 1.0  # box sides within which a detection is taken for a face whose look was lost
_ALIKE = 1.6  # how many times as large it may be
_PLAY = 0.15  # box sides by which two detections of one face may lie apart
_SCALES = (0.9, 1.0, 1.12)  # and how much their sizes may differ
_INSIDE = 0.5  # share of a box in another from which both are of one face


class FollowedFace:
    """Say where one face is, frame by frame; all in the pixels of the picture that a detector sees.

    Parameters
    ----------
    track : int
        Its number.
    small : Picture
        The picture in which it was found.
    found : Detection
        Where.
    smoothing : float
        The weight of later detections.
    """

    def __init__(self, track: int, small: Picture, found: Detection, smoothing: float = SMOOTHING) -> None:
        self.track = track
        self.since_detection = 0
        self.seen = True
        self._smoothing = smoothing
        self.box, self.roll_deg = found.box, found.roll_deg
        self._remember(small)

    @property
    def is_lost(self) -> bool:
        """Tell whether it was followed without a detection for too long."""
        return self.since_detection >= PATIENCE

    def match(self, small: Picture) -> None:
        """Go on to the next frame: `box` moves with the look, and `seen` tells whether that was found."""
        self.since_detection += 1
        expected = self._match(small) if self.seen else None
        self.seen = expected is not None
        self.box = expected or self.box

    def likeness(self, found: Detection) -> float:
        """Tell how well a detection fits this face: 0 for another face, more than 1 where they overlap."""
        overlap = self.box.overlap(found.box)
        if overlap >= _SAME or is_of_one_face(self.box, found.box):
            return 1 + overlap
        # A face that moved too fast for its look to be found is near, and about as large.
        ratio = found.box.side / self.box.side
        distance = self.box.distance(found.box) / self.box.side
        return 1 - distance if not self.seen and distance < _NEAR and 1 / _ALIKE < ratio < _ALIKE else 0.0

    def correct(self, small: Picture, found: Detection) -> None:
        """Take up a detection of this face in the frame that it was matched in."""
        weight = self._smoothing if self.seen and self.box.overlap(found.box) >= _SAME else 1.0
        self.box = self.box.between(found.box, weight)
        self.roll_deg += weight * (found.roll_deg - self.roll_deg)
        self.since_detection = 0
        self.seen = True
        self._remember(small)

    def is_back(self, small: Picture, box: Box) -> bool:
        """Tell whether a face found where this one was lost looks like it."""
        if self._look is None or not is_of_one_face(self.box, box):
            return False
        there, _, _ = part_about(small.halved(self._halvings).plane, box.scaled(0.5**self._halvings), _PLAY)
        if not there.size:
            return False
        return any(self._is_in(there, scale) for scale in _SCALES)

    def _is_in(self, there: NDArray[np.uint8], scale: float) -> bool:
        """Tell whether the look is somewhere in the surroundings of a box, which is so many times its size."""
        assert self._look is not None
        height, width = self._look.shape
        size = (round(scale * (1 + 2 * _PLAY) * width), round(scale * (1 + 2 * _PLAY) * height))
        area = cv2.resize(np.ascontiguousarray(there), size, interpolation=cv2.INTER_AREA)
        return bool(cv2.matchTemplate(area, self._look, cv2.TM_CCOEFF_NORMED).max() >= _MATCH)

    def _match(self, small: Picture) -> Box | None:
        """Find the look of the face near where it was, by normalised correlation."""
        if self._look is None:
            return None
        box = self.box.scaled(0.5**self._halvings)
        area, left, top = part_about(small.halved(self._halvings).plane, box, _REACH)
        height, width = self._look.shape
        if area.shape[0] < height or area.shape[1] < width:
            return None
        scores = cv2.matchTemplate(np.ascontiguousarray(area), self._look, cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(scores)
        if not best >= _MATCH:  # a flat area gives NaN
            return None
        right, down = x + _peak(scores[y], x), y + _peak(scores[:, x], y)
        found = (left + right + self._offset[0], top + down + self._offset[1])
        return Box(*found, box.width, box.height).scaled(2.0**self._halvings)

    def _remember(self, small: Picture) -> None:
        self._halvings = small.halvings(_LOOK_PX / 2 / self.box.side)
        box = self.box.scaled(0.5**self._halvings)
        left, top = max(0, int(box.x)), max(0, int(box.y))
        right, bottom = int(box.x + box.width), int(box.y + box.height)
        look = small.halved(self._halvings).plane[top : max(0, bottom), left : max(0, right)]
        self._look = np.ascontiguousarray(look) if min(look.shape) >= 8 else None
        # Of the box against its look, which is cut at whole pixels inside the picture.
        self._offset = (box.x - left, box.y - top)


def _peak(scores: NDArray[Any], at: int) -> float:
    """Say how far from a peak, in pixels, the parabola through it and its neighbours has its own; 0 at an end."""
    if not 0 < at < len(scores) - 1:
        return 0.0
    before, top, after = map(float, scores[at - 1 : at + 2])
    bend = before - 2 * top + after
    return 0.5 * (before - after) / bend if bend < 0 else 0.0


def is_of_one_face(one: Box, other: Box) -> bool:
    """Tell whether two boxes lie so much over each other, or one in the other, that both are of one face."""
    return one.common(other) >= _INSIDE * min(one.area, other.area)
