"""FER2013 as arrays: which rows train, what they are taught, and how their pixels are disturbed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  # PyTorch's own abbreviation
from torch import Tensor

CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
CROWD_COLUMN = {
    "angry": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "happy": "happiness",
    "sad": "sadness",
    "surprise": "surprise",
    "neutral": "neutral",
}
SIDE_PX = 48
HELD_OUT = ("PublicTest", "PrivateTest")

OWN_LABEL_SMOOTHING = 0.05
LONE_VOTES = 1  # of ten people, on one class: FER+ takes it for a slip (Barsoum and others, 2016)
NO_MAJORITY = -1


@dataclass(frozen=True)
class FaceSplit:
    """Hold the rows of one split: pixels, own labels, crowd majorities, soft targets."""

    images: Tensor  # uint8 [n, 48, 48]
    labels: Tensor  # int64 [n]
    majority: Tensor  # int64 [n], NO_MAJORITY where the crowd chose none of the seven classes
    targets: Tensor  # float32 [n, 2, 7], own label and crowd; rows sum to one

    def to(self, device: torch.device) -> FaceSplit:
        """Return the same rows on another device."""
        return FaceSplit(*(getattr(self, field.name).to(device) for field in fields(self)))

    def __len__(self) -> int:
        return len(self.labels)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_splits(path: Path) -> dict[str, FaceSplit]:
    """Load FER2013 and its crowd votes, the Training split freed of every duplicate."""
    with np.load(path) as archive:
        data = {name: archive[name] for name in archive.files}
    if tuple(data["class_names"]) != CLASSES:
        raise ValueError(f"{path} lists classes {tuple(data['class_names'])}, expected {CLASSES}.")
    columns = list(data["ferplus_columns"])
    votes = np.where(data["ferplus_aligned"][:, None], data["ferplus_votes"], 0)
    order = [columns.index(CROWD_COLUMN[name]) for name in CLASSES]
    targets = soft_targets(data["labels"], votes[:, order])
    majority = crowd_majority(votes, order)
    rows = {name: data["split"] == name for name in HELD_OUT}
    rows["Training"] = training_rows(data["images"], data["split"], data["label_ambiguous_duplicate"])
    return {
        name: FaceSplit(
            torch.from_numpy(data["images"][kept]),
            torch.from_numpy(data["labels"][kept].astype(np.int64)),
            torch.from_numpy(majority[kept]),
            torch.from_numpy(targets[kept]),
        )
        for name, kept in rows.items()
    }


def training_rows(images: np.ndarray, split: np.ndarray, ambiguous: np.ndarray) -> np.ndarray:
    """Mark the Training rows whose pixels stand in no held-out split and in no earlier row."""
    digests = [hashlib.sha256(image.tobytes()).digest() for image in images]
    seen = {digest for digest, name in zip(digests, split, strict=True) if name in HELD_OUT}
    kept = np.zeros(len(images), dtype=bool)
    for row in np.flatnonzero((split == "Training") & ~ambiguous):
        kept[row] = digests[row] not in seen
        seen.add(digests[row])
    return kept


def soft_targets(labels: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Give each row's own label, smoothed, and the crowd's votes as shares, float32 [n, 2, 7]."""
    own = np.eye(len(CLASSES))[labels]
    own = (1 - OWN_LABEL_SMOOTHING) * own + OWN_LABEL_SMOOTHING / len(CLASSES)
    kept = np.where(votes > LONE_VOTES, votes, 0)
    total = kept.sum(axis=1, keepdims=True)
    # Where the crowd saw none of the seven, the row's own label is the only word there is.
    crowd = np.where(total > 0, kept / np.maximum(total, 1), own)
    return np.stack([own, crowd], axis=1).astype(np.float32)


def crowd_majority(votes: np.ndarray, order: list[int]) -> np.ndarray:
    """Return the class with most of all ten columns' votes, NO_MAJORITY where it is not one of ours."""
    class_of_column = np.full(votes.shape[1], NO_MAJORITY, dtype=np.int64)
    class_of_column[order] = np.arange(len(order))
    return np.where(votes.sum(axis=1) > 0, class_of_column[votes.argmax(axis=1)], NO_MAJORITY)


def class_weights(split: FaceSplit, power: float) -> Tensor:
    """Return frequency ** -power for each head's classes [2, 7], scaled to weigh one for the average target."""
    frequency = split.targets.mean(dim=0)
    weights = frequency.pow(-power)
    return weights / (weights * frequency).sum(dim=1, keepdim=True)


def uniform(count: int, low: float, high: float) -> Tensor:
    """Draw `count` numbers evenly between low and high."""
    return torch.rand(count) * (high - low) + low


def augment(images: Tensor) -> Tensor:
    """Disturb grey pixels [n, 48, 48] as boxes, lenses, codecs and hands do; float32 [n, 1, 48, 48]."""
    pixels = move(images.unsqueeze(1).float())
    gamma = uniform(len(pixels), -0.35, 0.35).exp().view(-1, 1, 1, 1)
    pixels = (pixels / 255).clamp(0, 1).pow(gamma) * 255
    lose_resolution(pixels, share=0.15)
    blur(pixels, share=0.1)
    add_noise(pixels, share=0.1)
    occlude(pixels, share=0.2)
    return pixels


def move(pixels: Tensor) -> Tensor:
    """Flip, turn, scale and shift each image by its own draw."""
    count = len(pixels)
    angle = uniform(count, -10, 10).deg2rad()
    # The grid maps output to input, so a factor above one shrinks the face.
    scale_y = uniform(count, 0.88, 1.12)
    scale_x = scale_y * uniform(count, 0.95, 1.05)
    mirror = torch.randint(0, 2, (count,)) * 2.0 - 1
    shift = uniform(2 * count, -0.1, 0.1).view(count, 2)  # half an image is 1.0
    row_x = torch.stack([scale_x * angle.cos() * mirror, -scale_y * angle.sin(), shift[:, 0]], dim=1)
    row_y = torch.stack([scale_x * angle.sin() * mirror, scale_y * angle.cos(), shift[:, 1]], dim=1)
    grid = F.affine_grid(torch.stack([row_x, row_y], dim=1), list(pixels.shape), align_corners=False)
    return F.grid_sample(pixels, grid, padding_mode="border", align_corners=False)


def some(count: int, share: float) -> Tensor:
    """Draw the indices of about a share of `count` rows."""
    return torch.nonzero(torch.rand(count) < share).flatten()


def through_small(pixels: Tensor, side_px: int) -> Tensor:
    """Shrink images to `side_px` and enlarge them again, as a small face in a frame is."""
    small = F.interpolate(pixels, size=(side_px, side_px), mode="bilinear", antialias=True)
    return F.interpolate(small, size=pixels.shape[-2:], mode="bilinear", align_corners=False)


def lose_resolution(pixels: Tensor, *, share: float) -> None:
    """Send a share of the images through one small size, in place."""
    rows = some(len(pixels), share)
    if len(rows):
        pixels[rows] = through_small(pixels[rows], int(torch.randint(16, 41, ())))


def blur(pixels: Tensor, *, share: float) -> None:
    """Blur a share of the images with one Gaussian, in place."""
    rows = some(len(pixels), share)
    offsets = torch.arange(-2, 3, dtype=torch.float32)
    line = torch.exp(-0.5 * (offsets / uniform(1, 0.5, 1.3)) ** 2)
    line = line / line.sum()
    kernel = torch.outer(line, line).view(1, 1, 5, 5)
    if len(rows):
        pixels[rows] = F.conv2d(F.pad(pixels[rows], (2, 2, 2, 2), mode="replicate"), kernel)


def add_noise(pixels: Tensor, *, share: float) -> None:
    """Add grain of up to ten grey levels to a share of the images, in place."""
    rows = some(len(pixels), share)
    deviation = uniform(len(rows), 1, 10).view(-1, 1, 1, 1)
    pixels[rows] = (pixels[rows] + deviation * torch.randn(len(rows), 1, SIDE_PX, SIDE_PX)).clamp(0, 255)


def occlude(pixels: Tensor, *, share: float) -> None:
    """Cover a rectangle of a share of the images with one grey, in place."""
    rows = some(len(pixels), share)
    place = torch.arange(SIDE_PX).view(1, -1)

    def span() -> Tensor:
        length = uniform(len(rows), 0.15, 0.4) * SIDE_PX
        start = torch.rand(len(rows)) * (SIDE_PX - length)
        return (place >= start[:, None]) & (place < (start + length)[:, None])

    covered = (span()[:, :, None] & span()[:, None, :]).unsqueeze(1)
    pixels[rows] = torch.where(covered, uniform(len(rows), 0, 255).view(-1, 1, 1, 1), pixels[rows])
