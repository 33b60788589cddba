"""Follow the faces of a clip: each by its look, put right by a detection every few frames."""

from collections.abc import Sequence
from typing import NamedTuple

from mercli.clock import DETECT, FOLLOW, Clock
from mercli.face.box import Box, prominence
from mercli.face.detect import Detection, Detector
from mercli.face.follow import SMOOTHING, FollowedFace, is_of_one_face
from mercli.picture import Picture

DETECTION_PX = 256  # a detector sees the picture halved as often as its longer side stays as long as this
STRIDE = 6  # frames from one detection to the next while faces are followed
SEARCH = 30  # frames from one look at the whole picture to the next while all faces are where they are expected
SMALL_SEARCH = 3  # frames from one search for small faces to the next while there is no face at all
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
        It sees the picture halved as often as the longer side is no shorter than this.
    stride : int
        Frames from one detection to the next.
    smoothing : float
        The weight of a detection against where a face was expected.
    all_faces : bool
        Whether to look for small faces beside a large one, too.
    clock : Clock, optional
        What is told of the time it takes.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        detection_px: int = DETECTION_PX,
        stride: int = STRIDE,
        smoothing: float = SMOOTHING,
        all_faces: bool = False,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._all_faces = all_faces
        self._detector = detector
        self._detection_px = detection_px
        self._stride = stride
        self._smoothing = smoothing
        self._faces: list[FollowedFace] = []
        self._since_detection = self._since_search = 0
        self._since_small_search = SMALL_SEARCH
        self._tracks = 0
        self._lost: list[FollowedFace] = []
        self.detections = self.searches = 0

    @property
    def tracks(self) -> frozenset[int]:
        """Give the faces that are followed, in sight or not."""
        return frozenset(face.track for face in self._faces)

    def follow(self, picture: Picture) -> list[Sight]:
        """Give the faces in the next frame.

        Parameters
        ----------
        picture : Picture
            The frame.

        Returns
        -------
        list of Sight
            In the frame's own pixels, in the order in which the faces appeared.
        """
        with self._clock(FOLLOW):
            return self._follow(picture)

    def _follow(self, picture: Picture) -> list[Sight]:
        halvings = picture.halvings(self._detection_px / max(picture.shape))
        small = picture.halved(halvings)
        in_sight = [face for face in self._faces if face.seen]
        for face in self._faces:
            face.match(small)
        self._since_detection += 1
        self._since_search += 1
        self._since_small_search += 1
        if self._is_detection_due(in_sight):
            with self._clock(DETECT):
                self._detect(small)
        self._lost = [*self._lost, *(face for face in self._faces if face.is_lost)][-MOST_LOST:]
        self._faces = [face for face in self._faces if not face.is_lost]
        return [
            Sight(face.track, face.box.scaled(2.0**halvings), face.roll_deg) for face in self._faces if face.seen
        ]

    def _is_detection_due(self, in_sight: list[FollowedFace]) -> bool:
        """Tell whether to look for faces: by the stride, or because one went out of sight or was missed."""
        if not in_sight or self._since_detection >= self._stride:
            return True
        largest = max(in_sight, key=lambda face: face.box.area)
        return largest.since_detection >= self._stride or not all(face.seen for face in in_sight)

    def _detect(self, small: Picture) -> None:
        self.detections += 1
        self._since_detection = 0
        confirmed = [self._detector.confirm(small, face.box) for face in self._faces if face.seen]
        found = _apart([detection for detection in confirmed if detection])
        is_search_due = self._all_faces or self._since_search >= SEARCH
        if is_search_due or not found or len(found) < len(self._faces):
            found = self._search(small, found)
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

    def _search(self, small: Picture, known: list[Detection]) -> list[Detection]:
        """Add what the whole picture has, but look no longer than the main face might yet be found."""
        self.searches += 1
        self._since_search = 0
        found = known
        *quick, last = self._detector.passes(small)
        for least_px in quick:
            found = _apart(self._detector.detect(small, least_px), found)
            most = max((prominence(detection.box, small.shape) for detection in found), default=0.0)
            # A smaller face counts for less wherever it is.
            if most * min(small.shape) >= least_px and not self._all_faces:
                return found
        if quick and not (found or self._faces) and self._since_small_search < SMALL_SEARCH:
            return found
        self._since_small_search = 0
        return _apart(self._detector.detect(small, last), found)

    def _number(self, small: Picture, box: Box) -> int:
        """Give a new face the number of one that was lost where it is and looked like it, else the next."""
        for face in reversed(self._lost):
            if face.is_back(small, box):
                self._lost.remove(face)
                return face.track
        self._tracks += 1
        return self._tracks - 1

    def _correct(self, small: Picture, found: list[Detection]) -> list[Detection]:
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


def _apart(found: Sequence[Detection], known: Sequence[Detection] = ()) -> list[Detection]:
    """Give one detection for each face: that which is known, else the largest."""
    apart = list(known)
    # By place where they are of one size, so that a detector's order does not number the faces.
    for detection in sorted(found, key=lambda d: (-d.box.area, d.box.x, d.box.y)):
        if not any(is_of_one_face(detection.box, other.box) for other in apart):
            apart.append(detection)
    return apart
