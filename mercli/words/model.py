"""A classifier of hashed n-grams, linear in TF-IDF: small, and one ONNX graph with all that belongs to it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from scipy.optimize import minimize
from scipy.sparse import csr_array, hstack
from scipy.special import logsumexp
from threadpoolctl import threadpool_limits

from mercli.classifiers.graph import Graph

_TOLERANCE = 1e-6  # of the loss, from one step to the next
_ITERATIONS = 200
_LEAST_LENGTH = 1e-6  # what an empty half is divided by


@dataclass(frozen=True, slots=True, eq=False)
class WordsLinear:
    """Hold a linear classifier of n-grams.

    Words and letters are weighted by how rare they are (TF-IDF) and each half of a vector is brought to length 1,
    so that a long text is not surer than a short one for its length. Both are within `weights` and `squares`: a
    half x scores ``x @ weights / sqrt(x**2 @ squares)``.

    Parameters
    ----------
    classes_ : np.ndarray of str [shape=(n_classes,)]
        Sorted.
    weights : np.ndarray of float16 [shape=(n_features, n_classes)]
        Of what a vector marks, its rarity included.
    squares : np.ndarray of float16 [shape=(n_features,)]
        The squares of the rarities.
    bias : np.ndarray [shape=(n_classes,)]
        Score of an empty text.
    """

    classes_: NDArray[np.str_]
    weights: NDArray[np.float16]
    squares: NDArray[np.float16]
    bias: NDArray[np.float64]

    @property
    def n_features(self) -> int:
        """Give the length of a vector."""
        return len(self.squares)

    def scores(self, X: Any) -> NDArray[np.float64]:
        """Score vectors, sparse or not [shape=(n, n_features)], for every class [shape=(n, n_classes)]."""
        X = csr_array(X, dtype=np.float64)
        total = np.tile(self.bias, (X.shape[0], 1))
        for half, weights, squares in zip(halves(X), *self._halves(), strict=True):
            total += half @ weights / _lengths(half, squares)[:, np.newaxis]
        return total

    def add_scores(self, graph: Graph) -> str:
        """Add the scores to a graph and give their name."""
        n = self.n_features // 2
        parts, axis = [], graph.constant(np.array([1]))
        for index, (weights, squares) in enumerate(zip(*self._halves(), strict=True)):
            start, end = (graph.constant(np.array([bound])) for bound in (index * n, (index + 1) * n))
            half = graph.add("Slice", graph.x, start, end, axis)
            square = graph.add("MatMul", graph.add("Mul", half, half), _double(graph, squares[:, np.newaxis]))
            length = graph.add("Max", graph.add("Sqrt", square), graph.constant(np.array(_LEAST_LENGTH)))
            parts.append(graph.add("Div", graph.add("MatMul", half, _double(graph, weights)), length))
        return graph.add("Sum", *parts, graph.constant(self.bias))

    def _halves(self) -> tuple[list[NDArray[np.float16]], list[NDArray[np.float16]]]:
        return np.split(self.weights, 2), np.split(self.squares, 2)


def fit(X: csr_array, labels: NDArray[np.str_], C: float, weights: NDArray[np.float64]) -> WordsLinear:
    """Train multinomial logistic regression on TF-IDF, with n-grams the freer the more they tell classes apart.

    By how much each n-gram is likelier in a class than out of it its coefficient for that class is scaled, so that
    regularisation shrinks it less: Wang and Manning (2012), Baselines and Bigrams, here with the root of the
    logarithm of that ratio.

    Parameters
    ----------
    X : sparse array [shape=(n, n_features)]
        Marks of n-grams, 0 or 1.
    labels : np.ndarray of str [shape=(n,)]
        Of two classes or more.
    C : float
        Over 0; the smaller, the smaller the weights.
    weights : np.ndarray [shape=(n,)]
        Each row's say, 1 on average.

    Returns
    -------
    WordsLinear
        Its scores are log posteriors but for what all classes of a row share.
    """
    squares = rarity(X) ** 2
    scaled = hstack([unit(half, part) for half, part in zip(halves(X), np.split(squares, 2), strict=True)]).tocsr()
    seen = np.unique(scaled.indices)  # a small corpus has few of the n-grams there could be
    classes, kind = np.unique(labels, return_inverse=True)
    freedom = np.sqrt(telling(X[:, seen], kind))
    freedom /= max(np.sqrt(np.mean(freedom**2)), _LEAST_LENGTH)  # 0 where all classes say the same
    with threadpool_limits(1):  # else what another machine learns differs by rounding
        coefficients, bias = _regress(scaled[:, seen].tocsr(), kind, weights, freedom, C)
    folded = np.zeros((X.shape[1], len(classes)), np.float16)
    folded[seen] = coefficients * np.sqrt(squares[seen].astype(np.float64))[:, np.newaxis]
    return WordsLinear(classes, folded, squares, bias)


def telling(X: csr_array, kind: NDArray[np.int_]) -> NDArray[np.float64]:
    """Say how much features tell of classes: the size of the logarithm of how much likelier each is in one.

    Parameters
    ----------
    X : sparse array [shape=(n, n_features)]
        Marks, 0 or 1.
    kind : np.ndarray of int [shape=(n,)]
        Each row's class.

    Returns
    -------
    np.ndarray [shape=(n_features, n_classes)]
        0 for what is as likely in the class as out of it. Each feature counts as seen once more in both.
    """
    one_hot = np.eye(int(kind.max()) + 1)[kind]
    within = 1 + X.T @ one_hot
    beyond = 1 + X.T @ (1 - one_hot)
    found: NDArray[np.float64] = np.abs(np.log(within / within.sum(axis=0)) - np.log(beyond / beyond.sum(axis=0)))
    return found


def _regress(
    X: csr_array, kind: NDArray[np.int_], weights: NDArray[np.float64], freedom: NDArray[np.float64], C: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find coefficients [n_features, n_classes] and bias; the former cost what they are over their freedom."""
    shape, one_hot, XT = freedom.shape, np.eye(freedom.shape[1])[kind], csr_array(X.T)

    def loss(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        free, bias = at[: freedom.size].reshape(shape), at[freedom.size :]
        scores = X @ (free * freedom) + bias
        total = logsumexp(scores, axis=1, keepdims=True)
        off = C * weights[:, np.newaxis] * (np.exp(scores - total) - one_hot)
        value = C * weights @ (total.ravel() - (scores * one_hot).sum(axis=1)) + 0.5 * np.sum(free**2)
        return float(value), np.concatenate([((XT @ off) * freedom + free).ravel(), off.sum(axis=0)])

    start = np.zeros(freedom.size + shape[1])
    options = {"maxiter": _ITERATIONS, "ftol": _TOLERANCE}
    at = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    return at[: freedom.size].reshape(shape) * freedom, at[freedom.size :]


def rarity(X: csr_array) -> NDArray[np.float16]:
    """Give each feature's inverse document frequency, smoothed: ``log((1 + n) / (1 + n_with_it)) + 1``."""
    held = np.bincount(X.indices, minlength=X.shape[1])
    found: NDArray[np.float16] = (np.log((1 + X.shape[0]) / (1 + held)) + 1).astype(np.float16)
    return found


def unit(half: csr_array, squares: NDArray[np.float16]) -> csr_array:
    """Weight marks by rarity and bring each row to length 1; an empty one stays."""
    scaled = half * np.sqrt(squares.astype(np.float64))
    return csr_array(scaled / _lengths(half, squares)[:, np.newaxis])


def halves(X: csr_array) -> tuple[csr_array, csr_array]:
    """Give the words and the letters of vectors."""
    n = X.shape[1] // 2
    return X[:, :n], X[:, n:]


def _lengths(half: csr_array, squares: NDArray[np.float16]) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.sqrt(half.power(2) @ squares.astype(np.float64))
    return np.maximum(lengths, _LEAST_LENGTH)


def _double(graph: Graph, values: NDArray[np.float16]) -> str:
    """Add an array that is kept with 16 bits and counted with 64."""
    return graph.add("Cast", graph.constant(values), to=TensorProto.DOUBLE)
