"""What was measured in one file."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercli.face.frames import FaceFrames
from mercli.words.cues import Words


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hold what was measured in one file, before any classifier of the bundle sees it.

    Parameters
    ----------
    voice : np.ndarray [shape=(n_views, n_features)] or None
        Views of the clip's sound, a row each; None for a modality that is missing or not looked at.
    face : FaceFrames or None
        The frames of the main face; None likewise.
    duration_s : float or None
        How long the file is.
    n_frames, n_face_frames : int or None
        Frames looked at, and those with the main face; None where no picture was looked at.
    missing : tuple of str
        For each modality that was wanted and is not there, what is missing.
    damage : str or None
        Why the file was not read whole.
    voice_sequences : np.ndarray [shape=(n_stretches, steps * n_channels)] or None
        The sound's short-term features, as a joint network takes them; measured only where one is used or trained.
    voice_altered : np.ndarray [shape=(n, n_features)] or None
        Views of altered copies of the sound, such as with noise or reverberation: to train on, never to judge by.
        They are measured for `fit` only.
    other_faces : tuple of FaceFrames
        The frames of the faces that are not the main one, where they are asked for; the more prominent first.
    words : Words or None
        What is said; None as for the voice.
    n_words : int or None
        How many words that is.
    """

    voice: NDArray[np.float32] | None = None
    face: FaceFrames | None = None
    duration_s: float | None = None
    n_frames: int | None = None
    n_face_frames: int | None = None
    missing: tuple[str, ...] = ()
    damage: str | None = None
    voice_sequences: NDArray[np.float32] | None = None
    voice_altered: NDArray[np.float32] | None = None
    other_faces: tuple[FaceFrames, ...] = ()
    words: Words | None = None
    n_words: int | None = None
