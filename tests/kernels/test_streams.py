"""Signals that come in blocks have the features of the whole, however they were cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from mercli_kernels import (
    Level,
    delta_stream,
    deltas,
    measure_level,
    mid_term_statistics,
    mid_term_stream,
    short_term_features,
    short_term_stream,
)

RATE_HZ = 8000
cuts = st.lists(st.integers(0, 1500), max_size=12)


def cut(array, places):
    return np.split(array, sorted(places))


def stacked(tables, columns):
    return np.concatenate([np.empty((0, columns)), *tables])


@settings(max_examples=150)
@given(
    n=st.integers(0, 1500),
    places=cuts,
    window=st.integers(20, 400),
    hop=st.integers(1, 500),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_short_term_features_do_not_depend_on_the_cuts(speech_like, n, places, window, hop, dtype):
    samples = speech_like("harmonic glide", sample_rate_hz=RATE_HZ, seconds=0.2)[:n].astype(dtype)
    framing = {"sample_rate_hz": RATE_HZ, "window_s": window / RATE_HZ, "hop_s": hop / RATE_HZ}
    blocks = cut(samples, places)
    level = measure_level(blocks)
    tables = list(short_term_stream(blocks, level=level, **framing))
    assert all(len(table) for table in tables)
    streamed = stacked(tables, 34)
    assert_array_equal(streamed, short_term_features(samples, level=level, **framing))
    assert_allclose(streamed, short_term_features(samples, **framing), rtol=1e-9, atol=1e-12)


@settings(max_examples=100)
@given(n=st.integers(1, 60), places=st.lists(st.integers(0, 60), max_size=10), seed=st.integers(0, 99))
def test_deltas_do_not_depend_on_the_cuts(n, places, seed):
    features = np.random.default_rng(seed).standard_normal((n, 3))
    tables = [table for table in cut(features, places) if len(table)]
    assert_array_equal(stacked(delta_stream(tables), 3), deltas(features))


@settings(max_examples=200)
@given(
    n=st.integers(0, 60),
    places=st.lists(st.integers(0, 60), max_size=10),
    window=st.integers(1, 70),
    hop=st.integers(1, 70),
)
def test_mid_term_statistics_do_not_depend_on_the_cuts(n, places, window, hop):
    features = np.random.default_rng(n).standard_normal((n, 3))
    framing = {"window_frames": window, "hop_frames": hop}
    tables = list(mid_term_stream(cut(features, places), **framing))
    assert all(len(table) for table in tables)
    assert_array_equal(stacked(tables, 6), mid_term_statistics(features, **framing))


@settings(max_examples=50)
@given(n=st.integers(0, 1500), places=cuts, offset=st.floats(-10, 10), gain=st.floats(0.01, 100))
def test_the_level_of_blocks_is_the_mean_and_the_peak_of_the_whole(speech_like, n, places, offset, gain):
    samples = gain * speech_like("chirp", sample_rate_hz=RATE_HZ, seconds=0.2)[:n] + offset
    level = measure_level(cut(samples, places))
    if n < 2:
        assert level.gain == 0
        return
    assert_allclose(level.offset, samples.mean(), rtol=1e-12)
    assert_allclose(1 / level.gain, np.abs(samples - samples.mean()).max(), rtol=1e-9)


@pytest.mark.parametrize("blocks", [[], [np.zeros(0)], [np.zeros(5), np.zeros(9)], [np.full(7, 0.1)] * 3])
def test_what_is_constant_in_all_blocks_has_no_gain(blocks):
    assert measure_level(blocks).gain == 0


def test_samples_are_at_the_level_that_is_given():
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 1600)
    quiet, loud = (short_term_features(samples, sample_rate_hz=16000, level=Level(0.0, g))[:, 1] for g in (1, 2))
    assert_allclose(loud, 4 * quiet)


@pytest.mark.parametrize(
    ("block", "sentence"),
    [
        (np.zeros((5, 2)), "one channel"),
        (np.zeros(5, int), "float32 or float64"),
        (np.array([0, np.nan]), "finite; found 1 NaN"),
        (np.array([0, 2e300]), r"within 1e\+300; found 2e\+300"),
    ],
)
def test_blocks_that_are_no_signal_are_refused(block, sentence):
    with pytest.raises(ValueError, match=sentence):
        measure_level([np.zeros(3), block])


def test_a_part_that_is_no_signal_is_refused_though_its_level_is_given():
    with pytest.raises(ValueError, match="finite; found 1 NaN"):
        short_term_features(np.append(np.zeros(800), np.nan), sample_rate_hz=16000, level=Level(0.0, 1.0))


def test_impossible_framings_are_refused_before_any_block_is_asked_for():
    with pytest.raises(ValueError, match="hop_s must be a positive number"):
        next(short_term_stream([], level=Level(0.0, 1.0), sample_rate_hz=16000, hop_s=0))
    with pytest.raises(ValueError, match="window_frames must be a whole number"):
        next(mid_term_stream([], window_frames=0, hop_frames=1))
