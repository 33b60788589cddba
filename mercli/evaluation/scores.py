"""How good posteriors are: accuracy, macro-F1, UAR, confusion, calibration, and their spread over speakers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_DRAWS = 2000
_BINS = 10  # of probability, for calibration
_DIGITS = 6  # of what is written: it is rounded again where it is shown


RATES = ("accuracy", "macro_f1", "uar")
"""The rates that come with an interval."""


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Hold how one class fares: None for a rate that nothing was counted for.

    Parameters
    ----------
    precision, recall, f1 : float or None
        Of the answers that name the class, those that are right; of its clips, those that are found; the harmonic
        mean of both.
    support : int
        Its clips.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True, slots=True)
class Bin:
    """Hold the answers of a range of probability, in which there is at least one.

    Parameters
    ----------
    low, high : float
        The range of the answer's probability.
    n : int
        Answers in it.
    confidence, accuracy : float
        The mean probability of these answers, and how often they are right: the same where they are calibrated.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Hold what one model scored on speakers it never saw.

    Parameters
    ----------
    n : int
        Clips judged.
    n_speakers : int
        Speakers they come from.
    accuracy, macro_f1, uar : float
        UAR is the mean of the classes' recalls; both means run over the classes that occur.
    ece : float
        Expected calibration error: how far the probability of the answer is from how often it is right, on average
        over answers in ten bins of probability (Guo and others, 2017). Of few clips it is over 0 by chance alone.
    intervals : dict of str to (float, float)
        For each of the first three, the 95 % bootstrap interval over speakers.
    confusion : tuple of tuple of int
        Rows are true classes, columns predicted ones.
    classes : tuple of str
        Their names.
    calibration : tuple of Bin
        The curve behind `ece`.
    """

    n: int
    n_speakers: int
    accuracy: float
    macro_f1: float
    uar: float
    ece: float
    intervals: dict[str, tuple[float, float]]
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[str, ...]
    calibration: tuple[Bin, ...] = ()

    @property
    def per_class(self) -> dict[str, ClassScores]:
        """Give precision, recall and F1 of every class that occurs or was answered."""
        matrix = np.array(self.confusion)
        found = {}
        for i, name in enumerate(self.classes):
            right, support, answers = int(matrix[i, i]), int(matrix[i].sum()), int(matrix[:, i].sum())
            if support or answers:
                found[name] = ClassScores(
                    precision=right / answers if answers else None,
                    recall=right / support if support else None,
                    f1=2 * right / (support + answers) if support else None,
                    support=support,
                )
        return found

    def to_json(self) -> dict[str, Any]:
        """Give plain JSON values, with digits enough to be rounded again."""
        return {
            "n": self.n,
            "n_speakers": self.n_speakers,
            **{name: round(getattr(self, name), _DIGITS) for name in (*RATES, "ece")},
            "intervals_95": {name: [round(v, _DIGITS) for v in ends] for name, ends in self.intervals.items()},
            "classes": list(self.classes),
            "confusion": [list(row) for row in self.confusion],
            "per_class": {name: _rounded(asdict(each)) for name, each in self.per_class.items()},
            "calibration": [_rounded(asdict(each)) for each in self.calibration],
        }


def score(
    posteriors: NDArray[np.float64],
    labels: Sequence[str],
    speakers: Sequence[str],
    classes: Sequence[str],
    *,
    seed: int = 0,
) -> Scores:
    """Score posteriors against labels.

    Parameters
    ----------
    posteriors : np.ndarray [shape=(n, n_classes)]
        Rows of NaN were not judged and do not count.
    labels, speakers : sequence of str
        One each a row.
    classes : sequence of str
        The columns' names.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Scores
        Over the rows that were judged.

    Raises
    ------
    ValueError
        If no row was judged.
    """
    judged = ~np.isnan(posteriors).any(axis=1)
    if not judged.any():
        raise ValueError("nothing was judged")
    truth = np.array([classes.index(label) for label in labels])[judged]
    answer = posteriors[judged].argmax(axis=1)
    who, of_speaker = np.unique(np.asarray(speakers)[judged], return_inverse=True)
    n_classes = len(classes)
    # One confusion matrix a speaker: a bootstrap draw of speakers is then a weighted sum of them.
    matrices = np.zeros((len(who), n_classes, n_classes))
    np.add.at(matrices, (of_speaker, truth, answer), 1)
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(who), np.full(len(who), 1 / len(who)), size=_DRAWS)
    drawn = rates(np.tensordot(weights, matrices, axes=1))
    whole = rates(matrices.sum(axis=0)[np.newaxis])
    intervals = {
        name: (float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5)))
        for name, values in drawn.items()
    }
    confusion = matrices.sum(axis=0).astype(int)
    return Scores(
        n=int(judged.sum()),
        n_speakers=len(who),
        accuracy=float(whole["accuracy"][0]),
        macro_f1=float(whole["macro_f1"][0]),
        uar=float(whole["uar"][0]),
        ece=calibration_error(posteriors[judged], truth),
        calibration=calibration_curve(posteriors[judged], truth),
        intervals=intervals,
        confusion=tuple(tuple(int(v) for v in row) for row in confusion),
        classes=tuple(classes),
    )


def calibration_error(posteriors: NDArray[np.float64], truth: NDArray[np.int_]) -> float:
    """Give the expected calibration error.

    Parameters
    ----------
    posteriors : np.ndarray [shape=(n, n_classes)]
        At least one row.
    truth : np.ndarray of int [shape=(n,)]
        The column of each row's class.

    Returns
    -------
    float
        0 to 1.
    """
    curve = calibration_curve(posteriors, truth)
    return float(sum(each.n * abs(each.confidence - each.accuracy) for each in curve) / len(truth))


def calibration_curve(posteriors: NDArray[np.float64], truth: NDArray[np.int_]) -> tuple[Bin, ...]:
    """Sort answers into bins by their probability, and say how often they are right; see `calibration_error`."""
    sure = posteriors.max(axis=1)
    right = posteriors.argmax(axis=1) == truth
    bins = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    return tuple(
        Bin(
            i / _BINS,
            (i + 1) / _BINS,
            int((bins == i).sum()),
            float(sure[bins == i].mean()),
            float(right[bins == i].mean()),
        )
        for i in np.unique(bins).tolist()
    )


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    return {name: round(v, _DIGITS) if isinstance(v, float) else v for name, v in values.items()}


def rates(matrices: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Give the rates of confusion matrices [n, classes, classes]; means run over classes that occur."""
    right = np.diagonal(matrices, axis1=1, axis2=2)
    true, said = matrices.sum(axis=2), matrices.sum(axis=1)
    occurs = true > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(occurs, right / true, 0.0)
        f1 = np.where(occurs, 2 * right / (true + said), 0.0)
    count = np.maximum(1, occurs.sum(axis=1))
    return {
        "accuracy": right.sum(axis=1) / np.maximum(1, true.sum(axis=1)),
        "macro_f1": f1.sum(axis=1) / count,
        "uar": recall.sum(axis=1) / count,
    }
