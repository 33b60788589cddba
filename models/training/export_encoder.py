"""Write a public speech network as one ONNX file for `mercli fit --voice-encoder`.

    python models/training/export_encoder.py microsoft/wavlm-base-plus --out wavlm-base-plus.onnx
    python models/training/export_encoder.py facebook/hubert-base-ls960 --layer 9 --out hubert-9.onnx

It needs torch, onnxscript, onnxruntime and transformers. It takes what AutoModel of transformers takes: a name on
the Hugging Face hub, or a folder, of a network that turns a waveform of 16 kHz into frames, such as wav2vec 2.0,
HuBERT and WavLM. Mind its terms: whoever passes on a bundle that was trained on it owes them too.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor, nn
from transformers import AutoModel

RATE_HZ = 16_000
OPSET = 18
TRIED_S = (0.1, 1.0, 7.3, 20.0)
AGREEMENT = 1e-3  # of the largest value that the network gives


class Frames(nn.Module):
    """Give the frames of one layer: a waveform [1, n_samples] in, embeddings [1, n_frames, dim] out.

    Parameters
    ----------
    network : nn.Module
        A model of transformers.
    layer : int or None
        How many of its transformer layers; None for all, and what comes behind them.
    """

    def __init__(self, network: nn.Module, layer: int | None) -> None:
        super().__init__()
        self.network = network
        self.layer = layer

    def forward(self, waveform: Tensor) -> Tensor:
        """Give the frames of a waveform."""
        if self.layer is None:
            frames: Tensor = self.network(waveform).last_hidden_state
        else:
            frames = self.network(waveform, output_hidden_states=True).hidden_states[self.layer]
        return frames


def open_network(checkpoint: str, layer: int | None) -> Frames:
    """Get a checkpoint, as it is for use: no dropout, no masking, single precision."""
    network = AutoModel.from_pretrained(checkpoint)
    n_layers = network.config.num_hidden_layers
    if layer is not None and not 0 <= layer <= n_layers:
        raise SystemExit(f"{checkpoint} has {n_layers} layers; there is no layer {layer}")
    return Frames(network.float(), layer).eval()


def export(frames: Frames, path: Path) -> None:
    """Write the network; what the file would tell of this machine's folders is left out."""
    torch.onnx.export(
        frames,
        (torch.randn(1, 2 * RATE_HZ),),
        path,
        input_names=["waveform"],
        output_names=["frames"],
        dynamic_shapes={"waveform": {1: torch.export.Dim.DYNAMIC}},
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    model = onnx.load(path)
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.functions):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    path.write_bytes(model.SerializeToString(deterministic=True))


def check(frames: Frames, path: Path) -> None:
    """See that the file says what the network says, for sounds of several lengths."""
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    for seconds in TRIED_S:
        waveform = rng.normal(size=(1, round(seconds * RATE_HZ))).astype(np.float32)
        (said,) = session.run(None, {session.get_inputs()[0].name: waveform})
        with torch.no_grad():
            expected = frames(torch.from_numpy(waveform)).numpy()
        apart = np.abs(said - expected).max() / np.abs(expected).max()
        print(f"{seconds:5.1f} s: {said.shape[1]} frames of {said.shape[2]}, {apart:.1e} from PyTorch's")
        if said.shape != expected.shape or not apart < AGREEMENT:
            raise SystemExit(f"{path} does not say what the network says; do not use it")


def main() -> None:
    """Export what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", help="a name on the Hugging Face hub, or a folder")
    parser.add_argument("--layer", type=int, help="the frames behind so many layers (default: the last)")
    parser.add_argument("--out", type=Path, required=True, help="the .onnx file to write")
    arguments = parser.parse_args()
    frames = open_network(arguments.checkpoint, arguments.layer)
    partial = arguments.out.with_suffix(".partial.onnx")
    export(frames, partial)
    check(frames, partial)
    partial.replace(arguments.out)
    size = arguments.out.stat().st_size
    digest = hashlib.sha256(arguments.out.read_bytes()).hexdigest()
    print(f"{arguments.out}: {size:,} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
