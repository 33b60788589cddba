"""A grey picture, at its own size and at the smaller ones that are worked on."""

import math

import numpy as np
from numpy.typing import NDArray

_FULL_RANGE = np.clip(np.round((np.arange(256) - 16) * (255 / 219)), 0, 255).astype(np.uint8)
"""What a viewer sees of studio luma, which goes from 16 to 235."""


class Picture:
    """Hold a grey picture and its halvings, each made when it is first asked for.

    A halving is the mean of two by two pixels, for which OpenCV is many times as fast as for other means.

    Parameters
    ----------
    plane : np.ndarray [shape=(height, width)], uint8
        Upright, with square pixels; it is not copied.
    studio : bool
        Whether its levels go from 16 to 235, as those of most video do, and not from 0 to 255.

    Examples
    --------
    >>> import numpy as np
    >>> picture = Picture(np.full((90, 160), 235, np.uint8), studio=True)
    >>> half = picture.halved(1)
    >>> half.shape, half.plane[0, 0], half.shown(half.plane)[0, 0]
    ((45, 80), np.uint8(235), np.uint8(255))
    """

    def __init__(self, plane: NDArray[np.uint8], *, studio: bool = False) -> None:
        self.plane = plane
        self._studio = studio
        self._half: Picture | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.plane.shape
        return height, width

    def halved(self, times: int) -> "Picture":
        """Give it halved so many times.

        Where a pixel of that is, all is multiplied by 2**times here; an odd last row or column is left out.
        """
        if times == 0:
            return self
        if self._half is None:
            import cv2  # which a run without pictures never needs

            height, width = self.plane.shape[0] // 2, self.plane.shape[1] // 2
            even = self.plane[: 2 * height, : 2 * width]
            half = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            self._half = Picture(half, studio=self._studio)
        return self._half.halved(times - 1)

    def halvings(self, factor: float) -> int:
        """Say how often it can be halved so that it is no smaller than `factor` of its size.

        Examples
        --------
        >>> import numpy as np
        >>> [Picture(np.zeros((90, 160), np.uint8)).halvings(factor) for factor in (1.5, 0.6, 0.5, 0.2)]
        [0, 0, 1, 2]
        """
        most = min(self.shape).bit_length() - 1
        return min(most, max(0, math.floor(-math.log2(factor) + 1e-9)))

    def shown(self, luma: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Give a part of it, whatever was done with that, with levels of 0 to 255."""
        if not self._studio:
            return luma
        import cv2

        return cv2.LUT(luma, _FULL_RANGE).astype(np.uint8, copy=False)
