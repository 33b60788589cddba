"""How well a face network reads one split, against own labels and against the crowd."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from face_data import CLASSES, NO_MAJORITY, FaceSplit, through_small
from face_network import DeployedFaceNetwork, FaceNetwork


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
def predict(network: FaceNetwork, images: Tensor, *, side_px: int | None = None) -> np.ndarray:
    """Return the class of each image in float32, shrunk to `side_px` and enlarged again where given."""
    deployed = DeployedFaceNetwork(network).eval()
    answers = []
    for part in images.split(256):
        pixels = part.unsqueeze(1).float()
        if side_px is not None:
            pixels = through_small(pixels, side_px)
        answers.append(deployed(pixels)[0].argmax(dim=1))
    return torch.cat(answers).cpu().numpy()


def evaluate(network: FaceNetwork, split: FaceSplit, *, side_px: int | None = None) -> Scores:
    """Score a network against own labels and against the crowd's majority."""
    predicted = predict(network, split.images, side_px=side_px)
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
