"""Face detectors: OpenCV's Haar cascade, which is always there, and YuNet where its file is given."""

import contextlib
import math
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from mercli.errors import UsageError
from mercli.face.box import Box, crop, part_about
from mercli.face.choice import HAAR, YUNET, locate
from mercli.picture import Picture

_HAAR_FILE = "haarcascade_frontalface_default.xml"
_HAAR_PX = 24  # the side of the smallest face that it finds
_YUNET_SCORE = 0.7
_YUNET_LEAST_PX = 16  # the shorter side of the smallest picture that is worth showing it
_YUNET_LIMIT = 64 << 20  # bytes; the file of opencv_zoo has a quarter of a megabyte
_SMALLEST = 1 / 12  # of the picture's shorter side: smaller faces carry no expression at 48 pixels
_ABOUT = 0.4  # box sides about a face within which it is looked for again
_SHRUNK, _GROWN = 0.6, 1.6  # and how much smaller or larger it may have become
_CLOSE_PX = 224  # the side of a face in which YuNet sees by how much it is turned: docs/faces.md
_AROUND = 1.4  # the part of the picture about it that YuNet is shown, in box sides
_ROLL_DEG = 30.0  # no more is made level: beyond it the eyes were more likely mistaken than the head turned so far


Eyes = tuple[tuple[float, float], tuple[float, float]]
"""The middles (x, y) of the eye at the picture's left and of the one at its right."""


class Detection(NamedTuple):
    """Hold a face that was found.

    Parameters
    ----------
    box : Box
        Where.
    score : float
        How sure the detector is, 0 to 1; 1 where it does not say.
    eyes : Eyes or None
        Where the eyes are; None where the detector does not say.
    """

    box: Box
    score: float = 1.0
    eyes: Eyes | None = None

    def moved(self, dx: float, dy: float) -> "Detection":
        """Give the same face in a picture that begins so many pixels further left and up."""
        eyes = self.eyes and tuple((x + dx, y + dy) for x, y in self.eyes)
        return Detection(self.box.moved(dx, dy), self.score, cast(Eyes | None, eyes))

    @property
    def roll_deg(self) -> float:
        """Give how far the line of the eyes is turned clockwise, -30 to 30 degrees; 0 where they are not known."""
        if self.eyes is None:
            return 0.0
        (left, above), (right, below) = self.eyes
        return min(max(math.degrees(math.atan2(below - above, right - left)), -_ROLL_DEG), _ROLL_DEG)


class Detector(Protocol):
    """Find faces in a grey picture, already reduced to the size that detection is worth."""

    kind: str
    """What a bundle records: ``"haar"`` or ``"yunet"``."""

    margin: float
    """The side of a tight crop, as a multiple of the longer side of this detector's boxes."""

    def passes(self, picture: Picture) -> Sequence[float]:
        """Give the least sides, in pixels, from which it finds faces at a time, from the quickest to the last."""
        ...

    def detect(self, picture: Picture, least_px: float) -> list[Detection]:
        """Give the faces in a picture from one of the sides of `passes` on, in no particular order."""
        ...

    def confirm(self, picture: Picture, box: Box) -> Detection | None:
        """Find the face that is expected in a box, or near it and about as large; None if it is not there."""
        ...


class Haar:
    """Find upright frontal faces by OpenCV's own cascade (Viola and Jones, 2001).

    Its time goes into small faces: large ones are looked for in a reduced picture, and one that is known in the
    part of the picture about it, reduced so far that it is just large enough.
    """

    kind = HAAR
    margin = 0.95

    def __init__(self) -> None:
        self._cascade = cv2.CascadeClassifier(str(Path(cv2.__file__).parent / "data" / _HAAR_FILE))

    def passes(self, picture: Picture) -> Sequence[float]:
        """Give 96, 48, and a twelfth of the picture's shorter side, but at least 24; see `Detector.passes`."""
        least = max(_HAAR_PX, min(picture.shape) * _SMALLEST)
        return (*(px for px in (4.0 * _HAAR_PX, 2.0 * _HAAR_PX) if px > least), least)

    def detect(self, picture: Picture, least_px: float) -> list[Detection]:
        """Give the faces in a picture.

        Parameters
        ----------
        picture : Picture
            The picture.
        least_px : float
            The side of the smallest face. One of twice the size is found in a picture of half the size, in a
            fourth of the time.

        Returns
        -------
        list of Detection
            In no particular order.
        """
        halvings = picture.halvings(_HAAR_PX / least_px)
        luma = picture.halved(halvings).plane
        if halvings == 0:
            return [Detection(box) for box in self._find(luma, least_px, scale=1.1, neighbours=4)]
        found = self._find(luma, least_px * 0.5**halvings, scale=1.2, neighbours=2)
        confirmed = (self.confirm(picture, box.scaled(2.0**halvings)) for box in found)
        return [detection for detection in confirmed if detection]

    def confirm(self, picture: Picture, box: Box) -> Detection | None:
        """Find a face where it is expected; see `Detector.confirm`."""
        halvings = picture.halvings(_HAAR_PX / box.side)
        expected = box.scaled(0.5**halvings)
        luma, left, top = part_about(picture.halved(halvings).plane, expected, _ABOUT)
        if not luma.size:
            return None
        smallest, largest = _SHRUNK * expected.side, _GROWN * expected.side
        boxes, votes = self._vote(luma, smallest, largest, scale=1.15, neighbours=2)
        if not len(boxes):
            return None
        x, y, width, height = np.average(boxes, axis=0, weights=votes)
        return Detection(Box(x + left, y + top, width, height).scaled(2.0**halvings))

    def _find(self, luma: NDArray[np.uint8], smallest: float, *, scale: float, neighbours: int) -> list[Box]:
        boxes, _ = self._vote(luma, smallest, 0.0, scale=scale, neighbours=neighbours)
        return [Box(*map(float, box)) for box in boxes]

    def _vote(
        self, luma: NDArray[np.uint8], smallest: float, largest: float, *, scale: float, neighbours: int
    ) -> tuple[Sequence[Any], Sequence[int]]:
        """Give boxes, and how many windows of the cascade voted for each."""
        least, most = max(_HAAR_PX, round(smallest)), round(largest)
        return self._cascade.detectMultiScale2(
            luma, scale, neighbours, minSize=(least, least), maxSize=(most, most)
        )


class YuNet:
    """Find faces by YuNet (Wu et al., 2023), from the ONNX file of opencv_zoo.

    Parameters
    ----------
    path : Path
        ``face_detection_yunet_2023mar.onnx`` or a network of the same kind.

    Raises
    ------
    UsageError
        If the file is missing or is no such network.
    """

    kind = YUNET
    margin = 0.8

    def __init__(self, path: Path) -> None:
        model = np.frombuffer(_read_yunet(path), np.uint8)
        self._size = (320, 320)
        try:
            with _silent_opencv():
                self._network = cv2.FaceDetectorYN.create(
                    "onnx", model, np.empty(0, np.uint8), self._size, score_threshold=_YUNET_SCORE
                )
                self._find(np.zeros((64, 64), np.uint8))
        except cv2.error as error:
            raise UsageError(f"{path} is not a YuNet face detector that OpenCV can run") from error

    def passes(self, picture: Picture) -> Sequence[float]:  # noqa: ARG002
        """Give 0: all faces are found at once."""
        return (0.0,)

    def detect(self, picture: Picture, least_px: float) -> list[Detection]:  # noqa: ARG002
        """Give the faces in a picture, of all sizes, and their eyes."""
        luma = picture.shown(picture.plane)
        return [found._replace(eyes=self._look_closer(luma, found)) for found in self._find(luma)]

    def confirm(self, picture: Picture, box: Box) -> Detection | None:
        """Find a face where it is expected; see `Detector.confirm`."""
        luma = picture.shown(picture.plane)
        about, left, top = part_about(luma, box, _ABOUT)
        if min(about.shape) < _YUNET_LEAST_PX:
            return None
        near = (
            found.moved(left, top)
            for found in self._find(np.ascontiguousarray(about))
            if _SHRUNK * box.side < found.box.side < _GROWN * box.side
        )
        nearest = max(near, key=lambda found: box.overlap(found.box), default=None)
        return nearest and nearest._replace(eyes=self._look_closer(luma, nearest))

    def _find(self, luma: NDArray[np.uint8]) -> list[Detection]:
        size = (luma.shape[1], luma.shape[0])
        if size != self._size:
            self._network.setInputSize(size)
            self._size = size
        _, found = self._network.detect(cv2.cvtColor(luma, cv2.COLOR_GRAY2BGR))
        return [] if found is None else [_read_row(*map(float, row)) for row in found]

    def _look_closer(self, luma: NDArray[np.uint8], found: Detection) -> Eyes | None:
        """Find the eyes of a small face again in an enlarged crop: in small ones YuNet puts them too level."""
        if found.box.side >= _CLOSE_PX:
            return found.eyes
        scale = found.box.side / _CLOSE_PX
        around = crop(luma, found.box, margin=_AROUND, size_px=round(_AROUND * _CLOSE_PX))
        closer = max(self._find(around), key=lambda other: other.box.area, default=None)
        if closer is None or closer.eyes is None:
            return found.eyes
        x, y = found.box.centre()
        left, top = x - _AROUND * found.box.side / 2, y - _AROUND * found.box.side / 2
        one, other = ((left + scale * eye_x, top + scale * eye_y) for eye_x, eye_y in closer.eyes)
        return one, other


def _read_row(x: float, y: float, width: float, height: float, *more: float) -> Detection:
    """Read box, five points and score; the first point is the person's right eye, at the left of the picture."""
    right_x, right_y, left_x, left_y = more[:4]
    return Detection(Box(x, y, width, height), more[-1], ((right_x, right_y), (left_x, left_y)))


def open_detector(name: str) -> Detector:
    """Make a detector from what the user typed.

    Parameters
    ----------
    name : str
        ``"haar"``, ``"yunet"`` or the path of a YuNet ONNX file.

    Returns
    -------
    Detector
        Ready to use.

    Raises
    ------
    UsageError
        If there is no such detector.
    """
    path = locate(name)
    return YuNet(path) if path else Haar()


def _read_yunet(path: Path) -> bytes:
    absent = f"no face detector {str(path)!r}: give {HAAR}, {YUNET} or the path of a YuNet .onnx file"
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise UsageError(absent)
        if info.st_size > _YUNET_LIMIT:
            raise UsageError(f"{path} is not a YuNet face detector: it is over {_YUNET_LIMIT >> 20} MB")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(absent) from error
    except OSError as error:
        raise UsageError(f"cannot read the face detector {path}: {error.strerror}") from error


@contextlib.contextmanager
def _silent_opencv() -> Iterator[None]:
    """Keep OpenCV from writing of a file it cannot use to stderr: the sentence raised says it."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
