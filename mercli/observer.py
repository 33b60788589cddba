"""What can be measured in one file: the only path from a file to features, for training and prediction alike."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from mercli.bundle import Bundle
from mercli.clock import DECODE, FEATURES, OPEN, Clock
from mercli.errors import MissingModality
from mercli.evidence import Evidence
from mercli.face.pooling import STEPS, STRETCH_S
from mercli.formats import FRAME_RATE_HZ
from mercli.fusion import JOINT
from mercli.inference import Network, Opener
from mercli.media import Clip, Sound
from mercli.voice.sets import FeatureSet, feature_set

if TYPE_CHECKING:  # each is heavy, and not every run looks at both
    from mercli.face.detect import Detector
    from mercli.face.track import FaceTrack
    from mercli.voice.track import VoiceTrack
    from mercli.words.track import WordsReading, WordsTrack

_Measured = TypeVar("_Measured")


class Observer:
    """Measure files: the sound and the picture in one pass.

    Parameters
    ----------
    bundle : Bundle
        Says how to measure.
    modalities : tuple of str
        What to measure.
    detector : Detector or None
        Finds faces; needed for the face.
    max_duration_s, max_pixels : float or None, int or None
        Limits of a file; see `Clip`.
    voice : FeatureSet, optional
        How to measure the voice; without it as the bundle says, which is not enough where it needs an encoder.
    altered : bool
        Whether to measure altered copies of the sound as well, to train on.
    sequences : bool
        Whether to measure the sequences of the voice although the bundle has no joint network: to train one.
    all_faces : bool
        Whether to keep the other faces of a clip besides the main one.
    frame_rate_hz : float
        About how many frames a second to look at.
    words : WordsReading or None
        Reads what is said; needed for the words.
    open_network : Opener
        Runs the face network, here or elsewhere.
    """

    def __init__(
        self,
        bundle: Bundle,
        modalities: tuple[str, ...],
        detector: "Detector | None",
        *,
        max_duration_s: float | None = None,
        max_pixels: int | None = None,
        voice: FeatureSet | None = None,
        altered: bool = False,
        sequences: bool = False,
        all_faces: bool = False,
        frame_rate_hz: float = FRAME_RATE_HZ,
        words: "WordsReading | None" = None,
        open_network: Opener = Network,
    ) -> None:
        self._voice = self._face = self._network = None
        if "voice" in modalities:
            self._voice = voice or feature_set(bundle.voice_spec)
        if "face" in modalities and bundle.face:
            import cv2

            from mercli.face.track import FaceNetwork

            cv2.setNumThreads(1)
            self._face = bundle.face.spec
            self._network = FaceNetwork(bundle.face.network, bundle.face.spec, open_network)
        self._detector = detector
        self._words = words if "words" in modalities else None
        self._altered = altered
        self._sequences = sequences or (bundle.fusion is not None and bundle.fusion.kind == JOINT)
        self._all_faces = all_faces
        self._frame_rate_hz = frame_rate_hz
        self._max_duration_s = max_duration_s
        self._max_pixels = max_pixels

    def observe(self, path: Path) -> Evidence:
        """Measure one file.

        Parameters
        ----------
        path : Path
            A media file.

        Returns
        -------
        Evidence
            What was measured, and what is missing.

        Raises
        ------
        MediaError
            If it cannot be opened as media, is too long, or there is no room for its sound.
        """
        with self.observing(path) as (evidence, _):
            return evidence

    @contextlib.contextmanager
    def observing(self, path: Path, clock: Clock | None = None) -> "Iterator[tuple[Evidence, VoiceTrack | None]]":
        """Measure one file as `observe` does, and keep its sound for as long as this is open.

        Parameters
        ----------
        path : Path
            A media file.
        clock : Clock, optional
            What is told of the time it takes.

        Yields
        ------
        evidence : Evidence
            What was measured, and what is missing.
        voice : VoiceTrack or None
            The sound, to be measured again in parts; None where it is not looked at.
        """
        clock = clock or Clock()
        face = self._follow_face(clock)
        with clock(OPEN):
            words = self._words.of(path) if self._words else None
        with self._hear_voice() as voice:
            with self._open(path, voice, face, words, clock) as clip:
                for piece in clock.through(DECODE, clip):
                    if isinstance(piece, Sound):
                        if voice:
                            voice.add(piece.samples)
                        if words and words.listens:
                            with clock(FEATURES):
                                words.add(piece.samples)
                    elif face:
                        face.add(piece.picture, piece.time_s)
            with clock(FEATURES):
                evidence = _describe(clip, voice, face, words)
                if voice and evidence.voice is not None:
                    evidence = replace(
                        evidence,
                        voice_sequences=voice.sequences(STEPS, STRETCH_S) if self._sequences else None,
                        voice_altered=voice.altered() if self._altered else None,
                    )
            yield evidence, voice

    def _hear_voice(self) -> "contextlib.AbstractContextManager[VoiceTrack | None]":
        if self._voice is None:
            return contextlib.nullcontext()
        from mercli.voice.track import VoiceTrack

        return VoiceTrack(self._voice)

    def _follow_face(self, clock: Clock) -> "FaceTrack | None":
        if self._face and self._network and self._detector:
            from mercli.face.track import FaceTrack

            return FaceTrack(self._detector, self._network, self._face, all_faces=self._all_faces, clock=clock)
        return None

    def _open(
        self,
        path: Path,
        voice: "VoiceTrack | None",
        face: "FaceTrack | None",
        words: "WordsTrack | None",
        clock: Clock,
    ) -> Clip:
        with clock(OPEN):
            return Clip(
                path,
                sound=voice is not None or (words is not None and words.listens),
                picture=face is not None,
                frame_rate_hz=self._frame_rate_hz,
                max_duration_s=self._max_duration_s,
                max_pixels=self._max_pixels,
            )


def _describe(
    clip: Clip, voice: "VoiceTrack | None", face: "FaceTrack | None", words: "WordsTrack | None"
) -> Evidence:
    no_sound = None if clip.has_sound else "the file has no sound"
    no_picture = clip.refusal if clip.has_picture else "the file has no picture"
    missing: list[str] = []
    seen = face if no_picture is None else None
    heard = _measure(voice.views if voice else None, no_sound, missing)
    faces = _measure(face.faces if face else None, no_picture, missing) or []
    said = _measure(words.words if words else None, None, missing)
    return Evidence(
        voice=heard,
        face=faces[0] if faces else None,
        duration_s=clip.duration_s,
        n_frames=seen.n_frames if seen else None,
        n_face_frames=sum(map(len, faces[:1])) if seen else None,
        missing=tuple(missing),
        damage=clip.damage,
        other_faces=tuple(faces[1:]),
        words=said,
        n_words=said.n_words if said else None,
    )


def _measure(measure: Callable[[], _Measured] | None, absent: str | None, missing: list[str]) -> _Measured | None:
    """Give what a track that is wanted measures, or None and add what is missing."""
    if measure is None:
        return None
    try:
        if absent:
            raise MissingModality(absent)
        return measure()
    except MissingModality as reason:
        missing.append(str(reason))
        return None
