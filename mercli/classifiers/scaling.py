"""Features in deviations from the mean of the training, none of them further off than some."""

import numpy as np
from numpy.typing import NDArray

from mercli.classifiers.graph import Graph

REACH = 4.0
"""Deviations: what lies further from the mean of the training counts as that far, or it would decide alone."""


def standardised(
    values: NDArray[np.float32], mean: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shift and scale the last axis of values [shape=(..., n)] by the mean and deviation of each column."""
    Z: NDArray[np.float64] = np.clip((values.astype(np.float64) - mean) / scale, -REACH, REACH)
    return Z


def add_standardised(graph: Graph, x: str, mean: NDArray[np.float64], scale: NDArray[np.float64]) -> str:
    """Add what `standardised` does to a graph and give its name."""
    centred = graph.add("Sub", x, graph.constant(mean))
    scaled = graph.add("Div", centred, graph.constant(scale))
    return graph.add("Clip", scaled, *(graph.constant(np.array(end)) for end in (-REACH, REACH)))
