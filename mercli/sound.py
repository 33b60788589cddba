"""The sound of a file, of any rate and layout, as one channel at one rate."""

import contextlib
from collections.abc import Iterator

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

_RATES_HZ = (1_000, 1_000_000)  # a header that states another sampling rate is damaged
_MOST_CHANNELS = 64  # that FFmpeg converts
_ABSURD = 1e12  # no scale that anyone records at; the square of much more overflows


class Mono:
    """Turn audio frames of any rate and layout into blocks of samples: float32 [n], mono, full scale 1.

    Parameters
    ----------
    rate_hz : int
        Samples a second to give.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._resampler: AudioResampler | None = None
        self._kind: tuple[str, str, int] | None = None

    def convert(self, frame: av.AudioFrame) -> Iterator[NDArray[np.float32]]:
        """Give what the next frame adds; a ValueError says what is wrong with its format."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:  # a stream may change its format midway
            yield from self.flush()
            if not _RATES_HZ[0] <= frame.sample_rate <= _RATES_HZ[1]:
                raise ValueError(f"its sampling rate is {frame.sample_rate} Hz")
            if frame.layout.nb_channels > _MOST_CHANNELS:
                raise ValueError(f"it has {frame.layout.nb_channels} channels")
            # FFmpeg's own mix to mono would be louder by the number of channels.
            self._resampler = AudioResampler(format="flt", layout=frame.layout, rate=self._rate_hz)
            self._kind = kind
        assert self._resampler is not None
        frame.pts = None  # gaps in the clock are no sound
        yield from map(_samples, self._resampler.resample(frame))

    def convert_samples(self, samples: NDArray[np.float32], rate_hz: int) -> Iterator[NDArray[np.float32]]:
        """Give what the next samples, one channel of that rate, add; a ValueError says what is wrong with it."""
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate = rate_hz
        yield from self.convert(frame)

    def flush(self) -> Iterator[NDArray[np.float32]]:
        """Give what the last frames still add."""
        resampler, self._resampler, self._kind = self._resampler, None, None
        # What could not be converted cannot be flushed: that was said before.
        with contextlib.suppress(av.error.FFmpegError):
            yield from map(_samples, resampler.resample(None) if resampler else ())


def mixed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mix channels to one.

    Parameters
    ----------
    samples : np.ndarray [shape=(n, n_channels)]
        Any scale.

    Returns
    -------
    np.ndarray [shape=(n,)]
        Their mean, with 0 in place of what is no number or absurd.
    """
    sound = np.abs(samples) < _ABSURD
    if not sound.all():
        samples = np.where(sound, samples, np.float32(0))
    mean: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    return mean


def _samples(frame: av.AudioFrame) -> NDArray[np.float32]:
    packed: NDArray[np.float32] = frame.to_ndarray().astype(np.float32, copy=False)
    return mixed(packed.reshape(-1, frame.layout.nb_channels))
