"""The support vector machine: one class against the rest, a radial kernel."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from sklearn.svm import SVC

from mercli.classifiers.graph import Graph
from mercli.classifiers.rows import Rows, standardisation

# Nearly every row becomes a support vector, 1 kB each on these axes: they set the size of the model.
_MOST_ROWS = 3500
_AXES = 256  # hold nearly 98 % of the variance of 1,148 features; with fewer features nothing is lost


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """Hold a support vector machine: ``exp(-gamma |z - v|**2) @ duals + bias``, with ``z = (x - mean) @ axes``.

    Parameters
    ----------
    classes_ : np.ndarray of str [shape=(n_classes,)]
        Sorted.
    mean : np.ndarray [shape=(n_features,)]
        Of the training rows.
    axes : np.ndarray of float32 [shape=(n_features, n_axes)]
        The principal ones; the deviation of each feature is in them.
    vectors : np.ndarray of float32 [shape=(n_vectors, n_axes)]
        The support vectors.
    duals : np.ndarray [shape=(n_vectors, n_classes)]
        Their part in each class' margin.
    bias : np.ndarray [shape=(n_classes,)]
        The margin far from all of them.
    gamma : float
        Of the kernel.
    """

    classes_: NDArray[np.str_]
    mean: NDArray[np.float64]
    axes: NDArray[np.float32]
    vectors: NDArray[np.float32]
    duals: NDArray[np.float64]
    bias: NDArray[np.float64]
    gamma: float

    @property
    def n_features(self) -> int:
        """Give the length of a vector."""
        return len(self.mean)

    def scores(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give the margins [shape=(n, n_classes)] of vectors [shape=(n, n_features)]."""
        distances = _distances((X - self.mean) @ self.axes.astype(np.float64), self.vectors.astype(np.float64))
        margins: NDArray[np.float64] = np.exp(-self.gamma * distances) @ self.duals + self.bias
        return margins

    def add_scores(self, graph: Graph) -> str:
        """Add the margins to a graph and give their name."""
        axes, v = (
            graph.add("Cast", graph.constant(single), to=TensorProto.DOUBLE)
            for single in (self.axes, self.vectors)
        )
        z = graph.add("MatMul", graph.add("Sub", graph.x, graph.constant(self.mean)), axes)
        of_z, of_v = (
            graph.add("ReduceSumSquare", side, graph.constant(np.array([1])), keepdims=keep)
            for side, keep in ((z, 1), (v, 0))
        )
        crossed = graph.add("Gemm", z, v, of_v, alpha=-2.0, transB=1)
        distances = graph.add("Add", crossed, of_z)
        kernel = graph.add("Exp", graph.add("Mul", distances, graph.constant(np.array(-self.gamma))))
        return graph.add("Gemm", kernel, graph.constant(self.duals), graph.constant(self.bias))


def fit_svm(rows: Rows, grid: Sequence[dict[str, float]], _seed: int) -> list[Machine]:
    """Train a support vector machine for each class, against all the others.

    One against the rest needs no votes between pairs, which rounding could turn. The distances are taken once for
    all of the grid and all classes: scikit-learn's own kernel takes several times as long.

    Parameters
    ----------
    rows : Rows
        Of two classes or more. Of a large corpus not all rows of a clip are learnt from: those that prediction
        sees come first.
    grid : sequence of dict
        ``C``, and ``gamma`` times the number of features, each.

    Returns
    -------
    list of Machine
        One a setting; the scores are margins.
    """
    mean, axes = _principal_axes(rows.X)
    rows = rows.thinned(_MOST_ROWS)
    vectors = ((rows.X - mean) @ axes.astype(np.float64)).astype(np.float32)
    distances = _distances(vectors.astype(np.float64), vectors.astype(np.float64))
    classes, kind = np.unique(rows.labels, return_inverse=True)
    found = []
    for setting in grid:
        gamma = setting["gamma"] / len(mean)
        kernel = np.exp(-gamma * distances)
        duals, bias = np.zeros((len(vectors), len(classes))), np.zeros(len(classes))
        for k in range(len(classes)):
            machine = SVC(C=setting["C"], kernel="precomputed", class_weight="balanced").fit(kernel, kind == k)
            duals[machine.support_, k], bias[k] = machine.dual_coef_[0], machine.intercept_[0]
        used = duals.any(axis=1)
        found.append(Machine(classes, mean, axes, vectors[used], duals[used], bias, gamma))
    return found


def _principal_axes(X: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Give the mean, and the axes [n_features, n_axes] of most variance among the standardised features."""
    mean, scale = standardisation(X)
    Z = (X - mean) / scale
    _, axes = np.linalg.eigh(Z.T @ Z)  # the least variance first
    return mean, (axes[:, : -_AXES - 1 : -1] / scale[:, np.newaxis]).astype(np.float32)


def _distances(z: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the squared distances [n, m] between rows [n, d] and [m, d]."""
    distances: NDArray[np.float64] = (z * z).sum(axis=1)[:, np.newaxis] + (v * v).sum(axis=1) - 2 * z @ v.T
    return distances
