"""A recurrent network over the frames of a face: gated recurrent units, and attention over their states."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from mercli.classifiers.graph import Graph
from mercli.classifiers.networks import refuse_without_torch, softmax_over, train_network
from mercli.classifiers.rows import Rows, standardisation
from mercli.classifiers.scaling import add_standardised, standardised

_MEMBERS = 3  # networks of other random starts, whose scores are averaged
_DROPOUT = 0.4

Weights = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class Recurrent:
    """Hold networks: states by gated recurrent units (Cho and others, 2014), averaged by attention, and scored.

    ``h = GRU(z)``; ``a = softmax_t(v . tanh(A h_t + b))``; scores ``= B sum_t a_t h_t + c``.

    Parameters
    ----------
    classes_ : np.ndarray of str [shape=(n_classes,)]
        Sorted.
    steps : int
        The length of a sequence; a vector is its rows, one after the other.
    mean, scale : np.ndarray [shape=(n_channels,)]
        Of the training's sequences.
    members : sequence of dict
        Weights of each network, by PyTorch's names.
    """

    classes_: NDArray[np.str_]
    steps: int
    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    members: Sequence[Weights]

    @property
    def n_features(self) -> int:
        """Give the length of a vector."""
        return self.steps * len(self.mean)

    def scores(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score vectors [shape=(n, n_features)] for every class [shape=(n, n_classes)]."""
        Z = standardised(X.reshape(len(X), self.steps, -1), self.mean, self.scale)
        mean: NDArray[np.float64] = np.mean([_scores(Z, member) for member in self.members], axis=0)
        return mean

    def add_scores(self, graph: Graph) -> str:
        """Add the scores to a graph and give their name."""
        shape = graph.constant(np.array([-1, self.steps, len(self.mean)]))
        z = add_standardised(graph, graph.add("Reshape", graph.x, shape), self.mean, self.scale)
        # ONNX Runtime's units count in single precision only.
        in_time = graph.add("Cast", graph.add("Transpose", z, perm=[1, 0, 2]), to=TensorProto.FLOAT)
        total = graph.add("Sum", *(_add_member(graph, in_time, member) for member in self.members))
        return graph.add("Div", total, graph.constant(np.array(float(len(self.members)))))


def fit_recurrent(rows: Rows, grid: Sequence[dict[str, float]], seed: int, *, steps: int) -> list[Recurrent]:
    """Train recurrent networks.

    Parameters
    ----------
    rows : Rows
        Sequences of `steps` rows each, flattened; of two classes or more.
    grid : sequence of dict
        ``units`` and ``epochs`` each.
    seed : int
        Of the random starts.
    steps : int
        The length of a sequence.

    Returns
    -------
    list of Recurrent
        One a setting.

    Raises
    ------
    UsageError
        If PyTorch is not installed.
    """
    refuse_without_torch("a recurrent network")
    sequences = rows.X.reshape(len(rows.X), steps, -1)
    mean, scale = standardisation(sequences.reshape(-1, sequences.shape[2]))
    Z = standardised(sequences, mean, scale).astype(np.float32)
    classes, kind = np.unique(rows.labels, return_inverse=True)
    found = []
    for setting in grid:
        members = []
        for member in range(_MEMBERS):
            network = _network(Z.shape[2], int(setting["units"]), len(classes), seed * _MEMBERS + member)
            epochs = int(setting["epochs"])
            members.append(
                train_network(network, Z, kind, rows.weights(), epochs=epochs, seed=seed * _MEMBERS + member)
            )
        found.append(Recurrent(classes, steps, mean, scale, members))
    return found


def _network(n_channels: int, units: int, n_classes: int, seed: int) -> Any:
    import torch
    from torch import nn

    class Network(nn.Module):
        """States, attention, scores."""

        def __init__(self) -> None:
            super().__init__()
            self.gru = nn.GRU(n_channels, units, batch_first=True)
            self.attend = nn.Linear(units, units)
            self.attend_to = nn.Linear(units, 1, bias=False)
            self.score = nn.Linear(units, n_classes)
            self.dropout = nn.Dropout(_DROPOUT)

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            """Score sequences [n, steps, n_channels]."""
            states, _ = self.gru(self.dropout(z))
            share = torch.softmax(self.attend_to(torch.tanh(self.attend(states))), dim=1)
            scores: torch.Tensor = self.score(self.dropout((share * states).sum(dim=1)))
            return scores

    torch.manual_seed(seed)
    return Network()


def _scores(Z: NDArray[np.float64], w: Weights) -> NDArray[np.float64]:
    units = len(w["attend.bias"])
    h = np.zeros((len(Z), units))
    states = np.empty((*Z.shape[:2], units))
    inputs = Z @ w["gru.weight_ih_l0"].T + w["gru.bias_ih_l0"]
    for t in range(Z.shape[1]):
        before = h @ w["gru.weight_hh_l0"].T + w["gru.bias_hh_l0"]
        reset, update = (
            1 / (1 + np.exp(-(inputs[:, t, gate] + before[:, gate])))
            for gate in (slice(units), slice(units, 2 * units))
        )
        new = np.tanh(inputs[:, t, 2 * units :] + reset * before[:, 2 * units :])
        h = (1 - update) * new + update * h
        states[:, t] = h
    share = softmax_over(np.tanh(states @ w["attend.weight"].T + w["attend.bias"]) @ w["attend_to.weight"].T, 1)
    scores: NDArray[np.float64] = (share * states).sum(axis=1) @ w["score.weight"].T + w["score.bias"]
    return scores


def _add_member(graph: Graph, in_time: str, w: Weights) -> str:
    units = len(w["attend.bias"])

    def gates(name: str) -> NDArray[np.float64]:
        # PyTorch's gates are reset, update, new; ONNX has update, reset, hidden.
        reset, update, new = np.split(w[name], 3)
        return np.concatenate((update, reset, new))

    biases = np.concatenate((gates("gru.bias_ih_l0"), gates("gru.bias_hh_l0")))
    recurrence = (gates("gru.weight_ih_l0"), gates("gru.weight_hh_l0"), biases)
    states = graph.add(
        "GRU",
        in_time,
        *(graph.constant(part[np.newaxis].astype(np.float32)) for part in recurrence),
        hidden_size=units,
        linear_before_reset=1,
    )
    states = graph.add("Squeeze", states, graph.constant(np.array([1])))  # of its one direction
    states = graph.add("Cast", states, to=TensorProto.DOUBLE)

    def linear(x: str, name: str, *, bias: bool = True) -> str:
        product = graph.add("MatMul", x, graph.constant(w[f"{name}.weight"].T))
        return graph.add("Add", product, graph.constant(w[f"{name}.bias"])) if bias else product

    share = linear(graph.add("Tanh", linear(states, "attend")), "attend_to", bias=False)
    share = graph.add("Softmax", share, axis=0)
    summed = graph.add("ReduceSum", graph.add("Mul", share, states), graph.constant(np.array([0])), keepdims=0)
    return linear(summed, "score")
