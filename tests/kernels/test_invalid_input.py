"""Every refusal is a ValueError that says what was expected and what was found."""

import numpy as np
import pytest

from mercli_kernels import deltas, mel_filter_bank, mid_term_statistics, short_term_features

SECOND = np.zeros(16000)
TABLE = np.zeros((10, 3))


def with_one(value):
    samples = SECOND.copy()
    samples[7] = value
    return samples


@pytest.mark.parametrize(
    ("samples", "sentence"),
    [
        (np.zeros((16000, 2)), r"one channel, an array of shape \(n,\); found shape \(16000, 2\)"),
        (np.float64(1.0), r"found shape \(\)"),
        (np.zeros(16000, np.int16), r"float32 or float64; found int16\. Divide"),
        (np.zeros(16000, np.float16), "float32 or float64; found float16"),
        (np.zeros(16000, complex), "float32 or float64; found complex128"),
        (with_one(np.nan), "finite; found 1 NaN or infinite, the first at index 7"),
        (with_one(np.inf), "the first at index 7"),
        (with_one(-np.inf).astype(np.float32), "the first at index 7"),
        (with_one(np.nan)[:100], "the first at index 7"),  # though too short for a frame
    ],
)
def test_samples_that_are_no_signal_are_refused(samples, sentence):
    with pytest.raises(ValueError, match=sentence):
        short_term_features(samples, sample_rate_hz=16000)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"sample_rate_hz": 0}, "sample_rate_hz must be a positive number; found 0"),
        ({"sample_rate_hz": -16000}, "sample_rate_hz must be a positive number; found -16000"),
        ({"sample_rate_hz": np.nan}, "sample_rate_hz must be a positive number; found nan"),
        ({"sample_rate_hz": np.inf}, "sample_rate_hz must be a positive number; found inf"),
        ({"sample_rate_hz": 266, "window_s": 1}, r"sample_rate_hz must be above 266\.67"),
        ({"window_s": 0}, "window_s must be a positive number; found 0"),
        ({"hop_s": -0.05}, r"hop_s must be a positive number; found -0\.05"),
        ({"window_s": 0.001}, r"at least 20 samples; found 0\.001, which spans 16 at 16000\.0 Hz"),
        ({"hop_s": 1e-5}, "hop_s must span at least 1 sample; found 1e-05"),
    ],
)
def test_rates_and_lengths_that_cut_no_frames_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        short_term_features(SECOND, **{"sample_rate_hz": 16000, **options})


@pytest.mark.parametrize(
    "compute", [deltas, lambda table: mid_term_statistics(table, window_frames=2, hop_frames=2)]
)
@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        (np.zeros(10), r"shape \(n_frames, n\); found shape \(10,\)"),
        (np.zeros((10, 3), int), "float32 or float64; found int64"),
        (np.where(np.eye(3) > 0, np.nan, 0.0)[1:], "finite; found nan in frame 0, column 1"),
    ],
)
def test_features_that_are_no_table_are_refused(compute, features, sentence):
    with pytest.raises(ValueError, match=sentence):
        compute(features)


@pytest.mark.parametrize("value", [0, -1, 1.5, "2"])
@pytest.mark.parametrize("name", ["window_frames", "hop_frames"])
def test_mid_term_lengths_are_whole_numbers(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number of at least 1; found {value!r}"):
        mid_term_statistics(TABLE, **{"window_frames": 2, "hop_frames": 2, name: value})


def test_a_filter_bank_needs_a_spectrum():
    with pytest.raises(ValueError, match=r"sample_rate_hz must be above 266\.67, .*; found 200"):
        mel_filter_bank(sample_rate_hz=200, window=800)
    with pytest.raises(ValueError, match="window must be at least 2 samples; found 1"):
        mel_filter_bank(sample_rate_hz=16000, window=1)


@pytest.mark.parametrize("n", [0, 1, 799])
def test_a_signal_shorter_than_a_frame_has_no_rows(n):
    assert short_term_features(SECOND[:n], sample_rate_hz=16000).shape == (0, 34)
