"""Train a face network on FER2013 and its crowd votes, and write it as one ONNX file.

    python models/training/train_face_network.py --faces fer2013.npz --out models/training/runs/face

After every epoch the folder holds a checkpoint, the best averaged network so far, and each epoch's PublicTest
numbers in `progress.jsonl`. When the last epoch is done the best is written as `network.onnx` and measured on
PrivateTest, once, into `metrics.json`. `--teacher` adds networks trained before, whose answers are learnt too
(distillation; Hinton and others, 2015); `--arch vgg19 --device cuda` trains the original's network.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # PyTorch's own abbreviation
from torch import Tensor, nn

from face_data import CLASSES, FaceSplit, augment, class_weights, load_splits, sha256_of
from face_network import (
    COMPACT,
    LAYERS,
    VGG19,
    DeployedFaceNetwork,
    EmbeddingAxes,
    FaceNetwork,
    export_onnx,
    ms_per_face,
    parameter_count,
)
from face_scores import choose_crowd_share, evaluate, look

BATCH = 128
PEAK_LEARNING_RATE = {COMPACT: 0.1, VGG19: 0.05}
WEIGHT_DECAY = 5e-4
MIXUP_ALPHA = 0.2
MIXUP_SHARE = 0.2  # of the batches: more, and so small a network does not even learn its own training rows
# Of inverse frequency: enough to keep disgust and fear, not so much as to flood the table with them.
CLASS_WEIGHT_POWER = 0.2
TEACHERS_SHARE = 0.6  # of a target, the rest from the row's own
AVERAGE_DECAY = 0.999  # of the weights, a step
SMALL_FACE_PX = 24
AXES_STEP = 4  # every fourth training face is enough to find the axes of the embedding

CHECKPOINT = "checkpoint.pt"
BEST = "best.pt"
NETWORK = "network.onnx"
PROGRESS = "progress.jsonl"
METRICS = "metrics.json"


@dataclass
class Training:
    """Hold all that one run changes as it goes."""

    arch: str
    network: FaceNetwork
    average: FaceNetwork
    optimizer: torch.optim.SGD
    schedule: torch.optim.lr_scheduler.OneCycleLR
    seed: int
    epochs: int
    epochs_done: int = 0
    best_epoch: int = 0
    best_score: float = 0.0

    def begin_with(self, network: FaceNetwork) -> None:
        """Take over the weights of a network trained before."""
        for own in (self.network, self.average):
            own.load_state_dict(network.state_dict())

    def state(self) -> dict[str, Any]:
        """Return what a later `restore` needs."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "arch": self.arch,
            "seed": self.seed,
            "epochs": self.epochs,
            "epochs_done": self.epochs_done,
            "best_epoch": self.best_epoch,
            "best_score": self.best_score,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved state, which must be of the same network, seed and length."""
        for name in ("arch", "seed", "epochs"):
            if state[name] != getattr(self, name):
                raise SystemExit(f"The checkpoint was made with --{name} {state[name]}: resume with that.")
        for name in ("network", "average", "optimizer", "schedule"):
            getattr(self, name).load_state_dict(state[name])
        for name in ("epochs_done", "best_epoch", "best_score"):
            setattr(self, name, state[name])


def new_training(arch: str, rows: int, epochs: int, seed: int) -> Training:
    """Set up an untrained network, its average, optimizer and one-cycle schedule."""
    torch.manual_seed(seed)
    network = FaceNetwork(arch).to(memory_format=torch.channels_last)
    average = copy.deepcopy(network).eval().requires_grad_(requires_grad=False)
    decayed = [weight for weight in network.parameters() if weight.ndim > 1]
    plain = [weight for weight in network.parameters() if weight.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=PEAK_LEARNING_RATE[arch], momentum=0.9, nesterov=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=PEAK_LEARNING_RATE[arch],
        total_steps=epochs * (rows // BATCH),
        pct_start=0.2,
        cycle_momentum=False,
        final_div_factor=100,
    )
    return Training(arch, network, average, optimizer, schedule, seed, epochs)


def train_epoch(training: Training, split: FaceSplit, weights: Tensor, teachers: list[FaceNetwork]) -> float:
    """Train on every row once and return the mean loss."""
    # Seeded by the epoch, so that a resumed run draws what an unbroken one would.
    torch.manual_seed(training.seed * 100_003 + training.epochs_done)
    training.network.train()
    order = torch.randperm(len(split))
    losses = []
    for start in range(0, len(split) - BATCH + 1, BATCH):
        rows = order[start : start + BATCH]
        pixels, targets = mix(augment(split.images[rows]), split.targets[rows])
        if teachers:
            targets = targets.lerp(teach(teachers, pixels), TEACHERS_SHARE)
        loss = weighted_loss(forward(training.network, pixels), targets, weights)
        training.optimizer.zero_grad()
        loss.backward()
        training.optimizer.step()
        training.schedule.step()
        follow(training.average, training.network, training.schedule.last_epoch)
        losses.append(loss.item())
    return float(np.mean(losses))


def mix(pixels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Blend each row of some batches with another, by one share a batch (mixup; Zhang and others, 2018)."""
    if torch.rand(()) >= MIXUP_SHARE:
        return pixels, targets
    share = torch.distributions.Beta(MIXUP_ALPHA, MIXUP_ALPHA).sample().item()
    partner = torch.randperm(len(pixels))
    return pixels.lerp(pixels[partner], share), targets.lerp(targets[partner], share)


@torch.no_grad()
def teach(teachers: list[FaceNetwork], pixels: Tensor) -> Tensor:
    """Return what teachers say of the very pixels a student sees, averaged, [n, 2, 7]."""
    return torch.stack([torch.softmax(forward(teacher, pixels), dim=2) for teacher in teachers]).mean(dim=0)


def forward(network: nn.Module, pixels: Tensor) -> Tensor:
    """Return the float32 logits of both heads [n, 2, 7], the convolutions done in bfloat16."""
    with torch.autocast(pixels.device.type, dtype=torch.bfloat16):
        own, crowd, _ = network(pixels.contiguous(memory_format=torch.channels_last))
    return torch.stack([own, crowd], dim=1).float()


def weighted_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the cross-entropy against soft targets, each class by its weight, averaged over heads and rows."""
    return -(weights * targets * F.log_softmax(logits, dim=2)).sum(dim=2).mean()


@torch.no_grad()
def follow(average: nn.Module, network: nn.Module, step: int) -> None:
    """Move the averaged weights and batch statistics a little towards the trained ones."""
    # The early average is short, or the random start would stay in it for thousands of steps.
    decay = min(AVERAGE_DECAY, (1 + step) / (10 + step))
    own, other = average.state_dict(), network.state_dict()
    for name, tensor in own.items():
        if tensor.is_floating_point():
            tensor.lerp_(other[name], 1 - decay)
        else:
            tensor.copy_(other[name])


def save(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint under a temporary name, then move it into place."""
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def load_average(path: Path) -> FaceNetwork:
    """Open the averaged network of a checkpoint."""
    state = torch.load(path, weights_only=True, map_location="cpu")
    with torch.device("cpu"):
        network = FaceNetwork(state["arch"])
    network.load_state_dict(state["average"])
    return network.eval()


def close_epoch(training: Training, split: FaceSplit, loss: float, seconds: float, out: Path) -> None:
    """Score the averaged network, keep it if it is the best yet, and write the checkpoint."""
    training.epochs_done += 1
    scores = evaluate(training.average, split)
    if scores.choice > training.best_score:
        training.best_score = scores.choice
        training.best_epoch = training.epochs_done
        save({"arch": training.arch, "average": training.average.state_dict()}, out / BEST)
    save(training.state(), out / CHECKPOINT)
    line = {"epoch": training.epochs_done, "loss": loss, "seconds": seconds, "public_test": asdict(scores)}
    with (out / PROGRESS).open("a") as file:
        file.write(json.dumps(line) + "\n")
    print(
        f"epoch {training.epochs_done}/{training.epochs}  loss {loss:.3f}  {seconds:.0f} s  PublicTest "
        f"accuracy {scores.accuracy:.4f} macro-F1 {scores.macro_f1:.4f} crowd {scores.crowd_accuracy:.4f}"
        f"{'  best' if training.best_epoch == training.epochs_done else ''}",
        flush=True,
    )


def deploy(network: FaceNetwork, splits: dict[str, FaceSplit]) -> DeployedFaceNetwork:
    """Choose the heads' shares on PublicTest and the embedding's axes on Training."""
    _, _, embeddings = look(network, splits["Training"].images[::AXES_STEP])
    return DeployedFaceNetwork(
        network, choose_crowd_share(network, splits["PublicTest"]), EmbeddingAxes(embeddings)
    )


def report(training: Training, splits: dict[str, FaceSplit], faces: Path, out: Path) -> dict[str, Any]:
    """Measure the chosen network on PrivateTest, once, and describe how it came to be."""
    network = load_average(out / BEST)
    splits = {name: split.to(torch.device("cpu")) for name, split in splits.items()}
    deployed = deploy(network, splits)
    export_onnx(deployed, out / NETWORK)
    share = deployed.crowd_share
    small = evaluate(network, splits["PrivateTest"], crowd_share=share, side_px=SMALL_FACE_PX)
    return {
        "arch": training.arch,
        "private_test": asdict(evaluate(network, splits["PrivateTest"], crowd_share=share)),
        f"private_test_at_{SMALL_FACE_PX}_px": asdict(small),
        "public_test": asdict(evaluate(network, splits["PublicTest"], crowd_share=share)),
        "crowd_share": share,
        "classes": CLASSES,
        "parameters": parameter_count(network),
        "ms_per_face_one_thread_batch_32": round(ms_per_face(out / NETWORK), 3),
        "onnx_sha256": sha256_of(out / NETWORK),
        "epochs": training.epochs,
        "chosen_epoch": training.best_epoch,
        "seed": training.seed,
        "training_rows": len(splits["Training"]),
        "faces_sha256": sha256_of(faces),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def train(options: argparse.Namespace) -> None:
    """Run the recipe from data to metrics, from the last checkpoint where asked."""
    out, device = options.out, torch.device(options.device)
    out.mkdir(parents=True, exist_ok=True)
    splits = {name: split.to(device) for name, split in load_splits(options.faces).items()}
    training = new_training(options.arch, len(splits["Training"]), options.epochs, options.seed)
    if options.start is not None:
        training.begin_with(load_average(options.start).to(device))
    if options.resume:
        training.restore(torch.load(out / CHECKPOINT, weights_only=True, map_location=device))
    elif (out / CHECKPOINT).exists():
        raise SystemExit(f"{out} already holds a checkpoint. Pass --resume to continue it, or another --out.")
    teachers = [load_average(path).to(device, memory_format=torch.channels_last) for path in options.teacher]
    weights = class_weights(splits["Training"], CLASS_WEIGHT_POWER)
    rows = len(splits["Training"])
    print(f"{rows} training rows, {parameter_count(training.network)} parameters", flush=True)
    while training.epochs_done < training.epochs:
        start = time.perf_counter()
        loss = train_epoch(training, splits["Training"], weights, teachers)
        close_epoch(training, splits["PublicTest"], loss, time.perf_counter() - start, out)
    text = json.dumps(report(training, splits, options.faces, out), indent=2)
    (out / METRICS).write_text(text + "\n")
    print(text, flush=True)


def main() -> None:
    """Read the command line and train, or export a checkpoint."""
    parser = argparse.ArgumentParser(description="Train the face network on FER2013 and its crowd votes.")
    parser.add_argument(
        "--faces", type=Path, required=True, help="fer2013.npz: images, labels, splits and FER+ votes"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for checkpoints, ONNX and metrics")
    parser.add_argument("--arch", choices=sorted(LAYERS), default=COMPACT)
    parser.add_argument(
        "--teacher", type=Path, action="append", default=[], metavar="CHECKPOINT", help="learn of it"
    )
    parser.add_argument("--start", type=Path, metavar="CHECKPOINT", help="begin with the weights of this network")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu", help="cpu, or cuda where there is a GPU")
    parser.add_argument("--resume", action="store_true", help="continue the checkpoint in --out")
    parser.add_argument("--export", type=Path, metavar="CHECKPOINT", help="only write this as ONNX to --out")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.export is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        export_onnx(deploy(load_average(options.export), load_splits(options.faces)), options.out / NETWORK)
        print(f"Wrote {options.out / NETWORK}.")
    else:
        with torch.device(options.device):
            train(options)


if __name__ == "__main__":
    main()
