"""The sound of a file, of any rate and layout, as one channel at one rate."""

import contextlib
from collections.abc import Iterator

import av
import numpy as np
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

_RATES_HZ = (1_000, 1_000_000)  # a header that states another sampling rate is damaged
_MOST_CHANNELS = 64  # that FFmpeg converts
_JOINED_S = 0.5  # of sound is converted at once
_ABSURD = 1e12  # no scale that anyone records at; the square of much more overflows


class Mono:
    """Turn audio frames of any rate and layout into blocks of samples: float32 [n], mono, full scale 1.

    Decoders give some hundredths of a second at a time. These are joined before they are converted: else most of
    the time would go into calls.

    Parameters
    ----------
    rate_hz : int
        Samples a second to give.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._resampler: AudioResampler | None = None
        self._joined = av.AudioFifo()
        self._kind: tuple[str, str, int] | None = None

    def convert(self, frame: av.AudioFrame) -> Iterator[NDArray[np.float32]]:
        """Give what the next frame adds, sooner or later; a ValueError says what is wrong with its format."""
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:  # a stream may change its format midway
            yield from self.flush()
            if not _RATES_HZ[0] <= frame.sample_rate <= _RATES_HZ[1]:
                raise ValueError(f"its sampling rate is {frame.sample_rate} Hz")
            if frame.layout.nb_channels > _MOST_CHANNELS:
                raise ValueError(f"it has {frame.layout.nb_channels} channels")
            # FFmpeg's own mix to mono would be louder by the number of channels.
            layout = "mono" if _is_mixed_first(frame) else frame.layout
            self._resampler = AudioResampler(format="flt", layout=layout, rate=self._rate_hz)
            self._kind = kind
        frame.pts = None  # gaps in the clock are no sound
        self._joined.write(frame)
        if self._joined.samples >= _JOINED_S * frame.sample_rate:
            yield from self._resample(self._joined.read())

    def convert_samples(self, samples: NDArray[np.float32], rate_hz: int) -> Iterator[NDArray[np.float32]]:
        """Give what the next samples, one channel of that rate, add; a ValueError says what is wrong with it."""
        yield from self.convert(_one_channel(samples, rate_hz))

    def flush(self) -> Iterator[NDArray[np.float32]]:
        """Give what the last frames still add."""
        joined, self._joined = self._joined, av.AudioFifo()
        # What could not be converted cannot be flushed: that was said before.
        with contextlib.suppress(av.error.FFmpegError):
            if joined.samples:
                yield from self._resample(joined.read())
            yield from self._resample(None)
        self._resampler = self._kind = None

    def _resample(self, frame: av.AudioFrame | None) -> Iterator[NDArray[np.float32]]:
        if self._resampler is None:
            return
        if frame is not None and _is_mixed_first(frame):
            frame = _one_channel(mixed(frame.to_ndarray().astype(np.float32, copy=False).T), frame.sample_rate)
        for resampled in self._resampler.resample(frame):
            packed: NDArray[np.float32] = resampled.to_ndarray().astype(np.float32, copy=False)
            yield mixed(packed.reshape(-1, resampled.layout.nb_channels))


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


def _is_mixed_first(frame: av.AudioFrame) -> bool:
    """Tell whether its channels can be mixed as they are: to resample one channel is cheaper."""
    # PyAV reads beyond a frame of planes that are 8 or more.
    return frame.format.name == "fltp" and frame.layout.nb_channels < 8


def _one_channel(samples: NDArray[np.float32], rate_hz: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="fltp", layout="mono")
    frame.sample_rate = rate_hz
    return frame
