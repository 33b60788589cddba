"""What small networks over sequences share: PyTorch, asked for late, and how they are trained."""

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli.errors import UsageError

_BATCH = 64
_LEARNING_RATE = 3e-3
_WEIGHT_DECAY = 0.05
_NOISE = 0.2  # deviations of a channel, added to what is learnt from
_SMOOTHING = 0.1  # of the labels


def refuse_without_torch(what: str) -> None:
    """Raise a UsageError unless PyTorch is installed; to predict it is never needed."""
    if importlib.util.find_spec("torch") is None:
        raise UsageError(f"{what} is trained by PyTorch, which is not installed: pip install 'mercli[train]'")


def noisy(batch: Any) -> Any:
    """Add noise to a batch of standardised channels."""
    import torch

    return batch + _NOISE * torch.randn_like(batch)


def train_network(
    network: Any,
    X: NDArray[np.float32],
    kind: NDArray[np.int_],
    weights: NDArray[np.float64],
    *,
    epochs: int,
    seed: int,
    disturb: Callable[[Any], Any] = noisy,
) -> dict[str, NDArray[np.float64]]:
    """Train a PyTorch module on one thread, the same way each time.

    Parameters
    ----------
    network : torch.nn.Module
        From sequences [n, ...] to scores [n, n_classes].
    X : np.ndarray [shape=(n, ...)]
        Standardised sequences.
    kind : np.ndarray of int [shape=(n,)]
        The class of each.
    weights : np.ndarray [shape=(n,)]
        The say of each.
    epochs : int
        How often each is seen.
    seed : int
        Of order, noise and dropout.
    disturb : callable
        Changes a batch before it is learnt from.

    Returns
    -------
    dict of str to np.ndarray
        The trained weights by name, in double precision.
    """
    import torch
    from torch.nn import functional

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        torch.manual_seed(seed)
        inputs, truth = torch.from_numpy(X), torch.from_numpy(kind)
        say = torch.from_numpy((weights / weights.mean()).astype(np.float32))
        optimizer = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
        steps = epochs * -(-len(X) // _BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps)
        network.train()
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(X)), _BATCH):
                scores = network(disturb(inputs[rows]))
                each = functional.cross_entropy(scores, truth[rows], reduction="none", label_smoothing=_SMOOTHING)
                optimizer.zero_grad()
                torch.autograd.backward((each * say[rows]).mean())
                optimizer.step()
                schedule.step()
        return dict(_weights(network))
    finally:
        torch.set_num_threads(threads)


def _weights(network: Any) -> Iterator[tuple[str, NDArray[np.float64]]]:
    for name, tensor in network.state_dict().items():
        yield name, tensor.numpy().astype(np.float64)


def softmax_over(values: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    """Turn scores into shares along an axis."""
    raised = np.exp(values - values.max(axis=axis, keepdims=True))
    shares: NDArray[np.float64] = raised / raised.sum(axis=axis, keepdims=True)
    return shares
