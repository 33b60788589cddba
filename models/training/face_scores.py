"""How well a face network reads one split, against own labels and against the crowd."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from face_data import CLASSES, NO_MAJORITY, FaceSplit, through_small
from face_network import FaceNetwork

CROWD_SHARES = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)


@dataclass(frozen=True)
class Scores:
    """Hold the numbers of one network on one split."""

    accuracy: float
    macro_f1: float
    uar: float
    recall: dict[str, float]
    crowd_accuracy: float
    crowd_rows: int

    @property
    def choice(self) -> float:
        """Return the number epochs are chosen by."""
        return (self.accuracy + self.macro_f1 + self.crowd_accuracy) / 3


@torch.no_grad()
def look(network: FaceNetwork, images: Tensor, *, side_px: int | None = None) -> list[Tensor]:
    """Return posteriors of both heads and embeddings of images, shrunk to `side_px` and enlarged where given."""
    network.eval()
    answers = []
    for part in images.split(256):
        pixels = part.unsqueeze(1).float()
        if side_px is not None:
            pixels = through_small(pixels, side_px)
        own, crowd, embedding = network(pixels)
        answers.append((torch.softmax(own, dim=1), torch.softmax(crowd, dim=1), embedding))
    return [torch.cat(parts) for parts in zip(*answers, strict=True)]


def choose_crowd_share(network: FaceNetwork, split: FaceSplit) -> float:
    """Return the share of the crowd's head with which own labels and the crowd are met best, on other rows."""
    own, crowd, _ = look(network, split.images)
    scored = {share: score(own.lerp(crowd, share), split) for share in CROWD_SHARES}
    return max(CROWD_SHARES, key=lambda share: scored[share].accuracy + scored[share].crowd_accuracy)


def evaluate(
    network: FaceNetwork, split: FaceSplit, *, crowd_share: float = 0.5, side_px: int | None = None
) -> Scores:
    """Score a network against own labels and against the crowd's majority."""
    own, crowd, _ = look(network, split.images, side_px=side_px)
    return score(own.lerp(crowd, crowd_share), split)


def score(posteriors: Tensor, split: FaceSplit) -> Scores:
    """Score posteriors [n, 7] of a split's images."""
    predicted = posteriors.argmax(dim=1).cpu().numpy()
    confusion = np.zeros((len(CLASSES), len(CLASSES)), dtype=np.int64)
    np.add.at(confusion, (split.labels.cpu().numpy(), predicted), 1)
    hits = confusion.diagonal()
    recall = hits / np.maximum(confusion.sum(axis=1), 1)
    f1 = 2 * hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
    majority = split.majority.cpu().numpy()
    judged = majority != NO_MAJORITY
    return Scores(
        accuracy=float(hits.sum() / confusion.sum()),
        macro_f1=float(f1.mean()),
        uar=float(recall.mean()),
        recall={name: float(value) for name, value in zip(CLASSES, recall, strict=True)},
        crowd_accuracy=float((predicted == majority)[judged].mean()),
        crowd_rows=int(judged.sum()),
    )
