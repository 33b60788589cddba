"""What holds for every signal."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.testing import assert_allclose

from mercli_kernels import (
    SHORT_TERM_NAMES,
    delta_names,
    deltas,
    mid_term_statistics,
    short_term_features,
    statistic_names,
)

COLUMNS = len(SHORT_TERM_NAMES)

any_signal = st.sampled_from([32, 64]).flatmap(
    lambda width: hnp.arrays(
        f"float{width}",
        st.integers(0, 1500),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=width),
    )
)
tables = hnp.arrays(
    np.float64, st.tuples(st.integers(0, 40), st.integers(0, 5)), elements=st.floats(-1e100, 1e100)
)
seeds = st.integers(0, 10_000)
kinds = st.sampled_from(["harmonic glide", "chirp", "noise bursts"])


def n_frames(n_samples, window, hop):
    return sum(1 for start in range(0, n_samples, hop) if start + window <= n_samples)


@settings(max_examples=150)
@given(samples=any_signal, window=st.integers(20, 400), hop=st.integers(1, 500))
def test_any_finite_signal_gives_finite_features_of_each_frame(samples, window, hop):
    features = short_term_features(samples, sample_rate_hz=8000, window_s=window / 8000, hop_s=hop / 8000)
    assert features.shape == (n_frames(samples.size, window, hop), COLUMNS)
    assert features.dtype == np.float64
    assert np.isfinite(features).all()


@settings(max_examples=40)
@given(kind=kinds, seed=seeds, gain_db=st.floats(-20, 20), sign=st.sampled_from([-1, 1]))
def test_a_gain_changes_no_feature(speech_like, kind, seed, gain_db, sign):
    samples = speech_like(kind, sample_rate_hz=16000, seconds=0.5, seed=seed)
    louder = sign * 10 ** (gain_db / 20) * samples
    assert_allclose(
        short_term_features(louder, sample_rate_hz=16000),
        short_term_features(samples, sample_rate_hz=16000),
        rtol=1e-9,
        atol=1e-9,
    )


@settings(max_examples=40)
@given(kind=kinds, seed=seeds, offset=st.floats(-10, 10))
def test_an_offset_changes_no_feature(speech_like, kind, seed, offset):
    samples = speech_like(kind, sample_rate_hz=16000, seconds=0.5, seed=seed)
    assert_allclose(
        short_term_features(samples + offset, sample_rate_hz=16000),
        short_term_features(samples, sample_rate_hz=16000),
        rtol=1e-9,
        atol=1e-9,
    )


@settings(max_examples=40)
@given(
    half=hnp.arrays(np.float64, st.integers(100, 500), elements=st.sampled_from([-1.0, 0.0, 0.5, 1.0])),
    gain_db=st.floats(-20, 20),
    offset=st.floats(-10, 10),
)
def test_what_rounding_leaves_of_a_zero_is_no_crossing(half, gain_db, offset):
    samples = np.concatenate((half, -half))  # so that the mean is 0, or nearly
    changed = 10 ** (gain_db / 20) * samples + offset
    zcr, *_ = short_term_features(samples, sample_rate_hz=8000, window_s=0.0125, hop_s=0.0125).T
    changed_zcr, *_ = short_term_features(changed, sample_rate_hz=8000, window_s=0.0125, hop_s=0.0125).T
    assert_allclose(changed_zcr, zcr, atol=1e-15)


@settings(max_examples=30)
@given(samples=any_signal)
def test_the_same_signal_gives_the_same_bits(samples):
    first = short_term_features(samples, sample_rate_hz=8000)
    assert first.tobytes() == short_term_features(samples.copy(), sample_rate_hz=8000).tobytes()


@given(features=tables)
def test_deltas_have_a_row_a_frame(features):
    steps = deltas(features)
    assert steps.shape == features.shape
    assert np.isfinite(steps).all()


@given(features=tables, window=st.integers(1, 50), hop=st.integers(1, 50))
def test_mid_term_windows_begin_while_a_frame_is_left(features, window, hop):
    statistics = mid_term_statistics(features, window_frames=window, hop_frames=hop)
    n, columns = features.shape
    assert statistics.shape == (len(range(0, n, hop)), 2 * columns)
    assert np.isfinite(statistics).all()
    assert (statistics[:, columns:] >= 0).all()


@given(st.lists(st.text(min_size=1), unique=True))
def test_there_is_a_name_a_column(names):
    assert len(set(delta_names(names))) == len(names)
    assert len(set(statistic_names(names))) == 2 * len(names)


def test_names_follow_the_pattern_of_the_original_system():
    assert SHORT_TERM_NAMES[10] == "mfcc_3"
    assert statistic_names(SHORT_TERM_NAMES)[34 + 10] == "mfcc_3_std"
    assert statistic_names(delta_names(SHORT_TERM_NAMES))[0] == "delta_zcr_mean"
    assert len(set(SHORT_TERM_NAMES)) == COLUMNS == 34
