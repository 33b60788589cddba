"""From scores to probabilities: the softmax of scores over a temperature, and means of several."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mercli.classifiers.graph import Graph
from mercli.classifiers.rows import clip_means

_COLDEST, _HOTTEST = 1e-3, 1e4
_LEAST = 1e-300  # of a probability whose logarithm is taken


class Scorer(Protocol):
    """What a family of classifiers trains: one score a class, the larger the likelier."""

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Give the classes, sorted [shape=(n_classes,)]."""

    @property
    def n_features(self) -> int:
        """Give the length of a vector."""

    def scores(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score vectors [shape=(n, n_features)] for every class [shape=(n, n_classes)]."""

    def add_scores(self, graph: Graph) -> str:
        """Add the scores to a graph and give their name."""


class Estimator(Protocol):
    """What is trained, as scikit-learn has it, and what it takes to write it as ONNX."""

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Give the classes, sorted [shape=(n_classes,)]."""

    @property
    def n_features(self) -> int:
        """Give the length of a vector."""

    @property
    def settings(self) -> dict[str, Any]:
        """Give what the search chose, as JSON values."""

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give posteriors [shape=(n, n_classes)] of vectors [shape=(n, n_features)]."""

    def add_posteriors(self, graph: Graph) -> str:
        """Add the posteriors to a graph and give their name."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibrated:
    """Hold a classifier whose probabilities are the softmax of its scores over a temperature.

    Parameters
    ----------
    scorer : Scorer
        Gives the scores.
    temperature : float
        Over 1 makes it less sure. The order of a row's classes stays.
    chosen : mapping
        The setting it was trained with.
    """

    scorer: Scorer
    temperature: float
    chosen: Mapping[str, float]

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Give the classes, sorted [shape=(n_classes,)]."""
        return self.scorer.classes_

    @property
    def n_features(self) -> int:
        """Give the length of a vector."""
        return self.scorer.n_features

    @property
    def settings(self) -> dict[str, Any]:
        """Give what the search chose, as JSON values."""
        return {**self.chosen, "temperature": round(self.temperature, 4)}

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give posteriors [shape=(n, n_classes)] of vectors [shape=(n, n_features)]."""
        return softmax(self.scorer.scores(X) / self.temperature)

    def add_posteriors(self, graph: Graph) -> str:
        """Add the posteriors to a graph and give their name."""
        cooled = graph.add("Div", self.scorer.add_scores(graph), graph.constant(np.array(self.temperature)))
        return graph.add("Softmax", cooled, axis=-1)


@dataclass(frozen=True, slots=True, eq=False)
class Average:
    """Hold several classifiers of the same classes, whose posteriors are averaged.

    Parameters
    ----------
    members : dict of str to Estimator
        By name.
    """

    members: dict[str, Estimator]

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Give the classes, sorted [shape=(n_classes,)]."""
        return next(iter(self.members.values())).classes_

    @property
    def n_features(self) -> int:
        """Give the length of a vector."""
        return next(iter(self.members.values())).n_features

    @property
    def settings(self) -> dict[str, Any]:
        """Give what the search chose, as JSON values."""
        return {name: member.settings for name, member in self.members.items()}

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give posteriors [shape=(n, n_classes)] of vectors [shape=(n, n_features)]."""
        mean: NDArray[np.float64] = np.mean([member.predict_proba(X) for member in self.members.values()], axis=0)
        return mean

    def add_posteriors(self, graph: Graph) -> str:
        """Add the posteriors to a graph and give their name."""
        total = graph.add("Sum", *(member.add_posteriors(graph) for member in self.members.values()))
        return graph.add("Div", total, graph.constant(np.array(float(len(self.members)))))


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn scores [shape=(n, n_classes)] into probabilities; a score of minus infinity is none."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = raised / raised.sum(axis=1, keepdims=True)
    return probabilities


def fit_temperature(scores: NDArray[np.float64], truth: NDArray[np.int_], clips: NDArray[np.int_]) -> float:
    """Find the temperature at which clips that were not learnt from are judged with the right confidence.

    It minimises the log loss of the clips' mean posteriors, every class with the same say (Guo and others, "On
    Calibration of Modern Neural Networks", 2017). As in Platt's method the truth is a little smoothed, as though
    for every class one clip more had been heard that was as much any other: what a small corpus separates without
    a mistake is not taken for certain.

    Parameters
    ----------
    scores : np.ndarray [shape=(n, n_classes)]
        Of rows of clips that were held out.
    truth : np.ndarray of int [shape=(n,)]
        The column of each row's class.
    clips : np.ndarray of int [shape=(n,)]
        Which clip each row belongs to.

    Returns
    -------
    float
        Over 0.
    """
    _, first = np.unique(clips, return_index=True)
    n_classes, truth = scores.shape[1], truth[first]
    count = np.bincount(truth, minlength=n_classes)
    smoothing = n_classes / (len(truth) + n_classes)
    target = np.full((len(truth), n_classes), smoothing / n_classes)
    target[np.arange(len(truth)), truth] += 1 - smoothing
    target /= count[truth][:, np.newaxis]

    def loss(temperature: float) -> float:
        said = clip_means(softmax(scores / temperature), clips)
        return -float((target * np.log(np.maximum(said, _LEAST))).sum())

    low, high = _COLDEST, _HOTTEST
    for _ in range(4):  # each narrows the factor between neighbours: 3.2, 1.2, 1.02, 1.003
        tried = np.geomspace(low, high, 15)
        best = int(np.argmin([loss(temperature) for temperature in tried]))
        low, high = tried[max(0, best - 1)], tried[min(14, best + 1)]
    return float(tried[best])
