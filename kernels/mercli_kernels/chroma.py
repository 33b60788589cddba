"""Chroma: the share of each of the twelve pitch classes in a spectrum."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mercli_kernels.jit import kernel

N_CLASSES = 12

# A0 is semitone 0, so the pitch classes begin at A.
REFERENCE_HZ = 27.5

# Under this a frame holds nothing but the rounding of a constant: the signal's peak is 1, and one step of a 16-bit
# recording has ten orders of magnitude more.
_NO_POWER = 1e-24


class SemitoneRuns(NamedTuple):
    """The bins of a spectrum by semitone.

    Run r holds the bins ``starts[r]`` to ``starts[r + 1] - 1``, all of one semitone, which is of
    ``pitch_classes[r]``, 0 to 11.
    """

    starts: NDArray[np.int64]
    pitch_classes: NDArray[np.int64]


@lru_cache(maxsize=16)
def semitone_runs(sample_rate_hz: float, window: int) -> SemitoneRuns:
    """Assign each bin above 0 Hz to its nearest semitone.

    ``s[k] = round(12 log2(f[k] / 27.5 Hz))`` with ``f[k] = k * sample_rate_hz / window``.

    Parameters
    ----------
    sample_rate_hz : float
        Sampling rate.
    window : int
        Samples a frame; its spectrum has ``window // 2`` bins.

    Returns
    -------
    SemitoneRuns
        Runs of rising semitones.
    """
    bins_hz = np.arange(1, window // 2) * (sample_rate_hz / window)
    semitones = np.round(12 * np.log2(bins_hz / REFERENCE_HZ)).astype(np.int64)
    found, first = np.unique(semitones, return_index=True)
    starts = np.append(first + 1, window // 2).astype(np.int64)
    return SemitoneRuns(starts, found % N_CLASSES)


def chroma(magnitudes: NDArray[np.float64], runs: SemitoneRuns) -> NDArray[np.float64]:
    """Compute the twelve chroma features of each spectrum, and their deviation.

    ``chroma[c] = sum_(s mod 12 = c) (sum_(s[k] = s) X[k]^2 / N[s]) / sum_(k > 0) X[k]^2``

    The power of a semitone is the mean over the ``N[s]`` bins nearest to it, because a high semitone has many
    and a low one has one or none. The semitones of a class are summed over the octaves, as a share of the
    frame's power without its 0 Hz bin. A frame that is silent or constant has zeros.

    This is how pyAudioAnalysis counts, without its errors: it keeps the last bin of a semitone instead of
    their sum, divides by the count of a different semitone, and takes each bin for the one above it.

    Parameters
    ----------
    magnitudes : np.ndarray [shape=(n_bins, n_frames)]
        Magnitude spectra.
    runs : SemitoneRuns
        From `semitone_runs` for the same rate and window.

    Returns
    -------
    np.ndarray [shape=(13, n_frames)]
        Shares of A, A sharp, ... G sharp, then their population standard deviation.
    """
    rows = np.zeros((N_CLASSES + 1, magnitudes.shape[1]))
    _chroma(magnitudes, runs.starts, runs.pitch_classes, rows)
    return rows


@kernel
def _chroma(
    magnitudes: NDArray[np.float64],
    starts: NDArray[np.int64],
    pitch_classes: NDArray[np.int64],
    rows: NDArray[np.float64],
) -> None:
    # rows comes in as zeros
    n_frames = rows.shape[1]
    power = np.zeros(n_frames)
    semitone = np.empty(n_frames)
    for r in range(pitch_classes.shape[0]):
        semitone[:] = 0.0
        for k in range(starts[r], starts[r + 1]):
            for i in range(n_frames):
                semitone[i] += magnitudes[k, i] * magnitudes[k, i]
        count = float(starts[r + 1] - starts[r])
        c = pitch_classes[r]
        for i in range(n_frames):
            power[i] += semitone[i]
            rows[c, i] += semitone[i] / count

    for i in range(n_frames):
        if power[i] < _NO_POWER:
            continue
        mean = 0.0
        for c in range(N_CLASSES):
            rows[c, i] /= power[i]
            mean += rows[c, i] / N_CLASSES
        variance = 0.0
        for c in range(N_CLASSES):
            variance += (rows[c, i] - mean) ** 2 / N_CLASSES
        rows[N_CLASSES, i] = math.sqrt(variance)
