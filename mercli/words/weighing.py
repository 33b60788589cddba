"""How much words count beside voice and face: found on clips whose speakers voice and face did not know."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli.bundle import WordsPart
from mercli.fusion import join_words
from mercli.table import Table
from mercli.words.reader import Reader

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
"""Those that are tried."""

LEAST_TEXTS = 30
"""Different texts, at least, in a corpus that says something about words."""

_LEAST_SHARE = 0.25  # of the clips: in corpora of actors a few sentences are said with every emotion
_LEAST_PROBABILITY = 1e-6  # whose logarithm is taken


def plain(text: str) -> str:
    """Give a text without what does not make it another one: case, and all but letters and digits.

    Examples
    --------
    >>> plain("- Oh, REALLY?!")
    'oh really'
    """
    return " ".join("".join(c if c.isalnum() else " " for c in text.casefold()).split())


def weigh(
    part: WordsPart,
    table: Table,
    beside: NDArray[np.float64],
    classes: tuple[str, ...],
    refused: str | None = None,
) -> tuple[WordsPart, dict[str, Any]]:
    """Find how much words count.

    Parameters
    ----------
    part : WordsPart
        Trained elsewhere.
    table : Table
        Labelled clips.
    beside : np.ndarray [shape=(n_clips, n_classes)]
        What voice and face together say of each, by models that did not know the speaker; NaN for nothing.
    classes : tuple of str
        Their columns.
    refused : str or None
        Why it is not to be found on this table, where that is so.

    Returns
    -------
    part : WordsPart
        With the weight of the least loss, of equals the least; with its old one where nothing can be learnt of it.
    record : dict
        How it was found, or why it was not: JSON values.
    """
    spoken = np.array([clip.words is not None for clip in table.evidence], np.bool_)
    rows = np.flatnonzero(spoken & ~np.asarray(np.isnan(beside).any(axis=1)))
    texts = [words.text for i in rows if (words := table.evidence[i].words)]
    n_different = len(set(map(plain, texts)))
    if refused is None and (n_different < LEAST_TEXTS or n_different < _LEAST_SHARE * len(rows)):
        refused = f"{n_different} different texts in {len(rows)} clips say nothing about words"
    if refused is not None:
        return part, {"weight": part.weight, "weight_kept_because": refused}
    reader = Reader(part, classes)
    said = [reader.posterior(table.evidence[i].words) for i in rows]
    labels = [table.labels[i] for i in rows]
    losses = {weight: _loss(beside[rows], said, reader.prior, weight, labels, classes) for weight in WEIGHTS}
    best = min(WEIGHTS, key=lambda weight: losses[weight])
    compared = {f"{weight:g}": round(loss, 4) for weight, loss in losses.items()}
    return replace(part, weight=best), {"weight": best, "clips": len(rows), "compared_log_loss": compared}


def _loss(
    beside: NDArray[np.float64],
    said: Sequence[NDArray[np.float64] | None],
    prior: NDArray[np.float64],
    weight: float,
    labels: Sequence[str],
    classes: Sequence[str],
) -> float:
    """Give the mean of the classes' mean logarithmic losses."""
    losses: dict[str, list[float]] = {}
    for row, words, label in zip(beside, said, labels, strict=True):
        joined = join_words(row, words, prior, weight)
        probability = 0.0 if joined is None else joined[classes.index(label)]
        losses.setdefault(label, []).append(-float(np.log(max(probability, _LEAST_PROBABILITY))))
    return float(np.mean([np.mean(each) for each in losses.values()]))
