"""Mid-term statistics, against pyAudioAnalysis."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mercli_kernels import mid_term_statistics, statistic_names


@pytest.mark.parametrize(
    ("mid_window_s", "mid_hop_s"), [(1.0, 1.0), (1.0, 0.5), (0.5, 1.0), (10.0, 10.0), (0.05, 0.05)]
)
def test_means_and_deviations_are_those_of_py_audio_analysis(
    speech_like, kind, py_audio_analysis, mid_window_s, mid_hop_s
):
    samples = speech_like(kind, sample_rate_hz=16000)
    theirs, short, names = py_audio_analysis.mid_term(
        samples,
        16000,
        mid_window=round(mid_window_s * 16000),
        mid_hop=round(mid_hop_s * 16000),
        window=800,
        hop=800,
    )
    ours = mid_term_statistics(short, window_frames=round(mid_window_s / 0.05), hop_frames=round(mid_hop_s / 0.05))
    assert ours.shape == theirs.shape
    assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12)
    assert list(statistic_names([name.removesuffix("_mean") for name in names[:68]])) == names


def test_the_last_windows_may_be_partial():
    features = np.arange(5.0)[:, None]
    ours = mid_term_statistics(features, window_frames=3, hop_frames=2)
    assert_allclose(ours[:, 0], [1, 3, 4])
    assert_allclose(ours[:, 1], [np.std([0, 1, 2]), np.std([2, 3, 4]), 0])


def test_frames_between_windows_are_left_out():
    features = np.array([[1.0], [3.0], [100.0], [5.0]])
    assert_array_equal(mid_term_statistics(features, window_frames=2, hop_frames=3), [[2, 1], [5, 0]])


def test_a_large_steady_feature_keeps_its_small_deviation():
    features = 1e8 + np.tile([[-1e-3], [1e-3]], (10, 1))
    ours = mid_term_statistics(features, window_frames=20, hop_frames=20)
    assert_allclose(ours[0, 1], 1e-3, rtol=1e-4)


def test_no_frames_give_no_windows():
    assert mid_term_statistics(np.empty((0, 34)), window_frames=20, hop_frames=20).shape == (0, 68)
