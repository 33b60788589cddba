"""The set mercli-1: overlapping windows, contours of speech, and functionals over them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mercli.formats import SAMPLE_RATE_HZ
from mercli.voice import alter
from mercli.voice.spans import mid_term_frames
from mercli.voice.spec import MERCLI_1, VoiceSpec
from mercli.voice.spool import Spool
from mercli_kernels import (
    SPEECH_NAMES,
    Pitch,
    clip_functionals,
    clip_functionals_names,
    cycle_measures,
    speech_contours,
    speech_part,
    track_pitch,
)

RATES = (1.0, 1.12, 1 / 1.12)
"""The views: the sound as it is, and as if played a little faster and higher, and slower and lower."""

_QUIET_DB = 35.0  # a mid-term window this far below the loudest has no say
_ALTERED_SAMPLES = 30 * SAMPLE_RATE_HZ  # of a longer sound its beginning is altered


class Mercli1:
    """Measure speech in windows of 25 ms every 10 ms; see `FeatureSet` for what each method gives.

    Parameters
    ----------
    spec : VoiceSpec
        `MERCLI_1`: the set has one framing.

    Raises
    ------
    ValueError
        If it is any other.
    """

    def __init__(self, spec: VoiceSpec) -> None:
        if spec != MERCLI_1:
            raise ValueError(f"the windows of mercli-1 are fixed; found {spec}")
        self.spec = spec

    @property
    def shortest_samples(self) -> int:
        """One short-term window at the highest rate of the views."""
        return round(self.spec.window_s * SAMPLE_RATE_HZ * max(RATES))

    def short_term_names(self) -> tuple[str, ...]:
        """Name the 81 contours, such as ``f0`` and ``mel_7``."""
        return SPEECH_NAMES

    def mid_term_names(self) -> tuple[str, ...]:
        """Name the functionals, such as ``voiced_f0_mean``."""
        return clip_functionals_names()

    def clip_names(self) -> tuple[str, ...]:
        """Name the entries of a view: the mid-term columns."""
        return self.mid_term_names()

    def short_term(self, sound: Spool) -> Iterator[NDArray[np.float64]]:
        """Give the contours, float64 [n_frames, 81] at a time; f0 is NaN where the voice is not voiced."""
        for samples in self._stretches(sound):
            yield speech_contours(samples, _pitch(samples)).T.astype(np.float64)

    def mid_term(self, sound: Spool) -> Iterator[NDArray[np.float64]]:
        """Give the functionals over stretches of ten seconds, float64 [1, n] at a time."""
        for samples in self._stretches(sound):
            yield _functionals(samples, (1.0,))[0].astype(np.float64)

    def views(self, sound: Spool) -> NDArray[np.float32]:
        """Give the mean over the stretches in which somebody speaks, float32 [3, n], each by its length."""
        return _mean_over(_functionals(samples, RATES) for samples in self._stretches(sound))

    def altered(self, sound: Spool) -> NDArray[np.float32]:
        """Describe altered copies of a sound, to train on; see `mercli.voice.alter`.

        Parameters
        ----------
        sound : Spool
            At least `shortest_samples` long; of more than half a minute the beginning is altered.

        Returns
        -------
        np.ndarray [shape=(n_copies, n)]
            float32, one view of each copy.
        """
        samples = next(sound.blocks(_ALTERED_SAMPLES)) - np.float32(sound.level.offset)
        samples *= np.float32(sound.level.gain)
        rows = []
        for copy in alter.copies(samples, SAMPLE_RATE_HZ):
            if len(copy) < self.shortest_samples:
                continue
            with Spool() as altered:
                altered.write(copy)
                rows.append(_mean_over(_functionals(part, (1.0,)) for part in self._stretches(altered)))
        return np.concatenate(rows) if rows else np.empty((0, len(self.clip_names())), np.float32)

    def _stretches(self, sound: Spool) -> Iterator[NDArray[np.float32]]:
        """Give the samples of each mid-term window, at the level at which the peak of the sound is 1."""
        frames, _ = mid_term_frames(self.spec)
        window, hop = round(self.spec.window_s * SAMPLE_RATE_HZ), round(self.spec.hop_s * SAMPLE_RATE_HZ)
        length = (frames - 1) * hop + window
        offset, gain = np.float32(sound.level.offset), np.float32(sound.level.gain)
        rest = np.empty(0, np.float32)
        for block in sound.blocks():
            rest = np.concatenate((rest, (block - offset) * gain))
            while len(rest) >= length:
                yield rest[:length]
                rest = rest[frames * hop :]
        if len(rest) >= window:
            yield rest


def _pitch(samples: NDArray[np.float32]) -> Pitch:
    n_frames = 1 + (len(samples) - round(MERCLI_1.window_s * SAMPLE_RATE_HZ)) // round(
        MERCLI_1.hop_s * SAMPLE_RATE_HZ
    )
    return track_pitch(samples, n_frames)


def _functionals(samples: NDArray[np.float32], rates: tuple[float, ...]) -> tuple[NDArray[np.float32], float, int]:
    """Give the functionals at each rate, the level of the loudest frame in dB, and the frames of speech."""
    pitch = _pitch(samples)
    cycles = cycle_measures(samples, pitch)
    rows, loudest, n_frames = [], -np.inf, 0
    for rate in rates:
        contours = speech_contours(samples, pitch, rate=rate)
        if not contours.shape[1]:  # the last stretch, which is shorter than a window at this rate
            contours = speech_contours(samples, pitch)
        speech = speech_part(contours)
        rows.append(clip_functionals(speech, cycles))
        if rate == 1.0:
            loudest, n_frames = float(contours[0].max()), speech.shape[1]
    return np.stack(rows), loudest, n_frames


def _mean_over(stretches: Iterator[tuple[NDArray[np.float32], float, int]]) -> NDArray[np.float32]:
    """Average the functionals of stretches, each by its frames, without those that are quiet throughout."""
    tables, levels, counts = zip(*stretches, strict=True)
    weights = np.where(np.array(levels) > max(levels) - _QUIET_DB, counts, 0)
    mean: NDArray[np.float64] = np.average(np.stack(tables).astype(np.float64), axis=0, weights=weights)
    return mean.astype(np.float32)
