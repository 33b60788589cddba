"""Follow the faces of a clip: each by its look, all put right by one detection every few frames."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mercli.face.box import Box
from mercli.face.detect import Detection, Detector
from mercli.face.follow import SMOOTHING, FollowedFace, is_of_one_face

DETECTION_PX = 320  # the longer side of the picture that a detector sees
STRIDE = 6  # frames from one detection to the next while faces are followed
MOST_LOST = 12  # faces that may come back: the last ones
MOST = 6  # faces that are followed at once: the largest


class Sight(NamedTuple):
    """Hold where a face is in one frame: the number of its track, its box, and its roll, clockwise."""

    track: int
    box: Box
    roll_deg: float


class Tracker:
    """Say where the faces of a clip are, frame by frame.

    Parameters
    ----------
    detector : Detector
        Finds faces anew every few frames, and whenever one is lost from sight.
    detection_px : int
        The longer side of the picture that it sees.
    stride : int
        Frames from one detection to the next.
    smoothing : float
        The weight of a detection against where a face was expected.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        detection_px: int = DETECTION_PX,
        stride: int = STRIDE,
        smoothing: float = SMOOTHING,
    ) -> None:
        self._detector = detector
        self._detection_px = detection_px
        self._stride = stride
        self._smoothing = smoothing
        self._faces: list[FollowedFace] = []
        self._since_detection = 0
        self._tracks = 0
        self._lost: list[FollowedFace] = []
        self.detections = 0

    @property
    def tracks(self) -> frozenset[int]:
        """Give the faces that are followed, in sight or not."""
        return frozenset(face.track for face in self._faces)

    def follow(self, luma: NDArray[np.uint8]) -> list[Sight]:
        """Give the faces in the next frame.

        Parameters
        ----------
        luma : np.ndarray [shape=(height, width)], uint8
            The frame.

        Returns
        -------
        list of Sight
            In the frame's own pixels, in the order in which the faces appeared.
        """
        factor = min(1.0, self._detection_px / max(luma.shape))
        small = luma
        if factor < 1:
            size = (max(1, round(luma.shape[1] * factor)), max(1, round(luma.shape[0] * factor)))
            small = cv2.resize(luma, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        in_sight = [face for face in self._faces if face.seen]
        for face in self._faces:
            face.match(small)
        self._since_detection += 1
        if self._is_detection_due(in_sight):
            self._detect(small)
        self._lost = [*self._lost, *(face for face in self._faces if face.is_lost)][-MOST_LOST:]
        self._faces = [face for face in self._faces if not face.is_lost]
        return [Sight(face.track, face.box.scaled(1 / factor), face.roll_deg) for face in self._faces if face.seen]

    def _is_detection_due(self, in_sight: list[FollowedFace]) -> bool:
        """Tell whether to look for faces: by the stride, or because one went out of sight or was missed."""
        if not in_sight or self._since_detection >= self._stride:
            return True
        largest = max(in_sight, key=lambda face: face.box.area)
        return largest.since_detection >= self._stride or not all(face.seen for face in in_sight)

    def _detect(self, small: NDArray[np.uint8]) -> None:
        self.detections += 1
        self._since_detection = 0
        # By place where they are of one size, so that a detector's order does not number the faces.
        by_size = sorted(self._detector.detect(small), key=lambda d: (-d.box.area, d.box.x, d.box.y))
        found: list[Detection] = []
        for detection in by_size:
            if not any(is_of_one_face(detection.box, larger.box) for larger in found):
                found.append(detection)
        left = self._correct(small, found)
        new: list[FollowedFace] = []
        for detection in left:
            new.append(FollowedFace(self._number(small, detection.box), small, detection, self._smoothing))
        certain = [*(face for face in self._faces if face.since_detection == 0), *new]
        # What was not found anew, where another face was, is that other face.
        missed = [
            face
            for face in self._faces
            if face.since_detection > 0 and not any(is_of_one_face(face.box, other.box) for other in certain)
        ]
        largest = sorted((*certain, *missed), key=lambda face: (-face.box.area, face.track))[:MOST]
        self._faces = sorted(largest, key=lambda face: face.track)

    def _number(self, small: NDArray[np.uint8], box: Box) -> int:
        """Give a new face the number of one that was lost where it is and looked like it, else the next."""
        for face in reversed(self._lost):
            if face.is_back(small, box):
                self._lost.remove(face)
                return face.track
        self._tracks += 1
        return self._tracks - 1

    def _correct(self, small: NDArray[np.uint8], found: list[Detection]) -> list[Detection]:
        """Give each face the detection that fits it best, the best fit first; give what is left over."""
        left = list(found)
        faces = list(self._faces)
        while faces and left:
            face, detection = max(
                ((face, detection) for face in faces for detection in left),
                key=lambda pair: pair[0].likeness(pair[1]),
            )
            if not face.likeness(detection):
                break
            face.correct(small, detection)
            faces.remove(face)
            left = [other for other in left if other is not detection]
        return left
