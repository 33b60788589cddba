r"""Make the network that ships of a trained one: convolutions count with whole numbers, in a third of the time.

    python models/training/quantise_network.py --network runs/face/network.onnx --faces fer2013.npz --out runs/int8

Activations have 8 bits and weights 7: with 8, processors that lack an instruction for this would let sums overflow
(ONNX Runtime's `reduce_range`). The first two convolutions, few channels over many pixels, stay as they are: they
lose most and gain nothing; so do sums of shortcuts and bodies. The ranges are those over faces of Training. What
was tried was compared on PublicTest; the scores in `metrics.json` are of PublicTest and PrivateTest.
"""

import argparse
import json
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from face_data import FaceSplit, load_splits, sha256_of
from face_scores import score
from mercli.inference import Network

SEED = 7
FACES, BATCH = 1000, 100  # that tell the ranges
LEFT_ALONE = 2  # convolutions
OPERATORS = ["Conv", "Relu", "AveragePool", "Mul"]
TURNS, CROPS = 21, 32


class Faces(CalibrationDataReader):  # type: ignore[misc]  # it has no types
    """Hand out faces in batches, float32 [n, 1, side, side]."""

    def __init__(self, name: str, images: NDArray[np.uint8]) -> None:
        self._name = name
        self._batches = iter(np.split(images[:, np.newaxis].astype(np.float32), FACES // BATCH))

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Give the next batch."""
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}


def quantise(network: Path, images: NDArray[np.uint8], out: Path) -> None:
    """Write the network with whole numbers, its ranges those over some of the images."""
    graph = onnx.load(network).graph
    some = np.random.default_rng(SEED).choice(len(images), FACES, replace=False)
    convolutions = [node.name for node in graph.node if node.op_type == "Conv"]
    quantize_static(
        network,
        out,
        Faces(graph.input[0].name, images[some]),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=OPERATORS,
        nodes_to_exclude=convolutions[:LEFT_ALONE],
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=True,
        reduce_range=True,
    )


def look(network: Path, images: NDArray[np.uint8], widths: dict[str, int]) -> list[NDArray[np.float32]]:
    """Give what a network says of faces, on one thread as `predict` runs it."""
    opened = Network(network.read_bytes(), str(network))
    parts = np.array_split(images[:, np.newaxis].astype(np.float32), len(images) // CROPS)
    said = zip(*(opened.run(part, widths) for part in parts), strict=True)
    return [np.concatenate(output) for output in said]


def ms_a_face(network: Path, images: NDArray[np.uint8], widths: dict[str, int]) -> float:
    """Give the median processor time of a face, 32 at a time."""
    opened = Network(network.read_bytes(), str(network))
    crops = images[:CROPS, np.newaxis].astype(np.float32)
    spent = []
    for _ in range(TURNS):
        start_s = time.process_time()
        opened.run(crops, widths)
        spent.append(1e3 * (time.process_time() - start_s) / CROPS)
    return float(np.median(spent))


def compare(network: Path, made: Path, split: FaceSplit, widths: dict[str, int]) -> dict[str, float]:
    """Say how far the network made is from the one it was made of."""
    images = split.images.numpy()
    (was, was_embedded), (now, embedded) = (look(path, images, widths) for path in (network, made))
    return {
        "answers_alike": float((was.argmax(axis=1) == now.argmax(axis=1)).mean()),
        "posterior_rmse": float(np.sqrt(np.mean((was - now) ** 2))),
        "embedding_rmse_of_deviation": float(
            np.sqrt(np.mean((was_embedded - embedded) ** 2)) / was_embedded.std()
        ),
        "ms_per_face_before": ms_a_face(network, images, widths),
        "ms_per_face": ms_a_face(made, images, widths),
    }


def main() -> None:
    """Quantise, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", type=Path, required=True, help="what train_face_network.py wrote")
    parser.add_argument("--faces", type=Path, required=True, help="fer2013.npz")
    parser.add_argument("--out", type=Path, required=True, help="folder for network.onnx and metrics.json")
    options = parser.parse_args()
    splits = load_splits(options.faces)
    outputs = onnx.load(options.network).graph.output
    widths = {output.name: output.type.tensor_type.shape.dim[1].dim_value for output in outputs}
    options.out.mkdir(parents=True, exist_ok=True)
    made = options.out / "network.onnx"
    quantise(options.network, splits["Training"].images.numpy(), made)
    before = options.network.with_name("metrics.json")
    metrics = json.loads(before.read_text()) if before.is_file() else {}
    metrics["quantised"] = compare(options.network, made, splits["PublicTest"], widths)
    metrics["onnx_sha256"] = sha256_of(made)
    for key, name in (("public_test", "PublicTest"), ("private_test", "PrivateTest")):
        posteriors, *_ = look(made, splits[name].images.numpy(), widths)
        metrics[f"{key}_before"] = metrics.get(key)
        metrics[key] = asdict(score(torch.from_numpy(posteriors), splits[name]))
    (options.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(json.dumps({key: metrics[key] for key in ("quantised", "public_test", "private_test")}, indent=2))


if __name__ == "__main__":
    main()
