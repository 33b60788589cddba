"""Where a face is: a box in a picture, and the crop a network sees of it."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray


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
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        common = width * height
        return common / (self.area + other.area - common)

    def between(self, other: "Box", weight: float) -> "Box":
        """Give the box `weight` of the way (0 to 1) from this one to another."""
        return Box(*(a + weight * (b - a) for a, b in zip(self, other, strict=True)))


def crop(luma: NDArray[np.uint8], box: Box, *, margin: float, size_px: int) -> NDArray[np.uint8]:
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

    Returns
    -------
    np.ndarray [shape=(size_px, size_px)], uint8
        The crop; beyond the picture its edge pixels repeat.
    """
    side = max(1, round(box.side * margin))
    left = round(box.x + box.width / 2 - side / 2)
    top = round(box.y + box.height / 2 - side / 2)
    height, width = luma.shape
    rows = np.clip(np.arange(top, top + side), 0, height - 1)
    columns = np.clip(np.arange(left, left + side), 0, width - 1)
    square = luma[rows[:, np.newaxis], columns]
    interpolation = cv2.INTER_AREA if side > size_px else cv2.INTER_LINEAR
    return cv2.resize(square, (size_px, size_px), interpolation=interpolation).astype(np.uint8, copy=False)
