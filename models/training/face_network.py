"""The face network: a small residual net from 48x48 grey pixels to emotions, and its ONNX form."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from face_data import CLASSES, SIDE_PX

STEM_CHANNELS = 32
# (channels, blocks) at 24, 12 and 6 px. Wide where the image is small: a channel costs least there.
STAGES = ((32, 1), (96, 2), (192, 2))
# Added to a crop's variance in grey levels squared, so that a flat crop stays flat, not noise at full scale.
VARIANCE_FLOOR = 4.0
DROPOUT = 0.25

OPSET = 18
TOLERANCE = 1e-4
MAX_ONNX_BYTES = 8_000_000


class ResidualBlock(nn.Module):
    """Add two 3x3 convolutions to their own input."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            # Averaging before the 1x1 keeps the pixels that a strided 1x1 would skip.
            self.shortcut = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(channels_in, channels, 1, bias=False),
                nn.BatchNorm2d(channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """Return the rectified sum of shortcut and body."""
        return torch.relu(self.shortcut(x) + self.body(x))


class FaceNetwork(nn.Module):
    """Score grey faces: float32 [n, 1, 48, 48] of 0..255 to logits [n, 7] and an embedding [n, 192]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(1, STEM_CHANNELS, 5, stride=2, padding=2, bias=False),
            nn.BatchNorm2d(STEM_CHANNELS),
            nn.ReLU(inplace=True),
        ]
        channels = STEM_CHANNELS
        for stage, (width, blocks) in enumerate(STAGES):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(ResidualBlock(channels, width, stride))
                channels = width
        self.features = nn.Sequential(*layers)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(channels, len(CLASSES))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits and embedding."""
        embedding = self.features(standardise(pixels)).mean(dim=(2, 3))
        return self.head(self.dropout(embedding)), embedding


class DeployedFaceNetwork(nn.Module):
    """Wrap a trained network so that its first output is the posteriors."""

    def __init__(self, network: FaceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return posteriors and embedding."""
        logits, embedding = self.network(pixels)
        return torch.softmax(logits, dim=1), embedding


def standardise(pixels: Tensor) -> Tensor:
    """Shift and scale each image to zero mean and unit deviation."""
    centred = pixels - pixels.mean(dim=(2, 3), keepdim=True)
    variance = (centred * centred).mean(dim=(2, 3), keepdim=True)
    return centred / torch.sqrt(variance + VARIANCE_FLOOR)


def parameter_count(network: nn.Module) -> int:
    """Count the trained numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def export_onnx(network: FaceNetwork, path: Path) -> None:
    """Write the network as one ONNX file, moved into place only after it agrees with PyTorch."""
    deployed = DeployedFaceNetwork(network).eval()
    partial = path.with_suffix(".partial.onnx")
    torch.onnx.export(
        deployed,
        (torch.zeros(2, 1, SIDE_PX, SIDE_PX),),
        partial,
        input_names=["pixels"],
        output_names=["posteriors", "embedding"],
        dynamic_shapes={"pixels": {0: torch.export.Dim("faces")}},
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    drop_source_notes(partial)
    check_onnx(deployed, partial)
    partial.replace(path)


def drop_source_notes(path: Path) -> None:
    """Remove the exporter's stack traces and file names, which name folders of the training machine."""
    model = onnx.load(path)
    model.doc_string = ""
    del model.metadata_props[:]
    graph = model.graph
    graph.doc_string = ""
    del graph.metadata_props[:]
    for item in (*graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        item.doc_string = ""
        del item.metadata_props[:]
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def check_onnx(deployed: DeployedFaceNetwork, path: Path) -> None:
    """Raise unless the file is small, self-contained and gives PyTorch's answers at several batch sizes."""
    content = path.read_bytes()
    if len(content) > MAX_ONNX_BYTES:
        raise ValueError(f"{path} has {len(content)} bytes, more than the {MAX_ONNX_BYTES} allowed.")
    session = one_thread_session(content)
    draw = np.random.default_rng(0)
    for faces in (1, 3, 32):
        pixels = draw.integers(0, 256, (faces, 1, SIDE_PX, SIDE_PX)).astype(np.float32)
        pixels[0] = 128  # a flat crop
        answers = session.run(["posteriors", "embedding"], {"pixels": pixels})
        with torch.no_grad():
            expected = deployed(torch.from_numpy(pixels))
        for name, found, wanted in zip(("posteriors", "embedding"), answers, expected, strict=True):
            difference = float(np.abs(found - wanted.numpy()).max())
            if not difference < TOLERANCE:
                raise ValueError(f"{path}: {name} differs from PyTorch by {difference}, over {TOLERANCE}.")


def one_thread_session(content: bytes) -> ort.InferenceSession:
    """Open an ONNX model from bytes on one thread, which also proves that it needs no second file."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def ms_per_face(path: Path, *, batch: int = 32, repeats: int = 30) -> float:
    """Time the fastest of some batches on one thread, in milliseconds a face."""
    session = one_thread_session(path.read_bytes())
    pixels = np.random.default_rng(0).integers(0, 256, (batch, 1, SIDE_PX, SIDE_PX)).astype(np.float32)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        session.run(None, {"pixels": pixels})
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds) / batch
