"""Draw on a frame what is said of it: a box and a label at the face, a strip of probabilities below."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mercli.charts.theme import DARK, EMOTION_COLOURS
from mercli.result import likeliest

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]

LEAST_WIDTH = 240
"""Of a strip, in square pixels: in less nothing can be read."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_PX = 21.0  # of its capitals, at scale 1
_SHARE = 0.028  # of the picture's shorter side, for capitals
_LETTER_PX = (9.0, 72.0)  # they are no smaller, and no larger
_BAR = 5  # letters' heights that a bar is long, at least
_BOLD_PX = 15.0  # smaller letters would run together
_LEAST_LETTER_PX = 6.0  # a label that had to be smaller is left out


def _rgb(colour: str) -> Colour:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue


COLOURS = {name: _rgb(colour) for name, colour in EMOTION_COLOURS.items()}
INK, QUIET, GRID, GROUND = map(_rgb, (DARK.ink, DARK.quiet, DARK.grid, DARK.ground))


def letter_px(width: int, height: int) -> float:
    """Give the height of capitals that can be read on a picture of this many square pixels."""
    least, most = _LETTER_PX
    return min(most, max(least, _SHARE * min(width, height)))


def percent(probability: float) -> str:
    """Write a probability.

    Examples
    --------
    >>> percent(0.625), percent(0.004)
    ('62%', '0%')
    """
    return f"{probability:.0%}"


@dataclass(frozen=True, slots=True)
class Bar:
    """Hold where in a strip a class is drawn.

    Parameters
    ----------
    emotion : str
        The class.
    left, right, top, bottom : int
        The bar at full length, in pixels of the strip.
    name_x, value_x, baseline : int
        Where its name and its value begin, and the line on which they stand.
    """

    emotion: str
    left: int
    right: int
    top: int
    bottom: int
    name_x: int
    value_x: int
    baseline: int


class Strip:
    """Draw the probabilities of all classes, each as a bar with its name and value, below two lines of text.

    Parameters
    ----------
    classes : sequence of str
        The classes.
    width : int
        Of the strip in square pixels, at least `LEAST_WIDTH`.
    letter_px : float
        The height of capitals.

    Attributes
    ----------
    height : int
        Of the strip.
    bars : tuple of Bar
        Where each class is drawn.
    """

    def __init__(self, classes: Sequence[str], width: int, letter_px: float) -> None:
        if width < LEAST_WIDTH:
            raise ValueError(f"a strip is at least {LEAST_WIDTH} pixels wide, not {width}")
        self._classes = tuple(classes)
        self._width = width
        # One column of the longest name, a bar and a value has to fit.
        names = max(_text_size(name, letter_px, bold=True)[0] for name in classes)
        self._letter_px = letter_px = min(letter_px, letter_px * 0.4 * width / names)
        pad = self._pad = max(4, round(letter_px * 0.8))
        self._line = round(letter_px * 1.9)
        names = max(_text_size(name, letter_px, bold=True)[0] for name in classes)
        values = _text_size("100%", letter_px, bold=True)[0]
        least = names + values + 3 * pad + round(_BAR * letter_px)
        n_columns = max(1, min(len(classes), (width - pad) // least))
        n_rows = math.ceil(len(classes) / n_columns)
        n_columns = math.ceil(len(classes) / n_rows)
        column = (width - pad) // n_columns
        self.bars = tuple(
            self._place(name, pad + i % n_columns * column, 2 + i // n_columns, names, column - values - 2 * pad)
            for i, name in enumerate(classes)
        )
        self.height = pad + (2 + n_rows) * self._line + pad // 2

    def _place(self, emotion: str, left: int, row: int, names: int, until: int) -> Bar:
        baseline = self._pad + row * self._line + round(self._letter_px)
        top = round(baseline - self._letter_px)
        begin, end = left + names + self._pad, left + until
        return Bar(emotion, begin, end, top, baseline + 1, left, end + self._pad, baseline)

    def draw(self, posterior: NDArray[np.float64] | None, above: str, below: str) -> Picture:
        """Draw it.

        Parameters
        ----------
        posterior : np.ndarray [shape=(n_classes,)] or None
            What the bars show; None for nothing.
        above, below : str
            Two lines of text.

        Returns
        -------
        np.ndarray [shape=(height, width, 3)], uint8
            Red, green and blue.
        """
        strip = np.full((self.height, self._width, 3), GROUND, np.uint8)
        room = self._width - 2 * self._pad
        for row, (text, colour) in enumerate(((above, INK), (below, QUIET))):
            fitting = self._letter_px * min(1.0, room / max(1, _text_size(text, self._letter_px)[0]))
            y = self._pad + row * self._line + round(self._letter_px)
            _write(strip, text, (self._pad, y), fitting, colour)
        top = None if posterior is None else likeliest(posterior)
        for i, bar in enumerate(self.bars):
            p = None if posterior is None else float(posterior[i])
            self._draw_bar(strip, bar, p, is_top=i == top)
        return strip

    def _draw_bar(self, strip: Picture, bar: Bar, p: float | None, *, is_top: bool) -> None:
        ink = INK if is_top else QUIET
        _write(strip, bar.emotion, (bar.name_x, bar.baseline), self._letter_px, ink, bold=is_top)
        if is_top:
            strip[bar.top - 1 : bar.bottom + 1, bar.left - 1 : bar.right + 1] = INK
        strip[bar.top : bar.bottom, bar.left : bar.right] = GRID
        if p is None:
            _write(strip, "-", (bar.value_x, bar.baseline), self._letter_px, QUIET)
            return
        strip[bar.top : bar.bottom, bar.left : bar.left + length(bar, p)] = COLOURS[bar.emotion]
        _write(strip, percent(p), (bar.value_x, bar.baseline), self._letter_px, ink, bold=is_top)


def length(bar: Bar, probability: float) -> int:
    """Give how many pixels of a bar a probability fills."""
    return round(min(1.0, max(0.0, probability)) * (bar.right - bar.left))


def draw_face(
    picture: Picture,
    box_px: tuple[float, float, float, float],
    emotion: str | None,
    text: str | None,
    *,
    aspect: float = 1.0,
) -> None:
    """Draw a box around a face and a label at it, into the picture.

    Parameters
    ----------
    picture : np.ndarray [shape=(height, width, 3)], uint8
        Red, green and blue.
    box_px : tuple of float
        Left and top edge, width and height, in square pixels.
    emotion : str or None
        Whose colour they have; None for that of ink.
    text : str or None
        What the label says; None for no label.
    aspect : float
        The width of the picture's pixels over their height.
    """
    height, width = picture.shape[:2]
    square_width = max(1, round(width * aspect))
    letters = letter_px(square_width, height)
    colour = INK if emotion is None else COLOURS[emotion]
    thick = max(2, round(letters / 7))  # of one pixel a coder would leave no colour
    x, y, box_width, box_height = box_px
    left, right = round(x / aspect), round((x + box_width) / aspect)
    top, bottom = round(y), round(y + box_height)
    # A dark rim, so that it is seen on any ground.
    for colour_, thickness in ((GROUND, thick + 2 * max(1, thick // 2)), (colour, thick)):
        cv2.rectangle(picture, (left, top), (right, bottom), colour_, thickness)
    label = None if text is None else _label(text, letters, colour, (square_width, height))
    if label is None:
        return
    if aspect != 1:
        narrowed = max(1, round(label.shape[1] / aspect))
        label = cv2.resize(label, (narrowed, label.shape[0]), interpolation=cv2.INTER_AREA).astype(np.uint8)
    # Above the box, else below it, else at the picture's own edge.
    at_y = top - len(label) - thick
    if at_y < 0:
        at_y = bottom + 2 * thick
    _paste(picture, label, left - thick, at_y)


def _label(text: str, letters: float, colour: Colour, room: tuple[int, int]) -> Picture | None:
    """Give a label that fits into a picture, or None where it could not be read."""
    for _ in range(2):
        text_width, text_height = _text_size(text, letters)
        pad = max(2, round(letters * 0.45))
        size = (text_width + 3 * pad, text_height + 2 * pad)
        fits = min(room[0] / size[0], room[1] / size[1])
        if fits >= 1:
            label = np.full((size[1], size[0], 3), GROUND, np.uint8)
            label[:, :pad] = colour
            _write(label, text, (2 * pad, pad + round(letters)), letters, INK)
            return label
        letters *= 0.95 * fits
        if letters < _LEAST_LETTER_PX:
            return None
    return None


def _paste(picture: Picture, patch: Picture, left: int, top: int) -> None:
    """Put a patch into a picture, moved so that all of it is seen."""
    height, width = picture.shape[:2]
    left = max(0, min(left, width - patch.shape[1]))
    top = max(0, min(top, height - patch.shape[0]))
    place = picture[top : top + patch.shape[0], left : left + patch.shape[1]]
    place[:] = patch[: place.shape[0], : place.shape[1]]


def _text_size(text: str, letters: float, *, bold: bool = False) -> tuple[int, int]:
    """Give the width of a text, and its height with what hangs below the line."""
    (width, _), _ = cv2.getTextSize(text, _FONT, letters / _FONT_PX, _thickness(letters, bold))
    return width, math.ceil(letters * 1.35)


def _thickness(letters: float, bold: bool) -> int:
    return max(1, round(letters / 11)) + (bold and letters >= _BOLD_PX)


def _write(
    picture: Picture, text: str, at: tuple[int, int], letters: float, colour: Colour, *, bold: bool = False
) -> None:
    scale, thickness = letters / _FONT_PX, _thickness(letters, bold)
    cv2.putText(picture, text, at, _FONT, scale, colour, thickness, cv2.LINE_AA)
