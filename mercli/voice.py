"""The voice: 16 kHz samples -> short-term -> mid-term -> one vector."""

import contextlib
import itertools
import tempfile
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mercli.errors import MercliError, MissingModality
from mercli.media import SAMPLE_RATE_HZ
from mercli.voice_spec import VoiceSpec
from mercli_kernels import (
    SHORT_TERM_NAMES,
    Level,
    delta_names,
    delta_stream,
    measure_level,
    mid_term_stream,
    short_term_stream,
    statistic_names,
)

SILENCE_DB = -60.0
"""A clip whose loudest window stays under this level, re full scale, holds no voice."""

_BLOCK_SAMPLES = 1 << 20  # about a minute: what is read at a time
_SPOOL_BYTES = 1 << 23  # about two minutes: a longer sound waits in a temporary file


def vector_names() -> tuple[str, ...]:
    """Name the entries of a voice vector, such as ``mfcc_3_std`` or ``delta_zcr_mean``.

    Returns
    -------
    tuple of str
        136 names: the means of 34 features and their deltas, then the deviations.
    """
    return tuple(statistic_names((*SHORT_TERM_NAMES, *delta_names(SHORT_TERM_NAMES))))


class VoiceTrack:
    """Gather the sound of one clip, in memory that does not grow with its length.

    Parameters
    ----------
    spec : VoiceSpec
        Windows and hops.
    block_samples : int
        Samples whose level is measured at a time, at least 8.
    spool_bytes : int
        Sound of more bytes, 4 a sample, waits in a temporary file.

    Examples
    --------
    ::

        with VoiceTrack(spec) as track:
            track.add(samples)
            vector = track.vector()
    """

    def __init__(
        self, spec: VoiceSpec, *, block_samples: int = _BLOCK_SAMPLES, spool_bytes: int = _SPOOL_BYTES
    ) -> None:
        self._spec = spec
        self._block_samples = block_samples
        # The features need the level of the whole clip, so that nothing can be measured before its end.
        self._spool = tempfile.SpooledTemporaryFile(max_size=spool_bytes)  # noqa: SIM115  # __exit__ closes it
        self._n_samples = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # what could not be written cannot be flushed either
            self._spool.close()

    def add(self, samples: NDArray[np.float32]) -> None:
        """Take the next samples, float32 [n], 16 kHz mono.

        Raises
        ------
        MercliError
            If there is no room for them.
        """
        with _room():
            self._spool.write(samples.astype(np.float32, copy=False).tobytes())
        self._n_samples += len(samples)

    def vector(self) -> NDArray[np.float32]:
        """Describe the voice of the clip.

        Returns
        -------
        np.ndarray [shape=(136,)]
            The mean over mid-term windows of each feature's mean and deviation; `vector_names` names them.

        Raises
        ------
        MissingModality
            If there is no sound, or it is silent or shorter than one window: the message is the reason as a
            phrase.
        MercliError
            If there is no room for its sound.
        """
        if not self._n_samples:
            raise MissingModality("no sound could be decoded")
        window = round(self._spec.window_s * SAMPLE_RATE_HZ)
        if self._n_samples < window:
            raise MissingModality(f"the sound is shorter than {self._spec.window_s * 1000:.0f} ms")
        level = measure_level(self._blocks(self._block_samples))
        if _loudest_db(self._small_blocks(), window, level) < SILENCE_DB:
            raise MissingModality("the sound is silent")
        return self._mean_statistics(level)

    def _small_blocks(self) -> Iterator[NDArray[np.float32]]:
        # Only the level depends, in its last bits, on how the sound is cut: all else can do with less memory.
        return self._blocks(self._block_samples // 8)

    def _blocks(self, n_samples: int) -> Iterator[NDArray[np.float32]]:
        with _room():  # what was written last is written out now
            self._spool.seek(0)
        while data := self._spool.read(4 * n_samples):
            yield np.frombuffer(data, np.float32)

    def _mean_statistics(self, level: Level) -> NDArray[np.float32]:
        spec = self._spec
        tables, again = itertools.tee(
            short_term_stream(
                self._small_blocks(),
                level=level,
                sample_rate_hz=SAMPLE_RATE_HZ,
                window_s=spec.window_s,
                hop_s=spec.hop_s,
            )
        )
        features = (np.concatenate(pair, axis=1) for pair in zip(tables, delta_stream(again), strict=True))
        total, count = np.zeros(len(vector_names())), 0
        for statistics in mid_term_stream(
            features,
            window_frames=max(1, round(spec.mid_window_s / spec.hop_s)),
            hop_frames=max(1, round(spec.mid_hop_s / spec.hop_s)),
        ):
            # One after the other, so that the sum does not depend on how the signal was cut.
            total = np.concatenate((total[np.newaxis], statistics)).sum(axis=0)
            count += len(statistics)
        return (total / count).astype(np.float32)


def voice_vector(samples: NDArray[np.float32], spec: VoiceSpec) -> NDArray[np.float32]:
    """Describe the voice of one clip whose sound is at hand; see `VoiceTrack`.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,)]
        16 kHz mono.
    spec : VoiceSpec
        Windows and hops.

    Returns
    -------
    np.ndarray [shape=(136,)]
        Named by `vector_names`.

    Raises
    ------
    MissingModality
        If the sound is silent or shorter than one window: the message is the reason as a phrase.
    """
    with VoiceTrack(spec) as track:
        track.add(samples)
        return track.vector()


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


@contextlib.contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MercliError(f"no room for its sound in the temporary folder ({error.strerror or error})") from error
