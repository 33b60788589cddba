"""Where a face is: a box in a picture, and the crop a network sees of it."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

_AT_THE_EDGE = 0.5  # what a face in the picture's corner counts against one in its middle


class Box(NamedTuple):
    """Hold an upright rectangle in pixels: left and top edge, width and height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def area(self) -> float:
        """Give the area in square pixels."""
        return self.width * self.height

    @property
    def side(self) -> float:
        """Give the longer side in pixels."""
        return max(self.width, self.height)

    def scaled(self, factor: float) -> "Box":
        """Give the same box in a picture `factor` times as large."""
        return Box(self.x * factor, self.y * factor, self.width * factor, self.height * factor)

    def moved(self, dx: float, dy: float) -> "Box":
        """Give the box moved by `dx` and `dy` pixels."""
        return Box(self.x + dx, self.y + dy, self.width, self.height)

    def overlap(self, other: "Box") -> float:
        """Give intersection over union, 0 to 1.

        Examples
        --------
        >>> Box(0, 0, 2, 2).overlap(Box(1, 0, 2, 2))
        0.3333333333333333
        """
        common = self.common(other)
        return common / (self.area + other.area - common) if common else 0.0

    def common(self, other: "Box") -> float:
        """Give the area in square pixels that both boxes cover."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return width * height if width > 0 and height > 0 else 0.0

    def centre(self) -> tuple[float, float]:
        """Give the middle."""
        return self.x + self.width / 2, self.y + self.height / 2

    def distance(self, other: "Box") -> float:
        """Give the distance between the middles in pixels."""
        return math.dist(self.centre(), other.centre())

    def between(self, other: "Box", weight: float) -> "Box":
        """Give the box `weight` of the way (0 to 1) from this one to another."""
        return Box(*(a + weight * (b - a) for a, b in zip(self, other, strict=True)))


def prominence(box: Box, shape: tuple[int, ...]) -> float:
    """Say how much a face in one frame counts towards being the main one.

    It is the box's longer side in shares of the picture's shorter side, times a weight that falls from 1 in the
    middle of the picture to a half in its corners.

    Parameters
    ----------
    box : Box
        The face.
    shape : tuple of int
        Height and width of the picture.

    Returns
    -------
    float
        0 or more.

    Examples
    --------
    >>> prominence(Box(110, 70, 100, 100), (240, 320))
    0.4166666666666667
    >>> round(prominence(Box(220, 140, 100, 100), (240, 320)), 3)
    0.281
    """
    height, width = shape
    x, y = box.centre()
    away = min(1.0, math.dist((x, y), (width / 2, height / 2)) / (math.hypot(width, height) / 2))
    return box.side / min(width, height) * (1 - (1 - _AT_THE_EDGE) * away)


def part_about(luma: NDArray[np.uint8], box: Box, reach: float) -> tuple[NDArray[np.uint8], int, int]:
    """Give the part of a picture that a box and what is about it cover.

    Parameters
    ----------
    luma : np.ndarray [shape=(height, width)], uint8
        The picture.
    box : Box
        It may reach over the edge, or lie beyond it.
    reach : float
        How far the part goes beyond the box, in box sides.

    Returns
    -------
    part : np.ndarray [shape=(part_height, part_width)], uint8
        A view of the picture; empty where the box is beyond it.
    left, top : int
        Where in the picture it begins.
    """
    away = box.side * reach
    left, top = max(0, int(box.x - away)), max(0, int(box.y - away))
    right, bottom = int(box.x + box.width + away) + 1, int(box.y + box.height + away) + 1
    return luma[top : max(0, bottom), left : max(0, right)], left, top


def crop(
    luma: NDArray[np.uint8], box: Box, *, margin: float, size_px: int, roll_deg: float = 0.0
) -> NDArray[np.uint8]:
    """Cut the square around a face, scaled to a network's input.

    Parameters
    ----------
    luma : np.ndarray [shape=(height, width)], uint8
        The picture.
    box : Box
        The face in it; it may reach over the edge.
    margin : float
        The side of the square as a multiple of the box's longer side.
    size_px : int
        The side of the result in pixels.
    roll_deg : float
        How far the face is turned clockwise in the picture; the square is turned with it, so that in the crop the
        eyes are level.

    Returns
    -------
    np.ndarray [shape=(size_px, size_px)], uint8
        The crop; beyond the picture its edge pixels repeat.
    """
    side = max(1, round(box.side * margin))
    x, y = box.centre()
    left, top = round(x - side / 2), round(y - side / 2)
    if not roll_deg:
        return _scaled(_square(luma, left, top, side), size_px)
    angle = math.radians(roll_deg)
    reach = math.ceil(side * (abs(math.sin(angle)) + abs(math.cos(angle))) / 2 - side / 2) + 1
    around = _square(luma, left - reach, top - reach, side + 2 * reach)
    # Turning blurs a little: at twice the size or more that is gone once the crop is scaled down.
    turned_px = min(side, 2 * size_px)
    around = _scaled(around, max(1, round(len(around) * turned_px / side)))
    middle = (len(around) - 1) / 2
    turn = cv2.getRotationMatrix2D((middle, middle), roll_deg, 1.0) + np.array([[0, 0, 1], [0, 0, 1]]) * (
        (turned_px - 1) / 2 - middle
    )
    turned = cv2.warpAffine(around, turn, (turned_px, turned_px), borderMode=cv2.BORDER_REPLICATE)
    return _scaled(turned.astype(np.uint8, copy=False), size_px)


def _square(luma: NDArray[np.uint8], left: int, top: int, side: int) -> NDArray[np.uint8]:
    height, width = luma.shape
    if left >= 0 and top >= 0 and left + side <= width and top + side <= height:
        return luma[top : top + side, left : left + side]
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    return luma[rows[:, np.newaxis], columns]


def _scaled(square: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    interpolation = cv2.INTER_AREA if len(square) > size_px else cv2.INTER_LINEAR
    return cv2.resize(square, (size_px, size_px), interpolation=interpolation).astype(np.uint8, copy=False)
