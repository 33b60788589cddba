"""The voice of one clip, gathered piece by piece and measured when its sound is whole."""

import contextlib
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mercli.errors import MissingModality
from mercli.formats import SAMPLE_RATE_HZ
from mercli.voice.sets import FeatureSet, feature_set
from mercli.voice.spec import VoiceSpec
from mercli.voice.spool import BLOCK_SAMPLES, SPOOL_BYTES, Spool
from mercli_kernels import Level

SILENCE_DB = -60.0
"""A clip whose loudest window stays under this level, re full scale, holds no voice."""


class VoiceTrack:
    """Gather the sound of one clip, in memory that does not grow with its length.

    Parameters
    ----------
    features : FeatureSet or VoiceSpec
        How to measure it, or what says so.
    block_samples, spool_bytes : int
        See `Spool`.

    Examples
    --------
    ::

        with VoiceTrack(spec) as track:
            track.add(samples)
            views = track.views()
    """

    def __init__(
        self,
        features: FeatureSet | VoiceSpec,
        *,
        block_samples: int = BLOCK_SAMPLES,
        spool_bytes: int = SPOOL_BYTES,
    ) -> None:
        self._features = feature_set(features) if isinstance(features, VoiceSpec) else features
        # The features need the level of the whole clip, so that nothing can be measured before its end.
        self._sound = Spool(block_samples=block_samples, spool_bytes=spool_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sound.close()

    def add(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples, float32 [n], 16 kHz mono.

        Raises
        ------
        MercliError
            If there is no room for them.
        """
        self._sound.write(samples)

    def sound(self) -> Spool:
        """Give the sound of the clip, if there is a voice to measure in it.

        Returns
        -------
        Spool
            For the methods of a `FeatureSet`; it is closed when this is left.

        Raises
        ------
        MissingModality
            If there is no sound, or it is silent or too short: the message is the reason as a phrase.
        MercliError
            If there is no room for its sound.
        """
        if not self._sound.n_samples:
            raise MissingModality("no sound could be decoded")
        self._check(self._sound)
        return self._sound

    def views(self) -> NDArray[np.float32]:
        """Describe the voice of the clip.

        Returns
        -------
        np.ndarray [shape=(n_views, n)]
            See `FeatureSet.views`.

        Raises
        ------
        MissingModality, MercliError
            As `sound` does.
        """
        return self._features.views(self.sound())

    def views_around(self, start_s: float, end_s: float, context_s: float) -> NDArray[np.float32]:
        """Describe the voice of a part of the clip, heard with what comes before and after it.

        Parameters
        ----------
        start_s, end_s : float
            The part, which has to hold a voice itself.
        context_s : float
            How much of the sound on each side is measured with it.

        Returns
        -------
        np.ndarray [shape=(n_views, n)]
            See `FeatureSet.views`; measured at the level of the whole clip.

        Raises
        ------
        MissingModality, MercliError
            As `sound` does, of the part.
        """
        with self._around(start_s, end_s, context_s) as heard:
            return self._features.views(heard)

    @contextlib.contextmanager
    def _around(self, start_s: float, end_s: float, context_s: float) -> Iterator[Spool]:
        start, stop, context = (round(time_s * SAMPLE_RATE_HZ) for time_s in (start_s, end_s, context_s))
        with self._sound.part(start, stop) as part:
            self._check(part)
        with self._sound.part(max(0, start - context), stop + context) as heard:
            yield heard

    def sequences(self, steps: int, stretch_s: float) -> NDArray[np.float32]:
        """Give the short-term features of the clip at a few times of each stretch.

        Parameters
        ----------
        steps : int
            How many times.
        stretch_s : float
            The longest stretch, in seconds.

        Returns
        -------
        np.ndarray [shape=(n_stretches, steps * n_short_term_names)]
            Time after time, each the mean over its share of the stretch; what is not there in a window, such as
            the pitch of what is not voiced, is taken for the mean of the stretch.

        Raises
        ------
        MissingModality, MercliError
            As `sound` does.
        """
        return self._sequences(self.sound(), steps, stretch_s)

    def sequences_around(self, start_s: float, end_s: float, context_s: float, steps: int) -> NDArray[np.float32]:
        """Give the short-term features of a part of the clip at a few times; see `views_around`, `sequences`."""
        with self._around(start_s, end_s, context_s) as heard:
            return self._sequences(heard, steps, end_s - start_s + 2 * context_s)

    def _sequences(self, sound: Spool, steps: int, stretch_s: float) -> NDArray[np.float32]:
        longest = max(1, round(stretch_s / self._features.spec.hop_s))
        rows = np.empty((0, len(self._features.short_term_names())))
        found = []
        for more in self._features.short_term(sound):
            rows = np.concatenate((rows, more))
            while len(rows) >= longest:
                found.append(_at_steps(rows[:longest], steps))
                rows = rows[longest:]
        if len(rows) >= steps or not found:
            found.append(_at_steps(rows, steps))
        return np.stack(found).astype(np.float32)

    def altered(self) -> NDArray[np.float32]:
        """Describe altered copies of the clip, to train on.

        Returns
        -------
        np.ndarray [shape=(n_copies, n)]
            See `FeatureSet.altered`.

        Raises
        ------
        MissingModality, MercliError
            As `sound` does.
        """
        return self._features.altered(self.sound())

    def _check(self, sound: Spool) -> None:
        """Raise MissingModality where a sound is too short or silent."""
        shortest = self._features.shortest_samples
        if sound.n_samples < shortest:
            raise MissingModality(f"the sound is shorter than {1000 * shortest / SAMPLE_RATE_HZ:.0f} ms")
        window = round(self._features.spec.window_s * SAMPLE_RATE_HZ)
        if _loudest_db(sound.blocks(), window, sound.level) < SILENCE_DB:
            raise MissingModality("the sound is silent")


def voice_views(samples: NDArray[np.float32], spec: VoiceSpec) -> NDArray[np.float32]:
    """Describe the voice of one clip whose sound is at hand; see `VoiceTrack`.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,)]
        16 kHz mono.
    spec : VoiceSpec
        The feature set, its windows and hops.

    Returns
    -------
    np.ndarray [shape=(n_views, n)]
        See `FeatureSet.views`.

    Raises
    ------
    MissingModality
        If the sound is silent or too short: the message is the reason as a phrase.
    """
    with VoiceTrack(spec) as track:
        track.add(samples)
        return track.views()


def _at_steps(rows: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    there = ~np.isnan(rows)
    usual = np.where(there, rows, 0.0).sum(axis=0) / np.maximum(1, there.sum(axis=0))
    whole = np.where(there, rows, usual)
    ends = np.linspace(0, len(rows), steps + 1)
    starts = np.minimum(ends[:-1].astype(int), len(rows) - 1)
    stops = np.maximum(np.ceil(ends[1:]).astype(int), starts + 1)
    return np.concatenate([whole[a:b].mean(axis=0) for a, b in zip(starts, stops, strict=True)])


def _loudest_db(blocks: Iterable[NDArray[np.float32]], window: int, level: Level) -> float:
    """Give the level of the loudest window, in dB re full scale, a constant offset taken off."""
    loudest = 0.0
    rest = np.empty(0, np.float32)
    for block in blocks:
        samples = np.concatenate((rest, block))
        whole = len(samples) // window * window
        power = np.square(samples[:whole] - np.float32(level.offset)).reshape(-1, window).mean(axis=1)
        loudest = max(loudest, float(power.max(initial=0.0)))
        rest = samples[whole:]
    return float(10 * np.log10(loudest + 1e-12))
