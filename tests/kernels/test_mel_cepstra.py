"""The mel filter bank and the cepstra, against librosa."""

import librosa
import numpy as np
import pytest
from numpy.testing import assert_allclose

from mercli_kernels import SHORT_TERM_NAMES, mel_filter_bank, short_term_features

MFCC = slice(SHORT_TERM_NAMES.index("mfcc_1"), SHORT_TERM_NAMES.index("mfcc_13") + 1)
FRAMINGS = [(16000, 800), (16000, 400), (22050, 551), (44100, 2205), (48000, 1200)]


def librosa_bank(sample_rate_hz, window):
    bank = librosa.filters.mel(
        sr=sample_rate_hz,
        n_fft=window,
        n_mels=40,
        fmin=133.33333333333334,
        fmax=min(6855.4976, sample_rate_hz / 2),
        htk=False,
        norm="slaney",
        dtype=np.float64,
    )
    return bank[:, : window // 2]


@pytest.mark.parametrize(("sample_rate_hz", "window"), [*FRAMINGS, (8000, 400), (11025, 551), (12000, 600)])
def test_the_filter_bank_is_librosas(sample_rate_hz, window):
    ours = mel_filter_bank(sample_rate_hz=sample_rate_hz, window=window)
    assert ours.shape == (40, window // 2)
    assert_allclose(ours, librosa_bank(sample_rate_hz, window), rtol=1e-9, atol=1e-15)


def test_neighbouring_filters_are_slaneys_one_mel_apart():
    bank = mel_filter_bank(sample_rate_hz=16000, window=16000)  # a bin a Hz
    linear = 200 / 3 * np.arange(3, 15)
    logarithmic = 1000 * 1.0711703 ** np.arange(28)
    assert_allclose(bank.argmax(axis=1), np.concatenate((linear, logarithmic)), atol=0.6)
    assert_allclose(bank.sum(axis=1), 1.0, rtol=1e-3)


@pytest.mark.parametrize("sample_rate_hz", [1000, 4000, 8000])
def test_at_a_low_rate_no_filter_lies_above_the_nyquist_frequency(sample_rate_hz):
    bank = mel_filter_bank(sample_rate_hz=sample_rate_hz, window=sample_rate_hz)
    assert (bank.sum(axis=1) > 0).all()


@pytest.mark.parametrize(("sample_rate_hz", "window"), [*FRAMINGS, (8000, 400)])
def test_the_cepstra_are_librosas(speech_like, kind, spectra_by_definition, sample_rate_hz, window):
    samples = speech_like(kind, sample_rate_hz=sample_rate_hz)
    hop = window // 2
    spectra = spectra_by_definition(samples, window, hop)
    log_bands = np.log10(librosa_bank(sample_rate_hz, window) @ spectra.T + np.finfo(float).eps)
    expected = librosa.feature.mfcc(S=log_bands, n_mfcc=13, dct_type=2, norm="ortho").T
    ours = short_term_features(
        samples, sample_rate_hz=sample_rate_hz, window_s=window / sample_rate_hz, hop_s=hop / sample_rate_hz
    )
    assert_allclose(ours[:, MFCC], expected, rtol=1e-9, atol=1e-9)


def test_a_short_window_leaves_finite_cepstra_though_filters_are_empty():
    samples = np.random.default_rng(0).standard_normal(4000)
    assert (mel_filter_bank(sample_rate_hz=16000, window=20).sum(axis=1) == 0).any()
    assert np.isfinite(short_term_features(samples, sample_rate_hz=16000, window_s=20 / 16000)).all()
