"""The short-term features, against pyAudioAnalysis where it is right."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mercli_kernels import SHORT_TERM_NAMES, delta_names, deltas, short_term, short_term_features

# sample rate, window, hop: the original method, overlapping frames, an odd window, two other common rates
FRAMINGS = [(16000, 800, 800), (16000, 400, 160), (22050, 551, 221), (8000, 400, 200), (44100, 2205, 2205)]

# pyAudioAnalysis divides by the peak plus 1e-10 of 16-bit full scale, which moves a level by some 1e-10.
TOLERANCE = {"rtol": 2e-9, "atol": 1e-12}


def ours(samples, sample_rate_hz, window, hop):
    return short_term_features(
        samples, sample_rate_hz=sample_rate_hz, window_s=window / sample_rate_hz, hop_s=hop / sample_rate_hz
    )


def test_the_columns_are_the_34_of_py_audio_analysis(speech_like, py_audio_analysis):
    _, names = py_audio_analysis.short_term(speech_like("chirp", sample_rate_hz=16000), 16000, 800, 800)
    assert list(SHORT_TERM_NAMES) == names[:34]
    assert [name.replace("_", " ", 1) for name in delta_names(SHORT_TERM_NAMES)] == names[34:]


@pytest.mark.parametrize(("sample_rate_hz", "window", "hop"), FRAMINGS)
@pytest.mark.parametrize("column", range(8), ids=SHORT_TERM_NAMES[:8])
def test_the_first_eight_features_are_those_of_py_audio_analysis(
    speech_like, kind, py_audio_analysis, sample_rate_hz, window, hop, column
):
    samples = speech_like(kind, sample_rate_hz=sample_rate_hz)
    theirs, _ = py_audio_analysis.short_term(samples, sample_rate_hz, window, hop)
    features = ours(samples, sample_rate_hz, window, hop)
    assert features.shape == (len(theirs), 34)
    assert_allclose(features[:, column], theirs[:, column], **TOLERANCE)


def test_their_deltas_are_those_of_py_audio_analysis(speech_like, kind, py_audio_analysis):
    samples = speech_like(kind, sample_rate_hz=16000)
    theirs, _ = py_audio_analysis.short_term(samples, 16000, 800, 800)
    assert_allclose(deltas(ours(samples, 16000, 800, 800))[:, :8], theirs[:, 34:42], rtol=2e-9, atol=1e-9)


def test_a_delta_is_the_step_from_the_frame_before():
    features = np.random.default_rng(0).standard_normal((7, 3))
    steps = deltas(features)
    assert_array_equal(steps[0], np.zeros(3))
    assert_array_equal(steps[1:], np.diff(features, axis=0))


def test_float32_samples_give_what_their_float64_copies_give(speech_like, kind):
    samples = speech_like(kind, sample_rate_hz=16000).astype(np.float32)
    assert_array_equal(ours(samples, 16000, 800, 400), ours(samples.astype(np.float64), 16000, 800, 400))


def test_strided_and_read_only_samples_give_what_a_plain_copy_gives(speech_like):
    stereo = np.column_stack([speech_like("harmonic glide", sample_rate_hz=16000)] * 2)
    stereo.flags.writeable = False
    assert_array_equal(ours(stereo[:, 0], 16000, 800, 400), ours(stereo[:, 0].copy(), 16000, 800, 400))


def test_lengths_are_rounded_to_the_nearest_sample():
    # 0.0251 s are 1106.9 samples, and 0.29 * 100 is below 29 in floating point.
    assert [len(short_term_features(np.ones(n), sample_rate_hz=44100, window_s=0.0251)) for n in (1106, 1107)] == [
        0,
        1,
    ]
    assert len(short_term_features(np.ones(2900), sample_rate_hz=10_000, window_s=0.002, hop_s=0.0029)) == 100


def test_the_samples_are_left_as_they_were(speech_like):
    samples = speech_like("harmonic glide", sample_rate_hz=16000)
    before = samples.copy()
    ours(samples, 16000, 800, 400)
    assert_array_equal(samples, before)


@pytest.mark.parametrize("block_samples", [1, 20_000])
@pytest.mark.parametrize("hop", [160, 1000])
def test_the_size_of_a_block_changes_no_bit(speech_like, kind, monkeypatch, block_samples, hop):
    samples = speech_like(kind, sample_rate_hz=16000)
    whole = ours(samples, 16000, 800, hop)
    monkeypatch.setattr(short_term, "_BLOCK_SAMPLES", block_samples)
    assert_array_equal(ours(samples, 16000, 800, hop), whole)


def test_silence_gives_finite_features():
    features = ours(np.zeros(16000), 16000, 800, 800)
    assert np.isfinite(features).all()
    cepstra = slice(8, 21)
    assert_array_equal(np.delete(features, cepstra, axis=1), np.zeros((20, 21)))


@pytest.mark.parametrize("level", [0.1, -3.7e-5, 1e6, 1e308, 5e-324])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_signal_is_silence(level, dtype):
    with np.errstate(over="ignore"):
        samples = np.full(16000, level, dtype)
    if np.isfinite(samples).all():
        assert_array_equal(ours(samples, 16000, 800, 800), ours(np.zeros(16000), 16000, 800, 800))


def test_a_signal_too_small_for_its_gain_is_silence():
    samples = np.tile([0.0, 5e-324], 8000)
    assert_array_equal(ours(samples, 16000, 800, 800), ours(np.zeros(16000), 16000, 800, 800))


def test_a_silent_stretch_gives_finite_features(speech_like):
    samples = speech_like("harmonic glide", sample_rate_hz=16000)
    samples[10_000:30_000] = 0
    assert np.isfinite(ours(samples, 16000, 400, 160)).all()


def test_the_largest_floats_give_the_features_of_their_shape(speech_like):
    samples = speech_like("harmonic glide", sample_rate_hz=16000)
    huge = samples / np.abs(samples).max() * np.finfo(np.float64).max
    assert_allclose(ours(huge, 16000, 800, 800), ours(samples, 16000, 800, 800), rtol=1e-9, atol=1e-9)
