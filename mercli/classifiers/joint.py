"""A joint network over voice and face: each looks at the other by cross-attention, and either may be missing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli.classifiers.graph import Graph
from mercli.classifiers.networks import noisy, refuse_without_torch, softmax_over, train_network
from mercli.classifiers.recurrent import Weights
from mercli.classifiers.rows import Rows
from mercli.classifiers.scaling import add_standardised, standardised
from mercli.fusion import Layout

_MEMBERS = 3  # networks of other random starts, whose scores are averaged
_DROPOUT = 0.3
_MISSING = 0.25  # of the clips of a batch that have both lose the voice, as many the face


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """Hold joint networks.

    Both sequences ``s`` are brought to the same channels, ``x_s = relu(W_s z_s + b_s) + p``. Each looks at the
    other by scaled dot-product attention (Vaswani and others, 2017), ``y_s = x_s + softmax(q_s(x_s) k_s(x_o)^T /
    sqrt(d)) v_s(x_o)``, where the other is there, is averaged over time, and both, 0 where missing, are scored.

    Parameters
    ----------
    classes_ : np.ndarray of str [shape=(n_classes,)]
        Sorted.
    layout : Layout
        Of a vector.
    means, scales : pair of np.ndarray [shape=(n_channels,)]
        Of the training's sequences: voice, face.
    members : sequence of dict
        Weights of each network, by PyTorch's names.
    """

    classes_: NDArray[np.str_]
    layout: Layout
    means: tuple[NDArray[np.float64], NDArray[np.float64]]
    scales: tuple[NDArray[np.float64], NDArray[np.float64]]
    members: Sequence[Weights]

    @property
    def n_features(self) -> int:
        """Give the length of a vector."""
        return self.layout.n_features

    def scores(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score vectors [shape=(n, n_features)] for every class [shape=(n, n_classes)]."""
        *sequences, flags = self.layout.split(X)
        Z = [standardised(s, m, d) for s, m, d in zip(sequences, self.means, self.scales, strict=True)]
        mean: NDArray[np.float64] = np.mean([_scores(Z, flags, member) for member in self.members], axis=0)
        return mean

    def add_scores(self, graph: Graph) -> str:
        """Add the scores to a graph and give their name."""
        end = self.layout.steps * self.layout.voice
        spans = ((0, end, self.layout.voice), (end, self.n_features - 2, self.layout.face))

        def piece(start: int, stop: int) -> str:
            return graph.add("Slice", graph.x, *(graph.constant(np.array([n])) for n in (start, stop, 1)))

        sequences = [
            add_standardised(
                graph,
                graph.add(
                    "Reshape", piece(start, stop), graph.constant(np.array([-1, self.layout.steps, channels]))
                ),
                mean,
                scale,
            )
            for (start, stop, channels), mean, scale in zip(spans, self.means, self.scales, strict=True)
        ]
        flags = [piece(self.n_features - 2 + i, self.n_features - 1 + i) for i in range(2)]
        total = graph.add("Sum", *(_add_member(graph, sequences, flags, member) for member in self.members))
        return graph.add("Div", total, graph.constant(np.array(float(len(self.members)))))


def fit_joint(rows: Rows, grid: Sequence[dict[str, float]], seed: int, *, layout: Layout) -> list[Joint]:
    """Train joint networks, with modalities left out at random.

    Parameters
    ----------
    rows : Rows
        Vectors of the layout, of two classes or more.
    grid : sequence of dict
        ``channels`` and ``epochs`` each.
    seed : int
        Of the random starts.
    layout : Layout
        Of a vector.

    Returns
    -------
    list of Joint
        One a setting.

    Raises
    ------
    UsageError
        If PyTorch is not installed.
    """
    refuse_without_torch("a joint network")
    *sequences, flags = layout.split(rows.X)
    statistics = [_statistics(s, flags[:, i] > 0) for i, s in enumerate(sequences)]
    means, scales = zip(*statistics, strict=True)
    Z = [standardised(s, m, d) for s, m, d in zip(sequences, means, scales, strict=True)]
    flat = np.concatenate([z.reshape(len(z), -1) for z in Z] + [flags], axis=1).astype(np.float32)
    classes, kind = np.unique(rows.labels, return_inverse=True)
    found = []
    for setting in grid:
        members = []
        for member in range(_MEMBERS):
            network = _network(layout, int(setting["channels"]), len(classes), seed * _MEMBERS + member)
            members.append(
                train_network(
                    network,
                    flat,
                    kind,
                    rows.weights(),
                    epochs=int(setting["epochs"]),
                    seed=seed * _MEMBERS + member,
                    disturb=_leave_out,
                )
            )
        found.append(Joint(classes, layout, (means[0], means[1]), (scales[0], scales[1]), members))
    return found


def _statistics(
    sequences: NDArray[np.float32], there: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values = sequences[there].reshape(-1, sequences.shape[2]).astype(np.float64)
    if not len(values):
        return np.zeros(sequences.shape[2]), np.ones(sequences.shape[2])
    deviation = values.std(axis=0)
    return values.mean(axis=0), np.where(deviation > 0, deviation, 1.0)


def _leave_out(batch: Any) -> Any:
    """Take one modality away from some of the clips that have both, and add noise to the channels."""
    import torch

    flags, draw = batch[:, -2:].clone(), torch.rand(len(batch))
    both = flags.sum(dim=1) == 2
    flags[both & (draw < _MISSING), 0] = 0
    flags[both & (draw > 1 - _MISSING), 1] = 0
    return torch.cat([noisy(batch[:, :-2]), flags], dim=1)


def _network(layout: Layout, channels: int, n_classes: int, seed: int) -> Any:
    import torch
    from torch import nn

    class Network(nn.Module):
        """Two sequences, cross-attention, scores."""

        def __init__(self) -> None:
            super().__init__()
            self.enter = nn.ModuleList([nn.Linear(n, channels) for n in (layout.voice, layout.face)])
            self.place = nn.Parameter(0.02 * torch.randn(layout.steps, channels))
            self.query, self.key, self.value = (
                nn.ModuleList([nn.Linear(channels, channels) for _ in range(2)]) for _ in range(3)
            )
            self.score = nn.Linear(2 * channels, n_classes)
            self.dropout = nn.Dropout(_DROPOUT)

        def forward(self, flat: torch.Tensor) -> torch.Tensor:
            """Score standardised vectors of the layout."""
            end = layout.steps * layout.voice
            flags = flat[:, -2:]
            seen = [part.reshape(len(flat), layout.steps, -1) for part in (flat[:, :end], flat[:, end:-2])]
            x = [torch.relu(self.enter[i](self.dropout(seen[i]))) + self.place for i in range(2)]
            pooled = []
            for own, other in ((0, 1), (1, 0)):
                likeness = self.query[own](x[own]) @ self.key[own](x[other]).transpose(1, 2) / channels**0.5
                heard = torch.softmax(likeness, dim=2) @ self.value[own](x[other])
                y = x[own] + flags[:, other, None, None] * heard
                pooled.append(flags[:, own, None] * y.mean(dim=1))
            scores: torch.Tensor = self.score(self.dropout(torch.cat(pooled, dim=1)))
            return scores

    torch.manual_seed(seed)
    return Network()


def _scores(Z: Sequence[NDArray[np.float64]], flags: NDArray[np.float32], w: Weights) -> NDArray[np.float64]:
    def linear(x: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        product: NDArray[np.float64] = x @ w[f"{name}.weight"].T + w[f"{name}.bias"]
        return product

    x = [np.maximum(linear(z, f"enter.{i}"), 0) + w["place"] for i, z in enumerate(Z)]
    pooled = []
    for own, other in ((0, 1), (1, 0)):
        likeness = linear(x[own], f"query.{own}") @ linear(x[other], f"key.{own}").transpose(0, 2, 1)
        share = softmax_over(likeness / np.sqrt(len(w["place"][0])), 2)
        y = x[own] + flags[:, other, None, None] * (share @ linear(x[other], f"value.{own}"))
        pooled.append(flags[:, own, None] * y.mean(axis=1))
    return linear(np.concatenate(pooled, axis=1), "score")


def _add_member(graph: Graph, sequences: Sequence[str], flags: Sequence[str], w: Weights) -> str:
    def linear(x: str, name: str) -> str:
        product = graph.add("MatMul", x, graph.constant(w[f"{name}.weight"].T))
        return graph.add("Add", product, graph.constant(w[f"{name}.bias"]))

    place, root = graph.constant(w["place"]), graph.constant(np.sqrt(float(len(w["place"][0]))))
    x = [graph.add("Add", graph.add("Relu", linear(s, f"enter.{i}")), place) for i, s in enumerate(sequences)]
    over_time = graph.constant(np.array([1]))
    pooled = []
    for own, other in ((0, 1), (1, 0)):
        turned = graph.add("Transpose", linear(x[other], f"key.{own}"), perm=[0, 2, 1])
        likeness = graph.add("Div", graph.add("MatMul", linear(x[own], f"query.{own}"), turned), root)
        share = graph.add("Softmax", likeness, axis=2)
        heard = graph.add("MatMul", share, linear(x[other], f"value.{own}"))
        weight = graph.add("Unsqueeze", flags[other], graph.constant(np.array([2])))
        y = graph.add("Add", x[own], graph.add("Mul", weight, heard))
        pooled.append(graph.add("Mul", flags[own], graph.add("ReduceMean", y, over_time, keepdims=0)))
    return linear(graph.add("Concat", *pooled, axis=1), "score")
