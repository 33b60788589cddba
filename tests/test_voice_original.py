"""What the feature set original-34 makes of a clip's sound."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mercli.voice.sets import feature_set
from mercli.voice.spec import VoiceSpec
from mercli.voice.track import VoiceTrack, voice_views
from mercli_kernels import deltas, mid_term_statistics, short_term_features

Samples = NDArray[np.float32]
SPEC = VoiceSpec()
FEATURES = feature_set(SPEC)


def named(samples: Samples) -> dict[str, float]:
    (view,) = voice_views(samples, SPEC)
    return dict(zip(FEATURES.clip_names(), view.tolist(), strict=True))


@pytest.fixture(scope="module")
def voice(speak: Callable[..., Samples]) -> Samples:
    return speak(2.5)


def test_the_vector_has_a_mean_and_a_deviation_of_34_features_and_their_deltas(voice: Samples) -> None:
    names = FEATURES.clip_names()
    assert len(names) == len(set(names)) == 4 * 34
    assert {"mfcc_3_std", "delta_zcr_mean", "energy_mean", "chroma_12_std"} <= set(names)
    assert all(name.endswith("_mean") for name in names[:68])
    assert all(name.endswith("_std") for name in names[68:])
    views = voice_views(voice, SPEC)
    assert views.dtype == np.float32
    assert views.shape == (1, 136)
    assert np.isfinite(views).all()


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
    there = voice_views((gain * voice).astype(np.float32), SPEC)
    assert there == pytest.approx(voice_views(voice, SPEC), rel=1e-2, abs=1e-3)


def test_the_one_view_is_the_mean_of_the_mid_term_windows_and_those_are_statistics_of_the_short_term(
    voice: Samples,
) -> None:
    with VoiceTrack(SPEC, block_samples=8 * 5000) as track:
        track.add(voice)
        sound = track.sound()
        short, mid = (np.concatenate(list(tables(sound))) for tables in (FEATURES.short_term, FEATURES.mid_term))
        assert np.array_equal(FEATURES.views(sound), track.views())
    assert short.shape == (len(voice) // 800, len(FEATURES.short_term_names())) == (50, 68)
    assert mid.shape == (3, len(FEATURES.mid_term_names())) == (3, 136)
    assert short.dtype == mid.dtype == np.float64
    assert np.allclose(mid[0], np.concatenate((short[:20].mean(axis=0), short[:20].std(axis=0))))
    assert np.allclose(mid.mean(axis=0), voice_views(voice, SPEC)[0], rtol=1e-6)
    assert np.allclose(short[1:, 34:], np.diff(short[:, :34], axis=0))
    assert FEATURES.short_term_names()[34:] == tuple(f"delta_{name}" for name in FEATURES.short_term_names()[:34])


# A long sound, in blocks


def at_once(samples: Samples, spec: VoiceSpec) -> Samples:
    """The one view of a sound that lies in memory as one, as the shipped models were trained on it."""
    features = short_term_features(samples, sample_rate_hz=16000, window_s=spec.window_s, hop_s=spec.hop_s)
    statistics = mid_term_statistics(
        np.concatenate([features, deltas(features)], axis=1),
        window_frames=max(1, round(spec.mid_window_s / spec.hop_s)),
        hop_frames=max(1, round(spec.mid_hop_s / spec.hop_s)),
    )
    return statistics.mean(axis=0).astype(np.float32)[np.newaxis]


def in_blocks(samples: Samples, spec: VoiceSpec, step: int, **how: int) -> Samples:
    with VoiceTrack(spec, **how) as track:
        for start in range(0, len(samples), step):
            track.add(samples[start : start + step])
        return track.views()


@settings(max_examples=60)
@given(
    blocks=st.integers(0, 4),
    more=st.integers(-2, 2),
    block_samples=st.sampled_from([500, 799, 800, 801, 3200, 4097]),
    step=st.sampled_from([300, 4096]),
    window_s=st.sampled_from([0.02, 0.05]),
    hop_s=st.sampled_from([0.01, 0.05, 0.07]),
    mid_window_s=st.sampled_from([0.05, 0.3, 60.0]),
    mid_hop_s=st.sampled_from([0.05, 0.2, 0.5]),
)
def test_the_vector_does_not_depend_on_the_blocks_it_is_worked_out_in(
    voice: Samples, blocks: int, more: int, block_samples: int, step: int, **lengths: float
) -> None:
    spec = VoiceSpec(**lengths)
    samples = voice[4000 : 4000 + max(800, blocks * block_samples + more)]
    there = in_blocks(samples, spec, step, block_samples=block_samples, spool_bytes=2000)
    # float32: the exact sums differ by less than 1e-9.
    np.testing.assert_allclose(there, at_once(samples, spec), rtol=2e-7, atol=1e-12)


@pytest.mark.parametrize("n", [800, 7777, 40000])
@pytest.mark.parametrize("spec", [SPEC, VoiceSpec(window_s=0.05, hop_s=0.02, mid_window_s=0.5, mid_hop_s=0.2)])
@pytest.mark.parametrize("spool_bytes", [1, 1 << 24])
def test_the_vector_of_a_sound_of_one_block_is_to_the_bit_that_of_the_sound_at_once(
    voice: Samples, n: int, spec: VoiceSpec, spool_bytes: int
) -> None:
    expected = at_once(voice[:n], spec)
    assert in_blocks(voice[:n], spec, 4096, spool_bytes=spool_bytes).tobytes() == expected.tobytes()
    assert voice_views(voice[:n], spec).tobytes() == expected.tobytes()


def test_a_sound_of_several_minutes_has_the_vector_of_the_sound_at_once(voice: Samples) -> None:
    samples = np.tile(voice, 120) * np.linspace(0.2, 1, 120 * len(voice), dtype=np.float32)
    assert len(samples) > 4 << 20
    np.testing.assert_allclose(voice_views(samples, SPEC), at_once(samples, SPEC), rtol=2e-7, atol=1e-12)
