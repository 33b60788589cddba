"""Crops as a network from elsewhere takes them, and its answer as posteriors: by its contract."""

import reprlib

import numpy as np
from numpy.typing import NDArray

from mercli.errors import BundleError
from mercli.face.contract import LOGITS, NHWC, Contract
from mercli.inference import Runner, to_posteriors

_NOTHING = 1e-6  # of probability on the classes that are kept: then a frame says nothing of them


class Adapter:
    """Translate between mercli and a face network.

    Parameters
    ----------
    network : Runner
        The network.
    contract : Contract
        Says what it takes and gives.

    Raises
    ------
    BundleError
        If the network's own shapes are others.
    """

    def __init__(self, network: Runner, contract: Contract) -> None:
        self._network = network
        self._contract = contract
        _refuse_input(network.input_shape, contract)
        self._output = _choose_output(network, contract)
        known = contract.known
        self._columns = np.array([i for i, name in enumerate(contract.classes) if name is not None])
        self._sums = np.array([[name == own for name in known] for own in contract.classes if own], np.float64)
        channels = (1, 1, 1, -1) if contract.layout == NHWC else (1, -1, 1, 1)
        self._mean = np.array(contract.mean, np.float32).reshape(channels)
        self._std = np.array(contract.std, np.float32).reshape(channels)

    @property
    def gives_logits(self) -> bool:
        """Tell whether the network's answer has yet to become probabilities."""
        return self._contract.output == LOGITS

    def look(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Give class probabilities of crops.

        Parameters
        ----------
        crops : np.ndarray [shape=(n, size_px, size_px)], uint8
            Grey face crops.

        Returns
        -------
        np.ndarray [shape=(n, n_known)]
            Rows that sum to 1, up to rounding, over the classes that are kept.

        Raises
        ------
        BundleError
            If the network fails, or gives what is not what the contract says.
        """
        said = self.answer(crops)
        if self.gives_logits:
            said = softmax(said)
        kept = to_posteriors(said, "the face network")[:, self._columns] @ self._sums
        total = kept.sum(axis=1, keepdims=True)
        even = np.full_like(kept, 1 / kept.shape[1])
        np.divide(kept, total, out=even, where=total > _NOTHING)
        return np.asarray(even, np.float32)

    def answer(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Give what the network says of crops [n, size_px, size_px], as it is: finite values [n, n_classes]."""
        (said,) = self._network.run(self.values(crops), {self._output: len(self._contract.classes)})
        if not np.isfinite(said).all():
            raise BundleError("the face network gave values that are not finite")
        return said

    def values(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Give crops as the network takes them: float32 [n, *input_shape]."""
        axis = 3 if self._contract.layout == NHWC else 1
        grey = np.expand_dims(crops.astype(np.float32), axis)
        values: NDArray[np.float32] = (np.repeat(grey, self._contract.channels, axis) - self._mean) / self._std
        return values


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn logits [n, n_classes] into probabilities."""
    logits = logits - logits.max(axis=1, keepdims=True)
    powers = np.exp(logits.astype(np.float64))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _refuse_input(shape: list[int | str | None], contract: Contract) -> None:
    wanted = contract.input_shape
    alike = len(shape) == 1 + len(wanted) and all(
        own == size or not isinstance(own, int) for own, size in zip(shape[1:], wanted, strict=True)
    )
    if not alike:
        raise BundleError(
            f"the face network takes {_axes(shape)}; by its contract ({contract.layout}) it takes "
            f"{_axes([None, *wanted])}"
        )


def _choose_output(network: Runner, contract: Contract) -> str:
    shapes, name = network.output_shapes, contract.output_name
    if name is None:
        if len(shapes) > 1:
            names = ", ".join(reprlib.repr(output) for output in shapes)
            raise BundleError(f"the face network has outputs {names}; name one as output_name in its contract")
        (name,) = shapes
    elif name not in shapes:
        names = ", ".join(reprlib.repr(output) for output in shapes)
        raise BundleError(f"the face network has no output {name!r}; it has {names}")
    shape, width = shapes[name], len(contract.classes)
    if shape is not None and (len(shape) != 2 or (isinstance(shape[1], int) and shape[1] != width)):
        raise BundleError(
            f"the face network gives {_axes(shape)}; by its contract it gives {_axes([None, width])}, a value for "
            "each of its classes"
        )
    return name


def _axes(shape: "list[int | str | None]") -> str:
    """Write a shape for a sentence; axes of any size are n."""
    return "[" + ", ".join(str(axis) if isinstance(axis, int) else "n" for axis in shape) + "]"
