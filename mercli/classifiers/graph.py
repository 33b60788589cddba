"""ONNX graphs, written node by node and counted in double precision."""

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

OPSETS = {"": 18, "ai.onnx.ml": 3}
_IR_VERSION = 8  # the oldest that has these operators


class Graph:
    """Build an ONNX classifier of vectors.

    Sums over a thousand terms lose digits in float32, so the vectors are turned to double first.

    Parameters
    ----------
    n_features : int
        The length of a vector.
    """

    def __init__(self, n_features: int) -> None:
        self._n_features = n_features
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self.x = self.add("Cast", "x", to=TensorProto.DOUBLE)

    def constant(self, values: Any) -> str:
        """Add an array, of the type it has, and give its name."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add an operator with one output and give that one's name."""
        name = f"{operator}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], domain=domain, **attributes))
        return name

    def to_bytes(self, posteriors: str, n_classes: int) -> bytes:
        """Give the model: ``x`` [n, n_features] in, ``probabilities`` [n, n_classes] out, both float32.

        Parameters
        ----------
        posteriors : str
            The name of the result, in double precision.
        n_classes : int
            Its width.

        Returns
        -------
        bytes
            The same for the same graph.
        """
        last = helper.make_node("Cast", [posteriors], ["probabilities"], to=TensorProto.FLOAT)
        graph = helper.make_graph(
            [*self._nodes, last],
            "classifier",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", self._n_features])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", n_classes])],
            self._constants,
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in sorted(OPSETS.items())]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="mercli")
        content: bytes = model.SerializeToString(deterministic=True)
        return content
