"""Timelines as a page carries them: a byte a probability, few enough steps to draw."""

import base64
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli.charts.timeline import ROWS
from mercli.tables import Row

STEPS = 300
"""Of a longer clip several seconds are one step, which has their mean."""

SCALE = 250
"""A probability of 1, as a byte."""

MISSING = 255


def pack(rows: Sequence[Row], classes: Sequence[str], prefixes: Iterable[str] = ROWS) -> dict[str, Any]:
    """Pack the seconds of a clip.

    Parameters
    ----------
    rows : sequence of dict
        Of a timeline's table, one a second, in order.
    classes : sequence of str
        The bundle's classes.
    prefixes : iterable of str
        What the columns of what is packed begin with.

    Returns
    -------
    dict
        ``start``, ``step`` and ``end`` in seconds, and ``bytes``: in base64, for each step and each of the
        prefixes the index of the likeliest class and the probability of each class; see `SCALE` and `MISSING`.
    """
    names = [[f"{prefix}_{name}" for name in classes] for prefix in prefixes]
    said = np.array([[[row[name] for name in of] for of in names] for row in rows], np.float64)
    step = math.ceil(len(rows) / STEPS)
    said = _pooled(said, step)
    missing: NDArray[np.bool_] = np.asarray(np.isnan(said).any(axis=2))
    likeliest = np.where(missing, MISSING, np.where(np.isnan(said), 0.0, said).argmax(axis=2))
    codes = np.where(missing[..., np.newaxis], MISSING, np.round(np.nan_to_num(said) * SCALE))
    packed = np.concatenate((likeliest[..., np.newaxis], codes), axis=2).astype(np.uint8)
    return {
        "start": rows[0]["start_s"],
        "step": step,
        "end": rows[-1]["end_s"],
        "bytes": base64.b64encode(packed.tobytes()).decode("ascii"),
    }


def _pooled(said: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Give the means of so many seconds each, of those that say something."""
    if step == 1:
        return said
    padded = np.full((-(-len(said) // step) * step, *said.shape[1:]), np.nan)
    padded[: len(said)] = said
    grouped = padded.reshape(-1, step, *said.shape[1:])
    there = ~np.isnan(grouped)
    count = there.sum(axis=1)
    total = np.where(there, grouped, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
