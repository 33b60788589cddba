"""The classifiers of the voice: trained, compared by speakers left out, and written as ONNX."""

from mercli.classifiers.calibrated import Average, Calibrated, Estimator
from mercli.classifiers.graph import Graph
from mercli.classifiers.networks import refuse_without_torch
from mercli.classifiers.rows import Rows, clip_means
from mercli.classifiers.search import (
    FAMILIES,
    NAMES,
    Family,
    choose,
    joint,
    product,
    recurrent,
    train,
    train_and_hold_out,
)

__all__ = [
    "FAMILIES",
    "NAMES",
    "Average",
    "Calibrated",
    "Estimator",
    "Family",
    "Rows",
    "choose",
    "clip_means",
    "joint",
    "product",
    "recurrent",
    "refuse_without_torch",
    "to_onnx",
    "train",
    "train_and_hold_out",
]


def to_onnx(estimator: Estimator) -> bytes:
    """Write a trained classifier as ONNX.

    Parameters
    ----------
    estimator : Estimator
        From `train`.

    Returns
    -------
    bytes
        A model for `mercli.inference.Classifier` that gives the probabilities of `predict_proba`: it counts in
        double precision, as that does. The same estimator gives the same bytes.
    """
    graph = Graph(estimator.n_features)
    return graph.to_bytes(estimator.add_posteriors(graph), len(estimator.classes_))
