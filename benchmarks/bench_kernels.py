"""The kernels against pyAudioAnalysis, librosa and a bare Fourier transform, on the same signal in the same run.

Each contender starts from the samples. pyAudioAnalysis computes the same 34 features. librosa computes those that
it has: zero-crossing rate, energy, centroid, spread, rolloff, 13 cepstra and 12 chroma; once as its documentation
calls it, each feature from the samples, and once with a single spectrum shared by all. scipy.fft.rfft over the
frames computes no feature, but every one of these needs it or its like.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import librosa
import numpy as np
import pytest
import scipy.fft
from threadpoolctl import threadpool_limits

from mercli_kernels import deltas, mid_term_statistics, short_term_features, warm_up

with warnings.catch_warnings():
    # It imports names that scipy has deprecated, and a module that looks for ffmpeg.
    warnings.simplefilter("ignore")
    from pyAudioAnalysis import MidTermFeatures, ShortTermFeatures

SAMPLE_RATE_HZ = 16000


class Case(NamedTuple):
    """A signal and its framing."""

    name: str
    seconds: float
    window: int
    hop: int

    def signal(self) -> np.ndarray:
        """Make a gliding voice of 24 harmonics with some breath, float32 as decoders hand it over."""
        rng = np.random.default_rng(0)
        t = np.arange(round(self.seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
        phase = 2 * np.pi * np.cumsum(130 + 50 * np.sin(2 * np.pi * 0.7 * t)) / SAMPLE_RATE_HZ
        voice = sum(np.sin(k * phase) / k for k in range(1, 25)) * np.sin(2 * np.pi * 1.7 * t)
        return (0.1 * voice + 0.001 * rng.standard_normal(t.size)).astype(np.float32)


CASES = (
    Case("a minute at 16 kHz, windows of 50 ms", 60, 800, 800),
    Case("a minute at 16 kHz, windows of 25 ms every 10 ms", 60, 400, 160),
    Case("a clip of 3 s at 16 kHz, windows of 50 ms", 3, 800, 800),
)


def run_mercli(samples: np.ndarray, case: Case) -> np.ndarray:
    return short_term_features(
        samples,
        sample_rate_hz=SAMPLE_RATE_HZ,
        window_s=case.window / SAMPLE_RATE_HZ,
        hop_s=case.hop / SAMPLE_RATE_HZ,
    )


def run_py_audio_analysis(samples: np.ndarray, case: Case) -> np.ndarray:
    features, _ = ShortTermFeatures.feature_extraction(
        samples, SAMPLE_RATE_HZ, case.window, case.hop, deltas=False
    )
    return features


def run_librosa(samples: np.ndarray, case: Case) -> list[np.ndarray]:
    framing = {"hop_length": case.hop, "center": False}
    spectrum = {"y": samples, "sr": SAMPLE_RATE_HZ, "n_fft": case.window, "window": "boxcar", **framing}
    return [
        librosa.feature.zero_crossing_rate(samples, frame_length=case.window, **framing),
        librosa.feature.rms(y=samples, frame_length=case.window, **framing),
        librosa.feature.spectral_centroid(**spectrum),
        librosa.feature.spectral_bandwidth(**spectrum),
        librosa.feature.spectral_rolloff(**spectrum, roll_percent=0.9),
        librosa.feature.mfcc(**spectrum, n_mfcc=13, n_mels=40, fmin=133.3333, fmax=6855.4976),
        librosa.feature.chroma_stft(**spectrum, tuning=0.0),
    ]


def run_librosa_on_one_spectrum(samples: np.ndarray, case: Case) -> list[np.ndarray]:
    sr, window, hop = SAMPLE_RATE_HZ, case.window, case.hop
    spectra = np.abs(librosa.stft(samples, n_fft=window, hop_length=hop, window="boxcar", center=False))
    mel = librosa.feature.melspectrogram(S=spectra, sr=sr, n_mels=40, fmin=133.3333, fmax=6855.4976)
    return [
        librosa.feature.zero_crossing_rate(samples, frame_length=window, hop_length=hop, center=False),
        librosa.feature.rms(S=spectra, frame_length=window, hop_length=hop),
        librosa.feature.spectral_centroid(S=spectra, sr=sr),
        librosa.feature.spectral_bandwidth(S=spectra, sr=sr),
        librosa.feature.spectral_rolloff(S=spectra, sr=sr, roll_percent=0.9),
        librosa.feature.mfcc(S=np.log10(mel + 1e-10), n_mfcc=13),
        librosa.feature.chroma_stft(S=spectra**2, sr=sr, n_fft=window, tuning=0.0),
    ]


def run_rfft(samples: np.ndarray, case: Case) -> np.ndarray:
    return scipy.fft.rfft(np.lib.stride_tricks.sliding_window_view(samples, case.window)[:: case.hop])


def contenders(case: Case) -> dict[str, Callable[[], object]]:
    samples = case.signal()
    return {
        "mercli": partial(run_mercli, samples, case),
        "pyAudioAnalysis": partial(run_py_audio_analysis, samples, case),
        "librosa": partial(run_librosa, samples, case),
        "librosa on one spectrum": partial(run_librosa_on_one_spectrum, samples, case),
        "scipy.fft.rfft in float64": partial(run_rfft, samples.astype(np.float64), case),
        "scipy.fft.rfft in float32": partial(run_rfft, samples, case),
    }


@pytest.fixture(scope="module", autouse=True)
def _ready_before_the_clock_starts():
    warm_up()
    with threadpool_limits(1):  # as in one of several workers
        yield


@pytest.mark.parametrize("contender", contenders(CASES[-1]))
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_short_term_features(benchmark, case, contender):
    benchmark.group = case.name
    benchmark(contenders(case)[contender])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_short_term_ratios(ratios, case):
    is_clip = case.seconds < 10  # which has less to share the cost of a call
    results = ratios.race(
        f"short-term features of {case.name}",
        contenders(case),
        at_least={"pyAudioAnalysis": 50},
        at_most={} if is_clip else {"scipy.fft.rfft in float64": 3},
    )
    assert all(ratio.met for ratio in results)


def test_mid_term_ratios(ratios):
    case = CASES[0]
    samples = case.signal()

    def ours() -> np.ndarray:
        features = run_mercli(samples, case)
        return mid_term_statistics(np.hstack((features, deltas(features))), window_frames=20, hop_frames=20)

    def theirs() -> np.ndarray:
        statistics, *_ = MidTermFeatures.mid_feature_extraction(
            samples, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ, case.window, case.hop
        )
        return statistics

    results = ratios.race(
        f"features, deltas and statistics over 1 s of {case.name}",
        {"mercli": ours, "pyAudioAnalysis": theirs},
        at_least={"pyAudioAnalysis": 50},
    )
    assert all(ratio.met for ratio in results)
