"""Jitter and shimmer: how much the glottal cycles of a voice differ from each to the next."""

import math

import numpy as np
from numpy.typing import NDArray

from mercli_kernels.jit import kernel
from mercli_kernels.pitch import Pitch

CYCLE_NAMES = tuple(f"{what}_{how}" for what in ("jitter", "shimmer") for how in ("mean", "p50", "p90"))

_RATE_HZ = 16000.0
_HOP = 160
_LANES = 16
_FEWEST = 3  # pairs of cycles to speak of

# Neighbouring periods that differ by more are a cycle lost, not jitter (Praat's "maximum period factor").
_LARGEST_JITTER = 0.25
_LARGEST_SHIMMER_DB = 8.0


def cycle_measures(samples: NDArray[np.float32], pitch: Pitch, *, offset: int = 200) -> NDArray[np.float64]:
    """Measure jitter and shimmer of the voiced stretches of a sound.

    In a voiced stretch a cycle begins one period after the last, within a fifth of it, where the period around
    it correlates best with the period around the last; a parabola places it between two samples. With the
    periods ``T[i]`` and the root mean squares ``A[i]`` of the cycles, over neighbouring cycles of a stretch:
    ``jitter = 100 |T[i] - T[i-1]| / T[i]``, ``shimmer = 20 |log10 A[i] / A[i-1]|``.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,)]
        16 kHz, any scale.
    pitch : Pitch
        From `track_pitch`, with the same offset.
    offset : int
        The sample in the middle of the first frame.

    Returns
    -------
    np.ndarray [shape=(6,)]
        Mean, median and 90th percentile of jitter in per cent, the same of shimmer in dB; zeros where a sound
        has too few cycles.

    References
    ----------
    Boersma, P. and Weenink, D. Praat manual: "Voice 2. Jitter", "Voice 3. Shimmer".
    """
    most = samples.size // 20 + 1  # cycles of 650 Hz span 24 samples
    periods, amplitudes = np.zeros(most), np.zeros(most)
    follows = np.zeros(most, np.bool_)
    n = _mark_cycles(samples, pitch.f0_hz, offset, periods, amplitudes, follows)
    pairs = follows[1:n]
    before, after = periods[: n - 1][pairs], periods[1:n][pairs]
    jitter = 100 * np.abs(after - before) / np.maximum(after, 1.0)
    jitter = jitter[jitter < 100 * _LARGEST_JITTER]
    loudness = 20 * np.log10(np.maximum(amplitudes[:n], 1e-12))
    shimmer = np.abs(np.diff(loudness)[pairs]) if n else loudness
    shimmer = shimmer[shimmer < _LARGEST_SHIMMER_DB]
    if min(jitter.size, shimmer.size) < _FEWEST:
        return np.zeros(6)
    return np.concatenate([(values.mean(), *np.percentile(values, (50, 90))) for values in (jitter, shimmer)])


@kernel
def _mark_cycles(
    x: NDArray[np.float32],
    f0_hz: NDArray[np.float64],
    offset: int,
    periods: NDArray[np.float64],
    amplitudes: NDArray[np.float64],
    follows: NDArray[np.bool_],
) -> int:
    """Fill in a cycle's period, amplitude and whether it follows the one before it; give their number."""
    n_frames = f0_hz.shape[0]
    sums = np.empty(1024, np.float32)
    n = 0
    first = 0
    while first < n_frames:
        if f0_hz[first] <= 0.0:
            first += 1
            continue
        stop = first
        while stop < n_frames and f0_hz[stop] > 0.0:
            stop += 1
        period = _RATE_HZ / f0_hz[first]
        begin = max(0, int(first * _HOP + offset - period / 2))
        mark = int(begin + np.argmax(x[begin : int(begin + period) + 1]))
        has_one = False
        while n < periods.shape[0]:
            frame = int((mark - offset) / _HOP)
            if frame >= stop:
                break
            period = _RATE_HZ / f0_hz[max(frame, first)]
            half = int(period / 2)
            low, high = int(mark + 0.8 * period), int(mark + 1.2 * period) + 1
            if mark - half < 0 or high + 1 + half >= x.shape[0]:
                break
            width = high - low + 2
            # A whole number of vector registers, where the sound goes on for so long.
            whole = (width + _LANES - 1) // _LANES * _LANES
            if low + whole + half > x.shape[0]:
                whole = width
            sums[:whole] = 0.0
            for u in range(-half, half, 2):
                a, b = x[mark + u], x[mark + u + 1]
                later = x[low - 1 + u : low + u + whole]
                for q in range(whole):
                    sums[q] = (sums[q] + a * later[q]) + b * later[q + 1]
            best = 1
            for q in range(1, width - 1):
                if sums[q] > sums[best]:
                    best = q
            before, here, after = float(sums[best - 1]), float(sums[best]), float(sums[best + 1])
            bend = before - 2 * here + after
            shift = min(0.5, max(-0.5, 0.5 * (before - after) / bend)) if bend < 0 else 0.0
            found = low - 1 + best
            energy = 0.0
            for u in range(-half, half):
                energy += x[found + u] * x[found + u]
            periods[n] = found + shift - mark  # the cycle compared began at the whole sample
            amplitudes[n] = math.sqrt(energy / max(2 * half, 1))
            follows[n] = has_one
            has_one = True
            n += 1
            mark = found
        first = stop
    return n
