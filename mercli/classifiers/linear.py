"""Classifiers whose scores are linear in the features: shrinkage LDA and logistic regression."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from mercli.classifiers.graph import Graph
from mercli.classifiers.rows import Rows, standardisation
from mercli.classifiers.scaling import add_standardised, standardised

_SPEAKER_SHARE = 0.3  # of what sets a class' speakers apart, in LDA's covariance: of a dozen it is known badly
_LEAST_WITHIN = 1e-6  # of the total variance, which is 1: else clips that are all alike make it singular
_TOLERANCE = 3e-4  # of the gradient: on RAVDESS, posteriors held out are within .001 of those of 1e-6 on average


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """Hold a linear classifier: ``clip((x - mean) / scale) @ weights + bias``.

    A feature of a sound unlike those of the training, at a hundred deviations, would else decide alone.

    Parameters
    ----------
    classes_ : np.ndarray of str [shape=(n_classes,)]
        Sorted.
    mean, scale : np.ndarray [shape=(n_features,)]
        Mean and deviation of the training rows.
    weights : np.ndarray [shape=(n_features, n_classes)]
        For standardised features.
    bias : np.ndarray [shape=(n_classes,)]
        Score of the mean.
    """

    classes_: NDArray[np.str_]
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    @property
    def n_features(self) -> int:
        """Give the length of a vector."""
        return len(self.mean)

    def scores(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score vectors [shape=(n, n_features)] for every class [shape=(n, n_classes)]."""
        scores: NDArray[np.float64] = standardised(X, self.mean, self.scale) @ self.weights + self.bias
        return scores

    def add_scores(self, graph: Graph) -> str:
        """Add the scores to a graph and give their name."""
        scaled = add_standardised(graph, graph.x, self.mean, self.scale)
        product = graph.add("MatMul", scaled, graph.constant(self.weights))
        return graph.add("Add", product, graph.constant(self.bias))


def fit_lda(rows: Rows, grid: Sequence[dict[str, float]], _seed: int) -> list[Linear]:
    """Train linear discriminant analysis, the classes equally likely.

    The covariance within classes is drawn towards a multiple of the identity, as scikit-learn's
    ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=...)`` does. It is taken once for all of the grid. Of
    that covariance, what sets the speakers of a class apart counts less than what sets a speaker's clips apart.

    Parameters
    ----------
    rows : Rows
        Of two classes or more.
    grid : sequence of dict
        A ``shrinkage`` over 0 and up to 1 each.

    Returns
    -------
    list of Linear
        One a setting; the scores are log posteriors but for what all classes of a row share.
    """
    mean, scale = standardisation(rows.X)
    Z = standardised(rows.X, mean, scale)
    classes, kind = np.unique(rows.labels, return_inverse=True)
    weights = rows.weights()
    centres = _weighted_means(Z, weights, kind)
    Z -= centres[kind]
    _, who = np.unique(rows.speakers, return_inverse=True)
    _, speaker = np.unique(np.stack((kind, who)), axis=1, return_inverse=True)
    Z -= (1 - np.sqrt(_SPEAKER_SHARE)) * _weighted_means(Z, weights, speaker)[speaker]
    Z *= np.sqrt(weights)[:, np.newaxis]
    within = Z.T @ Z
    level = max(np.trace(within) / len(mean), _LEAST_WITHIN)
    found: list[Linear] = []
    for setting in grid:
        shrunk = (1 - setting["shrinkage"]) * within
        shrunk[np.diag_indices_from(shrunk)] += setting["shrinkage"] * level
        coefficients = np.linalg.solve(shrunk, centres.T).astype(np.float64)
        bias: NDArray[np.float64] = -0.5 * (centres.T * coefficients).sum(axis=0)
        found.append(Linear(classes, mean, scale, coefficients, bias))
    return found


def fit_logistic(rows: Rows, grid: Sequence[dict[str, float]], _seed: int) -> list[Linear]:
    """Train multinomial logistic regression.

    Parameters
    ----------
    rows : Rows
        Of two classes or more.
    grid : sequence of dict
        A ``C`` each, per clip: copies of a clip do not make it larger. One starts where the one before ended, so
        let them rise.

    Returns
    -------
    list of Linear
        One a setting; the scores are log posteriors but for what all classes of a row share.
    """
    mean, scale = standardisation(rows.X)
    Z = standardised(rows.X, mean, scale)
    weights = rows.weights() * len(set(rows.clips.tolist()))
    Z = Z.astype(np.float32)  # the tolerance is far above its rounding, and it takes two thirds of the time
    regression = LogisticRegression(warm_start=True, max_iter=2000, tol=_TOLERANCE)
    found = []
    for setting in grid:
        regression.set_params(**setting).fit(Z, rows.labels, sample_weight=weights)
        coefficients, bias = (part.T.astype(np.float64) for part in (regression.coef_, regression.intercept_))
        if len(regression.classes_) == 2:  # it keeps the second's score only, over the first's
            coefficients, bias = np.hstack([0 * coefficients, coefficients]), np.array([0.0, bias[0]])
        found.append(Linear(regression.classes_, mean, scale, coefficients, bias))
    return found


def _weighted_means(
    Z: NDArray[np.float64], weights: NDArray[np.float64], groups: NDArray[np.int_]
) -> NDArray[np.float64]:
    """Give the mean of each group's rows [n_groups, n_features], every row with its say."""
    n = groups.max() + 1
    said = np.bincount(groups, weights)
    means: NDArray[np.float64] = np.stack([weights[groups == g] @ Z[groups == g] for g in range(n)])
    return means / said[:, np.newaxis]
