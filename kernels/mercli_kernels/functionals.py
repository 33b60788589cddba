"""Functionals: what the contours of a stretch of speech come to, as one row of numbers."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mercli_kernels.cycles import CYCLE_NAMES
from mercli_kernels.speech import CEPSTRAL_NAMES, HOP_S, MEL_NAMES, SPECTRAL_NAMES, SPEECH_NAMES

FUNCTIONALS = ("mean", "std", "p5", "p25", "p50", "p75", "p95", "slope", "delta_std", "delta_abs")
_SHARES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])

# Of fewer voiced frames nothing can be said; a whisper is described by all its frames.
_FEWEST_VOICED = 5
_SHORTEST_RUN = 5  # frames of a voiced segment that has a slope

_VOICED = ("f0", "hnr", "h1_h2", "h1_a3", "h1_a1", *SPECTRAL_NAMES, *CEPSTRAL_NAMES, *MEL_NAMES, "cpp")
_ALL = ("voicing", "cpp")
_MOVING = ("f0", "level", *(f"mfcc_{n}" for n in range(8)), *MEL_NAMES[::5])
_JERKY = _MOVING[:10]
_SHAPED = ("f0", *SPECTRAL_NAMES, *(f"mfcc_{n}" for n in range(13)))
_RELATED = (
    "f0",
    "level",
    "hnr",
    "spectral_centroid",
    "spectral_spread",
    "spectral_entropy",
    "spectral_flatness",
    "spectral_flux",
    "alpha_ratio",
    "hammarberg_index",
    "slope_0_500",
    "slope_500_1500",
    *(f"mfcc_{n}" for n in range(1, 9)),
)
_MODULATED = ("level", "f0", *(f"mfcc_{n}" for n in range(1, 5)))
_MEL_GROUPS = 8
_MODULATION_HZ = ((0.5, 2.0), (2.0, 4.0), (4.0, 8.0), (8.0, 16.0), (16.0, 30.0))
_N_FFT = 1024
RHYTHM_NAMES = (
    "voiced_runs_per_s",
    "level_peaks_per_s",
    "voiced_share",
    "voiced_run_mean",
    "voiced_run_std",
    "unvoiced_run_mean",
    "unvoiced_run_std",
)
MELODY_NAMES = (
    "segment_slope_mean",
    "segment_slope_std",
    "segment_slope_abs",
    "segment_range_mean",
    "segment_range_max",
    "segment_f0_std",
    "segment_f0_last_less_first",
    "segment_slope_last",
    "segment_slope_first",
    "segment_f0_last",
    "segment_f0_first",
    "segment_f0_max",
    "segment_length_max",
    "segment_length_mean",
    "segments_per_s",
    "segment_level_std",
    "segment_level_last_less_first",
    "segment_level_max_std",
    "segment_range_last",
    "f0_peak_place",
    "level_peak_place",
    "f0_speed_abs",
    "f0_speed_std",
    "f0_speed_p10",
    "f0_speed_p90",
    "f0_rising_share",
    "f0_speed_abs_p50",
    "f0_bend_mean",
    "f0_bend_p50",
    "f0_above_p50",
    "f0_below_p50",
    "f0_range",
)

_INDEX = {name: i for i, name in enumerate(SPEECH_NAMES)}


def clip_functionals_names() -> tuple[str, ...]:
    """Name the entries of `clip_functionals`."""
    return (
        *(f"voiced_{name}_{how}" for how in FUNCTIONALS for name in _VOICED),
        *(f"{name}_{how}" for how in FUNCTIONALS for name in _ALL),
        *(f"voiced_{name}_step_abs" for name in _MOVING),
        *(f"{name}_step_skewness" for name in _MOVING),
        *(f"{name}_step2_std" for name in _JERKY),
        *(f"{name}_skewness" for name in _SHAPED),
        *(f"voiced_{name}_skewness" for name in _SHAPED),
        *(f"{name}_kurtosis_log" for name in _SHAPED),
        *(f"corr_{a}_{b}" for a, b in itertools.combinations(_RELATED, 2)),
        *(
            f"mod_{name}_{how}"
            for how in (*(f"{low:g}_{high:g}_hz" for low, high in _MODULATION_HZ), "power")
            for name in (*(f"mel_group_{g}" for g in range(1, _MEL_GROUPS + 1)), *_MODULATED)
        ),
        *CYCLE_NAMES,
        *RHYTHM_NAMES,
        *MELODY_NAMES,
    )


def clip_functionals(contours: NDArray[np.float32], cycles: NDArray[np.float64]) -> NDArray[np.float32]:
    """Describe a stretch of speech by one row.

    Parameters
    ----------
    contours : np.ndarray [shape=(81, n_frames)]
        From `speech_contours`, cut to the speech, with the level and the mel bands relative to the speech's
        own level; at least one frame.
    cycles : np.ndarray [shape=(6,)]
        From `cycle_measures`.

    Returns
    -------
    np.ndarray [shape=(n,)]
        float32, named by `clip_functionals_names`.
    """
    voiced = np.flatnonzero(~np.isnan(contours[_INDEX["f0"]]))
    contours = contours.copy()
    contours[_INDEX["f0"]] = _bridged(contours[_INDEX["f0"]], voiced)
    heard = voiced if voiced.size >= _FEWEST_VOICED else np.arange(contours.shape[1])
    runs = _runs(voiced)
    inner = np.flatnonzero(np.diff(heard) == 1)

    moving = np.diff(_rows(contours, _MOVING), axis=1)
    parts = (
        _statistics(_rows(contours, _VOICED)[:, heard], inner),
        _statistics(_rows(contours, _ALL), np.arange(contours.shape[1] - 1)),
        _mean(np.abs(moving)[:, heard[heard < moving.shape[1]]]),
        _skewness(moving),
        _std(np.diff(moving[: len(_JERKY)], axis=1)),
        _skewness(_rows(contours, _SHAPED)),
        _skewness(_rows(contours, _SHAPED)[:, heard]),
        _log_kurtosis(_rows(contours, _SHAPED)),
        _correlations(_rows(contours, _RELATED)[:, heard]),
        _modulations(contours),
        cycles,
        _rhythm(contours[_INDEX["level"]], voiced, runs),
        _melody(contours[_INDEX["f0"]], contours[_INDEX["level"]], heard, runs),
    )
    return np.concatenate(parts).astype(np.float32)


def _rows(contours: NDArray[np.float32], names: Sequence[str]) -> NDArray[np.float32]:
    return contours[[_INDEX[name] for name in names]]


def _bridged(f0: NDArray[np.float32], voiced: NDArray[np.int_]) -> NDArray[np.float32]:
    """Lay straight lines over the unvoiced frames of a pitch contour."""
    if not voiced.size:
        return np.zeros_like(f0)
    return np.interp(np.arange(f0.size), voiced, f0[voiced]).astype(np.float32)


def _runs(frames: NDArray[np.int_]) -> list[tuple[int, int]]:
    """Give first and last frame, both included, of each run of neighbouring frames."""
    if not frames.size:
        return []
    cuts = np.flatnonzero(np.diff(frames) > 1)
    firsts = frames[np.concatenate(([0], cuts + 1))]
    lasts = frames[np.concatenate((cuts, [frames.size - 1]))]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _statistics(rows: NDArray[np.float32], steps: NDArray[np.int_]) -> NDArray[np.float32]:
    """Give the ten functionals, all of the first, then all of the second ...; deltas at the steps given."""
    n = rows.shape[1]
    mean = _mean(rows)
    ordered = np.sort(rows, axis=1)
    places = _SHARES * (n - 1)
    below = places.astype(np.int64)
    above = np.minimum(below + 1, n - 1)
    share = (places - below).astype(np.float32)
    percentiles = ordered[:, below] * (1 - share) + ordered[:, above] * share
    time = np.linspace(-1, 1, n, dtype=np.float32) if n > 1 else np.zeros(1, np.float32)
    slope = (rows - mean[:, None]) @ time / max(float(time @ time), 1e-9)
    deltas = rows[:, steps + 1] - rows[:, steps]
    return np.concatenate((mean, _std(rows), *percentiles.T, slope, _std(deltas), _mean(np.abs(deltas))))


def _mean(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows.mean(axis=1) if rows.shape[1] else np.zeros(rows.shape[0], np.float32)


def _std(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    return rows.std(axis=1) if rows.shape[1] else np.zeros(rows.shape[0], np.float32)


def _standardised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    if not rows.shape[1]:
        return np.zeros((rows.shape[0], 1), np.float32)
    centred = rows - rows.mean(axis=1, keepdims=True)
    # A contour that does not move has no shape: its rounding must not look like one.
    spread = centred.std(axis=1, keepdims=True)
    still = spread < 1e-5 * (np.abs(rows).max(axis=1, keepdims=True) + 1e-3)
    standardised: NDArray[np.float32] = np.where(still, 0, centred / np.where(still, 1, spread))
    return standardised


def _skewness(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    z = _standardised(rows)
    skewness: NDArray[np.float32] = (z * z * z).mean(axis=1)
    return skewness


def _log_kurtosis(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    z = _standardised(rows)
    z *= z
    kurtosis: NDArray[np.float32] = np.log((z * z).mean(axis=1) + np.float32(0.1))
    return kurtosis


def _correlations(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    z = _standardised(rows)
    correlations: NDArray[np.float32] = (z @ z.T / z.shape[1])[np.triu_indices(len(rows), 1)]
    return correlations


def _modulations(contours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the share of the power of each contour's changes that lies in five bands, and that power, in dB."""
    mels = _rows(contours, MEL_NAMES)
    groups = mels.reshape(_MEL_GROUPS, -1, mels.shape[1]).mean(axis=1)
    rows = np.concatenate((groups, _rows(contours, _MODULATED)))[:, :_N_FFT]
    rows = rows - rows.mean(axis=1, keepdims=True)
    spectra = np.fft.rfft(rows * np.hanning(rows.shape[1]).astype(np.float32), _N_FFT, axis=1)
    powers = spectra.real**2 + spectra.imag**2
    hz = np.arange(powers.shape[1]) / (_N_FFT * HOP_S)
    total = powers[:, (hz >= _MODULATION_HZ[0][0]) & (hz < _MODULATION_HZ[-1][1])].sum(axis=1) + 1e-9
    bands = [powers[:, (hz >= low) & (hz < high)].sum(axis=1) / total for low, high in _MODULATION_HZ]
    shares = 10 * np.log10(np.stack(bands) + 1e-4)
    return np.concatenate((shares.ravel(), 10 * np.log10(total / rows.shape[1] + 1e-6))).astype(np.float32)


def _rhythm(
    level: NDArray[np.float32], voiced: NDArray[np.int_], runs: list[tuple[int, int]]
) -> NDArray[np.float64]:
    n = level.size
    seconds = n * HOP_S
    smooth = np.convolve(level, np.full(7, 1 / 7, np.float32), "same")
    inner = smooth[1:-1]
    peaks = np.count_nonzero((inner > smooth[:-2]) & (inner >= smooth[2:]) & (inner > -15))
    unvoiced = _runs(np.setdiff1d(np.arange(n), voiced))
    lengths = [
        np.array([last - first + 1 for first, last in some]) * HOP_S if some else np.zeros(1)
        for some in (runs, unvoiced)
    ]
    return np.array(
        [
            len(runs) / seconds,
            peaks / seconds,
            voiced.size / n,
            *(value for length in lengths for value in (length.mean(), length.std())),
        ]
    )


def _melody(
    f0: NDArray[np.float32], level: NDArray[np.float32], heard: NDArray[np.int_], runs: list[tuple[int, int]]
) -> NDArray[np.float64]:
    segments = [(first, last + 1) for first, last in runs if last - first + 1 >= _SHORTEST_RUN]
    if not segments:
        return np.zeros(len(MELODY_NAMES))
    lengths = np.array([stop - first for first, stop in segments]) * HOP_S
    slopes = np.array([_slope(f0[first:stop]) for first, stop in segments])
    ranges = np.array([np.ptp(f0[first:stop]) for first, stop in segments])
    means = np.array([f0[first:stop].mean() for first, stop in segments])
    levels = np.array([level[first:stop].mean() for first, stop in segments])
    tops = np.array([level[first:stop].max() for first, stop in segments])
    weights = lengths / lengths.sum()
    slope, mean = weights @ slopes, weights @ means
    speeds = np.concatenate([np.diff(f0[first:stop]) for first, stop in segments]) / HOP_S
    bends = np.abs(np.concatenate([np.diff(f0[first:stop], n=2) for first, stop in segments]))
    voiced = f0[heard]
    middle = np.median(voiced)
    low, high = np.percentile(voiced, (1, 99))
    slow, fast = np.percentile(speeds, (10, 90))
    return np.array(
        [
            slope,
            np.sqrt(weights @ (slopes - slope) ** 2),
            weights @ np.abs(slopes),
            weights @ ranges,
            ranges.max(),
            means.std(),
            means[-1] - means[0],
            slopes[-1],
            slopes[0],
            means[-1] - mean,
            means[0] - mean,
            means.max() - mean,
            lengths.max(),
            lengths.mean(),
            len(segments) / (f0.size * HOP_S),
            levels.std(),
            levels[-1] - levels[0],
            tops.std(),
            ranges[-1],
            voiced.argmax() / voiced.size,
            level.argmax() / level.size,
            np.abs(speeds).mean(),
            speeds.std(),
            slow,
            fast,
            (speeds > 0).mean(),
            np.median(np.abs(speeds)),
            bends.mean(),
            np.median(bends),
            voiced.max() - middle,
            middle - voiced.min(),
            high - low,
        ]
    )


def _slope(contour: NDArray[np.float32]) -> float:
    """Give the slope of the regression on time, a second."""
    time = (np.arange(contour.size) - (contour.size - 1) / 2) * HOP_S
    return float(time @ contour / (time @ time))
