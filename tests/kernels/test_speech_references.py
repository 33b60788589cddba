"""Each contour and functional of speech against other people's code, or a formula written anew.

Tolerances stand beside the comparisons. Praat comes by parselmouth, openSMILE by its own package; where one of
them cannot be imported its tests are skipped.
"""

import functools
import itertools
import math

import librosa
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import fft, stats
from scipy.signal import butter, sosfiltfilt

from mercli.sample import synthesise_voice
from mercli_kernels import (
    SPEECH_NAMES,
    Pitch,
    clip_functionals,
    clip_functionals_names,
    cycle_measures,
    speech_contours,
    speech_part,
    track_pitch,
)

RATE = 16000
PLACE = {name: i for i, name in enumerate(SPEECH_NAMES)}
EXPRESSIONS = pytest.mark.parametrize("expression", ["happy", "sad", "angry"])


def measured(samples, rate=1.0):
    """Contours by name, with the pitch."""
    samples = np.asarray(samples, np.float32)
    pitch = track_pitch(samples, 1 + (samples.size - 400) // 160)
    return dict(zip(SPEECH_NAMES, speech_contours(samples, pitch, rate=rate), strict=True)), pitch


def at_peak(samples):
    return (samples / np.abs(samples).max()).astype(np.float32)


def harmonics(f0_hz, decibels, n=RATE):
    """A sum of harmonics of given levels; f0 may glide."""
    f0_hz = np.broadcast_to(np.asarray(f0_hz, float), n)
    phase = 2 * np.pi * np.cumsum(f0_hz) / RATE
    return sum(
        np.where(k * f0_hz < 7500, 10 ** (level / 20) * np.sin(k * phase + 0.3 * k * k), 0)
        for k, level in enumerate(decibels, 1)
    )


@functools.cache
def voice(expression, seed=1, seconds=3.0):
    return at_peak(synthesise_voice(seconds, sample_rate_hz=RATE, expression=expression, seed=seed))


@pytest.fixture(scope="module")
def sound():
    """A voice in noise that keeps every bin above the floors, with its own contours and power spectra."""
    samples = at_peak(voice("happy") + 0.01 * np.random.default_rng(0).standard_normal(3 * RATE))
    contours, _ = measured(samples)
    frames = librosa.util.frame(samples.astype(np.float64), frame_length=400, hop_length=160)
    taper = np.hamming(400)
    powers = np.abs(np.fft.rfft(frames * taper[:, None] / np.sqrt(np.sum(taper**2)), 512, axis=0)) ** 2
    return contours, powers, frames


# The spectrum: librosa, scipy or numpy on float64 spectra; float32 sums explain the differences.

HZ = np.arange(257) * RATE / 512
HEARD = HZ <= 7000


def decibels_of(powers):
    """In dB, not below the level of the loudest frame less 90 dB."""
    return 10 * np.log10(np.maximum(powers, powers[HEARD].sum(axis=0).max() * 1e-9))


def test_level_is_the_power_of_the_frame(sound):
    contours, powers, frames = sound
    assert_allclose(contours["level"], 10 * np.log10(powers[HEARD].sum(axis=0)), atol=1e-3)
    # 512 of the mean square, half of it in the bins up to the Nyquist frequency: 24.1 dB.
    mean_squares = 10 * np.log10((frames**2).mean(axis=0))
    assert np.median(contours["level"] - mean_squares) == pytest.approx(10 * np.log10(256), abs=0.5)


def test_spectral_shape_is_that_of_librosa(sound):
    contours, powers, frames = sound
    given_spectrum = {"S": powers[HEARD], "freq": HZ[HEARD]}
    for name, there, tolerance_hz in (
        ("spectral_centroid", librosa.feature.spectral_centroid(**given_spectrum), 0.05),
        ("spectral_spread", librosa.feature.spectral_bandwidth(**given_spectrum), 0.05),
        ("spectral_rolloff_25", librosa.feature.spectral_rolloff(**given_spectrum, roll_percent=0.25), 1e-2),
        ("spectral_rolloff_85", librosa.feature.spectral_rolloff(**given_spectrum, roll_percent=0.85), 1e-2),
    ):
        assert_allclose(contours[name], there[0], atol=tolerance_hz, err_msg=name)
    flatness = librosa.feature.spectral_flatness(S=10 ** (decibels_of(powers)[HEARD] / 10), power=1.0)[0]
    assert_allclose(contours["spectral_flatness"], 10 * np.log10(flatness), atol=1e-3)
    crossings = librosa.zero_crossings(frames.T, pad=False, threshold=0.0, axis=-1).sum(axis=-1)
    assert_allclose(contours["zcr"], crossings / 399, atol=1e-6)


def test_entropy_and_flux_are_those_of_the_spectrum_as_a_distribution(sound):
    contours, powers, _ = sound
    assert_allclose(contours["spectral_entropy"], stats.entropy(powers[HEARD], base=2), atol=1e-3)
    shares = powers[HEARD] / powers[HEARD].sum(axis=0)
    bhattacharyya = np.sqrt(shares[:, 1:] * shares[:, :-1]).sum(axis=0)
    assert_allclose(contours["spectral_flux"][1:], 2 - 2 * bhattacharyya, atol=1e-4)
    assert contours["spectral_flux"][0] == 0


def test_the_balance_of_the_spectrum_is_that_of_its_definition(sound):
    contours, powers, _ = sound
    decibels = decibels_of(powers)
    below, above = (HZ >= 50) & (HZ < 1000), (HZ >= 1000) & (HZ < 5000)
    alpha = 10 * np.log10(powers[below].sum(axis=0) / powers[above].sum(axis=0))
    assert_allclose(contours["alpha_ratio"], alpha, atol=1e-3)
    hammarberg = decibels[HZ < 2000].max(axis=0) - decibels[(HZ >= 2000) & (HZ < 5000)].max(axis=0)
    assert_allclose(contours["hammarberg_index"], hammarberg, atol=1e-3)
    for name, low, high in (("0_500", 0, 500), ("500_1500", 500, 1500), ("1500_7000", 1500, 7000)):
        band = (low <= HZ) & (high > HZ)
        slope = np.polyfit(HZ[band] / 1000, decibels[band], 1)[0]
        assert_allclose(contours[f"slope_{name}"], slope, rtol=1e-3, atol=2e-3, err_msg=name)


def test_mel_bands_and_cepstra_are_those_of_librosa(sound):
    contours, powers, _ = sound
    bank = librosa.filters.mel(sr=RATE, n_fft=512, n_mels=40, fmin=50, fmax=7000, htk=True, norm=None)
    bank /= bank.sum(axis=1, keepdims=True)
    bands = 10 * np.log10(bank @ powers)
    mels = np.stack([contours[f"mel_{j}"] for j in range(1, 41)])
    assert_allclose(mels, bands, atol=2e-3)
    cepstra = librosa.feature.mfcc(S=bands / 10, n_mfcc=20, dct_type=2, norm="ortho")
    cepstra[0] *= math.sqrt(2)  # HTK has one scale for all
    cepstra *= 1 + 11 * np.sin(np.pi * np.arange(20) / 22)[:, None]
    assert_allclose(np.stack([contours[f"mfcc_{n}"] for n in range(20)]), cepstra, atol=5e-3)


def test_the_floors_keep_silence_from_having_a_shape():
    burst = np.zeros(RATE)
    burst[6000:9000] = np.random.default_rng(0).standard_normal(3000)
    contours, _ = measured(at_peak(burst))
    mels = np.stack([contours[f"mel_{j}"] for j in range(1, 41)])
    assert mels.min() == pytest.approx(mels.max() - 80, abs=1e-3)
    assert np.abs(np.stack([contours[name][0] for name in PLACE if name.startswith("slope_")])).max() < 1e-3


# The voice


@pytest.mark.parametrize(("low_hz", "high_hz"), [(80, 160), (150, 350), (300, 600)])
def test_the_pitch_of_a_glide_is_found(low_hz, high_hz):
    """Of the frames inside, 99 % within a semitone, 95 % within 1 %."""
    f0_hz = np.geomspace(low_hz, high_hz, 2 * RATE)
    _, pitch = measured(at_peak(harmonics(f0_hz, [-6 * math.log2(k) for k in range(1, 20)], 2 * RATE)))
    true_hz = f0_hz[200 + 160 * np.arange(pitch.f0_hz.size)]
    inside = slice(3, -3)
    assert (pitch.f0_hz[inside] > 0).mean() > 0.99
    error = np.abs(np.log2(np.maximum(pitch.f0_hz, 1) / true_hz))[inside]
    assert (error < 1 / 12).mean() > 0.99
    assert (error < math.log2(1.01)).mean() > 0.95


@EXPRESSIONS
def test_the_pitch_of_a_voice_is_that_of_praat(expression):
    """Of the frames voiced for both, 97 % within a semitone, the median within 0.5 %; 93 % agree on voicing."""
    parselmouth = pytest.importorskip("parselmouth")
    _, pitch = measured(voice(expression))
    theirs = parselmouth.Sound(voice(expression).astype(float), RATE).to_pitch_ac(
        time_step=0.01, pitch_floor=60, pitch_ceiling=650
    )
    times = (200 + 160 * np.arange(pitch.f0_hz.size)) / RATE
    praat_hz = np.array([theirs.get_value_at_time(time) for time in times])
    both = (pitch.f0_hz > 0) & np.isfinite(praat_hz)
    assert both.sum() > 150
    ratio = pitch.f0_hz[both] / praat_hz[both]
    assert (np.abs(np.log2(ratio)) < 1 / 12).mean() > 0.97
    assert np.median(ratio) == pytest.approx(1, abs=0.005)
    assert ((pitch.f0_hz > 0) == np.isfinite(praat_hz)).mean() > 0.93


def test_f0_is_in_semitones_above_100_hz_and_missing_in_noise():
    contours, pitch = measured(at_peak(harmonics(200.0, [0, -6, -12])))
    assert_allclose(contours["f0"][5:-5], 12, atol=0.02)
    assert_allclose(contours["f0"], 12 * np.log2(pitch.f0_hz / 100), atol=1e-4)
    noise, _ = measured(at_peak(np.random.default_rng(0).standard_normal(RATE)))
    assert np.isnan(noise["f0"]).mean() > 0.95


@pytest.mark.parametrize("f0_hz", [100.0, 200.0, 350.0])
@pytest.mark.parametrize("snr_db", [0, 5, 10, 15])
def test_hnr_is_the_ratio_of_tone_to_noise_and_that_of_praat(f0_hz, snr_db):
    """The noise lies below 3 kHz, as the tone does: within 1.2 dB of what was mixed, and of Praat."""
    parselmouth = pytest.importorskip("parselmouth")
    tone = harmonics(f0_hz, [-4 * k for k in range(8)], 2 * RATE)
    low_pass = butter(8, 3000, fs=RATE, output="sos")
    noise = sosfiltfilt(low_pass, np.random.default_rng(0).standard_normal(tone.size))
    samples = at_peak(tone + noise * tone.std() / noise.std() * 10 ** (-snr_db / 20))
    ours = np.median(measured(samples)[0]["hnr"])
    assert ours == pytest.approx(snr_db, abs=1.2)
    theirs = parselmouth.Sound(samples.astype(float), RATE).to_harmonicity_cc(time_step=0.01, minimum_pitch=75)
    assert ours == pytest.approx(np.median(theirs.values[theirs.values > -100]), abs=1.2)


def test_hnr_is_the_odds_of_voicing():
    contours, _ = measured(voice("sad"))
    share = np.clip(contours["voicing"].astype(float), 0.001, 0.999)
    assert_allclose(contours["hnr"], 10 * np.log10(share / (1 - share)), atol=1e-2)


@pytest.mark.parametrize("f0_hz", [100.0, 150.0, 200.0, 300.0])
@pytest.mark.parametrize("difference", [-10.0, 0.0, 10.0])
def test_h1_h2_is_what_the_harmonics_were_made_with(f0_hz, difference):
    """Within 0.8 dB: a harmonic may lie between two bins."""
    levels = [0.0, -difference, *(-15.0 - 2 * k for k in range(30))]
    contours, _ = measured(at_peak(harmonics(f0_hz, levels)))
    assert np.median(contours["h1_h2"][10:80]) == pytest.approx(difference, abs=0.8)


@pytest.mark.parametrize("f0_hz", [150.0, 200.0, 300.0])
def test_h1_a1_and_h1_a3_are_the_levels_of_the_highest_harmonics_there(f0_hz):
    """Within 1.5 dB."""
    levels = [0.0, -3.0, -8.0, *(-12.0 - k for k in range(30))]
    contours, _ = measured(at_peak(harmonics(f0_hz, levels)))
    for name, low, high in (("h1_a1", 300, 1000), ("h1_a3", 2400, 3600)):
        highest = max(level for k, level in enumerate(levels, 1) if low <= k * f0_hz <= high)
        assert np.median(contours[name][10:80]) == pytest.approx(levels[0] - highest, abs=1.5), name


def test_the_cepstral_peak_is_that_of_its_definition(sound):
    contours, powers, _ = sound
    decibels = decibels_of(powers)
    cepstra = 20 * np.log10(np.abs(fft.irfft(decibels, 512, axis=0)[24:256]))
    places = np.arange(24, 256)
    lines = np.stack([np.polyval(np.polyfit(places, column, 1), places) for column in cepstra.T], axis=1)
    # In single precision a cepstrum near 0, of which the line is through the logarithm, is off by some dB.
    assert_allclose(contours["cpp"], (cepstra - lines).max(axis=0), atol=0.1)


def test_the_cepstral_peak_sinks_with_noise_as_that_of_praat_does():
    """The same order of six mixtures."""
    parselmouth = pytest.importorskip("parselmouth")
    tone = harmonics(180.0, [-6 * math.log2(k) for k in range(1, 30)], RATE)
    noise = np.random.default_rng(0).standard_normal(tone.size) * tone.std()
    ours, theirs = [], []
    for snr_db in (0, 5, 10, 15, 20, 30):
        samples = at_peak(tone + noise * 10 ** (-snr_db / 20))
        ours.append(np.median(measured(samples)[0]["cpp"]))
        cepstrogram = parselmouth.praat.call(
            parselmouth.Sound(samples.astype(float), RATE), "To PowerCepstrogram", 60, 0.01, 8000, 50
        )
        theirs.append(
            parselmouth.praat.call(
                cepstrogram, "Get CPPS", "yes", 0.02, 0.0005, 60, 330, 0.05, "Parabolic", 0.001, 0.05, "Straight",
                "Robust",
            )
        )  # fmt: skip
    assert stats.spearmanr(ours, theirs).statistic == pytest.approx(1)
    assert ours[-1] - ours[0] > 8


# openSMILE: frames of 20 ms and a mean over three, so contours agree in their course and their level.


@functools.cache
def smile(expression):
    opensmile = pytest.importorskip("opensmile")
    extractor = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.LowLevelDescriptors)
    return extractor.process_signal(voice(expression), RATE)


@EXPRESSIONS
@pytest.mark.parametrize(
    ("name", "there", "sign", "correlation", "offset_db"),
    [
        ("alpha_ratio", "alphaRatio_sma3", -1, 0.98, 1.0),  # theirs is high over low
        ("hammarberg_index", "hammarbergIndex_sma3", 1, 0.98, 1.5),
        ("slope_500_1500", "slope500-1500_sma3", 1, 0.9, None),  # another scale
        ("mfcc_1", "mfcc1_sma3", 1, 0.98, None),
        ("mfcc_2", "mfcc2_sma3", 1, 0.96, None),
        ("mfcc_3", "mfcc3_sma3", 1, 0.98, None),
        ("mfcc_4", "mfcc4_sma3", 1, 0.93, None),
    ],
)
def test_contours_go_as_those_of_opensmile(expression, name, there, sign, correlation, offset_db):
    theirs = smile(expression)[there].to_numpy()
    contours, _ = measured(voice(expression))
    ours = np.convolve(contours[name], np.full(3, 1 / 3), "same")
    loud = np.flatnonzero(contours["level"] > contours["level"].max() - 30)
    loud = loud[loud < min(ours.size, theirs.size)]
    assert np.corrcoef(ours[loud], sign * theirs[loud])[0, 1] > correlation
    if offset_db is not None:
        assert ours[loud].mean() == pytest.approx(sign * theirs[loud].mean(), abs=offset_db)


@EXPRESSIONS
def test_the_pitch_is_that_of_opensmile_in_another_unit(expression):
    """The median within half a semitone."""
    theirs = smile(expression)["F0semitoneFrom27.5Hz_sma3nz"].to_numpy()
    ours = measured(voice(expression))[0]["f0"]
    n = min(ours.size, theirs.size)
    both = np.isfinite(ours[:n]) & (theirs[:n] > 0)
    assert np.median(ours[:n][both] - theirs[:n][both]) == pytest.approx(12 * math.log2(27.5 / 100), abs=0.5)


# Cycles: pulse trains whose periods and levels are known.


def pulses(periods_s, levels):
    """Impulses at any time, each with three ringing formants, made at four times the rate."""
    rate = 4 * RATE
    samples = np.zeros(int(periods_s.sum() * rate) + 4000)
    after = np.arange(int(0.03 * rate)) / rate
    for time, level in zip(0.01 + np.cumsum(periods_s), levels, strict=True):
        first = math.ceil(time * rate)
        t = after + first / rate - time
        ringing = sum(
            share * np.exp(-np.pi * width * t) * np.sin(2 * np.pi * hz * t)
            for hz, width, share in ((600, 90, 1.0), (1200, 120, 0.6), (2500, 200, 0.3))
        )
        n = min(ringing.size, samples.size - first)
        samples[first : first + n] += level * ringing[:n]
    spectrum, n = np.fft.rfft(samples), samples.size // 4
    return at_peak(np.fft.irfft(spectrum[: n // 2 + 1], n))


@pytest.mark.parametrize("f0_hz", [110, 147, 210])
def test_a_steady_pulse_train_has_no_jitter_and_no_shimmer(f0_hz):
    """Under 0.35 % and 0.1 dB, though its periods are no whole samples; a sample is 0.7 to 1.3 %."""
    samples = pulses(np.full(2 * f0_hz, 1 / f0_hz), np.ones(2 * f0_hz))
    jitter, _, _, shimmer, _, _ = cycle_measures(samples, track_pitch(samples, 1 + (samples.size - 400) // 160))
    assert jitter < 0.35
    assert shimmer < 0.1


def test_a_glide_is_no_jitter():
    """A fifth in 280 cycles is 0.15 % a cycle; found within 0.2 points."""
    f0_hz = 120 * 1.5 ** np.linspace(0, 1, 280)
    samples = pulses(1 / f0_hz, np.ones(280))
    jitter, *_ = cycle_measures(samples, track_pitch(samples, 1 + (samples.size - 400) // 160))
    assert jitter < 0.35


@pytest.mark.parametrize("f0_hz", [110, 210])
@pytest.mark.parametrize(("jitter", "shimmer"), [(1.0, 0.0), (2.0, 0.0), (0.0, 1.0), (0.0, 2.0), (1.0, 1.0)])
def test_jitter_and_shimmer_are_those_of_praat(f0_hz, jitter, shimmer):
    """Within 0.2 points or 15 % of Praat's jitter, within 0.1 dB or 35 % of its shimmer."""
    parselmouth = pytest.importorskip("parselmouth")
    rng = np.random.default_rng(0)
    n = 4 * f0_hz
    samples = pulses(
        (1 + jitter / 100 * rng.standard_normal(n)) / f0_hz, 10 ** (shimmer / 20 * rng.standard_normal(n))
    )
    found = cycle_measures(samples, track_pitch(samples, 1 + (samples.size - 400) // 160))
    call, theirs = parselmouth.praat.call, parselmouth.Sound(samples.astype(float), RATE)
    points = call(theirs, "To PointProcess (periodic, cc)", 60, 650)
    praat_jitter = 100 * call(points, "Get jitter (local)", 0, 0, 0.0001, 0.02, 1.3)
    praat_shimmer = call([theirs, points], "Get shimmer (local_dB)", 0, 0, 0.0001, 0.02, 1.3, 1.6)
    assert found[0] == pytest.approx(praat_jitter, rel=0.15, abs=0.2)
    assert found[3] == pytest.approx(praat_shimmer, rel=0.35, abs=0.1)


# The part with speech


def test_speech_is_cut_out_and_levels_become_relative_to_it():
    contours = np.zeros((len(SPEECH_NAMES), 100), np.float32)
    contours[:] = np.random.default_rng(0).standard_normal(contours.shape)
    contours[0] = -80
    contours[0, 20:60] = np.linspace(-30, 0, 40)
    part = speech_part(contours)
    assert part.shape[1] == 40 + 2 * 5
    assert_allclose(part[0], contours[0, 15:65] + 15, atol=1e-4)
    mels = [PLACE[f"mel_{j}"] for j in range(1, 41)]
    assert_allclose(part[mels], contours[mels, 15:65] + 15, atol=1e-4)
    # The cepstra of the shifted bands, by definition: only the first has changed.
    shift = (1 + 11 * np.sin(0)) * math.sqrt(2 / 40) * 40 * 15 / 10
    assert_allclose(part[PLACE["mfcc_0"]], contours[PLACE["mfcc_0"], 15:65] + shift, atol=1e-4)
    rest = [i for name, i in PLACE.items() if name not in ("level", "mfcc_0") and i not in mels]
    assert np.array_equal(part[rest], contours[rest, 15:65])


# Functionals, on contours that are drawn: numpy and scipy in float64; 1e-3 of what they are of, unless said.


@pytest.fixture(scope="module")
def drawn():
    """Contours like a random walk, voiced in three runs, with what `clip_functionals` makes of them."""
    rng = np.random.default_rng(3)
    n = 240
    contours = np.cumsum(rng.standard_normal((len(SPEECH_NAMES), n)), axis=1)
    contours += 3 * rng.standard_normal(contours.shape) ** 2
    contours[0] -= contours[0].mean()
    voiced = np.r_[10:60, 75:79, 90:200]
    f0 = np.full(n, np.nan)
    f0[voiced] = contours[PLACE["f0"], voiced]
    contours[PLACE["f0"]] = f0
    row = clip_functionals(contours.astype(np.float32), np.arange(6.0))
    by_name = {name: contours[i] for name, i in PLACE.items()}
    by_name["f0"] = np.interp(np.arange(n), voiced, f0[voiced])
    return by_name, voiced, dict(zip(clip_functionals_names(), row.tolist(), strict=True))


def close(found, expected, name):
    assert found[name] == pytest.approx(expected, rel=2e-3, abs=2e-3), name


def statistics(x, steps):
    percentiles = dict(
        zip((f"p{q}" for q in (5, 25, 50, 75, 95)), np.percentile(x, (5, 25, 50, 75, 95)), strict=True)
    )
    slope = stats.linregress(np.linspace(-1, 1, x.size), x).slope
    return {
        "mean": x.mean(), "std": x.std(), **percentiles, "slope": slope, "delta_std": steps.std(),
        "delta_abs": np.abs(steps).mean(),
    }  # fmt: skip


def test_statistics_are_those_of_numpy_and_scipy(drawn):
    contours, voiced, found = drawn
    for name, x in contours.items():
        if name != "voicing":
            runs = np.split(x[voiced], np.flatnonzero(np.diff(voiced) > 1) + 1)
            for how, value in statistics(x[voiced], np.concatenate([np.diff(run) for run in runs])).items():
                close(found, value, f"voiced_{name}_{how}")
        if name in ("voicing", "cpp"):
            for how, value in statistics(x, np.diff(x)).items():
                close(found, value, f"{name}_{how}")


def test_shapes_and_steps_are_those_of_scipy(drawn):
    contours, voiced, found = drawn
    counts = dict.fromkeys(("skewness", "kurtosis_log", "step_skewness", "step2_std", "step_abs"), 0)
    for name, x in contours.items():
        expected = {
            f"{name}_skewness": stats.skew(x),
            f"voiced_{name}_skewness": stats.skew(x[voiced]),
            f"{name}_kurtosis_log": math.log(stats.kurtosis(x, fisher=False) + 0.1),
            f"{name}_step_skewness": stats.skew(np.diff(x)),
            f"{name}_step2_std": np.diff(x, 2).std(),
            f"voiced_{name}_step_abs": np.abs(np.diff(x)[voiced]).mean(),
        }
        for key in set(expected) & set(found):
            close(found, expected[key], key)
            counts[
                next(how for how in counts if key.endswith(how) and (how != "skewness" or "step" not in key))
            ] += 1
    assert counts == {"skewness": 56, "kurtosis_log": 28, "step_skewness": 18, "step2_std": 10, "step_abs": 18}


def test_correlations_are_those_of_numpy(drawn):
    contours, voiced, found = drawn
    names = [name for name in found if name.startswith("corr_")]
    assert len(names) == 190
    pairs = {f"corr_{a}_{b}": (a, b) for a, b in itertools.permutations(contours, 2)}
    for name in names:
        a, b = (contours[one][voiced] for one in pairs[name])
        assert found[name] == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-3), name


def test_modulations_are_the_shares_of_a_spectrum(drawn):
    """Within 0.02 dB."""
    contours, _, found = drawn
    edges = [0.5, 2, 4, 8, 16, 30]
    groups = {
        f"mel_group_{g}": np.mean([contours[f"mel_{j}"] for j in range(5 * g - 4, 5 * g + 1)], axis=0)
        for g in range(1, 9)
    }
    for name in (*groups, "level", "f0", "mfcc_1", "mfcc_4"):
        x = groups.get(name, contours.get(name))
        powers = np.abs(fft.rfft((x - x.mean()) * np.hanning(x.size), 1024)) ** 2
        hz = fft.rfftfreq(1024, 0.01)
        bands = [powers[(hz >= low) & (hz < high)].sum() for low, high in itertools.pairwise(edges)]
        for (low, high), band in zip(itertools.pairwise(edges), bands, strict=True):
            share = 10 * math.log10(band / sum(bands) + 1e-4)
            assert found[f"mod_{name}_{low:g}_{high:g}_hz"] == pytest.approx(share, abs=0.02)
        assert found[f"mod_{name}_power"] == pytest.approx(10 * math.log10(sum(bands) / x.size), abs=0.02)


@pytest.mark.parametrize(("hz", "band"), [(1.2, "0.5_2"), (3, "2_4"), (6, "4_8"), (12, "8_16"), (22, "16_30")])
def test_a_tone_that_swells_has_its_modulation_where_it_swells(hz, band):
    """More than half of the power of the level's changes."""
    t = np.arange(4 * RATE) / RATE
    swell = 10 ** (6 * np.sin(2 * np.pi * hz * t) / 20)
    contours, _ = measured(at_peak(swell * np.random.default_rng(0).standard_normal(t.size)))
    part = speech_part(np.stack(list(contours.values())))
    found = dict(zip(clip_functionals_names(), clip_functionals(part, np.zeros(6)), strict=True))
    shares = {
        name: value for name, value in found.items() if name.startswith("mod_level") and name.endswith("_hz")
    }
    assert max(shares, key=shares.get) == f"mod_level_{band}_hz"
    assert shares[f"mod_level_{band}_hz"] > -3


def test_rhythm_and_melody_of_a_drawn_contour():
    """Two segments: 0.2 s that rise by 5 semitones a second, and 0.3 s that fall by 8; worked out by hand."""
    contours = np.zeros((len(SPEECH_NAMES), 100), np.float32)
    f0 = np.full(100, np.nan)
    f0[10:30] = 4 + 5 * 0.01 * np.arange(20)
    f0[50:80] = 9 - 8 * 0.01 * np.arange(30)
    f0[90:93] = 2.0  # too short to be a segment
    contours[PLACE["f0"]] = f0
    contours[0] = -40
    contours[0, 10:30], contours[0, 50:80] = -4, -1
    contours[0, 65] = 3
    found = dict(zip(clip_functionals_names(), clip_functionals(contours, np.arange(6.0)).tolist(), strict=True))
    one, two = 4 + 0.05 * 9.5, 9 - 0.08 * 14.5
    level_two = (-29 + 3) / 30
    mean_slope, mean = (5 * 0.2 - 8 * 0.3) / 0.5, (one * 0.2 + two * 0.3) / 0.5
    voiced = f0[np.isfinite(f0)]
    for name, expected in {
        "voiced_runs_per_s": 3, "voiced_share": 0.53,
        "voiced_run_mean": np.mean([0.2, 0.3, 0.03]), "voiced_run_std": np.std([0.2, 0.3, 0.03]),
        "unvoiced_run_mean": np.mean([0.1, 0.2, 0.1, 0.07]), "unvoiced_run_std": np.std([0.1, 0.2, 0.1, 0.07]),
        "segment_slope_mean": mean_slope, "segment_slope_abs": (5 * 0.2 + 8 * 0.3) / 0.5,
        "segment_slope_std": math.sqrt((0.2 * (5 - mean_slope) ** 2 + 0.3 * (8 + mean_slope) ** 2) / 0.5),
        "segment_range_mean": (0.95 * 0.2 + 2.32 * 0.3) / 0.5, "segment_range_max": 2.32,
        "segment_range_last": 2.32, "segment_f0_std": np.std([one, two]),
        "segment_f0_last_less_first": two - one, "segment_slope_first": 5, "segment_slope_last": -8,
        "segment_f0_first": one - mean, "segment_f0_last": two - mean, "segment_f0_max": two - mean,
        "segment_length_max": 0.3, "segment_length_mean": 0.25, "segments_per_s": 2,
        "segment_level_std": np.std([-4, level_two]), "segment_level_last_less_first": level_two + 4,
        "segment_level_max_std": np.std([-4, 3]), "f0_peak_place": 20 / 53, "level_peak_place": 0.65,
        "f0_speed_abs": (5 * 19 + 8 * 29) / 48, "f0_speed_std": np.std([5] * 19 + [-8] * 29),
        "f0_speed_p10": -8, "f0_speed_p90": 5, "f0_rising_share": 19 / 48, "f0_speed_abs_p50": 8,
        "f0_bend_mean": 0, "f0_bend_p50": 0, "f0_above_p50": 9 - np.median(voiced),
        "f0_below_p50": np.median(voiced) - 2, "f0_range": np.subtract(*np.percentile(voiced, (99, 1))),
        "jitter_mean": 0, "jitter_p50": 1, "shimmer_p90": 5,
    }.items():  # fmt: skip
        assert found[name] == pytest.approx(expected, abs=2e-3), name


@pytest.mark.parametrize(("hz", "depth_db", "peaks"), [(4, 10, 4), (4, 20, 4), (7, 10, 7), (4, -10, 4)])
def test_the_peaks_of_the_level_are_counted_where_it_is_loud(hz, depth_db, peaks):
    contours = np.zeros((len(SPEECH_NAMES), 100), np.float32)
    contours[PLACE["f0"]] = np.nan
    contours[0] = depth_db * np.sin(2 * np.pi * hz * np.arange(100) / 100 + 0.1)
    names = clip_functionals_names()
    place = names.index("level_peaks_per_s")
    assert clip_functionals(contours, np.zeros(6))[place] == pytest.approx(peaks)
    contours[0] -= 15 + abs(depth_db)
    assert clip_functionals(contours, np.zeros(6))[place] == 0


# What holds for every sound


def functionals_of(samples, rate=1.0):
    samples = np.asarray(samples, np.float32)
    pitch = track_pitch(samples, 1 + (samples.size - 400) // 160)
    part = speech_part(speech_contours(samples, pitch, rate=rate))
    return clip_functionals(part, cycle_measures(samples, pitch))


ODD = {
    "a click in silence": lambda n, rng: np.eye(1, n, rng.integers(n))[0],
    "an offset": lambda n, _: np.ones(n),
    "silence": lambda n, _: np.zeros(n),
    "white noise": lambda n, rng: rng.uniform(-1, 1, n),
    "a square wave": lambda n, rng: np.sign(np.sin(np.arange(n) * rng.uniform(0.01, 3))),
    "a pure tone": lambda n, rng: np.sin(np.arange(n) * rng.uniform(0.01, 3)),
    "next to nothing": lambda n, rng: 1e-30 * rng.standard_normal(n),
}


@settings(max_examples=40)
@example(kind="silence", n=448, seed=0, rate=1.12)
@given(
    kind=st.sampled_from(sorted(ODD)),
    n=st.integers(448, 6000),
    seed=st.integers(0, 999),
    rate=st.sampled_from([1.0, 1.12, 1 / 1.12]),
)
def test_any_sound_has_finite_contours_and_functionals(kind, n, seed, rate):
    samples = ODD[kind](n, np.random.default_rng(seed)).astype(np.float32)
    contours, pitch = measured(samples, rate)
    assert np.array_equal(np.isnan(contours["f0"]), ~(contours["f0"] > -np.inf))
    for name, contour in contours.items():
        assert np.isfinite(contour[~np.isnan(contour)] if name == "f0" else contour).all(), name
    assert ((pitch.strength >= 0) & (pitch.strength <= 1)).all()
    assert np.isfinite(functionals_of(samples, rate)).all()


@pytest.mark.parametrize("n_voiced", [0, 1, 4])
def test_with_few_voiced_frames_all_frames_are_described(n_voiced):
    contours = np.random.default_rng(0).standard_normal((len(SPEECH_NAMES), 50)).astype(np.float32)
    contours[PLACE["f0"], n_voiced:] = np.nan
    found = dict(zip(clip_functionals_names(), clip_functionals(contours, np.zeros(6)).tolist(), strict=True))
    assert found["voiced_level_mean"] == pytest.approx(contours[0].mean(), abs=1e-5)
    assert found["voiced_share"] == pytest.approx(n_voiced / 50)
    assert np.isfinite(list(found.values())).all()


def test_one_frame_is_enough():
    assert np.isfinite(functionals_of(np.random.default_rng(0).standard_normal(400))).all()


# Mean differences over voiced, loud frames. slope_0_500 and mel_1 to mel_3 have none: they rest on the bins below
# 150 Hz, in which this voice has nothing but the leakage of its taper. voicing and hnr are measured at rate 1.
LOW_BANDS = {"mel_1", "mel_2", "mel_3"}
TOLERANCES = {
    "f0": 0.1, "level": 0.6, "zcr": 0.03, "spectral_centroid": 40, "spectral_spread": 30,
    "spectral_rolloff_25": 50, "spectral_rolloff_85": 40, "spectral_entropy": 0.4, "spectral_flatness": 1.6,
    "spectral_flux": 0.03, "alpha_ratio": 1, "hammarberg_index": 1.8, "slope_500_1500": 6,
    "slope_1500_7000": 0.9, "voicing": 0.04, "hnr": 5, "h1_h2": 1.4, "h1_a1": 1.2, "h1_a3": 3, "cpp": 2,
    **{name: 3 for name in PLACE if name.startswith(("mfcc_", "mel_")) and name not in LOW_BANDS},
}  # fmt: skip


@pytest.mark.parametrize("rate", [1.12, 1 / 1.12])
def test_a_rate_is_the_sound_played_at_that_rate(rate):
    samples = voice("happy", 3)
    n = round(samples.size / rate)
    spectrum = np.fft.rfft(samples)[: n // 2 + 1]
    told, _ = measured(samples, rate)
    played, _ = measured(np.fft.irfft(spectrum, n) * (n / samples.size))
    assert told["f0"].size == pytest.approx(played["f0"].size, abs=1)
    n_frames = min(told["f0"].size, played["f0"].size)
    both = np.isfinite(told["f0"][:n_frames]) & np.isfinite(played["f0"][:n_frames])
    assert (np.isfinite(told["f0"][:n_frames]) == np.isfinite(played["f0"][:n_frames])).mean() > 0.95
    both &= played["level"][:n_frames] > played["level"].max() - 30
    for name, tolerance in TOLERANCES.items():
        difference = np.abs(told[name][:n_frames] - played[name][:n_frames])[both].mean()
        assert difference < tolerance, name
    shift = np.nanmean(told["f0"]) - np.nanmean(measured(samples)[0]["f0"])
    assert shift == pytest.approx(12 * math.log2(rate), abs=0.05)


def test_a_rate_beyond_the_transform_is_refused():
    with pytest.raises(ValueError, match="rate must be"):
        speech_contours(np.zeros(800, np.float32), Pitch(np.zeros(3), np.zeros(3)), rate=1.4)
