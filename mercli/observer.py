"""What can be measured in one file: the only path from a file to features, for training and prediction alike."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mercli.bundle import Bundle
from mercli.errors import MissingModality
from mercli.face.detect import Detector
from mercli.face.track import FaceNetwork, FaceTrack
from mercli.media import Clip, Sound
from mercli.voice import voice_vector
from mercli.voice_spec import VoiceSpec


@dataclass(frozen=True, slots=True)
class Evidence:
    """Hold what was measured in one file, before any classifier of the bundle sees it.

    Parameters
    ----------
    voice, face : np.ndarray or None
        The clip's vectors; None for a modality that is missing or not looked at.
    duration_s : float or None
        How long the file is.
    n_frames, n_face_frames : int or None
        Frames looked at, and those with a face; None where no picture was looked at.
    missing : tuple of str
        For each modality that was wanted and is not there, what is missing.
    damage : str or None
        Why the file was not read whole.
    """

    voice: NDArray[np.float32] | None = None
    face: NDArray[np.float32] | None = None
    duration_s: float | None = None
    n_frames: int | None = None
    n_face_frames: int | None = None
    missing: tuple[str, ...] = ()
    damage: str | None = None


class Observer:
    """Measure files: the sound and the picture in one pass, a vector for each.

    Parameters
    ----------
    bundle : Bundle
        Says how vectors are made.
    modalities : tuple of str
        Which to make.
    detector : Detector or None
        Finds faces; needed for the face.
    """

    def __init__(self, bundle: Bundle, modalities: tuple[str, ...], detector: Detector | None) -> None:
        cv2.setNumThreads(1)
        self._voice = self._face = self._network = None
        if "voice" in modalities:
            # A bundle without a voice model can still be the front end that one is trained behind.
            self._voice = bundle.voice.spec if bundle.voice else VoiceSpec()
        if "face" in modalities and bundle.face:
            self._face = bundle.face.spec
            self._network = FaceNetwork(bundle.face.network, bundle.face.spec)
        self._detector = detector

    def observe(self, path: Path) -> Evidence:
        """Measure one file.

        Parameters
        ----------
        path : Path
            A media file.

        Returns
        -------
        Evidence
            Its vectors, and what is missing.

        Raises
        ------
        MediaError
            If it cannot be opened as media.
        """
        track = None
        if self._face and self._network and self._detector:
            track = FaceTrack(self._detector, self._network, self._face)
        with Clip(path, sound=self._voice is not None, picture=track is not None) as clip:
            blocks = []
            for piece in clip:
                if isinstance(piece, Sound):
                    blocks.append(piece.samples)
                elif track:
                    track.add(piece.luma)
            has_sound, has_picture = clip.has_sound, clip.has_picture
            duration_s, damage = clip.duration_s, clip.damage
        missing: list[str] = []
        voice = face = None
        if self._voice:
            try:
                if not has_sound:
                    raise MissingModality("the file has no sound")
                if not blocks:
                    raise MissingModality("no sound could be decoded")
                voice = voice_vector(np.concatenate(blocks), self._voice)
            except MissingModality as reason:
                missing.append(str(reason))
        if track:
            try:
                if not has_picture:
                    raise MissingModality("the file has no picture")
                face = track.vector()
            except MissingModality as reason:
                missing.append(str(reason))
        seen = track is not None and has_picture
        return Evidence(
            voice=voice,
            face=face,
            duration_s=duration_s,
            n_frames=track.n_frames if track and seen else None,
            n_face_frames=track.n_face_frames if track and seen else None,
            missing=tuple(missing),
            damage=damage,
        )
