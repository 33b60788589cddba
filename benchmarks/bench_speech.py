"""mercli-1 against real time, librosa and openSMILE, on the same signal in the same run.

librosa computes those contours that it has: a mel spectrogram in dB, 20 cepstra, centroid, bandwidth, two
rolloffs, flatness and zero-crossing rate; once as its documentation calls it, each from the samples, and once with
a single spectrum shared by all. mercli-1 computes all of its contours but the pitch, which has a race of its own.

openSMILE describes the same sound by its own sets: eGeMAPS is small and measures what mercli-1 measures too, pitch
and voice quality among it; ComParE 2016 has many more functionals of about as many contours.
"""

from functools import partial

import librosa
import numpy as np
import pytest
from bench_kernels import SAMPLE_RATE_HZ, Case
from threadpoolctl import threadpool_limits

from mercli.voice.spec import MERCLI_1
from mercli.voice.track import voice_views
from mercli_kernels import (
    clip_functionals,
    cycle_measures,
    speech_contours,
    speech_part,
    track_pitch,
    warm_up,
)

WINDOW, HOP, N_FFT = 400, 160, 512
MEL = {"n_mels": 40, "fmin": 50, "fmax": 7000, "htk": True}
CASES = (
    Case("a clip of 3.7 s at 16 kHz", 3.7, WINDOW, HOP),
    Case("a minute at 16 kHz", 60, WINDOW, HOP),
)
STRETCH = Case("10 s at 16 kHz, the longest stretch that is measured at once", 10, WINDOW, HOP)


def one_view(samples: np.ndarray) -> np.ndarray:
    pitch = track_pitch(samples, 1 + (samples.size - WINDOW) // HOP)
    contours = speech_contours(samples, pitch)
    return clip_functionals(speech_part(contours), cycle_measures(samples, pitch))


def run_librosa(samples: np.ndarray) -> list[np.ndarray]:
    framing = {"n_fft": N_FFT, "hop_length": HOP, "win_length": WINDOW, "window": "hamming", "center": False}
    spectrum = {"y": samples, "sr": SAMPLE_RATE_HZ, **framing}
    return [
        librosa.power_to_db(librosa.feature.melspectrogram(**spectrum, **MEL)),
        librosa.feature.mfcc(**spectrum, n_mfcc=20, lifter=22, **MEL),
        librosa.feature.spectral_centroid(**spectrum),
        librosa.feature.spectral_bandwidth(**spectrum),
        librosa.feature.spectral_rolloff(**spectrum, roll_percent=0.25),
        librosa.feature.spectral_rolloff(**spectrum, roll_percent=0.85),
        librosa.feature.spectral_flatness(y=samples, **framing),
        librosa.feature.zero_crossing_rate(samples, frame_length=WINDOW, hop_length=HOP, center=False),
    ]


def run_librosa_on_one_spectrum(samples: np.ndarray) -> list[np.ndarray]:
    spectra = np.abs(
        librosa.stft(samples, n_fft=N_FFT, hop_length=HOP, win_length=WINDOW, window="hamming", center=False)
    )
    mel = librosa.power_to_db(librosa.feature.melspectrogram(S=spectra**2, sr=SAMPLE_RATE_HZ, **MEL))
    return [
        mel,
        librosa.feature.mfcc(S=mel, n_mfcc=20, lifter=22),
        librosa.feature.spectral_centroid(S=spectra, sr=SAMPLE_RATE_HZ),
        librosa.feature.spectral_bandwidth(S=spectra, sr=SAMPLE_RATE_HZ),
        librosa.feature.spectral_rolloff(S=spectra, sr=SAMPLE_RATE_HZ, roll_percent=0.25),
        librosa.feature.spectral_rolloff(S=spectra, sr=SAMPLE_RATE_HZ, roll_percent=0.85),
        librosa.feature.spectral_flatness(S=spectra),
        librosa.feature.zero_crossing_rate(samples, frame_length=WINDOW, hop_length=HOP, center=False),
    ]


@pytest.fixture(scope="module", autouse=True)
def _ready_before_the_clock_starts():
    warm_up()
    with threadpool_limits(1):  # as in one of several workers
        yield


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_real_time(ratios, case):
    samples = case.signal()
    contenders = {"mercli-1, averaged over its three views": partial(voice_views, samples, MERCLI_1)}
    if case.seconds <= 10:  # a view describes a stretch of ten seconds at most
        contenders["mercli-1, one view"] = partial(one_view, samples)
    results = ratios.against_real_time(
        f"mercli-1 of {case.name} against real time",
        contenders,
        case.seconds,
        at_least=dict.fromkeys(contenders, 300),
    )
    assert all(ratio.met for ratio in results)


@pytest.mark.parametrize("case", [CASES[0], STRETCH], ids=lambda case: case.name)
def test_contour_ratios(ratios, case):
    samples = case.signal()
    pitch = track_pitch(samples, 1 + (samples.size - WINDOW) // HOP)
    results = ratios.race(
        f"contours of {case.name}",
        {
            "mercli-1": partial(speech_contours, samples, pitch),
            "librosa": partial(run_librosa, samples),
            "librosa on one spectrum": partial(run_librosa_on_one_spectrum, samples),
        },
        at_least={"librosa": 10},
    )
    assert all(ratio.met for ratio in results)


def test_pitch_ratios(ratios):
    case = CASES[0]
    samples = case.signal()
    options = {"fmin": 60, "fmax": 650, "sr": SAMPLE_RATE_HZ, "hop_length": HOP}
    results = ratios.race(
        f"pitch of {case.name}",
        {
            "mercli-1": partial(track_pitch, samples, 1 + (samples.size - WINDOW) // HOP),
            "librosa.pyin": partial(librosa.pyin, samples, frame_length=1024, **options),
            "librosa.yin": partial(librosa.yin, samples, frame_length=1024, **options),
        },
        turns=5,
        at_least={"librosa.pyin": 10},  # yin decides neither on voicing nor on a path
    )
    assert all(ratio.met for ratio in results)


@pytest.mark.parametrize("case", [CASES[0], STRETCH], ids=lambda case: case.name)
@pytest.mark.parametrize("level", ["contours", "a whole clip"])
def test_opensmile_ratios(ratios, case, level):
    opensmile = pytest.importorskip("opensmile", reason="the races with openSMILE need `pip install opensmile`")
    samples = case.signal()

    def contours() -> np.ndarray:
        return speech_contours(samples, track_pitch(samples, 1 + (samples.size - WINDOW) // HOP))

    ours = contours if level == "contours" else partial(one_view, samples)
    theirs = "LowLevelDescriptors" if level == "contours" else "Functionals"
    counted = "contours" if level == "contours" else "features"
    contenders = {f"mercli-1, {len(ours()):,} {counted}": ours}
    bars = {}
    for name, bar in (("eGeMAPSv02", 10), ("ComParE_2016", 5)):
        smile = opensmile.Smile(opensmile.FeatureSet[name], opensmile.FeatureLevel[theirs])
        contender = f"openSMILE {name}, {len(smile.feature_names):,}"
        contenders[contender], bars[contender] = partial(smile, samples, SAMPLE_RATE_HZ), bar
    results = ratios.race(f"{level}, pitch included, of {case.name}", contenders, turns=5, at_least=bars)
    assert all(ratio.met for ratio in results)
