"""The mel filter bank of Slaney's Auditory Toolbox, and the cepstrum of its bands."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mercli_kernels.jit import kernel
from mercli_kernels.waveform import EPSILON

N_FILTERS = 40
N_COEFFICIENTS = 13

# 2 and 43 mel: the 42 edges of the filters lie one mel apart.
LOWEST_HZ = 400 / 3
HIGHEST_HZ = 6855.4976

# Slaney's mel scale: 3 mel for 200 Hz up to 1000 Hz, above it 27 mel for each factor of 6.4.
_LINEAR_HZ = 200 / 3
_BREAK_HZ = 1000.0
_BREAK_MEL = 15.0
_LOG_STEP = float(np.log(6.4)) / 27


class PackedBank(NamedTuple):
    """A filter bank without its zeros.

    Filter j weighs the bins ``runs[j, 0]`` to ``runs[j, 1] - 1``; its weights begin at
    ``weights[runs[j, 2]]``.
    """

    runs: NDArray[np.int64]
    weights: NDArray[np.float64]


def mel_filter_bank(*, sample_rate_hz: float, window: int) -> NDArray[np.float64]:
    """Build the 40 triangular filters that turn a magnitude spectrum into mel bands.

    ``B[j, k] = h * max(0, min((f - a) / (b - a), (c - f) / (c - b)))`` at ``f = k sample_rate_hz / window``,
    where ``a, b, c`` are the edges j, j+1 and j+2 and ``h = 2 / (c - a)`` gives each triangle the area 1. The
    42 edges lie evenly on Slaney's mel scale from 133.33 Hz to 6855.5 Hz.

    Below a sampling rate of 13711 Hz the last edge is the Nyquist frequency and the edges move together: no
    filter is left without a signal, but such cepstra compare only with those of the same rate. A filter
    between two bins of a short window holds neither; its band stays 0.

    Parameters
    ----------
    sample_rate_hz : float
        Sampling rate, above 266.67 Hz.
    window : int
        Samples a frame, at least 2.

    Returns
    -------
    np.ndarray [shape=(40, window // 2)]
        Weights in 1/Hz of the bins from 0 Hz up to, and without, the Nyquist frequency.

    Raises
    ------
    ValueError
        If the first edge is not below the Nyquist frequency, or the window is too short.

    References
    ----------
    Slaney, M. (1998). Auditory Toolbox. Technical report 1998-010, Interval Research Corporation.

    Examples
    --------
    >>> from mercli_kernels import mel_filter_bank
    >>> mel_filter_bank(sample_rate_hz=16000, window=800).shape
    (40, 400)
    """
    nyquist_hz = sample_rate_hz / 2
    if not LOWEST_HZ < nyquist_hz < np.inf:
        raise ValueError(
            f"sample_rate_hz must be above {2 * LOWEST_HZ:.2f}, or the lowest mel filter begins above the "
            f"Nyquist frequency; found {sample_rate_hz}."
        )
    if window < 2:
        raise ValueError(f"window must be at least 2 samples; found {window}.")
    last_mel = _mel_from_hz(min(HIGHEST_HZ, nyquist_hz))
    edges = _hz_from_mel(np.linspace(_mel_from_hz(LOWEST_HZ), last_mel, N_FILTERS + 2))
    bank = triangles(edges, np.arange(window // 2, dtype=np.float64) * (sample_rate_hz / window))
    bank *= 2 / (edges[2:, None] - edges[:-2, None])
    return bank


def _mel_from_hz(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ
    return _BREAK_MEL + float(np.log(hz / _BREAK_HZ)) / _LOG_STEP


def _hz_from_mel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, _LINEAR_HZ * mel, above)


@lru_cache(maxsize=16)
def packed_mel_bank(sample_rate_hz: float, window: int) -> PackedBank:
    """Pack the mel filter bank for the kernel: `mel_filter_bank` without its zeros."""
    return packed(mel_filter_bank(sample_rate_hz=sample_rate_hz, window=window))


def triangles(edges: NDArray[np.float64], bins_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weigh bins [n_bins] by triangles of height 1 between the edges [n + 2], in Hz: [n, n_bins]."""
    a, b, c = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bank: NDArray[np.float64] = np.maximum(0.0, np.minimum((bins_hz - a) / (b - a), (c - bins_hz) / (c - b)))
    return bank


def packed(bank: NDArray[np.float64]) -> PackedBank:
    """Pack the filters [n, n_bins] of a bank."""
    held = bank > 0
    # A filter that holds no bin comes out as a run over all of them, with weights of 0.
    start = held.argmax(axis=1)
    stop = held.shape[1] - held[:, ::-1].argmax(axis=1)
    sizes = stop - start
    runs = np.column_stack((start, stop, np.cumsum(sizes) - sizes)).astype(np.int64)
    weights = np.concatenate([row[i:j] for row, i, j in zip(bank, start, stop, strict=True)])
    return PackedBank(runs, weights)


def mel_cepstra(magnitudes: NDArray[np.float64], bank: PackedBank) -> NDArray[np.float64]:
    """Compute the first 13 mel-frequency cepstral coefficients of each spectrum.

    ``c[n] = sum_j D[n, j] log10(sum_k B[j, k] X[k] + eps)`` over the 40 bands, with the orthonormal DCT-II
    ``D[n, j] = sqrt(2/40) cos(pi n (j + 1/2) / 40)``, and ``sqrt(1/40)`` for ``n = 0``.

    Parameters
    ----------
    magnitudes : np.ndarray [shape=(n_bins, n_frames)]
        Magnitude spectra.
    bank : PackedBank
        From `packed_mel_bank` for the same rate and window.

    Returns
    -------
    np.ndarray [shape=(13, n_frames)]
        Decades, the first coefficient being the level.
    """
    bands = np.empty((N_FILTERS, magnitudes.shape[1]))
    _mel_bands(magnitudes, bank.runs, bank.weights, bands)
    np.log10(bands, out=bands)  # vectorised in numpy, not in a kernel
    rows = np.empty((N_COEFFICIENTS, magnitudes.shape[1]))
    _cepstra(bands, _cosine_basis(), rows)
    return rows


@lru_cache(maxsize=1)
def _cosine_basis() -> NDArray[np.float64]:
    n = np.arange(N_COEFFICIENTS)[:, None]
    basis: NDArray[np.float64] = np.cos(np.pi / N_FILTERS * n * (np.arange(N_FILTERS) + 0.5))
    basis *= np.where(n == 0, np.sqrt(1 / N_FILTERS), np.sqrt(2 / N_FILTERS))
    return basis


@kernel
def _mel_bands(
    magnitudes: NDArray[np.float64],
    runs: NDArray[np.int64],
    weights: NDArray[np.float64],
    bands: NDArray[np.float64],
) -> None:
    # sum_k B[j, k] X[k] + eps
    n_bands, n_frames = bands.shape
    for j in range(n_bands):
        start, stop, first_weight = runs[j]
        bands[j, :] = EPSILON
        for k in range(start, stop):
            weight = weights[first_weight + k - start]
            for i in range(n_frames):
                bands[j, i] += weight * magnitudes[k, i]


@kernel
def _cepstra(log_bands: NDArray[np.float64], basis: NDArray[np.float64], rows: NDArray[np.float64]) -> None:
    # sum_j D[n, j] L[j]
    n_bands, n_frames = log_bands.shape
    for n in range(rows.shape[0]):
        rows[n, :] = 0.0
        for j in range(n_bands):
            for i in range(n_frames):
                rows[n, i] += basis[n, j] * log_bands[j, i]
