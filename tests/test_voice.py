"""What a clip's voice becomes, and what counts as no voice."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mercli.errors import MissingModality
from mercli.voice import SILENCE_DB, VoiceTrack, vector_names, voice_vector
from mercli.voice_spec import VoiceSpec
from mercli_kernels import deltas, mid_term_statistics, short_term_features

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


@pytest.mark.parametrize("n", [1, 799])
def test_less_than_one_window_is_no_voice(voice: Samples, n: int) -> None:
    with pytest.raises(MissingModality, match="shorter than 50 ms"):
        voice_vector(voice[4000 : 4000 + n], SPEC)


def test_no_sample_at_all_is_no_sound() -> None:
    with pytest.raises(MissingModality, match="no sound could be decoded"):
        voice_vector(np.empty(0, np.float32), SPEC)


@pytest.mark.parametrize("n", [800, 801, 1599, 15999, 16001])
def test_any_length_from_one_window_on_gives_a_vector(voice: Samples, n: int) -> None:
    assert np.isfinite(voice_vector(voice[4000 : 4000 + n], SPEC)).all()


def test_a_feature_set_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="wav2vec"):
        VoiceSpec.from_json({"feature_set": "wav2vec"})
    assert VoiceSpec.from_json(SPEC.to_json()) == SPEC


# A long sound, in blocks


def at_once(samples: Samples, spec: VoiceSpec) -> Samples:
    """The vector of a sound that lies in memory as one, as the shipped models were trained on it."""
    features = short_term_features(samples, sample_rate_hz=16000, window_s=spec.window_s, hop_s=spec.hop_s)
    statistics = mid_term_statistics(
        np.concatenate([features, deltas(features)], axis=1),
        window_frames=max(1, round(spec.mid_window_s / spec.hop_s)),
        hop_frames=max(1, round(spec.mid_hop_s / spec.hop_s)),
    )
    return statistics.mean(axis=0).astype(np.float32)


def in_blocks(samples: Samples, spec: VoiceSpec, step: int, **how: int) -> Samples:
    with VoiceTrack(spec, **how) as track:
        for start in range(0, len(samples), step):
            track.add(samples[start : start + step])
        return track.vector()


@settings(deadline=None, max_examples=60)
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
    assert voice_vector(voice[:n], spec).tobytes() == expected.tobytes()


def test_a_sound_of_several_minutes_has_the_vector_of_the_sound_at_once(voice: Samples) -> None:
    samples = np.tile(voice, 120) * np.linspace(0.2, 1, 120 * len(voice), dtype=np.float32)
    assert len(samples) > 4 << 20
    np.testing.assert_allclose(voice_vector(samples, SPEC), at_once(samples, SPEC), rtol=2e-7, atol=1e-12)


def test_what_lies_between_the_last_whole_window_of_a_block_and_the_next_is_heard(voice: Samples) -> None:
    samples = np.zeros(48000, np.float32)
    samples[24800:25000] = voice[8000:8200]  # loudness is measured in windows of 800, here in blocks of 1000
    in_blocks(samples, SPEC, 4096, block_samples=8000)
    with pytest.raises(MissingModality, match="silent"):
        in_blocks(0 * samples, SPEC, 4096, block_samples=8000)


NO_ROOM = """
import os, resource, numpy as np
from pathlib import Path
from mercli.errors import MercliError
from mercli.voice import VoiceTrack
from mercli.voice_spec import VoiceSpec

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
before = len(os.listdir("/dev/fd"))
for n in (1_500, 200_000):  # it shows only when the last is written out; it shows at once
    try:
        with VoiceTrack(VoiceSpec(), spool_bytes=1) as track:
            track.add(np.full(24_000, 0.5, np.float32))
            track.add(np.full(n, 0.5, np.float32))
            track.vector()
    except MercliError as error:
        print(error)
    assert len(os.listdir("/dev/fd")) == before
"""


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="there is no limit on a file's size to be had")
def test_a_sound_that_finds_no_room_is_an_error_that_leaves_nothing_open() -> None:
    done = subprocess.run([sys.executable, "-c", NO_ROOM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == "no room for its sound in the temporary folder (File too large)\n" * 2


def test_a_track_that_is_left_by_an_error_keeps_nothing_open(voice: Samples) -> None:
    def fail() -> None:
        with track:
            track.add(voice)
            raise RuntimeError

    track = VoiceTrack(SPEC, spool_bytes=1)
    with pytest.raises(RuntimeError):
        fail()
    with pytest.raises(ValueError, match="closed"):
        track.add(voice)
