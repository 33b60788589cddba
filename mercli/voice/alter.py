"""Altered copies of a sound: what a voice would sound like from another speaker, room or microphone."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_RATES = (1.12, 1 / 1.12, 1.06, 1 / 1.06)
_SNR_DB = (15.0, 30.0)
_REVERBERATION_S = (0.2, 0.6)
_REVERBERATION_SHARE = (0.2, 0.6)
_COLOUR_DB = 1.5
_SOUND_SHARE = 0.02  # of the peak: samples under it are pauses, and do not count as speech


def copies(samples: NDArray[np.float32], sample_rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """Make the altered copies of a sound, which are the same every time.

    In this order: played at four other rates, 6 and 12 % faster and slower; with pink and with white noise, 15 to
    30 dB below the speech; in a room whose reverberation dies by 60 dB in 0.2 to 0.6 s; through a microphone
    whose response is a smooth random curve of some dB.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,)]
        Of peak 1.
    sample_rate_hz : int
        Their rate.

    Yields
    ------
    np.ndarray [shape=(n_copy,)]
        float32; the rates change the length.
    """
    rng = np.random.default_rng(len(samples))
    for rate in _RATES:
        yield _play(samples, rate)
    yield _add_noise(samples, rng, pink=True)
    yield _add_noise(samples, rng, pink=False)
    yield _reverberate(samples, rng, sample_rate_hz)
    yield _colour(samples, rng, sample_rate_hz)


def _play(samples: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """Resample by cutting or padding the spectrum: the sound is short and its ends are quiet."""
    n = max(1, round(len(samples) / rate))
    spectrum = np.fft.rfft(samples)[: n // 2 + 1]
    return np.asarray(np.fft.irfft(spectrum, n) * (n / len(samples)), np.float32)


def _add_noise(samples: NDArray[np.float32], rng: np.random.Generator, *, pink: bool) -> NDArray[np.float32]:
    noise = rng.standard_normal(len(samples))
    if pink:
        spectrum = np.fft.rfft(noise)
        noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), len(samples))
    loud = samples[np.abs(samples) > _SOUND_SHARE * np.abs(samples).max()]
    level = np.sqrt(np.mean(np.square(loud), dtype=np.float64)) if loud.size else 0.0
    noise *= level * 10 ** (-rng.uniform(*_SNR_DB) / 20) / max(float(noise.std()), 1e-12)
    return (samples + noise).astype(np.float32)


def _reverberate(
    samples: NDArray[np.float32], rng: np.random.Generator, sample_rate_hz: int
) -> NDArray[np.float32]:
    n = round(rng.uniform(*_REVERBERATION_S) * sample_rate_hz)
    response = rng.standard_normal(n) * 10 ** (-3 * np.arange(n) / n)
    response *= rng.uniform(*_REVERBERATION_SHARE) / np.sqrt(np.square(response).sum())
    length = 1 << (len(samples) + n - 1).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, length) * np.fft.rfft(response, length), length)
    return (samples + wet[: len(samples)]).astype(np.float32)


def _colour(samples: NDArray[np.float32], rng: np.random.Generator, sample_rate_hz: int) -> NDArray[np.float32]:
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(1 + np.linspace(0, sample_rate_hz / 2000, len(spectrum)))
    place = octaves / octaves[-1] if len(spectrum) > 1 else octaves
    decibels = _COLOUR_DB * sum(rng.standard_normal() * np.cos(np.pi * k * place) for k in (1, 2, 3))
    return np.asarray(np.fft.irfft(spectrum * 10 ** (decibels / 20), len(samples)), np.float32)
