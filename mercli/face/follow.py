"""Follow one face through a clip: found by a detector now and then, matched by its look in between."""

import cv2
import numpy as np
from numpy.typing import NDArray

from mercli.face.box import Box
from mercli.face.detect import Detector

DETECTION_PX = 320  # the longer side of the picture that a detector sees
STRIDE = 6  # frames from one detection to the next while a face is followed
PATIENCE = 12  # frames a face is followed on its look alone before it counts as lost
_MATCH = 0.6  # normalised correlation under which the look no longer matches
_REACH = 0.35  # how far a face may move between two frames, in box sides
_SAME = 0.3  # intersection over union from which a detection is the face being followed
_SMOOTHING = 0.5  # weight of a new detection against where the face was expected


class Follower:
    """Say where the main face is, frame by frame.

    Parameters
    ----------
    detector : Detector
        Finds faces anew every few frames, and whenever the face is lost.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._box: Box | None = None
        self._look: NDArray[np.uint8] | None = None
        self._offset = (0.0, 0.0)  # of the box against its look, which is cut at whole pixels inside the picture
        self._since_detection = 0
        self.detections = 0

    def follow(self, luma: NDArray[np.uint8]) -> Box | None:
        """Give the face's box in the next frame.

        Parameters
        ----------
        luma : np.ndarray [shape=(height, width)], uint8
            The frame.

        Returns
        -------
        Box or None
            In the frame's own pixels; None where no face is seen.
        """
        factor = DETECTION_PX / max(luma.shape)
        small = luma
        if factor < 1:
            size = (max(1, round(luma.shape[1] * factor)), max(1, round(luma.shape[0] * factor)))
            small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        else:
            factor = 1.0
        self._box = self._next(small)
        return self._box.scaled(1 / factor) if self._box else None

    def _next(self, small: NDArray[np.uint8]) -> Box | None:
        expected = self._match(small)
        self._since_detection += 1
        if expected is not None and self._since_detection < STRIDE:
            return expected
        found = self._detect(small, expected)
        if found is not None:
            self._since_detection = 0
            box = expected.between(found, _SMOOTHING) if expected and expected.overlap(found) >= _SAME else found
            self._remember(small, box)
            return box
        return expected if self._since_detection < PATIENCE else None

    def _detect(self, small: NDArray[np.uint8], expected: Box | None) -> Box | None:
        self.detections += 1
        boxes = self._detector.detect(small)
        if expected is not None:
            same = [box for box in boxes if box.overlap(expected) >= _SAME]
            if same:
                return max(same, key=expected.overlap)
            if self._since_detection < PATIENCE:
                return None  # one missed detection does not make another face the main one
        return max(boxes, key=lambda box: (box.area, -box.x, -box.y), default=None)

    def _match(self, small: NDArray[np.uint8]) -> Box | None:
        """Find the look of the face near where it was, by normalised correlation."""
        if self._box is None or self._look is None:
            return None
        reach = self._box.side * _REACH
        left, top = max(0, int(self._box.x - reach)), max(0, int(self._box.y - reach))
        right = int(self._box.x + self._box.width + reach) + 1
        bottom = int(self._box.y + self._box.height + reach) + 1
        area = np.ascontiguousarray(small[top:bottom, left:right])
        height, width = self._look.shape
        if area.shape[0] < height or area.shape[1] < width:
            return None
        scores = cv2.matchTemplate(area, self._look, cv2.TM_CCOEFF_NORMED)
        _, best, _, (x, y) = cv2.minMaxLoc(scores)
        if not best >= _MATCH:  # a flat area gives NaN
            return None
        return Box(left + x + self._offset[0], top + y + self._offset[1], self._box.width, self._box.height)

    def _remember(self, small: NDArray[np.uint8], box: Box) -> None:
        left, top = max(0, int(box.x)), max(0, int(box.y))
        look = small[top : int(box.y + box.height), left : int(box.x + box.width)]
        self._look = np.ascontiguousarray(look) if min(look.shape) >= 8 else None
        self._offset = (box.x - left, box.y - top)
