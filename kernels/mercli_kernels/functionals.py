"""Functionals: what the contours of a stretch of speech come to, as one row of numbers."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mercli_kernels.cycles import CYCLE_NAMES
from mercli_kernels.jit import kernel
from mercli_kernels.speech import CEPSTRAL_NAMES, HOP_S, MEL_NAMES, SPECTRAL_NAMES, SPEECH_NAMES

FUNCTIONALS = ("mean", "std", "p5", "p25", "p50", "p75", "p95", "slope", "delta_std", "delta_abs")
_SHARES = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
_F0_SHARES = np.array([0.0, 0.01, 0.5, 0.99, 1.0])
_SPEED_SHARES = np.array([0.1, 0.9])
_HALF = np.array([0.5])

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


def _places(names: Sequence[str]) -> NDArray[np.int64]:
    return np.array([_INDEX[name] for name in names], np.int64)


_VOICED_AT, _ALL_AT, _MOVING_AT = _places(_VOICED), _places(_ALL), _places(_MOVING)
_SHAPED_AT, _RELATED_AT, _MODULATED_AT = _places(_SHAPED), _places(_RELATED), _places(_MODULATED)
_PAIRS = np.triu_indices(len(_RELATED), 1)
_FIRST_MEL = _INDEX[MEL_NAMES[0]]

_MODULATION_BINS = tuple(
    slice(*(math.ceil(edge * _N_FFT * HOP_S) for edge in edges))
    for edges in (*_MODULATION_HZ, (_MODULATION_HZ[0][0], _MODULATION_HZ[-1][1]))
)


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
    pitch = contours[_INDEX["f0"]]
    is_voiced = ~np.isnan(pitch)
    voiced = np.flatnonzero(is_voiced)
    contours = contours.copy()
    contours[_INDEX["f0"]] = _bridged(pitch, voiced)
    heard = voiced if voiced.size >= _FEWEST_VOICED else np.arange(contours.shape[1])
    starts, stops = _runs(is_voiced)

    frames = np.ascontiguousarray(contours.T)
    frames_heard = frames[heard]
    steps = np.diff(frames[:, _MOVING_AT], axis=0)
    throughout, while_heard, stepping = _moments(frames), _moments(frames_heard, heard), _moments(steps)
    ordered_heard = np.take(contours, heard, axis=1, mode="clip")
    ordered_heard.sort(axis=1)
    parts = (
        _statistics(while_heard, ordered_heard, _VOICED_AT),
        _statistics(throughout, np.sort(contours, axis=1), _ALL_AT),
        _mean_step(steps, heard),
        stepping.skewness,
        stepping.delta_std[: len(_JERKY)],
        throughout.skewness[_SHAPED_AT],
        while_heard.skewness[_SHAPED_AT],
        np.log(throughout.kurtosis[_SHAPED_AT] + 0.1),
        _correlations(frames_heard, while_heard),
        _modulations(contours),
        cycles,
        _rhythm(contours[_INDEX["level"]], is_voiced, starts, stops),
        _melody(contours[_INDEX["f0"]], contours[_INDEX["level"]], heard, starts, stops),
    )
    return np.concatenate(parts).astype(np.float32)


class _Moments(NamedTuple):
    """What the values of each contour come to that does not depend on their ranks."""

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    slope: NDArray[np.float64]  # from the first frame to the last, which are 2 apart
    delta_std: NDArray[np.float64]
    delta_abs: NDArray[np.float64]
    skewness: NDArray[np.float64]
    kurtosis: NDArray[np.float64]
    scale: NDArray[np.float64]  # 1 / std, and 0 of a contour that does not move


def _moments(frames: NDArray[np.float32], places: NDArray[np.int64] | None = None) -> _Moments:
    """Give the moments of contours [n_frames, n_contours]; a delta is taken where places are neighbours."""
    n, size = frames.shape
    if places is None:
        places = np.arange(n)
    rows = np.zeros((len(_Moments._fields), size))
    if n:
        _sum_moments(np.ascontiguousarray(frames), places, rows)
    return _Moments(*rows)


@kernel
def _sum_moments(frames: NDArray[np.float32], places: NDArray[np.int64], rows: NDArray[np.float64]) -> None:
    # rows comes in as zeros, in the order of _Moments; the last serves as the largest magnitude before
    n, size = frames.shape
    mean, std, slope, delta_std, delta_abs, skewness, kurtosis, scale = rows
    for i in range(n):
        for c in range(size):
            mean[c] += frames[i, c]
            scale[c] = max(scale[c], abs(frames[i, c]))
    for c in range(size):
        mean[c] /= n
    delta = np.zeros(size)
    n_deltas = 0
    squares = 0.0
    for i in range(n):
        time = 2.0 * i / (n - 1) - 1.0 if n > 1 else 0.0
        squares += time * time
        # Few sums a loop, or it would not be vectorised.
        for c in range(size):
            x = frames[i, c] - mean[c]
            slope[c] += x * time
            std[c] += x * x
        for c in range(size):
            x = frames[i, c] - mean[c]
            skewness[c] += x * x * x
            kurtosis[c] += x * x * (x * x)
        if i > 0 and places[i] - places[i - 1] == 1:
            n_deltas += 1
            for c in range(size):
                x = float(frames[i, c]) - float(frames[i - 1, c])
                delta[c] += x
                delta_std[c] += x * x
            for c in range(size):
                delta_abs[c] += abs(float(frames[i, c]) - float(frames[i - 1, c]))
    share = 1.0 / max(n_deltas, 1)
    for c in range(size):
        delta_std[c] = math.sqrt(max(0.0, delta_std[c] * share - (delta[c] * share) ** 2))
        delta_abs[c] *= share
        slope[c] /= max(squares, 1e-9)
        std[c] = math.sqrt(std[c] / n)
        # A contour that does not move has no shape: its rounding must not look like one.
        scale[c] = 0.0 if std[c] < 1e-5 * (scale[c] + 1e-3) else 1.0 / std[c]
        skewness[c] *= scale[c] ** 3 / n
        kurtosis[c] *= scale[c] ** 4 / n


def _bridged(f0: NDArray[np.float32], voiced: NDArray[np.int_]) -> NDArray[np.float32]:
    """Lay straight lines over the unvoiced frames of a pitch contour."""
    if not voiced.size:
        return np.zeros_like(f0)
    return np.interp(np.arange(f0.size), voiced, f0[voiced]).astype(np.float32)


def _runs(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the first frame of each run of true ones, and the one behind its last."""
    padded = np.zeros(mask.size + 2, np.int8)
    padded[1:-1] = mask
    edges = np.flatnonzero(padded[1:] != padded[:-1]).astype(np.int64)
    return edges[::2].copy(), edges[1::2].copy()


def _statistics(moments: _Moments, ordered: NDArray[np.float32], at: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the ten functionals of some contours, all of the first, then all of the second ..."""
    spread = (moments.slope, moments.delta_std, moments.delta_abs)
    percentiles = _at_shares(ordered, _SHARES)
    return np.stack((moments.mean, moments.std, *percentiles.T, *spread))[:, at].ravel()


def _at_shares(
    ordered: NDArray[np.float32] | NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Interpolate percentiles of what is sorted along its last axis."""
    n = ordered.shape[-1]
    places = shares * (n - 1)
    below = places.astype(np.int64)
    above = np.minimum(below + 1, n - 1)
    share = places - below
    percentiles: NDArray[np.float64] = ordered[..., below] * (1 - share) + ordered[..., above] * share
    return percentiles


def _mean_step(steps: NDArray[np.float32], heard: NDArray[np.int_]) -> NDArray[np.float64]:
    found = np.abs(steps[heard[heard < len(steps)]])
    mean: NDArray[np.float64] = found.sum(axis=0, dtype=np.float64) / max(len(found), 1)
    return mean


def _correlations(frames: NDArray[np.float32], moments: _Moments) -> NDArray[np.float64]:
    z = (frames[:, _RELATED_AT] - moments.mean[_RELATED_AT]) * moments.scale[_RELATED_AT]
    correlations: NDArray[np.float64] = (z.T @ z / len(z))[_PAIRS]
    return correlations


def _modulations(contours: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the share of the power of each contour's changes that lies in five bands, and that power, in dB."""
    n = min(contours.shape[1], _N_FFT)
    mels = contours[_FIRST_MEL : _FIRST_MEL + len(MEL_NAMES), :n]
    rows = np.concatenate((mels.reshape(_MEL_GROUPS, -1, n).mean(axis=1), contours[_MODULATED_AT, :n]))
    rows -= rows.mean(axis=1, keepdims=True)
    spectra = np.fft.rfft(rows * np.hanning(n).astype(np.float32), _N_FFT, axis=1)
    powers = spectra.real**2 + spectra.imag**2
    *bands, total = [powers[:, bins].sum(axis=1) for bins in _MODULATION_BINS]
    total += np.float32(1e-9)
    shares = np.log10(np.stack(bands) / total + 1e-4)
    return np.concatenate((10 * shares.ravel(), 10 * np.log10(total / n + 1e-6)))


def _rhythm(
    level: NDArray[np.float32], is_voiced: NDArray[np.bool_], starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> NDArray[np.float64]:
    n = level.size
    seconds = n * HOP_S
    smooth = np.convolve(level, np.full(7, 1 / 7, np.float32), "same")
    inner = smooth[1:-1]
    peaks = np.count_nonzero((inner > smooth[:-2]) & (inner >= smooth[2:]) & (inner > -15))
    silent_starts, silent_stops = _runs(~is_voiced)
    lengths = [
        some * HOP_S if some.size else np.zeros(1) for some in (stops - starts, silent_stops - silent_starts)
    ]
    return np.array(
        [
            starts.size / seconds,
            peaks / seconds,
            np.count_nonzero(is_voiced) / n,
            *(value for length in lengths for value in (length.mean(), length.std())),
        ]
    )


def _melody(
    f0: NDArray[np.float32],
    level: NDArray[np.float32],
    heard: NDArray[np.int_],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
) -> NDArray[np.float64]:
    long = stops - starts >= _SHORTEST_RUN
    starts, stops = starts[long], stops[long]
    frames = stops - starts
    n = starts.size
    rows = np.empty((5, n))
    speeds, bends = np.empty(int(frames.sum()) - n), np.empty(int(frames.sum()) - 2 * n)
    _describe_segments(f0, level, starts, stops, HOP_S, rows, speeds, bends)
    if not n:
        return np.zeros(len(MELODY_NAMES))
    slopes, ranges, means, levels, tops = rows
    lengths = frames * HOP_S
    weights = lengths / lengths.sum()
    slope, mean = weights @ slopes, weights @ means
    voiced = f0[heard]
    lowest, low, middle, high, highest = _at_shares(np.sort(voiced), _F0_SHARES)
    magnitudes = np.abs(speeds)
    slow, fast = _at_shares(np.sort(speeds), _SPEED_SHARES)
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
            n / (f0.size * HOP_S),
            levels.std(),
            levels[-1] - levels[0],
            tops.std(),
            ranges[-1],
            voiced.argmax() / voiced.size,
            level.argmax() / level.size,
            magnitudes.mean(),
            speeds.std(),
            slow,
            fast,
            np.count_nonzero(speeds > 0) / speeds.size,
            _at_shares(np.sort(magnitudes), _HALF)[0],
            bends.mean(),
            _at_shares(np.sort(bends), _HALF)[0],
            highest - middle,
            middle - lowest,
            high - low,
        ]
    )


@kernel
def _describe_segments(
    f0: NDArray[np.float32],
    level: NDArray[np.float32],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    hop_s: float,
    rows: NDArray[np.float64],
    speeds: NDArray[np.float64],
    bends: NDArray[np.float64],
) -> None:
    """Fill in each segment's slope, range and mean of f0, mean and top of the level; its speeds and bends."""
    n_speeds, n_bends = 0, 0
    for s in range(starts.shape[0]):
        first, stop = starts[s], stops[s]
        n = stop - first
        low, high, top = np.inf, -np.inf, -np.inf
        mean, loudness, slope, squares = 0.0, 0.0, 0.0, 0.0
        for i in range(first, stop):
            time = (i - first - (n - 1) / 2) * hop_s
            mean += f0[i]
            loudness += level[i]
            slope += time * f0[i]
            squares += time * time
            low, high, top = min(low, f0[i]), max(high, f0[i]), max(top, level[i])
        rows[0, s], rows[1, s], rows[2, s] = slope / squares, high - low, mean / n
        rows[3, s], rows[4, s] = loudness / n, top
        for i in range(first + 1, stop):
            step = float(f0[i]) - float(f0[i - 1])
            speeds[n_speeds] = step / hop_s
            n_speeds += 1
            if i > first + 1:
                bends[n_bends] = abs(step - (float(f0[i - 1]) - float(f0[i - 2])))
                n_bends += 1
