"""Signals like speech, and the same features computed by other people's code."""

import warnings
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

with warnings.catch_warnings():
    # It imports names that scipy has deprecated, and a module that looks for ffmpeg.
    warnings.simplefilter("ignore")
    from pyAudioAnalysis import MidTermFeatures, ShortTermFeatures

Samples = NDArray[np.float64]


def harmonic_glide(t: Samples, rng: np.random.Generator) -> Samples:
    """A voice: 24 harmonics of a gliding pitch, in syllables, with breath."""
    pitch_hz = 130 + 50 * np.sin(2 * np.pi * 0.7 * t + rng.uniform(0, 6)) + 10 * np.sin(2 * np.pi * 5 * t)
    phase = 2 * np.pi * np.cumsum(pitch_hz) * (t[1] - t[0])
    voice = sum(np.sin(k * phase + rng.uniform(0, 6)) / k for k in range(1, 25))
    syllables = np.clip(np.sin(2 * np.pi * 1.7 * t), 0, None)
    return voice * syllables + 0.003 * rng.standard_normal(t.size)


def chirp(t: Samples, rng: np.random.Generator) -> Samples:
    """A tone that rises from 100 Hz towards the Nyquist frequency."""
    nyquist_hz = 0.5 / (t[1] - t[0])
    phase = 2 * np.pi * (100 * t + (0.9 * nyquist_hz - 100) / (2 * t[-1]) * t**2)
    return np.sin(phase) + 0.001 * rng.standard_normal(t.size)


def noise_bursts(t: Samples, rng: np.random.Generator) -> Samples:
    """White noise, a third of it at full level and the rest 80 dB below."""
    level = np.where(np.sin(2 * np.pi * 2.3 * t) > 0.5, 1.0, 1e-4)
    return level * rng.standard_normal(t.size)


MAKERS = {"harmonic glide": harmonic_glide, "chirp": chirp, "noise bursts": noise_bursts}


def make(name: str, *, sample_rate_hz: float, seconds: float = 3.17, seed: int = 0) -> Samples:
    t = np.arange(round(seconds * sample_rate_hz)) / sample_rate_hz
    samples = MAKERS[name](t, np.random.default_rng(seed))
    # As recorded: not centred, not at full scale.
    return 0.3 * samples / np.abs(samples).max() + 0.01


@pytest.fixture(scope="session")
def speech_like() -> Callable[..., Samples]:
    return make


@pytest.fixture(params=sorted(MAKERS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def py_audio_analysis() -> SimpleNamespace:
    """pyAudioAnalysis, with frames first as ours; it expects samples of 16-bit size."""

    def short_term(samples: Samples, sample_rate_hz: int, window: int, hop: int) -> tuple[Samples, list[str]]:
        table, names = ShortTermFeatures.feature_extraction(samples * 2**15, sample_rate_hz, window, hop)
        return table.T, names

    def mid_term(
        samples: Samples, sample_rate_hz: int, *, mid_window: int, mid_hop: int, window: int, hop: int
    ) -> tuple[Samples, Samples, list[str]]:
        statistics, short, names = MidTermFeatures.mid_feature_extraction(
            samples * 2**15, sample_rate_hz, mid_window, mid_hop, window, hop
        )
        return statistics.T, short.T, names

    return SimpleNamespace(short_term=short_term, mid_term=mid_term)


def normalised_spectra(samples: Samples, window: int, hop: int) -> Samples:
    """Magnitude spectra [n_frames, window // 2] by numpy alone, from the definition."""
    level = samples - samples.mean()
    level = level / np.abs(level).max()
    starts = range(0, samples.size - window + 1, hop)
    spectra = [np.abs(np.fft.fft(level[start : start + window])) for start in starts]
    return np.array(spectra)[:, : window // 2] / (window // 2)


@pytest.fixture(scope="session")
def spectra_by_definition() -> Callable[..., Samples]:
    return normalised_spectra
