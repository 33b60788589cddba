"""What is shown on each frame of a clip: from what was said of the clip to drawings."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from mercli.annotation.drawing import GROUND, LEAST_WIDTH, Picture, Strip, draw_face, letter_px, percent
from mercli.annotation.recording import Ground
from mercli.bundle import MODALITIES
from mercli.result import Result, likeliest
from mercli.view import View


class Overlay:
    """Draw on the frames of one clip what was said of it.

    Parameters
    ----------
    view : View
        What was said, with a timeline.
    classes : sequence of str
        The bundle's classes.
    ground : Ground
        What is drawn on.

    Attributes
    ----------
    shape : tuple of int
        Height and width of what is drawn: both even, with the strip below the picture.
    """

    def __init__(self, view: View, classes: Sequence[str], ground: Ground) -> None:
        if view.result.fused is None or view.result.timeline is None:
            raise ValueError("nothing was said of the clip, or not of its seconds")
        self._face = view.face
        self._timeline = view.result.timeline
        self._classes = tuple(classes)
        width, height, aspect = ground.width, ground.height, ground.aspect
        self._aspect, self._scale = aspect, ground.scale
        self._size = (width, height)
        self._above = f"whole clip: {_said(view.result, self._classes)}"
        all_width = _even(max(width, round(LEAST_WIDTH / aspect)))
        square_width = max(LEAST_WIDTH, round(all_width * aspect))
        self._strip = Strip(classes, square_width, letter_px(square_width, max(height, LEAST_WIDTH)))
        self._left = (all_width - width) // 4 * 2
        self.shape = (_even(height + self._strip.height), all_width)
        self._kept: dict[int | None, Picture] = {}

    def draw(self, picture: Picture, time_s: float) -> Picture:
        """Draw on one frame.

        Parameters
        ----------
        picture : np.ndarray [shape=(height, width, 3)], uint8
            Red, green and blue, upright; it is drawn into.
        time_s : float
            When it is shown, since the beginning of the file.

        Returns
        -------
        np.ndarray [shape=(*self.shape, 3)], uint8
            The picture, brought to the size of the first, and the strip.
        """
        second = self._second(time_s)
        posterior = None if second is None else self._timeline.fused[second]
        if posterior is not None and np.isnan(posterior).any():
            posterior = None
        box = self._face.at(time_s)
        if box is not None:
            best = None if posterior is None else likeliest(posterior)
            emotion = None if best is None else self._classes[best]
            said = None if posterior is None or best is None else f"{emotion} {percent(posterior[best])}"
            x, y, width, height = (self._scale * edge for edge in box)
            draw_face(picture, (x, y, width, height), emotion, said, aspect=self._aspect)
        if (picture.shape[1], picture.shape[0]) != self._size:  # it may change midway
            picture = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        whole = np.full((*self.shape, 3), GROUND, np.uint8)
        width, height = self._size
        whole[:height, self._left : self._left + width] = picture
        strip = self._strip_of(second, posterior)
        whole[height : height + len(strip)] = strip
        return whole

    def _second(self, time_s: float) -> int | None:
        """Give the second that a time is in; the first and the last have what a clock puts beyond them."""
        n = len(self._timeline.starts_s)
        return (
            min(max(0, int(np.searchsorted(self._timeline.starts_s, time_s, "right")) - 1), n - 1) if n else None
        )

    def _strip_of(self, second: int | None, posterior: NDArray[np.float64] | None) -> Picture:
        if second not in self._kept:
            square = self._strip.draw(posterior, self._above, self._below(second, posterior))
            size = (self.shape[1], len(square))
            strip = (
                square if square.shape[1] == size[0] else cv2.resize(square, size, interpolation=cv2.INTER_AREA)
            )
            self._kept = {second: strip.astype(np.uint8, copy=False)}  # frames come second by second
        return self._kept[second]

    def _below(self, second: int | None, posterior: NDArray[np.float64] | None) -> str:
        if second is None:
            return ""
        start_s = int(self._timeline.starts_s[second])
        clock = f"{start_s // 60}:{start_s % 60:02}"
        if posterior is None:
            return f"{clock} neither voice nor face"
        said = {name: getattr(self._timeline, name) for name in MODALITIES}
        there = [name for name, rows in said.items() if rows is not None and not np.isnan(rows[second]).any()]
        best = likeliest(posterior)
        return f"{clock} {self._classes[best]} {percent(posterior[best])} ({_rests_on(there)})"


def _said(result: Result, classes: Sequence[str]) -> str:
    if result.fused is None:
        return "no answer"
    there = [name for name in MODALITIES if getattr(result, name) is not None]
    best = likeliest(result.fused)
    return f"{classes[best]} {percent(result.fused[best])} ({_rests_on(there)})"


def _rests_on(there: Sequence[str]) -> str:
    """Say what an answer rests on; a joint network may give one where neither voice nor face does by itself.

    Examples
    --------
    >>> _rests_on(["face"]), _rests_on(["voice", "face"]), _rests_on(["voice", "face", "words"])
    ('face only', 'voice and face', 'voice, face and words')
    """
    if len(there) == 1:
        return f"{there[0]} only"
    return " and ".join(filter(None, (", ".join(there[:-1]), *there[-1:]))) or "voice and face"


def _even(n: int) -> int:
    return n + n % 2
