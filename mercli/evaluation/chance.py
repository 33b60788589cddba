"""What would be scored by chance: by always the same answer, and by answers to labels dealt out anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli.evaluation.scores import RATES, Scores, rates, score

_DRAWS = 1000


@dataclass(frozen=True, slots=True)
class Permuted:
    """Hold what the same answers score against labels that were dealt out anew, many times.

    Parameters
    ----------
    n, n_speakers : int
        Clips, and their speakers.
    mean : dict of str to float
        Of each rate.
    intervals : dict of str to (float, float)
        Between which 95 % of the draws lie.
    p_value : dict of str to float
        How often chance does as well as the answers did, the answers themselves counted as one draw.
    """

    n: int
    n_speakers: int
    mean: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    p_value: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            "n": self.n,
            "n_speakers": self.n_speakers,
            **{name: round(value, 6) for name, value in self.mean.items()},
            "intervals_95": {name: [round(v, 6) for v in ends] for name, ends in self.intervals.items()},
            "p_value": {name: round(value, 6) for name, value in self.p_value.items()},
        }


def majority(labels: Sequence[str], speakers: Sequence[str], classes: Sequence[str]) -> Scores:
    """Score whoever always answers the class that occurs most; of several, the first in order."""
    most = max(classes, key=labels.count)
    said = np.tile([float(name == most) for name in classes], (len(labels), 1))
    return score(said, labels, speakers, classes)


def permuted(
    posteriors: NDArray[np.float64],
    labels: Sequence[str],
    speakers: Sequence[str],
    classes: Sequence[str],
    *,
    clips: Sequence[int] | NDArray[np.int_] | None = None,
    seed: int = 0,
) -> Permuted:
    """Score answers against labels that are dealt out anew among each speaker's clips.

    Where no speaker has clips of two classes they are dealt out among all.

    Parameters
    ----------
    posteriors : np.ndarray [shape=(n, n_classes)]
        Rows of NaN were not judged and do not count; at least one was.
    labels, speakers : sequence of str
        One each a row.
    classes : sequence of str
        The columns' names.
    clips : sequence of int, optional
        Which clip each row is about: rows of one clip keep one label. Without it each is a clip of its own.
    seed : int
        Of the draws.

    Returns
    -------
    Permuted
        Over 1000 draws.
    """
    judged = np.flatnonzero(~np.isnan(posteriors).any(axis=1))
    answers = posteriors[judged].argmax(axis=1)
    truth = np.array([classes.index(label) for label in labels])[judged]
    _, who = np.unique(np.asarray(speakers)[judged], return_inverse=True)
    own = judged if clips is None else np.asarray(clips)[judged]
    _, first, clip = np.unique(own, return_index=True, return_inverse=True)
    among, dealt = who[first], truth[first]
    if len(set(zip(among.tolist(), dealt.tolist(), strict=True))) == len(set(among.tolist())):
        among = np.zeros_like(among)
    rng = np.random.default_rng(seed)
    by_group = np.argsort(among, kind="stable")
    matrices = np.zeros((_DRAWS + 1, len(classes), len(classes)))
    np.add.at(matrices[0], (truth, answers), 1)
    for matrix in matrices[1:]:
        # Sorted by group and, within one, at random: the labels of a group stay in it.
        shuffled = np.empty_like(dealt)
        shuffled[by_group] = dealt[np.lexsort((rng.random(len(dealt)), among))]
        np.add.at(matrix, (shuffled[clip], answers), 1)
    found = rates(matrices)
    drawn = {name: found[name][1:] for name in RATES}
    return Permuted(
        n=len(truth),
        n_speakers=len(set(who.tolist())),
        mean={name: float(values.mean()) for name, values in drawn.items()},
        intervals={
            name: (float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5)))
            for name, values in drawn.items()
        },
        p_value={name: float((1 + (drawn[name] >= found[name][0]).sum()) / (1 + _DRAWS)) for name in RATES},
    )
