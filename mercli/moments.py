"""A clip second by second: what was measured in each, and around it."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercli.errors import MissingModality
from mercli.evidence import Evidence
from mercli.face.frames import FaceFrames
from mercli.face.pooling import STEPS
from mercli.voice.track import VoiceTrack
from mercli.words.cues import Words

CONTEXT_S = 1.0
"""How much before and after a second is measured with it: a second alone says little."""

LONGEST_S = 86_400
"""Of a longer clip the first day is looked at: a damaged clock may state millions of years."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Hold a second of a clip, the last of which may be shorter, and the evidence that it is judged by."""

    start_s: float
    end_s: float
    evidence: Evidence


def moments(evidence: Evidence, voice: VoiceTrack | None) -> Iterator[Moment]:
    """Go through a clip second by second.

    Parameters
    ----------
    evidence : Evidence
        What was measured in the whole clip; of its faces the main one counts.
    voice : VoiceTrack or None
        Its sound, which is measured here, part by part.

    Yields
    ------
    Moment
        Each second from 0 to the clip's duration. A modality is there where the second itself has it: a voice that
        is not silent, a frame with the face, a cue of the transcript.

    Raises
    ------
    MercliError
        If there was no room for the sound.
    """
    duration_s = min(round(evidence.duration_s or 0.0, 3), LONGEST_S)
    n = math.ceil(duration_s)
    for start_s in range(n):
        end_s = min(start_s + 1.0, duration_s)
        yield Moment(
            float(start_s),
            end_s,
            Evidence(
                # A clip that is silent as a whole is silent in every part, however that is cut into windows.
                voice=_hear(voice.views_around, start_s, end_s, CONTEXT_S)
                if voice is not None and evidence.voice is not None
                else None,
                voice_sequences=_hear(voice.sequences_around, start_s, end_s, CONTEXT_S, STEPS)
                if voice is not None and evidence.voice_sequences is not None
                else None,
                face=None
                if evidence.face is None
                else _see(evidence.face, start_s, end_s, is_last=start_s == n - 1),
                words=None if evidence.words is None else _read(evidence.words, start_s, end_s),
            ),
        )


def _hear(measure: Callable[..., NDArray[np.float32]], *args: float) -> NDArray[np.float32] | None:
    try:
        return measure(*args)
    except MissingModality:
        return None


def _read(words: Words, start_s: float, end_s: float) -> Words | None:
    """Give the cues in a second and around it, whole."""
    if words.between(start_s, end_s) is None:
        return None
    return words.between(start_s - CONTEXT_S, end_s + CONTEXT_S)


def _see(face: FaceFrames, start_s: float, end_s: float, *, is_last: bool) -> FaceFrames | None:
    """Give the frames in a second and around it; the first and the last have what a clock puts beyond them."""
    start_s, end_s = start_s or -np.inf, np.inf if is_last else end_s
    first, stop = np.searchsorted(face.times_s, (start_s, end_s))
    if first == stop:
        return None
    return face.take(slice(*np.searchsorted(face.times_s, (start_s - CONTEXT_S, end_s + CONTEXT_S))))
