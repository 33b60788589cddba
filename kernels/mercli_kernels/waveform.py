"""Samples: their check and level, and the features read from the waveform itself."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mercli_kernels.jit import kernel

EPSILON = float(np.finfo(np.float64).eps)

# A frame, and a spectrum, is cut into this many blocks to measure how evenly its energy is spread.
ENTROPY_BLOCKS = 10

# A sample below this share of the peak (-240 dB) is what rounding left of a zero, not sound.
_ROUNDING = 1e-12

_SMALLEST_PEAK = float(np.finfo(np.float64).tiny)
_LARGEST_PEAK = 1e300


class Level(NamedTuple):
    """The offset to subtract from samples, and the gain that then makes their peak 1."""

    offset: float
    gain: float


class Signal(NamedTuple):
    """Samples with their level."""

    samples: NDArray[np.float32] | NDArray[np.float64]
    level: Level


def measure_level(blocks: Iterable[ArrayLike]) -> Level:
    """Measure the level of a signal that comes in blocks.

    ``offset = mean(x)``, ``gain = 1 / max|x - offset|``. A signal that is constant but for rounding is
    silence: its gain is 0.

    Parameters
    ----------
    blocks : iterable of array_like [shape=(n,)]
        float32 or float64, finite, none beyond 1e300; of any lengths.

    Returns
    -------
    Level
        The offset in the unit of the samples, the gain in its inverse.

    Raises
    ------
    ValueError
        If a block has another shape or dtype, or its samples are not all finite or too large to be summed.

    Examples
    --------
    >>> from mercli_kernels import measure_level
    >>> measure_level([[1.0, 2.0], [3.0]])
    Level(offset=2.0, gain=1.0)
    """
    low, high, total, size = math.inf, -math.inf, 0.0, 0
    for block in blocks:
        array = _check_samples(block)
        if not array.size:
            continue
        block_low, block_high = _extremes(array)
        low, high = min(low, block_low), max(high, block_high)
        if max(-low, high) > _LARGEST_PEAK:
            raise ValueError(
                f"samples must lie within {_LARGEST_PEAK}; found {max(-low, high)}. Scale them first."
            )
        total += float(array.sum(dtype=np.float64))
        size += array.size
    return _level(low, high, total / size) if size else Level(0.0, 0.0)


def check_signal(samples: ArrayLike, level: Level | None = None) -> Signal:
    """Check that samples are one channel of finite floats, and measure their level if it is not given.

    Parameters
    ----------
    samples : array_like [shape=(n,)]
        float32 or float64, any range.
    level : Level, optional
        That of the whole signal which the samples are a part of.

    Returns
    -------
    Signal
        The same samples (scaled, if they are so large that their sum would overflow) and their level.

    Raises
    ------
    ValueError
        If the samples have another shape or dtype, or are not all finite.
    """
    array = _check_samples(samples)
    if array.size == 0:
        return Signal(array, level or Level(0.0, 0.0))
    low, high = _extremes(array)
    if level is not None:
        return Signal(array, level)
    largest = max(-low, high)
    if largest > _LARGEST_PEAK:
        return check_signal(array / largest)
    return Signal(array, _level(low, high, float(array.mean(dtype=np.float64))))


def _check_samples(samples: ArrayLike) -> NDArray[np.float32] | NDArray[np.float64]:
    array = np.asarray(samples)
    if array.ndim != 1:
        raise ValueError(
            f"samples must be one channel, an array of shape (n,); found shape {array.shape}. "
            "Average the channels first."
        )
    if array.dtype not in (np.float32, np.float64):
        raise ValueError(
            f"samples must be float32 or float64; found {array.dtype}. "
            "Divide whole numbers by their full scale first."
        )
    return array


def _extremes(array: NDArray[np.float32] | NDArray[np.float64]) -> tuple[float, float]:
    # A NaN anywhere makes both extremes NaN.
    low, high = float(array.min()), float(array.max())
    if not (math.isfinite(low) and math.isfinite(high)):
        bad = np.flatnonzero(~np.isfinite(array))
        raise ValueError(f"samples must be finite; found {bad.size} NaN or infinite, the first at index {bad[0]}.")
    return low, high


def _level(low: float, high: float, offset: float) -> Level:
    largest = max(-low, high)
    peak = max(high - offset, offset - low)
    silent = peak < _SMALLEST_PEAK or peak <= _ROUNDING * largest
    return Level(offset, 0.0 if silent else 1.0 / peak)


def levelled(signal: Signal, start: int, stop: int) -> NDArray[np.float64]:
    """Cut samples out of a signal at the level of mean 0 and peak 1.

    Parameters
    ----------
    signal : Signal
        From `check_signal`.
    start, stop : int
        Index of the first sample, and of the one behind the last.

    Returns
    -------
    np.ndarray [shape=(stop - start,)]
        ``(x - offset) * gain``, and 0 where that is only rounding.
    """
    cut = signal.samples[start:stop].astype(np.float64)
    _apply_level(cut, float(signal.level.offset), float(signal.level.gain))
    return cut


@kernel
def _apply_level(samples: NDArray[np.float64], offset: float, gain: float) -> None:
    for t in range(samples.shape[0]):
        y = (samples[t] - offset) * gain
        # The rounding of a zero would have a sign, and so a zero crossing, that depends on the gain.
        samples[t] = y if abs(y) > _ROUNDING else 0.0


def waveform_features(samples: NDArray[np.float64], *, window: int, hop: int) -> NDArray[np.float64]:
    """Compute zero-crossing rate, energy and entropy of energy of each frame.

    Over the W samples of a frame: ``zcr = sum_t |sgn x[t] - sgn x[t-1]| / (2 (W-1))`` with ``sgn 0 = 0``;
    ``energy = sum_t x[t]^2 / W``; ``entropy = -sum_j p_j log2(p_j + eps)`` with ``p_j = e_j / (e + eps)`` for
    the energies ``e_j`` of ten blocks and that of the frame, ``e``.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,)]
        From `levelled`, at least one frame long.
    window, hop : int
        Samples a frame, and from one frame to the next.

    Returns
    -------
    np.ndarray [shape=(3, n_frames)]
        Crossings a sample, mean square, bits.

    References
    ----------
    Giannakopoulos, T. and Pikrakis, A. (2014). Introduction to Audio Analysis, section 4.3. Academic Press.
    """
    rows = np.empty((3, 1 + (samples.size - window) // hop))
    _waveform(samples, window, hop, rows)
    return rows


@kernel
def _waveform(samples: NDArray[np.float64], window: int, hop: int, rows: NDArray[np.float64]) -> None:
    block = window // ENTROPY_BLOCKS
    energies = np.empty(ENTROPY_BLOCKS)
    for i in range(rows.shape[1]):
        x = samples[i * hop : i * hop + window]

        steps = 0
        for t in range(1, window):
            sign = (x[t] > 0.0) * 1 - (x[t] < 0.0) * 1
            sign_before = (x[t - 1] > 0.0) * 1 - (x[t - 1] < 0.0) * 1
            steps += abs(sign - sign_before)
        rows[0, i] = 0.5 * steps / (window - 1)

        # The ten blocks advance together: ten sums in flight, where a single one waits for each addition.
        energies[:] = 0.0
        for t in range(block):
            for j in range(ENTROPY_BLOCKS):
                energies[j] += x[j * block + t] * x[j * block + t]
        energy = 0.0
        for j in range(ENTROPY_BLOCKS):
            energy += energies[j]
        for t in range(ENTROPY_BLOCKS * block, window):
            energy += x[t] * x[t]
        rows[1, i] = energy / window

        entropy = 0.0
        for j in range(ENTROPY_BLOCKS):
            p = energies[j] / (energy + EPSILON)
            entropy -= p * math.log2(p + EPSILON)
        rows[2, i] = entropy
