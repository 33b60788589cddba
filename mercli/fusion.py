"""One posterior from what the modalities say, whatever is missing."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mercli.inference import Classifier

FOREST, LOGISTIC, PRODUCT, JOINT = FUSIONS = ("forest", "logistic", "product", "joint")
"""What may fuse: the first three the posteriors of voice and face, the last their sequences."""

_FLOOR = 0.03  # of a probability whose logarithm is taken: no modality can rule out a class alone


@dataclass(frozen=True, slots=True)
class Layout:
    """Say where things are in the vector of a joint network.

    It holds the sequence of the voice, that of the face, each row after row, and two flags: 1 where a modality is
    there, 0 where it is missing and its sequence is nothing but zeros.

    Parameters
    ----------
    steps : int
        The length of both sequences.
    voice, face : int
        The channels of each.
    """

    steps: int
    voice: int
    face: int

    @property
    def n_features(self) -> int:
        """Give the length of a vector."""
        return self.steps * (self.voice + self.face) + 2

    def split(self, X: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Take vectors [n, n_features] apart: sequences of voice and face [n, steps, channels], flags [n, 2]."""
        end = self.steps * self.voice
        voice, face = X[:, :end], X[:, end:-2]
        return [voice.reshape(len(X), self.steps, -1), face.reshape(len(X), self.steps, -1), X[:, -2:]]


def fuse(
    voice: NDArray[np.float64] | None, face: NDArray[np.float64] | None, model: "Classifier | None"
) -> NDArray[np.float64] | None:
    """Give the fused posterior of one clip.

    Parameters
    ----------
    voice, face : np.ndarray [shape=(n_classes,)] or None
        Posteriors; None for a modality that is missing.
    model : Classifier or None
        The fusion model; without one the two are averaged.

    Returns
    -------
    np.ndarray [shape=(n_classes,)] or None
        With one modality missing, the other as it is; None with both missing.
    """
    if voice is None or face is None:
        return face if voice is None else voice
    if model is None:
        return (voice + face) / 2
    fused: NDArray[np.float64] = model.posteriors(fusion_vector(voice, face)[np.newaxis])[0]
    return fused


def fusion_vector(voice: NDArray[np.float64], face: NDArray[np.float64]) -> NDArray[np.float32]:
    """Lay the logarithms of posteriors side by side, as a fusion model takes them.

    Parameters
    ----------
    voice, face : np.ndarray [shape=(..., n_classes)]
        Posteriors of the two modalities.

    Returns
    -------
    np.ndarray [shape=(..., 2 * n_classes)]
        Voice first.
    """
    both = np.log(np.maximum(np.concatenate([voice, face], axis=-1), _FLOOR))
    return np.asarray(both, np.float32)


def join_words(
    fused: NDArray[np.float64] | None, words: NDArray[np.float64] | None, prior: NDArray[np.float64], weight: float
) -> NDArray[np.float64] | None:
    """Join what the words say to what voice and face say, as if either were independent of the other.

    By Bayes' rule, p(class | all) is in proportion to p(class | voice, face) p(class | words) / p(class): what was
    frequent where the words were learnt says nothing of this clip. The last two, as shares of 1 and no less than a
    floor, are raised to the power `weight`.

    Parameters
    ----------
    fused, words : np.ndarray [shape=(n_classes,)] or None
        Posteriors; None for what is missing.
    prior : np.ndarray [shape=(n_classes,)]
        How often each class was where the words were learnt; 0 for one that they do not know, of which they say
        nothing.
    weight : float
        How much the words count.

    Returns
    -------
    np.ndarray [shape=(n_classes,)] or None
        With one of them missing, the other as it is.
    """
    if fused is None or words is None:
        return words if fused is None else fused
    known = prior > 0
    said = np.ones_like(words)  # the mean that the ratio has by the prior
    said[known] = words[known] / (prior[known] / prior.sum())
    evidence = np.maximum(said / said.sum(), _FLOOR) ** weight
    joined: NDArray[np.float64] = fused * evidence
    joined /= joined.sum()
    return joined


def joint_vectors(
    voice: NDArray[np.float32] | None, face: NDArray[np.float32] | None, layout: Layout
) -> NDArray[np.float32]:
    """Lay the sequences of a clip side by side, as a joint network takes them.

    Parameters
    ----------
    voice, face : np.ndarray [shape=(n_stretches, steps * channels)] or None
        The sequences of each modality's stretches; None for one that is missing.
    layout : Layout
        Where they go.

    Returns
    -------
    np.ndarray [shape=(n_stretches, layout.n_features)]
        A row a stretch: the first of the voice beside the first of the face, and so on.
    """
    n_stretches = max(0 if part is None else len(part) for part in (voice, face))
    rows = np.zeros((n_stretches, layout.n_features), np.float32)
    start = 0
    for i, (part, channels) in enumerate(((voice, layout.voice), (face, layout.face))):
        end = start + layout.steps * channels
        if part is not None:
            rows[: len(part), start:end] = part
            rows[: len(part), i - 2] = 1
        start = end
    return rows
