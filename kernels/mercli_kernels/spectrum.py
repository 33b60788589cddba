"""Magnitude spectra of frames, and the features that describe their shape.

Spectra lie bins first, [n_bins, n_frames]. A kernel takes one bin of all frames at a time, so the sums of
many frames run side by side in vector registers while each frame's own sum keeps its order.
"""

import math

import numpy as np
from numpy.typing import NDArray

from mercli_kernels.jit import kernel
from mercli_kernels.waveform import ENTROPY_BLOCKS, EPSILON

# The rolloff is the frequency below which this share of a frame's power lies.
ROLLOFF_SHARE = 0.9


def magnitude_spectra(samples: NDArray[np.float64], *, window: int, hop: int) -> NDArray[np.float64]:
    """Compute the magnitude spectrum of each frame, without a taper.

    ``X[k] = |sum_t x[t] exp(-2 pi i k t / W)| / K`` for ``k = 0 .. K-1``, ``K = W // 2``: the bin at the
    Nyquist frequency is left out.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,)]
        From `mercli_kernels.waveform.levelled`, at least one frame long.
    window, hop : int
        Samples a frame, and from one frame to the next.

    Returns
    -------
    np.ndarray [shape=(window // 2, n_frames)]
        Magnitudes in the unit of the samples.
    """
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    spectra = np.empty((window // 2 + 1, frames.shape[0]), dtype=np.complex128)
    np.fft.rfft(frames, axis=-1, out=spectra.T)
    magnitudes = np.empty((window // 2, frames.shape[0]))
    _magnitude(spectra, magnitudes)
    return magnitudes


@kernel
def _magnitude(spectra: NDArray[np.complex128], magnitudes: NDArray[np.float64]) -> None:
    n_bins, n_frames = magnitudes.shape
    scale = 1.0 / n_bins
    for k in range(n_bins):
        for i in range(n_frames):
            z = spectra[k, i]
            magnitudes[k, i] = math.sqrt(z.real * z.real + z.imag * z.imag) * scale


def spectral_features(magnitudes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute centroid, spread, entropy, flux and rolloff of each spectrum.

    With ``f[k] = (k+1) / K``, as in pyAudioAnalysis, the spectrum before, ``X'``, and sums over the K bins:

    - ``centroid C = sum f X / sum X``, ``spread = sqrt(sum (f - C)^2 X / sum X)``
    - ``entropy = -sum_j p_j log2(p_j + eps)``, ``p_j`` the share of ten blocks of bins in ``eps + sum X^2``
    - ``flux = sum (X / sum (X + eps) - X' / sum (X' + eps))^2``, 0 for the first spectrum
    - ``rolloff = k / K`` for the first bin with ``eps + sum_(l<=k) X[l]^2 > 0.9 sum X^2``

    A silent frame has 0 in each, but for the flux after a sound.

    Parameters
    ----------
    magnitudes : np.ndarray [shape=(n_bins, n_frames)]
        From `magnitude_spectra`, consecutive frames.

    Returns
    -------
    np.ndarray [shape=(5, n_frames)]
        Centroid, spread and rolloff as shares of the Nyquist frequency, entropy in bits, flux without a unit.

    References
    ----------
    Giannakopoulos, T. and Pikrakis, A. (2014). Introduction to Audio Analysis, section 4.4. Academic Press.
    """
    rows = np.empty((5, magnitudes.shape[1]))
    _centroid_and_spread(magnitudes, rows[0], rows[1])
    _entropy(magnitudes, rows[2])
    _flux(magnitudes, rows[3])
    _rolloff(magnitudes, rows[4])
    return rows


@kernel
def _centroid_and_spread(
    magnitudes: NDArray[np.float64], centroid: NDArray[np.float64], spread: NDArray[np.float64]
) -> None:
    n_bins, n_frames = magnitudes.shape
    total = np.zeros(n_frames)
    centroid[:] = 0.0
    spread[:] = 0.0
    for k in range(n_bins):
        f = (k + 1.0) / n_bins
        for i in range(n_frames):
            total[i] += magnitudes[k, i]
            centroid[i] += f * magnitudes[k, i]
    for i in range(n_frames):
        if total[i] == 0.0:
            total[i] = 1.0
        centroid[i] /= total[i]
    for k in range(n_bins):
        f = (k + 1.0) / n_bins
        for i in range(n_frames):
            spread[i] += (f - centroid[i]) * (f - centroid[i]) * magnitudes[k, i]
    for i in range(n_frames):
        spread[i] = math.sqrt(spread[i] / total[i])


@kernel
def _entropy(magnitudes: NDArray[np.float64], entropy: NDArray[np.float64]) -> None:
    n_bins, n_frames = magnitudes.shape
    block = n_bins // ENTROPY_BLOCKS
    powers = np.zeros((ENTROPY_BLOCKS + 1, n_frames))  # the last holds the bins that fill no block
    total = np.zeros(n_frames)
    for j in range(ENTROPY_BLOCKS + 1):
        stop = (j + 1) * block if j < ENTROPY_BLOCKS else n_bins
        for k in range(j * block, stop):
            for i in range(n_frames):
                powers[j, i] += magnitudes[k, i] * magnitudes[k, i]
        for i in range(n_frames):
            total[i] += powers[j, i]
    entropy[:] = 0.0
    for j in range(ENTROPY_BLOCKS):
        for i in range(n_frames):
            p = powers[j, i] / (total[i] + EPSILON)
            entropy[i] -= p * math.log2(p + EPSILON)


@kernel
def _flux(magnitudes: NDArray[np.float64], flux: NDArray[np.float64]) -> None:
    n_bins, n_frames = magnitudes.shape
    scale = np.zeros(n_frames)
    flux[:] = 0.0
    for k in range(n_bins):
        for i in range(n_frames):
            scale[i] += magnitudes[k, i]
    for i in range(n_frames):
        scale[i] = 1.0 / (scale[i] + n_bins * EPSILON)
    for k in range(n_bins):
        for i in range(1, n_frames):
            step = magnitudes[k, i] * scale[i] - magnitudes[k, i - 1] * scale[i - 1]
            flux[i] += step * step


@kernel
def _rolloff(magnitudes: NDArray[np.float64], rolloff: NDArray[np.float64]) -> None:
    n_bins, n_frames = magnitudes.shape
    threshold = np.zeros(n_frames)
    below = np.zeros(n_frames)
    rolloff[:] = 0.0
    for k in range(n_bins):
        for i in range(n_frames):
            threshold[i] += magnitudes[k, i] * magnitudes[k, i]
    for i in range(n_frames):
        threshold[i] *= ROLLOFF_SHARE
    # The power below a bin only grows, so the first bin past the threshold is the number of bins before it.
    for k in range(n_bins):
        for i in range(n_frames):
            below[i] += magnitudes[k, i] * magnitudes[k, i]
            rolloff[i] += 0.0 if below[i] + EPSILON > threshold[i] else 1.0
    for i in range(n_frames):
        rolloff[i] /= n_bins
