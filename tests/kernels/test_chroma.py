"""Chroma, against its definition written out with librosa's pitch scale, and on pure tones."""

import librosa
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from mercli_kernels import SHORT_TERM_NAMES, short_term_features

CHROMA = slice(SHORT_TERM_NAMES.index("chroma_1"), SHORT_TERM_NAMES.index("chroma_12") + 1)
CHROMA_STD = SHORT_TERM_NAMES.index("chroma_std")
A0_MIDI = 21


def by_definition(spectra, sample_rate_hz, window):
    bins_hz = librosa.fft_frequencies(sr=sample_rate_hz, n_fft=window)[1 : window // 2]
    semitone = np.round(librosa.hz_to_midi(bins_hz)).astype(int) - A0_MIDI
    bins_of_semitone = {s: np.count_nonzero(semitone == s) for s in semitone}
    share = np.array([1 / bins_of_semitone[s] for s in semitone])
    power = spectra[:, 1:] ** 2
    chroma = np.zeros((12, len(spectra)))
    np.add.at(chroma, semitone % 12, (share * power).T)
    return chroma.T / power.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("sample_rate_hz", "window"), [(16000, 800), (16000, 400), (22050, 551), (8000, 400)])
def test_a_pitch_class_sums_the_mean_power_of_its_semitones(
    speech_like, kind, spectra_by_definition, sample_rate_hz, window
):
    samples = speech_like(kind, sample_rate_hz=sample_rate_hz)
    expected = by_definition(spectra_by_definition(samples, window, window), sample_rate_hz, window)
    length_s = window / sample_rate_hz
    ours = short_term_features(samples, sample_rate_hz=sample_rate_hz, window_s=length_s, hop_s=length_s)
    assert_allclose(ours[:, CHROMA], expected, rtol=1e-9, atol=1e-12)
    assert_allclose(ours[:, CHROMA_STD], expected.std(axis=1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("midi", range(57, 94))  # A3, 220 Hz, to A6, 1760 Hz
def test_a_tone_is_strongest_in_the_class_that_librosa_finds(midi):
    rate_hz = 16000
    tone = np.sin(2 * np.pi * librosa.midi_to_hz(midi) * np.arange(rate_hz) / rate_hz)
    ours = short_term_features(tone, sample_rate_hz=rate_hz, window_s=0.1, hop_s=0.1)[:, CHROMA]
    theirs = librosa.feature.chroma_stft(y=tone, sr=rate_hz, n_fft=2048, tuning=0.0)[:, 4:-4]
    c_to_a = 9  # librosa's classes begin at C, ours at A
    strongest = (theirs.mean(axis=1).argmax() - c_to_a) % 12
    assert strongest == (midi - A0_MIDI) % 12
    assert_array_equal(ours.argmax(axis=1), strongest)


def test_the_shares_of_single_bin_semitones_add_up_to_one():
    # With bins of 160 Hz over 10 bins each bin is the only one of its semitone, so nothing is averaged.
    samples = np.random.default_rng(0).standard_normal(3200)
    features = short_term_features(samples, sample_rate_hz=3200, window_s=20 / 3200)
    assert_allclose(features[:, CHROMA].sum(axis=1), 1.0, rtol=1e-12)
