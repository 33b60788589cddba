"""A VGG-19 for grey faces of 48 x 48 pixels, as an ONNX file; its weights are drawn, not learnt.

It is the network that models/training/face_network.py trains as ``vgg19``, its normalisations folded into the
convolutions as exporters do. How long a network takes depends on its layers, not on its weights, as long as no
number gets so small that processors slow down: the weights are scaled so that it does not.
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save_model

# Channels of the 3x3 convolutions between the poolings of configuration E (Simonyan and Zisserman, 2015).
STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
SIDE_PX, N_CLASSES = 48, 7


def write_vgg19(path: Path, seed: int = 0) -> Path:
    """Write the network; the same for the same seed."""
    rng = np.random.default_rng(seed)
    nodes, weights = [], []

    def constant(*shape: int, scale: float) -> str:
        name = f"weights-{len(weights)}"
        drawn = np.float32(scale) * rng.standard_normal(shape, np.float32)
        weights.append(numpy_helper.from_array(drawn, name))
        return name

    def add(operator: str, *inputs: str, **how: object) -> str:
        output = "posteriors" if operator == "Softmax" else f"value-{len(nodes)}"
        nodes.append(helper.make_node(operator, inputs, [output], **how))
        return output

    weights.append(numpy_helper.from_array(np.float32(1 / 128), "level"))
    value, channels = add("Mul", "faces", "level"), 1
    for width, layers in STAGES:
        for _ in range(layers):
            # He and others (2015): what comes out is as large as what went in.
            kernel = constant(width, channels, 3, 3, scale=(2 / (9 * channels)) ** 0.5)
            value = add("Conv", value, kernel, constant(width, scale=0.01), pads=[1] * 4)
            value, channels = add("Relu", value), width
        value = add("MaxPool", value, kernel_shape=[2, 2], strides=[2, 2])
    value = add("Flatten", add("GlobalAveragePool", value))
    add("Softmax", add("MatMul", value, constant(channels, N_CLASSES, scale=channels**-0.5)))
    graph = helper.make_graph(
        nodes,
        "vgg19",
        [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["n", 1, SIDE_PX, SIDE_PX])],
        [helper.make_tensor_value_info("posteriors", TensorProto.FLOAT, ["n", N_CLASSES])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    save_model(model, path)
    return path
