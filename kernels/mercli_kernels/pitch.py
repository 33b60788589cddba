"""The fundamental frequency of speech, frame by frame, by normalised cross-correlation and a Viterbi search."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mercli_kernels.jit import kernel

# Lags are searched at half the rate of speech: 8 kHz is enough for a fundamental, and a quarter of the work.
_HALF_RATE_HZ = 8000.0
LOWEST_HZ, HIGHEST_HZ = 60.0, 650.0
_SHORTEST_LAG, _LONGEST_LAG = 11, 135  # one more at each end, so that a peak at the edge has neighbours
_WHOLE_LAGS = 128
_WINDOW = 200  # samples at 8 kHz: 25 ms
_HOP = 80  # 10 ms

_CANDIDATES = 8
_LOWEST_PEAK = 0.15
_PREFERENCE = 0.01  # an octave: of a period and its multiples, which correlate alike, the shortest is meant
_OCTAVE_COST = 0.6
_SWITCH_COST = 0.1
_UNVOICED = 0.45

# A half-band low-pass, a windowed sinc: its even taps but the middle one are 0.
_ODD = np.arange(1, 16, 2)
_TAPS = (np.sin(np.pi * _ODD / 2) / (np.pi * _ODD) * (0.54 + 0.46 * np.cos(np.pi * _ODD / 16))).astype(np.float32)


class Pitch(NamedTuple):
    """The pitch of a sound, one entry every 10 ms.

    ``f0_hz`` is 0 where the sound is unvoiced; ``strength`` is the highest peak of the normalised
    cross-correlation, 0 to 1.
    """

    f0_hz: NDArray[np.float64]
    strength: NDArray[np.float64]


def track_pitch(samples: NDArray[np.float32], n_frames: int, *, offset: int = 200) -> Pitch:
    """Follow the fundamental frequency.

    The correlation of a frame x with itself ``l`` samples later, over 25 ms at 8 kHz, both without their mean:
    ``r(l) = sum_t x[t] x[t+l] / sqrt(sum_t x[t]^2 sum_t x[t+l]^2)``. Its eight highest peaks between 60 and 650
    Hz, placed by a parabola, are the candidates; each is worth its height, less 0.01 an octave below 650 Hz.
    Being unvoiced is worth 0.45. The path of the highest worth is found by dynamic programming, a leap costing
    0.6 an octave and a change between voiced and unvoiced 0.1.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,)]
        16 kHz, any scale.
    n_frames : int
        Frames to place, at least 1.
    offset : int
        The sample in the middle of the first frame; the next are 160 apart.

    Returns
    -------
    Pitch
        Of ``n_frames`` entries.

    References
    ----------
    Talkin, D. (1995). A robust algorithm for pitch tracking (RAPT). In Speech Coding and Synthesis, 495-518.
    Boersma, P. (1993). Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
    ratio of a sampled sound. IFA Proceedings 17, 97-110.

    Examples
    --------
    >>> import numpy as np
    >>> from mercli_kernels.pitch import track_pitch
    >>> t = np.arange(8000) / 16000
    >>> buzz = sum(np.sin(2 * np.pi * 125 * k * t) for k in range(1, 9)).astype(np.float32)
    >>> track_pitch(buzz, 48).f0_hz[24].round(1)
    np.float64(125.0)
    """
    half = _halve(samples)
    correlations = np.empty((n_frames, _LONGEST_LAG - _SHORTEST_LAG + 1), np.float32)
    _correlate(half, offset // 2, correlations)
    f0_hz, strength = np.zeros(n_frames), np.zeros(n_frames)
    octaves, worth = np.zeros((2, n_frames, _CANDIDATES + 1))
    counts = np.zeros(n_frames, np.int64)
    _find_candidates(correlations, octaves, worth, counts, strength)
    _follow(octaves, worth, counts, f0_hz)
    return Pitch(f0_hz, strength)


def _halve(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    reach = int(_ODD[-1])
    padded = np.zeros(samples.size + 2 * reach + 2, np.float32)
    padded[reach : reach + samples.size] = samples
    n = (samples.size + 1) // 2
    # Sample 2t + k of the signal is padded[2t + k + reach], which for odd k lies in the even half.
    half = np.empty(n, np.float32)
    _half_band(np.ascontiguousarray(padded[::2]), np.ascontiguousarray(padded[1::2]), _TAPS, half)
    return half


@kernel
def _half_band(
    even: NDArray[np.float32], odd: NDArray[np.float32], taps: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    block = 2048  # samples whose sums stay in the first-level cache
    n_taps = taps.shape[0]
    for first in range(0, out.shape[0], block):
        sums = out[first : first + block]
        n = sums.shape[0]
        middle = odd[first + n_taps - 1 : first + n_taps - 1 + n]
        for t in range(n):
            sums[t] = np.float32(0.5) * middle[t]
        for k in range(n_taps):
            tap = taps[k]
            after = even[first + n_taps + k : first + n_taps + k + n]
            before = even[first + n_taps - 1 - k : first + n_taps - 1 - k + n]
            for t in range(n):
                sums[t] += tap * (after[t] + before[t])


@kernel
def _correlate(x: NDArray[np.float32], centre: int, correlations: NDArray[np.float32]) -> None:
    n_lags = correlations.shape[1]
    length = _WINDOW + _SHORTEST_LAG + n_lags - 1
    # More lags than are asked for: a whole number of vector registers.
    frame = np.zeros(_WINDOW + _SHORTEST_LAG + _WHOLE_LAGS, np.float32)
    wide = np.empty(_WHOLE_LAGS, np.float32)
    totals = np.zeros(4)
    squares, energies = np.empty(length, np.float32), np.empty(n_lags)
    for i in range(correlations.shape[0]):
        start = i * _HOP + centre - length // 2
        low, high = min(max(0, -start), length), max(0, min(length, x.shape[0] - start))
        frame[:length] = 0.0
        frame[low:high] = x[start + low : start + high]
        # Four sums at a time: none waits for the addition before.
        totals[:] = 0.0
        for t in range(0, length, 4):
            for lane in range(4):
                totals[lane] += frame[t + lane]
        mean = np.float32((totals[0] + totals[1] + totals[2] + totals[3]) / max(high - low, 1))
        frame[:length] -= mean
        wide[:] = 0.0
        # Four products at a time: each sum is read and written once for them.
        for t in range(0, _WINDOW, 4):
            a, b, c, d = frame[t], frame[t + 1], frame[t + 2], frame[t + 3]
            later = frame[t + _SHORTEST_LAG : t + _SHORTEST_LAG + _WHOLE_LAGS + 3]
            for j in range(_WHOLE_LAGS):
                wide[j] += (a * later[j] + b * later[j + 1]) + (c * later[j + 2] + d * later[j + 3])
        sums = correlations[i]
        for t in range(length):
            squares[t] = frame[t] * frame[t]
        own, other = 0.0, 0.0
        for t in range(_SHORTEST_LAG):
            own += squares[t]
        for t in range(_SHORTEST_LAG, _WINDOW):
            other += squares[t]
        own += other
        for t in range(_WINDOW, _WINDOW + _SHORTEST_LAG):
            other += squares[t]
        for j in range(n_lags):
            energies[j] = other
            u = _SHORTEST_LAG + j
            if j < n_lags - 1:
                other += squares[u + _WINDOW] - squares[u]
        for j in range(n_lags):
            sums[j] = wide[j] / math.sqrt(own * max(energies[j], 0.0) + 1e-12)


@kernel
def _find_candidates(
    correlations: NDArray[np.float32],
    octaves: NDArray[np.float64],
    worth: NDArray[np.float64],
    counts: NDArray[np.int64],
    strength: NDArray[np.float64],
) -> None:
    """Fill in each frame's candidates, the unvoiced one behind the voiced; strength comes in as zeros."""
    n_frames, n_lags = correlations.shape
    bottom, top = math.log2(LOWEST_HZ), math.log2(HIGHEST_HZ)
    for i in range(n_frames):
        r = correlations[i]
        n = 0
        for j in range(1, n_lags - 1):
            before, here, after = float(r[j - 1]), float(r[j]), float(r[j + 1])
            strength[i] = max(strength[i], min(here, 1.0))
            if here < _LOWEST_PEAK or here <= before or here < after:
                continue
            bend = before - 2 * here + after
            shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
            octave = math.log2(_HALF_RATE_HZ / (_SHORTEST_LAG + j + shift))
            if octave < bottom or octave > top:
                continue
            value = here - 0.25 * (before - after) * shift - _PREFERENCE * (top - octave)
            slot = n
            if n < _CANDIDATES:
                n += 1
            else:
                slot = int(np.argmin(worth[i, :n]))
                if value <= worth[i, slot]:
                    continue
            octaves[i, slot] = octave
            worth[i, slot] = value
        worth[i, n] = _UNVOICED
        counts[i] = n


@kernel
def _follow(
    octaves: NDArray[np.float64], worth: NDArray[np.float64], counts: NDArray[np.int64], f0_hz: NDArray[np.float64]
) -> None:
    """Fill in the frequencies on the path of the highest worth."""
    n_frames = counts.shape[0]
    best = worth.copy()
    came_from = np.zeros(worth.shape, np.int64)
    for i in range(1, n_frames):
        for c in range(counts[i] + 1):
            reached = -np.inf
            for p in range(counts[i - 1] + 1):
                value = best[i - 1, p]
                if (c == counts[i]) != (p == counts[i - 1]):
                    value -= _SWITCH_COST
                elif c != counts[i]:
                    value -= _OCTAVE_COST * abs(octaves[i, c] - octaves[i - 1, p])
                if value > reached:
                    reached = value
                    came_from[i, c] = p
            best[i, c] = reached + worth[i, c]
    c = int(np.argmax(best[n_frames - 1, : counts[n_frames - 1] + 1]))
    for i in range(n_frames - 1, -1, -1):
        f0_hz[i] = 2.0 ** octaves[i, c] if c < counts[i] else 0.0
        c = came_from[i, c]
