"""The calibrated product of two posteriors: each raised to a power of its own, and each class weighed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from mercli.classifiers.graph import Graph
from mercli.classifiers.rows import Rows

_BIAS_PENALTY = 0.05  # of a clip's log loss, for a class' bias of 1
_POWER_PENALTY = 0.02  # likewise, for a power that is 1 off


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """Hold a product: ``sum_m powers[m] * log p_m + bias``, of the modalities' log posteriors side by side.

    With powers and bias at 1 and 0 it is the product of independent experts (Hinton, 2002); a power under 1 says
    that a modality is surer than it should be, or repeats what the other said.

    Parameters
    ----------
    classes_ : np.ndarray of str [shape=(n_classes,)]
        Sorted.
    columns : np.ndarray of int [shape=(n_classes,)]
        Where each class stands among those of a modality.
    width : int
        How many classes a modality has.
    powers : np.ndarray [shape=(n_modalities,)]
        Not under 0.
    bias : np.ndarray [shape=(n_classes,)]
        Added to each class.
    """

    classes_: NDArray[np.str_]
    columns: NDArray[np.int_]
    width: int
    powers: NDArray[np.float64]
    bias: NDArray[np.float64]

    @property
    def n_features(self) -> int:
        """Give the length of a vector."""
        return self.width * len(self.powers)

    def scores(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score vectors [shape=(n, n_features)] for every class [shape=(n, n_classes)]."""
        scores: NDArray[np.float64] = X.astype(np.float64) @ self._weights() + self.bias
        return scores

    def add_scores(self, graph: Graph) -> str:
        """Add the scores to a graph and give their name."""
        product = graph.add("MatMul", graph.x, graph.constant(self._weights()))
        return graph.add("Add", product, graph.constant(self.bias))

    def _weights(self) -> NDArray[np.float64]:
        chosen = np.eye(self.width)[:, self.columns]
        return np.concatenate([power * chosen for power in self.powers])


def fit_product(
    rows: Rows, grid: Sequence[dict[str, float]], _seed: int, *, columns: Sequence[str]
) -> list[Product]:
    """Train products.

    Parameters
    ----------
    rows : Rows
        Log posteriors of two modalities or more, side by side, of two classes or more.
    grid : sequence of dict
        A ``stiffness`` each: how strongly powers are held to 1 and biases to 0.
    columns : sequence of str
        The classes of each modality, in the order of their columns.

    Returns
    -------
    list of Product
        One a setting.
    """
    classes, kind = np.unique(rows.labels, return_inverse=True)
    places = np.array([list(columns).index(label) for label in classes])
    n_modalities = rows.X.shape[1] // len(columns)
    said = rows.X.astype(np.float64).reshape(len(rows.X), n_modalities, len(columns))[:, :, places]
    weights = rows.weights()

    def loss(values: NDArray[np.float64], stiffness: float) -> float:
        powers, bias = values[:n_modalities], values[n_modalities:]
        scores = np.einsum("m,nmk->nk", powers, said) + bias
        surprise = -(weights * log_softmax(scores, axis=1)[np.arange(len(kind)), kind]).sum()
        penalty = _POWER_PENALTY * ((powers - 1) ** 2).sum() + _BIAS_PENALTY * (bias**2).sum()
        return float(surprise + stiffness * penalty)

    start = np.concatenate((np.ones(n_modalities), np.zeros(len(classes))))
    bounds = [(0.0, None)] * n_modalities + [(None, None)] * len(classes)
    found = []
    for setting in grid:
        best = minimize(loss, start, args=(setting["stiffness"],), bounds=bounds, method="L-BFGS-B").x
        found.append(Product(classes, places, len(columns), best[:n_modalities], best[n_modalities:]))
    return found
