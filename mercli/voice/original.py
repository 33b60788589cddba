"""The set original-34: the features of pyAudioAnalysis, averaged over the clip."""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mercli.formats import SAMPLE_RATE_HZ
from mercli.voice.spans import mid_term_frames
from mercli.voice.spec import VoiceSpec
from mercli.voice.spool import Spool
from mercli_kernels import (
    SHORT_TERM_NAMES,
    delta_names,
    delta_stream,
    mid_term_stream,
    short_term_stream,
    statistic_names,
)


class Original34:
    """Measure a sound as the original program does; see `FeatureSet` for what each method gives.

    Parameters
    ----------
    spec : VoiceSpec
        Windows and hops.
    """

    def __init__(self, spec: VoiceSpec) -> None:
        self.spec = spec

    @property
    def shortest_samples(self) -> int:
        """One short-term window."""
        return round(self.spec.window_s * SAMPLE_RATE_HZ)

    def short_term_names(self) -> tuple[str, ...]:
        """Name the 34 features, such as ``zcr`` and ``mfcc_3``, then their deltas, such as ``delta_zcr``."""
        return (*SHORT_TERM_NAMES, *delta_names(SHORT_TERM_NAMES))

    def mid_term_names(self) -> tuple[str, ...]:
        """Name the means of the short-term columns, such as ``delta_zcr_mean``, then the deviations."""
        return tuple(statistic_names(self.short_term_names()))

    def clip_names(self) -> tuple[str, ...]:
        """Name the entries of the one view: the mid-term columns."""
        return self.mid_term_names()

    def short_term(self, sound: Spool) -> Iterator[NDArray[np.float64]]:
        """Give the features and their deltas, float64 [n_frames, 68] at a time."""
        tables, again = itertools.tee(
            short_term_stream(
                sound.blocks(),
                level=sound.level,
                sample_rate_hz=SAMPLE_RATE_HZ,
                window_s=self.spec.window_s,
                hop_s=self.spec.hop_s,
            )
        )
        for pair in zip(tables, delta_stream(again), strict=True):
            yield np.concatenate(pair, axis=1)

    def mid_term(self, sound: Spool) -> Iterator[NDArray[np.float64]]:
        """Give mean and deviation of each short-term column, float64 [n_windows, 136] at a time."""
        window, hop = mid_term_frames(self.spec)
        return mid_term_stream(self.short_term(sound), window_frames=window, hop_frames=hop)

    def views(self, sound: Spool) -> NDArray[np.float32]:
        """Give the mean over the mid-term windows, float32 [1, 136]."""
        total, count = np.zeros(len(self.clip_names())), 0
        for statistics in self.mid_term(sound):
            # One after the other, so that the sum does not depend on how the signal was cut.
            total = np.concatenate((total[np.newaxis], statistics)).sum(axis=0)
            count += len(statistics)
        return (total / count).astype(np.float32)[np.newaxis]

    def altered(self, sound: Spool) -> NDArray[np.float32]:  # noqa: ARG002
        """Give no rows: the original program was trained on sounds as they are."""
        return np.empty((0, len(self.clip_names())), np.float32)
