"""What the feature set mercli-1 makes of a clip's sound."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mercli.errors import MissingModality
from mercli.voice.mercli1 import RATES, Mercli1
from mercli.voice.sets import default_spec, feature_set
from mercli.voice.spec import MERCLI_1 as SPEC
from mercli.voice.spec import VoiceSpec
from mercli.voice.spool import Spool
from mercli.voice.track import VoiceTrack, voice_views
from mercli_kernels import SPEECH_NAMES, clip_functionals_names, speech_contours, speech_part, track_pitch

Samples = NDArray[np.float32]
FEATURES = Mercli1(SPEC)
STRETCH = 160_000  # from one stretch to the next


def spooled(samples: Samples, *, step: int = 50_000, **how: int) -> Spool:
    sound = Spool(**how)
    for start in range(0, len(samples), step):
        sound.write(samples[start : start + step])
    return sound


@pytest.fixture(scope="module")
def voice(speak: Callable[..., Samples]) -> Samples:
    """Of whole 2048ths, whose sum is exact: the level does not depend on the blocks it is measured in."""
    return (np.round(2048 * speak(2.5)) / 2048).astype(np.float32)


@pytest.fixture(scope="module")
def long_voice(speak: Callable[..., Samples]) -> Samples:
    """23 s, every sentence another, with a long pause at the end of the second stretch."""
    sentences = [speak(2.3, seed=seed) for seed in range(10)]
    sentences[7] = sentences[8] = np.zeros_like(sentences[7])
    return np.concatenate(sentences)


# Shape


def test_a_view_a_rate_and_a_column_a_name(voice: Samples) -> None:
    assert feature_set(default_spec("mercli-1")).spec == SPEC
    names = FEATURES.clip_names()
    assert names == FEATURES.mid_term_names() == clip_functionals_names()
    assert len(names) == len(set(names)) == 1269
    views = voice_views(voice, SPEC)
    assert views.dtype == np.float32
    assert views.shape == (len(RATES), len(names)) == (3, 1269)
    assert np.isfinite(views).all()
    # The other views are higher and lower by two semitones, at another tempo.
    f0, runs = (views[:, names.index(name)] for name in ("voiced_f0_mean", "voiced_run_mean"))
    assert f0 == pytest.approx(f0[0] + 12 * np.log2(RATES), abs=0.15)
    assert runs[1] < runs[0] < runs[2]


def test_tables_have_a_row_a_frame_and_a_row_a_stretch(long_voice: Samples) -> None:
    with spooled(long_voice) as sound:
        short = np.concatenate(list(FEATURES.short_term(sound)))
        mid = np.concatenate(list(FEATURES.mid_term(sound)))
    assert short.dtype == mid.dtype == np.float64
    assert short.shape == (1 + (len(long_voice) - 400) // 160, len(FEATURES.short_term_names()))
    assert FEATURES.short_term_names() == SPEECH_NAMES
    assert mid.shape == (3, 1269)
    f0 = short[:, SPEECH_NAMES.index("f0")]
    assert 0.3 < np.isnan(f0).mean() < 0.9
    assert np.isfinite(np.delete(short, SPEECH_NAMES.index("f0"), axis=1)).all()
    assert np.isfinite(mid).all()


@pytest.mark.parametrize(
    "other", [{"window_s": 0.03}, {"hop_s": 0.02}, {"mid_window_s": 5.0}, {"mid_hop_s": 5.0}, {"feature_set": "x"}]
)
def test_other_windows_are_refused(other: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="windows of mercli-1 are fixed"):
        Mercli1(replace(SPEC, **other))
    if "feature_set" not in other:
        with pytest.raises(ValueError, match="fixed"):
            feature_set(VoiceSpec.from_json({**SPEC.to_json(), **other}))


def test_the_shortest_sound_has_views_and_a_shorter_one_has_none() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, FEATURES.shortest_samples).astype(np.float32)
    assert len(noise) == 448  # a frame at the highest rate
    assert np.isfinite(voice_views(noise, SPEC)).all()
    with pytest.raises(MissingModality, match="shorter than 28 ms"):
        voice_views(noise[:-1], SPEC)


# A long sound


def frames_of_speech(samples: Samples) -> int:
    return speech_part(speech_contours(samples, track_pitch(samples, 1 + (len(samples) - 400) // 160))).shape[1]


def test_the_first_view_of_a_long_sound_is_the_mean_over_its_stretches_by_how_long_one_speaks(
    long_voice: Samples,
) -> None:
    with spooled(long_voice) as sound:
        mid = np.concatenate(list(FEATURES.mid_term(sound)))
        views = FEATURES.views(sound)
    stretches = [long_voice[first : first + STRETCH + 240] for first in (0, STRETCH, 2 * STRETCH)]
    weights = [frames_of_speech(stretch) for stretch in stretches]
    assert len(set(weights)) == 3
    expected = np.average(mid, axis=0, weights=weights)
    np.testing.assert_allclose(views[0], expected, rtol=1e-5, atol=1e-5)
    assert np.abs(views[0] - mid.mean(axis=0)).max() > 0.1  # which an unweighted mean is not


@pytest.mark.parametrize(("quieter_db", "counts"), [(20, True), (34, True), (36, False), (60, False)])
def test_a_stretch_that_is_quiet_throughout_has_no_say(voice: Samples, quieter_db: float, counts: bool) -> None:
    loud = np.tile(voice, 4)[: STRETCH + 240]
    quiet = 10 ** (-quieter_db / 20) * np.tile(voice[::-1], 4)[:STRETCH]
    with spooled(np.concatenate((loud, quiet)).astype(np.float32)) as sound:
        first, *_ = FEATURES.mid_term(sound)
        difference = np.abs(FEATURES.views(sound)[0] - first[0]).max()
    assert (difference > 0.1) == counts


def test_the_first_stretch_is_measured_as_if_it_were_alone(voice: Samples) -> None:
    twice = np.tile(voice, 7)
    with spooled(twice) as whole, spooled(twice[: STRETCH + 240]) as alone:
        assert np.allclose(whole.level, alone.level, rtol=1e-5, atol=1e-6)
        first, *_ = FEATURES.mid_term(whole)
        (same,) = FEATURES.mid_term(alone)
    # The levels differ in their last bits, which a few columns, of the emptiest bins, make more of.
    assert np.isclose(first, same, rtol=1e-3, atol=1e-3).mean() > 0.98
    np.testing.assert_allclose(first, same, rtol=0.05, atol=0.5)


@settings(max_examples=5)
@given(
    step=st.sampled_from([333, 4096, 70_000]),
    block_samples=st.sampled_from([800, 12_345, 1 << 20]),
    spool_bytes=st.sampled_from([1, 1 << 24]),
)
def test_no_bit_depends_on_the_blocks(voice: Samples, step: int, block_samples: int, spool_bytes: int) -> None:
    samples = np.tile(voice, 5)  # 12.5 s: two stretches
    with (
        spooled(samples) as one,
        spooled(samples, step=step, block_samples=block_samples, spool_bytes=spool_bytes) as other,
    ):
        assert FEATURES.views(one).tobytes() == FEATURES.views(other).tobytes()
        for tables in (FEATURES.mid_term, FEATURES.short_term):
            a, b = (np.concatenate(list(tables(sound))) for sound in (one, other))
            assert a.tobytes() == b.tobytes()


# The level


@pytest.mark.parametrize("gain_db", [-20, 20])
@pytest.mark.parametrize("offset", [0.0, 0.05])
def test_neither_gain_nor_offset_changes_a_view(voice: Samples, gain_db: float, offset: float) -> None:
    """Within 0.005 of any unit, or 0.5 %."""
    changed = (10 ** (gain_db / 20) * voice + offset).astype(np.float32)
    np.testing.assert_allclose(voice_views(changed, SPEC), voice_views(voice, SPEC), rtol=5e-3, atol=5e-3)


# Altered copies


def test_altered_copies_are_the_same_every_time_finite_and_not_the_sound_itself(voice: Samples) -> None:
    copies = []
    for step in (1000, 50_000):
        with VoiceTrack(SPEC) as track:
            for start in range(0, len(voice), step):
                track.add(voice[start : start + step])
            copies.append(track.altered())
            views = track.views()
    assert copies[0].tobytes() == copies[1].tobytes()
    assert copies[0].dtype == np.float32
    assert copies[0].shape == (8, 1269)
    assert np.isfinite(copies[0]).all()
    assert len(np.unique(copies[0], axis=0)) == 8
    f0 = FEATURES.clip_names().index("voiced_f0_mean")
    played = views[0, f0] + 12 * np.log2([1.12, 1 / 1.12, 1.06, 1 / 1.06])
    assert copies[0][:4, f0] == pytest.approx(played, abs=0.2)
    assert copies[0][4:, f0] == pytest.approx(np.full(4, views[0, f0]), abs=0.6)  # noise, a room, a microphone


def test_copies_of_the_shortest_sound_are_those_that_are_long_enough() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 448).astype(np.float32)
    with VoiceTrack(SPEC) as track:
        track.add(noise)
        copies = track.altered()
    assert copies.shape == (6, 1269)  # two of the eight are played faster, and too short
    assert np.isfinite(copies).all()


def test_of_a_very_long_sound_the_first_half_minute_is_altered(voice: Samples) -> None:
    half_minute = np.tile(voice, 12)
    with spooled(half_minute) as short, spooled(np.concatenate((half_minute, voice))) as longer:
        assert np.allclose(short.level, longer.level, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(FEATURES.altered(short), FEATURES.altered(longer), rtol=0.05, atol=0.05)
