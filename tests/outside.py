"""Small face networks as others make them: of any layout, with fixed batches, odd outputs or none."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def network(
    n_classes: int = 7,
    *,
    px: int = 16,
    channels: int = 1,
    nhwc: bool = False,
    batch: int | str = "n",
    after: Sequence[str] = ("Softmax",),
    outputs: Sequence[str] = ("scores",),
    shape_in: Sequence[int | str] | None = None,
    weights: NDArray[np.float64] | None = None,
    old: bool = False,
) -> bytes:
    """A linear classifier of all its input's values, by the weights of `weights_of`, and operators after it.

    Where `old`, its weights are inputs too, as they were before ONNX 1.4.
    """
    axes = (px, px, channels) if nhwc else (channels, px, px)
    weights = weights_of(n_classes, px=px, channels=channels) if weights is None else weights
    names = [f"step_{i}" for i in range(len(after))] + [outputs[0]]
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], [names[0]])]
    nodes += [helper.make_node(kind, [a], [b]) for kind, a, b in zip(after, names[:-1], names[1:], strict=True)]
    nodes += [helper.make_node("Identity", [outputs[0]], [more]) for more in outputs[1:]]
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape_in or [batch, *axes])]
    if old:
        given.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, list(weights.shape)))
    out = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, weights.shape[1]]) for name in outputs]
    held = [numpy_helper.from_array(weights.astype(np.float32), "w")]
    model = helper.make_model(
        helper.make_graph(nodes, "outside", given, out, held), opset_imports=[helper.make_opsetid("", 13)]
    )
    model.ir_version = 3 if old else 8
    content: bytes = model.SerializeToString()
    return content


def weights_of(n_classes: int = 7, *, px: int = 16, channels: int = 1) -> NDArray[np.float64]:
    """Weights [px * px * channels, n_classes], at random and so small that logits stay within some units."""
    return np.random.default_rng(0).normal(scale=1 / px, size=(px * px * channels, n_classes))


def contract(px: int = 16, **changed: Any) -> dict[str, Any]:
    """The contract of a network that `network` makes."""
    return {
        "size_px": px,
        "channels": 1,
        "layout": "NCHW",
        "mean": [127.5],
        "std": [127.5],
        "output": "probabilities",
        "classes": list(CLASSES),
        **changed,
    }
