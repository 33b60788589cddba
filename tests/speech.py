"""A small network of the signature of wav2vec 2.0, HuBERT and WavLM: a waveform in, a frame every 20 ms out."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

DIM, WINDOW, HOP = 16, 325, 320
LAYERS = ((10, 5), (8, 8), (8, 8))  # kernel and stride of each convolution


def speech_network(
    *,
    seed: int = 0,
    dim: int = DIM,
    layers: Sequence[tuple[int, int]] = LAYERS,
    shape_in: Sequence[int | str] = ("batch", "samples"),
    type_in: int = TensorProto.FLOAT,
    more_inputs: bool = False,
    last: Sequence[Any] = (),
    rank_out: int = 3,
    pooled_first: bool = False,
    pads: Sequence[int] = (0, 0),
) -> bytes:
    """Convolutions over the waveform, with a bend between them so that loudness matters.

    `last` are nodes that turn ``transposed`` [batch, frames, dim] into ``frames``.
    """
    rng = np.random.default_rng(seed)
    tensors = {"channel": np.array([1]), "axis": np.array([1])}
    nodes = [
        helper.make_node("Cast", ["waveform"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["real", "channel"], ["h0"]),
    ]
    width = 1
    for i, (kernel, stride) in enumerate(layers):
        scale = 2 / np.sqrt(width * kernel)
        tensors[f"w{i}"] = rng.normal(scale=scale, size=(dim, width, kernel)).astype(np.float32)
        nodes += [
            helper.make_node("Conv", [f"h{i}", f"w{i}"], [f"c{i}"], strides=[stride], pads=list(pads)),
            helper.make_node("Tanh", [f"c{i}"], [f"h{i + 1}"]),
        ]
        width = dim
    nodes.append(helper.make_node("Transpose", [f"h{len(layers)}"], ["transposed"], perm=[0, 2, 1]))
    nodes += last or [helper.make_node("Identity", ["transposed"], ["frames"])]
    outputs = [helper.make_tensor_value_info("frames", TensorProto.FLOAT, [f"d{i}" for i in range(rank_out)])]
    if pooled_first:
        nodes.append(helper.make_node("ReduceMean", ["frames", "axis"], ["pooled"], keepdims=0))
        outputs.insert(0, helper.make_tensor_value_info("pooled", TensorProto.FLOAT, ["batch", dim]))
    names = ["waveform", *(["mask"] if more_inputs else [])]
    graph = helper.make_graph(
        nodes,
        "encoder",
        [helper.make_tensor_value_info(name, type_in, shape_in) for name in names],
        outputs,
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    content: bytes = model.SerializeToString()
    return content
