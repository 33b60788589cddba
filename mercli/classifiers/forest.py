"""The forest: extremely randomised trees (Geurts and others, 2006), as good as a random forest's and faster."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from sklearn.ensemble import ExtraTreesClassifier

from mercli.classifiers.graph import Graph
from mercli.classifiers.rows import Rows

_MOST_ROWS = 1500  # the trees' size grows with them
_FLOOR = 1e-3  # of a probability: no tree's silence rules a class out


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Hold a forest; `trees` is scikit-learn's."""

    trees: Any

    @property
    def classes_(self) -> NDArray[np.str_]:
        """Give the classes, sorted [shape=(n_classes,)]."""
        classes: NDArray[np.str_] = self.trees.classes_
        return classes

    @property
    def n_features(self) -> int:
        """Give the length of a vector."""
        return int(self.trees.n_features_in_)

    def scores(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give the logarithms [shape=(n, n_classes)] of what the trees say of vectors [shape=(n, n_features)]."""
        logarithms: NDArray[np.float64] = np.log(np.maximum(self.trees.predict_proba(X), _FLOOR))
        return logarithms

    def add_scores(self, graph: Graph) -> str:
        """Add the logarithms to a graph and give their name."""
        said = graph.add("TreeEnsembleRegressor", graph.x, domain="ai.onnx.ml", **_ensemble(self.trees))
        doubled = graph.add("Cast", said, to=TensorProto.DOUBLE)
        return graph.add("Log", graph.add("Max", doubled, graph.constant(np.array(_FLOOR))))


def fit_forest(rows: Rows, grid: Sequence[dict[str, float]], seed: int) -> list[Forest]:
    """Train forests.

    Parameters
    ----------
    rows : Rows
        Of two classes or more.
    grid : sequence of dict
        ``min_samples_leaf`` each.
    seed : int
        Of the draws.

    Returns
    -------
    list of Forest
        One a setting; the scores are logarithms of probabilities.
    """
    rows = rows.thinned(_MOST_ROWS)
    weights = rows.weights() * len(rows.X)
    found = []
    for setting in grid:
        forest = ExtraTreesClassifier(200, random_state=seed, **setting)
        found.append(Forest(forest.fit(rows.X, rows.labels, sample_weight=weights)))
    return found


def _ensemble(forest: Any) -> dict[str, Any]:
    """Give the attributes of ONNX's operator: thresholds in double, as scikit-learn compares."""
    trees = [estimator.tree_ for estimator in forest.estimators_]
    sizes = [tree.node_count for tree in trees]
    tree_of = np.repeat(np.arange(len(trees)), sizes)
    node_of = np.concatenate([np.arange(size) for size in sizes])
    left, right, feature, threshold = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("children_left", "children_right", "feature", "threshold")
    )
    leaf = left < 0
    said = np.concatenate([tree.value[:, 0, :] for tree in trees]) / len(trees)
    leaves, targets = np.nonzero(leaf[:, np.newaxis] & (said > 0))
    return {
        "nodes_treeids": tree_of.tolist(),
        "nodes_nodeids": node_of.tolist(),
        "nodes_modes": np.where(leaf, "LEAF", "BRANCH_LEQ").tolist(),
        "nodes_featureids": np.where(leaf, 0, feature).tolist(),
        "nodes_values_as_tensor": numpy_helper.from_array(np.where(leaf, 0.0, threshold)),
        "nodes_truenodeids": np.where(leaf, 0, left).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, right).tolist(),
        "target_treeids": tree_of[leaves].tolist(),
        "target_nodeids": node_of[leaves].tolist(),
        "target_ids": targets.tolist(),
        "target_weights_as_tensor": numpy_helper.from_array(said[leaves, targets]),
        "n_targets": said.shape[1],
    }
