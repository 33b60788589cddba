"""One posterior from what the modalities say, whatever is missing."""

import numpy as np
from numpy.typing import NDArray

from mercli.inference import Classifier


def fusion_vector(voice: NDArray[np.float64], face: NDArray[np.float64]) -> NDArray[np.float32]:
    """Lay posteriors side by side as the fusion model takes them.

    Parameters
    ----------
    voice, face : np.ndarray [shape=(..., n_classes)]
        Posteriors of the two modalities.

    Returns
    -------
    np.ndarray [shape=(..., 2 * n_classes)]
        Voice first.
    """
    return np.concatenate([voice, face], axis=-1).astype(np.float32)


def fuse(
    voice: NDArray[np.float64] | None, face: NDArray[np.float64] | None, model: Classifier | None
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
