"""The face networks, a compact residual net and VGG-19: grey pixels to emotions, and their ONNX form."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn

from face_data import CLASSES, SIDE_PX

COMPACT, VGG19 = "compact", "vgg19"

STEM_CHANNELS = (16, 32)  # at 48 and 24 px
# (channels, blocks) at 24, 12 and 6 px. Wide where the image is small: a channel costs least there.
STAGES = ((32, 1), (96, 2), (224, 2))
SQUEEZE = 8  # channels of a block for each channel of its gate

# Channels of the 3x3 convolutions between the poolings of configuration E (Simonyan and Zisserman, 2015).
VGG19_STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))

# Added to a crop's variance in grey levels squared, so that a flat crop stays flat, not noise at full scale.
VARIANCE_FLOOR = 4.0
DROPOUT = {COMPACT: 0.2, VGG19: 0.5}

AXES = 32  # of the embedding that leaves the network: a clip's classifier learns from a few hundred clips

OPSET = 18
TOLERANCE = 1e-4
MAX_COMPACT_BYTES = 12_000_000


class Gate(nn.Module):
    """Weigh channels by what the whole picture says (squeeze and excitation; Hu and others, 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // SQUEEZE)
        self.excite = nn.Linear(channels // SQUEEZE, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the channels, each between none and all of it."""
        weights = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean(dim=(2, 3))))))
        return x * weights[:, :, None, None]


class ResidualBlock(nn.Module):
    """Add two 3x3 convolutions, gated, to their own input."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *convolution(channels_in, channels, stride),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            Gate(channels),
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


def convolution(channels_in: int, channels: int, stride: int = 1) -> Iterator[nn.Module]:
    """Give a 3x3 convolution, its normalisation and its rectifier."""
    yield nn.Conv2d(channels_in, channels, 3, stride, padding=1, bias=False)
    yield nn.BatchNorm2d(channels)
    yield nn.ReLU(inplace=True)


def compact_layers() -> Iterator[nn.Module]:
    """Give the layers of the network that ships."""
    channels = 1
    for stride, width in enumerate(STEM_CHANNELS, start=1):
        yield from convolution(channels, width, stride)
        channels = width
    for stage, (width, blocks) in enumerate(STAGES):
        for block in range(blocks):
            yield ResidualBlock(channels, width, 2 if stage > 0 and block == 0 else 1)
            channels = width


def vgg19_layers() -> Iterator[nn.Module]:
    """Give the layers of VGG-19, normalised, for a picture that five poolings make one pixel."""
    channels = 1
    for width, layers in VGG19_STAGES:
        for _ in range(layers):
            yield from convolution(channels, width)
            channels = width
        yield nn.MaxPool2d(2)


LAYERS = {COMPACT: compact_layers, VGG19: vgg19_layers}
EMBEDDING = {COMPACT: STAGES[-1][0], VGG19: VGG19_STAGES[-1][0]}


class FaceNetwork(nn.Module):
    """Score grey faces, float32 [n, 1, 48, 48] of 0..255, by an embedding with two heads.

    One head learns the label that FER2013 gives a picture, the other how ten people of FER+ voted on it: they
    agree on .63 of the pictures, so one head would have to answer two questions at once.
    """

    def __init__(self, arch: str = COMPACT) -> None:
        super().__init__()
        self.arch = arch
        self.features = nn.Sequential(*LAYERS[arch]())
        self.dropout = nn.Dropout(DROPOUT[arch])
        self.own_head = nn.Linear(EMBEDDING[arch], len(CLASSES))
        self.crowd_head = nn.Linear(EMBEDDING[arch], len(CLASSES))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logits of both heads [n, 7] and the embedding [n, 224 or 512]."""
        embedding = self.features(standardise(pixels)).mean(dim=(2, 3))
        kept = self.dropout(embedding)
        return self.own_head(kept), self.crowd_head(kept), embedding


class DeployedFaceNetwork(nn.Module):
    """Answer by a mean of both heads' posteriors, and by the embedding on its main axes over training faces.

    Parameters
    ----------
    network : FaceNetwork
        The trained one.
    crowd_share : float
        Of the posteriors that comes from the crowd's head.
    axes : EmbeddingAxes, optional
        Without them the embedding is as the network has it.
    """

    def __init__(self, network: FaceNetwork, crowd_share: float = 0.5, axes: EmbeddingAxes | None = None) -> None:
        super().__init__()
        self.network = network
        self.crowd_share = crowd_share
        self.axes = axes or nn.Identity()

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Return posteriors [n, 7] and embedding."""
        own, crowd, embedding = self.network(pixels)
        mixed = torch.softmax(own, dim=1).lerp(torch.softmax(crowd, dim=1), self.crowd_share)
        return mixed, self.axes(embedding)


class EmbeddingAxes(nn.Module):
    """Project an embedding onto its principal axes, each of deviation one over the faces they were found on."""

    def __init__(self, embeddings: Tensor) -> None:
        super().__init__()
        mean = embeddings.mean(dim=0)
        _, deviations, axes = torch.linalg.svd(embeddings - mean, full_matrices=False)
        scale = deviations[:AXES] / len(embeddings) ** 0.5
        # The sign of an axis is the solver's whim: its largest entry shall be positive.
        largest = axes[:AXES].gather(1, axes[:AXES].abs().argmax(dim=1, keepdim=True))
        self.register_buffer("mean", mean)
        self.register_buffer("axes", (axes[:AXES] * largest.sign() / scale[:, None]).T.contiguous())

    def forward(self, embedding: Tensor) -> Tensor:
        """Return the coordinates [n, 32]."""
        return (embedding - self.mean) @ self.axes


def standardise(pixels: Tensor) -> Tensor:
    """Shift and scale each image to zero mean and unit deviation."""
    centred = pixels - pixels.mean(dim=(2, 3), keepdim=True)
    variance = (centred * centred).mean(dim=(2, 3), keepdim=True)
    return centred / torch.sqrt(variance + VARIANCE_FLOOR)


def parameter_count(network: nn.Module) -> int:
    """Count the trained numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def export_onnx(deployed: DeployedFaceNetwork, path: Path) -> None:
    """Write a network as one ONNX file, moved into place only after it agrees with PyTorch."""
    deployed = deployed.eval()
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
    if deployed.network.arch == COMPACT and len(content) > MAX_COMPACT_BYTES:
        raise ValueError(f"{path} has {len(content)} bytes, more than the {MAX_COMPACT_BYTES} allowed.")
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
