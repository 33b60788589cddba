"""How a clip's face becomes a vector: the network's contract and the statistics over frames."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

STATISTICS = ("mean", "std", "p90")


@dataclass(frozen=True, slots=True)
class FaceSpec:
    """Say how a face vector is made; a bundle records it.

    Parameters
    ----------
    classes : tuple of str
        The frame network's classes, in the order of its output.
    input_px : int
        The side of the grey square it takes.
    detector : str
        The detector that found the faces the clip classifier was trained on.
    """

    classes: tuple[str, ...]
    input_px: int = 48
    detector: str = "haar"

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a specification back; a ValueError or TypeError says what is not understood."""
        spec = cls(**{**data, "classes": tuple(data["classes"])})
        names = spec.classes
        if type(data["classes"]) is not list or not all(isinstance(name, str) for name in names):
            raise TypeError(f"classes {data['classes']!r} of the face network")
        if not names or len(set(names)) < len(names):
            raise ValueError(f"classes {names} of the face network")
        if type(spec.input_px) is not int or not 8 <= spec.input_px <= 1024:
            raise ValueError(f"input_px {spec.input_px!r}")
        if not isinstance(spec.detector, str):
            raise TypeError(f"detector {spec.detector!r}")
        return spec

    def to_json(self) -> dict[str, Any]:
        """Give the specification as plain JSON values."""
        return {**asdict(self), "classes": list(self.classes)}

    def vector_names(self) -> tuple[str, ...]:
        """Name the entries of a face vector, such as ``happy_p90``."""
        return tuple(f"{name}_{statistic}" for statistic in STATISTICS for name in self.classes)


def pool(posteriors: NDArray[np.float32] | Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Summarise frame posteriors over a clip.

    Parameters
    ----------
    posteriors : np.ndarray [shape=(n_frames, n_classes)]
        At least one row, one for each frame with a face.

    Returns
    -------
    np.ndarray [shape=(3 * n_classes,)]
        Per class the mean, then the deviation, then the 90th percentile: most frames of an emotional clip
        look neutral, and the upper tail keeps those that do not.
    """
    rows = np.asarray(posteriors, np.float64)
    statistics = (rows.mean(axis=0), rows.std(axis=0), np.percentile(rows, 90, axis=0))
    return np.concatenate(statistics).astype(np.float32)
