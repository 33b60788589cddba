"""The product of posteriors: what independent experts say together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercli.classifiers.graph import Graph
from mercli.classifiers.rows import Rows


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """Hold a product of experts: the sum of the modalities' log posteriors (Hinton, 2002).

    Nothing in it is learnt: powers for the modalities and weights for the classes, found on a handful of speakers,
    did worse on others. How sure the product is of its answer is calibrated as with any classifier.

    Parameters
    ----------
    classes_ : np.ndarray of str [shape=(n_classes,)]
        Sorted.
    columns : np.ndarray of int [shape=(n_classes,)]
        Where each class stands among those of a modality.
    width : int
        How many classes a modality has.
    n_modalities : int
        How many modalities stand side by side in a vector.
    """

    classes_: NDArray[np.str_]
    columns: NDArray[np.int_]
    width: int
    n_modalities: int

    @property
    def n_features(self) -> int:
        """Give the length of a vector."""
        return self.width * self.n_modalities

    def scores(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score vectors [shape=(n, n_features)] for every class [shape=(n, n_classes)]."""
        scores: NDArray[np.float64] = X.astype(np.float64) @ self._sums()
        return scores

    def add_scores(self, graph: Graph) -> str:
        """Add the scores to a graph and give their name."""
        return graph.add("MatMul", graph.x, graph.constant(self._sums()))

    def _sums(self) -> NDArray[np.float64]:
        return np.tile(np.eye(self.width)[:, self.columns], (self.n_modalities, 1))


def fit_product(
    rows: Rows, grid: Sequence[dict[str, float]], _seed: int, *, columns: Sequence[str]
) -> list[Product]:
    """Give the products of posteriors.

    Parameters
    ----------
    rows : Rows
        Log posteriors of two modalities or more, side by side, of two classes or more.
    grid : sequence of dict
        Nothing in each: a product has no settings.
    columns : sequence of str
        The classes of each modality, in the order of their columns.

    Returns
    -------
    list of Product
        One a setting.
    """
    classes = np.unique(rows.labels)
    places = np.array([list(columns).index(label) for label in classes])
    return [Product(classes, places, len(columns), rows.X.shape[1] // len(columns)) for _ in grid]
