"""From the frames of a face to the vector that a clip's classifier is asked about."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli.face.frames import FaceFrames
from mercli.face.spec import MEAN, RECURRENT, FaceSpec

STRETCH_S = 10.0
"""A longer clip is pooled in stretches of at most this length, whose answers are averaged."""

STEPS = 24
"""The length of the sequence that a recurrent network is given of a stretch."""

_FLOOR = 1e-3  # of a probability whose logarithm is taken
_FASTEST_S = 0.02  # between two frames, where the clock says less

_OF_POSTERIORS = ("mean", "std", "p25", "p75", "top", "slope", "raised")
_OF_EMBEDDINGS = ("mean", "std", "change")
_OF_PLACE = ("std", "change")
_PLACE = ("x", "y", "size")


def vector_names(spec: FaceSpec) -> tuple[str, ...]:
    """Name the entries of a face vector, such as ``happy_top``, ``look_3_change`` and ``x_std``.

    Parameters
    ----------
    spec : FaceSpec
        How frames are pooled.

    Returns
    -------
    tuple of str
        Pooled by ``mean``: each class. By ``stats``: of each class' log probability the mean, deviation,
        quartiles, mean of its highest quarter, slope over the stretch, and by how much its mean is over that in
        the quarter of frames that look most neutral; of each value of the embedding, and of where and how large
        the face is (in sides of its box, from the median), deviation and mean change a second, of the embedding
        the mean too. By ``recurrent``: all of these contours at `STEPS` times, time after time.
    """
    if spec.pooling == MEAN:
        return spec.classes
    contours = (*spec.classes, *(f"look_{i}" for i in range(spec.embedding_size)), *_PLACE)
    if spec.pooling == RECURRENT:
        return tuple(f"{name}_{step}" for step in range(STEPS) for name in contours)
    return tuple(
        f"{name}_{statistic}"
        for names, statistics in _blocks(contours, spec)
        for statistic in statistics
        for name in names
    )


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
    return np.stack([_describe(part, spec) for part in stretches(frames)]).astype(np.float32)


def stretches(frames: FaceFrames) -> list[FaceFrames]:
    """Divide frames by their times into stretches of equal length, leaving out those without a face."""
    # The clock of a broken file may be set back.
    frames = replace(frames, times_s=np.maximum.accumulate(frames.times_s))
    start_s, end_s = float(frames.times_s[0]), float(frames.times_s[-1])
    count = max(1, math.ceil((end_s - start_s) / STRETCH_S))
    # It may also leap ahead by years: there are as many stretches as frames at most.
    which = np.floor((frames.times_s - start_s) * (count / max(end_s - start_s, STRETCH_S)))
    starts = np.flatnonzero(np.diff(np.minimum(which, count - 1), prepend=-1))
    ends = [*starts[1:], len(frames)]
    return [frames.take(slice(a, b)) for a, b in zip(starts, ends, strict=True)]


def _describe(frames: FaceFrames, spec: FaceSpec) -> NDArray[np.float64]:
    if spec.pooling == MEAN:
        mean: NDArray[np.float64] = frames.posteriors.mean(axis=0, dtype=np.float64)
        return mean
    contours = _contours(frames)
    if spec.pooling == RECURRENT:
        return _resampled(contours, frames.times_s).ravel()
    neutral = _most_neutral(frames.posteriors, spec)
    return np.concatenate(
        [
            _statistic(name, part, frames.times_s, neutral)
            for part, names in _blocks(contours.T, spec)
            for name in names
        ]
    )


def _contours(frames: FaceFrames) -> NDArray[np.float64]:
    """Give log posteriors, embedding and place of each frame [n, n_classes + embedding_size + 3]."""
    x, y, width, height = frames.boxes_px.astype(np.float64).T
    side = np.maximum(width, height)
    unit = max(float(np.median(side)), 1.0)
    middle = np.stack((x + width / 2, y + height / 2, side), axis=1) / unit
    place = middle - np.median(middle, axis=0)
    surprise = np.log(np.maximum(frames.posteriors.astype(np.float64), _FLOOR))
    return np.concatenate((surprise, frames.embeddings.astype(np.float64), place), axis=1)


def _blocks(contours: Sequence[str] | NDArray[np.float64], spec: FaceSpec) -> list[tuple[Any, tuple[str, ...]]]:
    """Divide contours by what is told of them."""
    n, end = len(spec.classes), len(spec.classes) + spec.embedding_size
    of_posteriors = _OF_POSTERIORS if "neutral" in spec.classes else _OF_POSTERIORS[:-1]
    blocks = ((contours[:n], of_posteriors), (contours[n:end], _OF_EMBEDDINGS), (contours[end:], _OF_PLACE))
    return [block for block in blocks if len(block[0])]


def _most_neutral(posteriors: NDArray[np.float32], spec: FaceSpec) -> NDArray[np.int_]:
    if "neutral" not in spec.classes:
        return np.arange(len(posteriors))
    order = np.argsort(-posteriors[:, spec.classes.index("neutral")], kind="stable")
    return order[: _quarter(len(posteriors))]


def _quarter(n_frames: int) -> int:
    return -(-n_frames // 4)


def _statistic(
    name: str, contours: NDArray[np.float64], times_s: NDArray[np.float64], neutral: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Tell one thing of contours [n_contours, n_frames]."""
    result: NDArray[np.float64]
    if name == "mean":
        result = contours.mean(axis=1)
    elif name == "std":
        result = contours.std(axis=1)
    elif name in ("p25", "p75"):
        result = np.percentile(contours, int(name[1:]), axis=1)
    elif name == "top":
        result = np.sort(contours, axis=1)[:, -_quarter(contours.shape[1]) :].mean(axis=1)
    elif name == "slope":  # from one end of the stretch to the other
        span_s = times_s[-1] - times_s[0]
        place = (times_s - times_s.mean()) / span_s if span_s > 0 else np.zeros(len(times_s))
        result = contours @ place / max(float(place @ place), 1.0)  # of a few frames it is drawn to 0
    elif name == "change":
        steps_s = np.maximum(np.diff(times_s), _FASTEST_S)
        speed = np.abs(np.diff(contours, axis=1)) / steps_s
        result = speed.mean(axis=1) if len(steps_s) else np.zeros(len(contours))
    else:  # raised over the clip's own neutral face
        result = contours.mean(axis=1) - contours[:, neutral].mean(axis=1)
    return result


def _resampled(contours: NDArray[np.float64], times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give contours [n, n_contours] at `STEPS` times from the first frame to the last."""
    times_s = np.round(times_s, 6)  # frames closer than that are at one time: their slope may know no bounds
    wanted_s = np.linspace(times_s[0], times_s[-1], STEPS)
    return np.stack([np.interp(wanted_s, times_s, contour) for contour in contours.T], axis=1)
