"""ONNX networks and classifiers, run on one thread from bytes that were checked before."""

import abc
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from mercli.errors import BundleError

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

_ROUNDING = 1e-5


class Runner(abc.ABC):
    """Run one ONNX model, here or elsewhere.

    Parameters
    ----------
    what : str
        What it is, for error messages.
    input_shape : list of int, str or None
        Of its one input, as onnxruntime gives it.
    output_shapes : dict of str to list
        Of its outputs, likewise.
    singly : bool
        Whether it is given each thing of a batch by itself, where it takes no more.
    """

    def __init__(
        self,
        what: str,
        input_shape: list[int | str | None],
        output_shapes: dict[str, list[int | str | None]],
        *,
        singly: bool = False,
    ) -> None:
        self._what = what
        self.input_shape = input_shape
        self.output_shapes = output_shapes
        self._singly = bool(singly and input_shape and input_shape[0] == 1)

    def run(self, values: NDArray[np.float32], widths: Mapping[str, int]) -> list[NDArray[np.float32]]:
        """Give outputs for a batch.

        Parameters
        ----------
        values : np.ndarray [shape=(n, ...)]
            The batch.
        widths : mapping of str to int
            The names of the outputs wanted, and how many values each has to give for each of the batch, whatever
            the model says of itself.

        Returns
        -------
        list of np.ndarray [shape=(n, width)]
            Their values, in the order of `widths`.

        Raises
        ------
        BundleError
            If the model fails on the batch, or gives an output of another shape.
        """
        if self._singly and len(values) > 1:
            rows = [self.run(values[i : i + 1], widths) for i in range(len(values))]
            return [np.concatenate(parts) for parts in zip(*rows, strict=True)]
        given = self.give(values, *widths)
        for said, width in zip(given, widths.values(), strict=True):
            if said.shape != (len(values), width):
                raise BundleError(
                    f"{self._what} gave {reprlib.repr(list(said.shape))} values for a batch of {len(values)}; "
                    f"{[len(values), width]} were expected: it is another model"
                )
        return given

    @abc.abstractmethod
    def give(self, values: NDArray[np.float32], *outputs: str) -> list[NDArray[np.float32]]:
        """Give outputs for a batch, whatever their shapes are.

        Parameters
        ----------
        values : np.ndarray [shape=(n, ...)]
            The batch.
        *outputs : str
            The names of the outputs wanted.

        Returns
        -------
        list of np.ndarray
            Their values.

        Raises
        ------
        BundleError
            If the model fails on the batch.
        """


class Network(Runner):
    """Run one ONNX model in this process.

    Parameters
    ----------
    model : bytes
        The ONNX file's content.
    what : str
        What it is, for error messages.
    any_length : bool
        Whether it is given one thing at a time, such as a sound, of a length that is never the same; without it
        the model has to take batches of any size.
    singly : bool
        Whether a model that takes nothing but one thing at a time will do: it is then given each by itself.
    providers : sequence
        What computes, as onnxruntime names it; the processor, unless told otherwise.

    Raises
    ------
    BundleError
        If the bytes are no ONNX model that can be run, the model has not exactly one input, a batch of float32,
        it keeps data in other files, or the first of the providers cannot be had.
    """

    def __init__(
        self,
        model: bytes,
        what: str,
        *,
        any_length: bool = False,
        singly: bool = False,
        providers: Sequence[Any] = (CPU,),
    ) -> None:
        _refuse_outside_data(model, what)
        options = ort.SessionOptions()
        # Workers fill the cores: a pool inside each would fight the others.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.enable_mem_pattern = not any_length  # a plan of the memory helps only where it is needed again
        options.add_session_config_entry("session.load_model_format", "ONNX")
        try:
            self._session = ort.InferenceSession(model, options, providers=list(providers))
        except Exception as error:  # onnxruntime raises its own types, none of them public
            raise BundleError(f"{what} is not an ONNX model that can be run: {_first_line(error)}") from error
        if CUDA in str(providers[0]) and self._session.get_providers()[0] != CUDA:  # it goes on, and says nothing
            raise BundleError(
                f"{what} cannot be opened on the graphics processor: CUDA or its driver is not there"
            )
        # It keeps the file's content, hundreds of megabytes of a speech network, for a change that never comes.
        self._session._model_bytes = None
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise BundleError(f"{what} has {len(inputs)} inputs; one was expected")
        shape = inputs[0].shape
        fixed = shape and isinstance(shape[0], int) and not ((any_length or singly) and shape[0] == 1)
        if inputs[0].type != "tensor(float)" or not shape or fixed:
            size = "one" if any_length else "any size"
            raise BundleError(f"{what} does not take float32 batches of {size}; it is another model")
        outputs = {output.name: output.shape for output in self._session.get_outputs()}
        super().__init__(what, shape, outputs, singly=singly)
        self._input = inputs[0].name

    def give(self, values: NDArray[np.float32], *outputs: str) -> list[NDArray[np.float32]]:
        """Give outputs for a batch; see `Runner.give`."""
        try:
            given = self._session.run(list(outputs), {self._input: values})
            return [np.asarray(result, np.float32) for result in given]
        except Exception as error:  # onnxruntime raises its own types, none of them public
            raise BundleError(f"{self._what} cannot be run: {_first_line(error)}") from error


class Opener(Protocol):
    """Open a network, here or elsewhere; see `Network`."""

    def __call__(self, model: bytes, what: str, *, any_length: bool = False, singly: bool = False) -> Runner:
        """Open it."""
        ...


class Classifier:
    """Turn vectors into posteriors over a bundle's classes.

    Parameters
    ----------
    model : bytes
        An ONNX model with an output ``probabilities`` [n, len(own_classes)].
    own_classes : sequence of str
        The classes the model was trained on.
    classes : sequence of str
        The bundle's classes, a superset; a class the model does not know gets 0.
    n_features : int
        The length of a vector.
    what : str
        What it is, for error messages.

    Raises
    ------
    BundleError
        If the model does not fit these sizes.
    """

    def __init__(
        self, model: bytes, own_classes: Sequence[str], classes: Sequence[str], n_features: int, what: str
    ) -> None:
        self._network = Network(model, what)
        shape = self._network.output_shapes.get("probabilities")
        if shape is None or shape[1:] != [len(own_classes)]:
            raise BundleError(f"{what} does not give {len(own_classes)} probabilities; it is another model")
        if self._network.input_shape[1:] != [n_features]:
            raise BundleError(
                f"{what} takes {reprlib.repr(self._network.input_shape[-1])} features; this bundle's are "
                f"{n_features}"
            )
        self._what = what
        self._columns = [classes.index(name) for name in own_classes]
        self._n_classes = len(classes)

    def posteriors(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Give class probabilities.

        Parameters
        ----------
        vectors : np.ndarray [shape=(n, n_features)]
            One row a clip.

        Returns
        -------
        np.ndarray [shape=(n, n_classes)]
            Rows that sum to 1.

        Raises
        ------
        BundleError
            If the model fails, or gives what are no probabilities.
        """
        result = np.zeros((len(vectors), self._n_classes))
        (said,) = self._network.run(vectors.astype(np.float32), {"probabilities": len(self._columns)})
        result[:, self._columns] = to_posteriors(said, self._what)
        return result


def to_posteriors(values: NDArray[np.float32], what: str) -> NDArray[np.float64]:
    """Make a network's probabilities sum to 1 to the last digit.

    Parameters
    ----------
    values : np.ndarray [shape=(n, n_classes)]
        What a network gave.
    what : str
        The network, for error messages.

    Returns
    -------
    np.ndarray [shape=(n, n_classes)]
        Rows that sum to 1.

    Raises
    ------
    BundleError
        If a row holds no probabilities: NaN, values under 0 by more than rounding, or nothing but 0.
    """
    # onnxruntime adds up the trees of a forest in float32, and can end some 1e-7 under 0.
    result = np.where((values < 0) & (values > -_ROUNDING), 0.0, values.astype(np.float64))
    total = result.sum(axis=1, keepdims=True)
    if not ((result >= 0).all() and (total > 0).all() and np.isfinite(total).all()):
        raise BundleError(f"{what} gave a clip no probabilities")
    result /= total
    return result


def parse(model: bytes, what: str) -> Any:
    """Give an ONNX file's content as an ``onnx.ModelProto``.

    Parameters
    ----------
    model : bytes
        The ONNX file's content.
    what : str
        What it is, for error messages.

    Returns
    -------
    onnx.ModelProto
        Nothing in it is checked.

    Raises
    ------
    BundleError
        If it is none.
    """
    import onnx  # costs more than to open a model, and few processes need it

    try:
        return onnx.ModelProto.FromString(model)
    except Exception as error:  # protobuf's own type
        raise BundleError(f"{what} is not an ONNX model that can be run: {_first_line(error)}") from error


def messages(message: Any) -> Iterator[Any]:
    """Give a protobuf message, and every one within it: graphs, nodes, attributes, tensors and the rest."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                yield from messages(part)


def _refuse_outside_data(model: bytes, what: str) -> None:
    """Raise a BundleError if a tensor's values are in a file the model names: no hash covers that one.

    onnxruntime looks for such files even when it is given bytes, in the folder the process happens to be in.
    """
    if b"location" not in model:  # the key under which a tensor names its file
        return
    tensors = (part for part in messages(parse(model, what)) if part.DESCRIPTOR.name == "TensorProto")
    if any(tensor.external_data or tensor.data_location for tensor in tensors):
        raise BundleError(f"{what} keeps data in another file, and is refused: a model has to be one file")


def _first_line(error: Exception) -> str:
    """Give an error's first line; what a model's author wrote into it cannot steer a terminal."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
    return "".join(letter if letter.isprintable() else "?" for letter in line)
