"""ONNX networks and classifiers, run on one thread from bytes that were checked before."""

from collections.abc import Sequence

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from mercli.errors import BundleError


class Network:
    """Run one ONNX model.

    Parameters
    ----------
    model : bytes
        The ONNX file's content.
    what : str
        What it is, for error messages.

    Raises
    ------
    BundleError
        If the bytes are no ONNX model that can be run, or the model has not exactly one input.
    """

    def __init__(self, model: bytes, what: str) -> None:
        options = ort.SessionOptions()
        # Workers fill the cores: a pool inside each would fight the others.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime raises its own types, none of them public
            raise BundleError(f"{what} is not an ONNX model that can be run: {_first_line(error)}") from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            raise BundleError(f"{what} has {len(inputs)} inputs; one was expected")
        self._what = what
        self._input = inputs[0].name
        self.input_shape: list[int | str | None] = inputs[0].shape
        self.output_shapes: dict[str, list[int | str | None]] = {
            output.name: output.shape for output in self._session.get_outputs()
        }

    def run(self, values: NDArray[np.float32], output: str) -> NDArray[np.float32]:
        """Give one output for a batch.

        Parameters
        ----------
        values : np.ndarray [shape=(n, ...)]
            The batch.
        output : str
            The name of the output wanted.

        Returns
        -------
        np.ndarray [shape=(n, ...)]
            Its values.
        """
        (result,) = self._session.run([output], {self._input: values})
        return np.asarray(result, np.float32)


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
        if shape is None or shape[-1] != len(own_classes):
            raise BundleError(f"{what} does not give {len(own_classes)} probabilities; it is another model")
        if self._network.input_shape[-1] != n_features:
            raise BundleError(
                f"{what} takes {self._network.input_shape[-1]} features; this bundle's are {n_features}"
            )
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
        """
        result = np.zeros((len(vectors), self._n_classes))
        result[:, self._columns] = self._network.run(vectors.astype(np.float32), "probabilities")
        result /= result.sum(axis=1, keepdims=True)
        return result


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
