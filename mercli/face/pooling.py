"""From the frames of a face to the vector that a clip's classifier is asked about."""

import math

import numpy as np
from numpy.typing import NDArray

from mercli.face.frames import FaceFrames
from mercli.face.spec import FaceSpec

STRETCH_S = 10.0
"""A longer clip is pooled in stretches of at most this length, whose answers are averaged."""

STATISTICS = ("mean", "std", "p90")


def vector_names(spec: FaceSpec) -> tuple[str, ...]:
    """Name the entries of a face vector, such as ``happy_p90``."""
    return tuple(f"{name}_{statistic}" for statistic in STATISTICS for name in spec.classes)


def pool(frames: FaceFrames, spec: FaceSpec) -> NDArray[np.float32]:
    """Describe the face of a clip.

    Parameters
    ----------
    frames : FaceFrames
        At least one.
    spec : FaceSpec
        How.

    Returns
    -------
    np.ndarray [shape=(n_stretches, n_features)]
        A row a stretch, named by `vector_names`.
    """
    del spec
    return np.stack([_statistics(part.posteriors) for part in stretches(frames)]).astype(np.float32)


def stretches(frames: FaceFrames) -> list[FaceFrames]:
    """Divide frames by their times into stretches of equal length, leaving out those without a face."""
    start_s, end_s = float(frames.times_s[0]), float(frames.times_s[-1])
    count = max(1, math.ceil((end_s - start_s) / STRETCH_S))
    edges_s = np.linspace(start_s, end_s, count + 1)[1:-1]
    ends = [*np.searchsorted(frames.times_s, edges_s), len(frames)]
    starts = [0, *ends[:-1]]
    return [frames.take(slice(a, b)) for a, b in zip(starts, ends, strict=True) if b > a]


def _statistics(posteriors: NDArray[np.float32]) -> NDArray[np.float64]:
    rows = posteriors.astype(np.float64)
    return np.concatenate((rows.mean(axis=0), rows.std(axis=0), np.percentile(rows, 90, axis=0)))
