"""What a clip's voice becomes, and what counts as no voice."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from mercli.errors import MissingModality
from mercli.voice import SILENCE_DB, vector_names, voice_vector
from mercli.voice_spec import VoiceSpec

Samples = NDArray[np.float32]
SPEC = VoiceSpec()


def named(samples: Samples) -> dict[str, float]:
    return dict(zip(vector_names(), voice_vector(samples, SPEC).tolist(), strict=True))


@pytest.fixture(scope="module")
def voice(speak: Callable[..., Samples]) -> Samples:
    return speak(2.5)


def test_the_vector_has_a_mean_and_a_deviation_of_34_features_and_their_deltas(voice: Samples) -> None:
    names = vector_names()
    assert len(names) == len(set(names)) == 4 * 34
    assert {"mfcc_3_std", "delta_zcr_mean", "energy_mean", "chroma_12_std"} <= set(names)
    assert all(name.endswith("_mean") for name in names[:68])
    assert all(name.endswith("_std") for name in names[68:])
    vector = voice_vector(voice, SPEC)
    assert vector.dtype == np.float32
    assert vector.shape == (136,)
    assert np.isfinite(vector).all()


def test_the_centroid_of_a_tone_is_its_frequency_and_does_not_deviate() -> None:
    tone = np.sin(2 * np.pi * 2000 * np.arange(32000) / 16000).astype(np.float32)
    features = named(0.3 * tone)
    assert features["spectral_centroid_mean"] * 8000 == pytest.approx(2000, rel=0.02)
    assert features["zcr_mean"] == pytest.approx(2 * 2000 / 16000, rel=0.01)
    assert features["spectral_centroid_std"] == pytest.approx(0, abs=1e-3)
    assert features["delta_zcr_mean"] == pytest.approx(0, abs=1e-3)


def test_the_statistics_are_those_of_each_second_averaged(voice: Samples) -> None:
    # The level is set by the loudest sample of the whole clip, so that must be the same in each.
    seconds = [second / np.abs(second).max() for second in (voice[:16000], voice[16000:32000])]
    one, other, both = (named(s) for s in (*seconds, np.concatenate(seconds)))
    for name in ("zcr_mean", "zcr_std", "spectral_rolloff_mean", "mfcc_3_mean"):
        assert both[name] == pytest.approx((one[name] + other[name]) / 2, rel=0.05, abs=0.02), name


@pytest.mark.parametrize("gain", [0.05, 0.5, 32768.0])
def test_the_vector_does_not_depend_on_the_gain(voice: Samples, gain: float) -> None:
    there = voice_vector((gain * voice).astype(np.float32), SPEC)
    assert there == pytest.approx(voice_vector(voice, SPEC), rel=1e-2, abs=1e-3)


@pytest.mark.parametrize("samples", [np.zeros(16000), np.full(16000, 0.4), 1e-5 * np.ones(16000)])
def test_silence_holds_no_voice_whatever_its_offset(samples: NDArray[np.float64]) -> None:
    with pytest.raises(MissingModality, match="the sound is silent"):
        voice_vector(samples.astype(np.float32), SPEC)


def test_the_silence_threshold_is_where_it_is_said_to_be(voice: Samples) -> None:
    windows = voice[: len(voice) // 800 * 800].reshape(-1, 800)
    loudest = np.sqrt(np.square(windows).mean(axis=1).max())
    at_threshold = voice * (10 ** (SILENCE_DB / 20) / loudest)
    voice_vector((1.3 * at_threshold).astype(np.float32), SPEC)
    with pytest.raises(MissingModality, match="silent"):
        voice_vector((0.7 * at_threshold).astype(np.float32), SPEC)


def test_one_sound_in_a_silent_clip_is_a_voice(voice: Samples) -> None:
    samples = np.zeros(48000, np.float32)
    samples[20000:24000] = voice[8000:12000]
    assert np.isfinite(voice_vector(samples, SPEC)).all()


@pytest.mark.parametrize("n", [0, 1, 799])
def test_less_than_one_window_is_no_voice(voice: Samples, n: int) -> None:
    with pytest.raises(MissingModality, match="shorter than 50 ms"):
        voice_vector(voice[4000 : 4000 + n], SPEC)


@pytest.mark.parametrize("n", [800, 801, 1599, 15999, 16001])
def test_any_length_from_one_window_on_gives_a_vector(voice: Samples, n: int) -> None:
    assert np.isfinite(voice_vector(voice[4000 : 4000 + n], SPEC)).all()


def test_a_feature_set_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="wav2vec"):
        VoiceSpec.from_json({"feature_set": "wav2vec"})
    assert VoiceSpec.from_json(SPEC.to_json()) == SPEC
