"""The transforms of sixteen frames at a time against numpy's in double precision."""

import numpy as np
import pytest

from mercli_kernels.transform import cepstral_powers, power_spectra


@pytest.mark.parametrize("n_frames", [1, 15, 16, 129, 300])
@pytest.mark.parametrize("window", [357, 400, 448, 512])
def test_power_spectra_are_those_of_numpy(n_frames, window):
    samples = np.random.default_rng(0).standard_normal(160 * (n_frames - 1) + window).astype(np.float32)
    taper = np.hamming(window).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::160].astype(np.float64)
    expected = np.abs(np.fft.rfft(frames * taper, 512)).T ** 2
    found = power_spectra(samples, taper, 160, n_frames)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * expected.max())


@pytest.mark.parametrize("n_frames", [1, 17, 129])
def test_cepstral_powers_are_those_of_numpy(n_frames):
    decibels = np.random.default_rng(0).normal(-60, 20, (257, n_frames)).astype(np.float32)
    expected = np.fft.irfft(decibels.T.astype(np.float64), 512, axis=1)[:, 24:256].T ** 2
    found = cepstral_powers(decibels, 24, 256)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6 * expected.max())
