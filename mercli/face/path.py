"""Where a face was over time, in every frame and not only in those that were looked at."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SHORT_GAP_S = 0.5
"""A face that was not seen for longer was lost in between."""

_HOLD_S = 0.1  # how long a face stays where it was first or last seen: frames are looked at about as often


@dataclass(frozen=True, slots=True, eq=False)
class FacePath:
    """Hold where one face was seen.

    Parameters
    ----------
    times_s : np.ndarray of float64 [shape=(n,)]
        When, since the beginning of the file.
    boxes_px : np.ndarray of float32 [shape=(n, 4)]
        Where: left and top edge, width and height, in the square pixels of the picture, upright.

    Examples
    --------
    >>> boxes_px = np.array([[0, 0, 8, 8], [4, 0, 8, 8], [9, 9, 8, 8]], np.float32)
    >>> path = FacePath(np.array([0.0, 0.2, 2.0]), boxes_px)
    >>> path.at(0.1), path.at(1.0), path.at(1.95)
    ((2.0, 0.0, 8.0, 8.0), None, (9.0, 9.0, 8.0, 8.0))
    """

    times_s: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    boxes_px: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 4), np.float32))

    def __len__(self) -> int:
        return len(self.times_s)

    def at(self, time_s: float) -> tuple[float, float, float, float] | None:
        """Give the box at any time, or None where the face was not in sight.

        Between two sights that are no further apart than `SHORT_GAP_S` it is on the straight way from one to the
        other; where they are, it stays a tenth of a second at each.
        """
        after = int(np.searchsorted(self.times_s, time_s))
        before_s = self.times_s[after - 1] if after > 0 else -np.inf
        after_s = self.times_s[after] if after < len(self) else np.inf
        if after_s - before_s <= SHORT_GAP_S:
            weight = (time_s - before_s) / (after_s - before_s) if after_s > before_s else 1.0
            box = self.boxes_px[after - 1] + weight * (self.boxes_px[after] - self.boxes_px[after - 1])
        elif after_s - time_s <= _HOLD_S:
            box = self.boxes_px[after]
        elif time_s - before_s <= _HOLD_S:
            box = self.boxes_px[after - 1]
        else:
            return None
        x, y, width, height = map(float, box)
        return x, y, width, height
