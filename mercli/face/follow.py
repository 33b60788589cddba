"""Follow one face: matched by its look from frame to frame, put right by detections now and then."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mercli.face.box import Box
from mercli.face.detect import Detection

PATIENCE = 12  # frames a face is kept on its look alone, or out of sight, before it counts as lost
SMOOTHING = 0.5  # weight of a new detection against where the face was expected
_MATCH = 0.6  # normalised correlation under which the look no longer matches
_REACH = 0.35  # how far a face may move between two frames, in box sides
_SAME = 0.3  # intersection over union from which a detection is the face being followed
_NEAR = 1.0  # box sides within which a detection is taken for a face whose look was lost
_ALIKE = 1.6  # how many times as large it may be
_INSIDE = 0.5  # share of a box in another from which both are of one face


class FollowedFace:
    """Say where one face is, frame by frame; all in the pixels of the picture that a detector sees.

    Parameters
    ----------
    track : int
        Its number.
    small : np.ndarray [shape=(height, width)], uint8
        The picture in which it was found.
    found : Detection
        Where.
    smoothing : float
        The weight of later detections.
    """

    def __init__(
        self, track: int, small: NDArray[np.uint8], found: Detection, smoothing: float = SMOOTHING
    ) -> None:
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

    def match(self, small: NDArray[np.uint8]) -> None:
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

    def correct(self, small: NDArray[np.uint8], found: Detection) -> None:
        """Take up a detection of this face in the frame that it was matched in."""
        weight = self._smoothing if self.seen and self.box.overlap(found.box) >= _SAME else 1.0
        self.box = self.box.between(found.box, weight)
        self.roll_deg += weight * (found.roll_deg - self.roll_deg)
        self.since_detection = 0
        self.seen = True
        self._remember(small)

    def is_back(self, small: NDArray[np.uint8], box: Box) -> bool:
        """Tell whether a face found where this one was lost looks like it."""
        if self._look is None or not is_of_one_face(self.box, box):
            return False
        left, top = max(0, int(box.x)), max(0, int(box.y))
        there = small[top : int(box.y + box.height), left : int(box.x + box.width)]
        if not there.size:
            return False
        look = cv2.resize(np.ascontiguousarray(there), self._look.shape[::-1], interpolation=cv2.INTER_AREA)
        return bool(cv2.matchTemplate(look, self._look, cv2.TM_CCOEFF_NORMED)[0, 0] >= _MATCH)

    def _match(self, small: NDArray[np.uint8]) -> Box | None:
        """Find the look of the face near where it was, by normalised correlation."""
        if self._look is None:
            return None
        reach = self.box.side * _REACH
        left, top = max(0, int(self.box.x - reach)), max(0, int(self.box.y - reach))
        right = int(self.box.x + self.box.width + reach) + 1
        bottom = int(self.box.y + self.box.height + reach) + 1
        area = np.ascontiguousarray(small[top:bottom, left:right])
        height, width = self._look.shape
        if area.shape[0] < height or area.shape[1] < width:
            return None
        scores = cv2.matchTemplate(area, self._look, cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(scores)
        if not best >= _MATCH:  # a flat area gives NaN
            return None
        return Box(left + x + self._offset[0], top + y + self._offset[1], self.box.width, self.box.height)

    def _remember(self, small: NDArray[np.uint8]) -> None:
        left, top = max(0, int(self.box.x)), max(0, int(self.box.y))
        right, bottom = int(self.box.x + self.box.width), int(self.box.y + self.box.height)
        look = small[top : max(0, bottom), left : max(0, right)]
        self._look = np.ascontiguousarray(look) if min(look.shape) >= 8 else None
        # Of the box against its look, which is cut at whole pixels inside the picture.
        self._offset = (self.box.x - left, self.box.y - top)


def is_of_one_face(one: Box, other: Box) -> bool:
    """Tell whether two boxes lie so much over each other, or one in the other, that both are of one face."""
    return one.common(other) >= _INSIDE * min(one.area, other.area)
