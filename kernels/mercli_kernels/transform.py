"""The Fourier transforms of speech: sixteen frames side by side, in vector registers, in single precision."""

import numpy as np
from numpy.typing import NDArray

from mercli_kernels.jit import kernel

N_FFT = 512

# A transform of 512 real numbers is one of 256 complex ones, the even numbers with the odd ones for imaginary
# parts; that one has four stages of radix 4. Each number of 16 frames lies together: real parts, imaginary parts.
_HALF = N_FFT // 2
_QUARTER = _HALF // 4
_STAGES = 4
_LANES = 16
_ROW = 2 * _LANES
_STRIDE = _QUARTER * _ROW
_BLOCK = _HALF * _ROW
_BLOCKS = 8  # at a time: they stay in the processor's second-level cache
_FLOOR = np.float32(1e-14)


def _twiddles() -> NDArray[np.float32]:
    steps = np.arange(_QUARTER)
    angles = [np.outer(steps // 4**stage * 4**stage, (1, 2, 3)) for stage in range(_STAGES)]
    factors = np.exp(-2j * np.pi / _HALF * np.array(angles))
    return np.concatenate((factors.real, factors.imag), axis=2).astype(np.float32)


def _places() -> NDArray[np.int64]:
    # Every stage reads and writes alike, which leaves a frequency where its four digits stand in reverse.
    k = np.arange(_HALF)
    return ((k & 3) << 6 | (k >> 2 & 3) << 4 | (k >> 4 & 3) << 2 | k >> 6).astype(np.int64)


_TWIDDLES, _PLACES = _twiddles(), _places()
_TURNS = np.exp(-2j * np.pi * np.arange(_HALF + 1) / N_FFT)
_COSINES, _SINES = _TURNS.real.astype(np.float32), _TURNS.imag.astype(np.float32)


def power_spectra(
    samples: NDArray[np.float32], taper: NDArray[np.float32], hop: int, n_frames: int
) -> NDArray[np.float32]:
    """Compute the power spectrum of each frame, padded with zeros to 512 samples.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,)]
        At least ``(n_frames - 1) * hop`` and a frame long.
    taper : np.ndarray [shape=(window,)]
        What a frame is multiplied by, at most 512 samples.
    hop : int
        Samples from one frame to the next.
    n_frames : int
        Frames, at least one.

    Returns
    -------
    np.ndarray [shape=(257, n_frames)]
        float32, with a floor of 1e-14.
    """
    powers = np.empty((_HALF + 1, n_frames), np.float32)
    work, spare = np.empty((2, _BLOCKS * _BLOCK), np.float32)
    for first in range(0, n_frames, _BLOCKS * _LANES):
        _lay_frames(samples, taper, hop, first, n_frames, work)
        _transform(work, spare, _TWIDDLES)
        _unfold_powers(work, _PLACES, _COSINES, _SINES, first, powers)
    return powers


def cepstral_powers(decibels: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float32]:
    """Compute the squares of the cepstra of spectra.

    Parameters
    ----------
    decibels : np.ndarray [shape=(257, n_frames)]
        Logarithmic spectra.
    start, stop : int
        The first quefrency, and the one behind the last, in samples, 1 to 256.

    Returns
    -------
    np.ndarray [shape=(stop - start, n_frames)]
        float32, with a floor of 1e-12.
    """
    n_frames = decibels.shape[1]
    powers = np.empty((stop - start, n_frames), np.float32)
    work, spare = np.empty((2, _BLOCKS * _BLOCK), np.float32)
    for first in range(0, n_frames, _BLOCKS * _LANES):
        _lay_spectra(decibels, first, work)
        _transform(work, spare, _TWIDDLES)
        _unfold_cepstra(work, _PLACES, _COSINES, _SINES, first, start, powers)
    return powers


@kernel
def _lay_frames(
    samples: NDArray[np.float32],
    taper: NDArray[np.float32],
    hop: int,
    first: int,
    n_frames: int,
    work: NDArray[np.float32],
) -> None:
    window = taper.shape[0]
    for b in range(_BLOCKS):
        block = work[b * _BLOCK : (b + 1) * _BLOCK]
        begin = first + b * _LANES
        # Without a frame in each lane, and behind the window, there are zeros.
        block[0 if begin + _LANES > n_frames else window // 2 * _ROW :] = np.float32(0)
        for lane in range(min(_LANES, n_frames - begin)):
            x = samples[(begin + lane) * hop : (begin + lane) * hop + window]
            for t in range(window // 2):
                block[t * _ROW + lane] = x[2 * t] * taper[2 * t]
                block[t * _ROW + _LANES + lane] = x[2 * t + 1] * taper[2 * t + 1]
            if window % 2:
                block[window // 2 * _ROW + lane] = x[window - 1] * taper[window - 1]


@kernel
def _lay_spectra(decibels: NDArray[np.float32], first: int, work: NDArray[np.float32]) -> None:
    n_frames = decibels.shape[1]
    # Without the mean, which is quefrency 0 and large, the rest is exact to more digits.
    mean = np.empty(_LANES, np.float32)
    for b in range(_BLOCKS):
        begin = first + b * _LANES
        size = min(_LANES, n_frames - begin)
        if size <= 0:
            break
        block = work[b * _BLOCK : (b + 1) * _BLOCK]
        if size < _LANES:
            block[:] = np.float32(0)
        mean[:] = np.float32(0)
        for k in range(_HALF):
            here = decibels[k, begin : begin + size]
            for i in range(size):
                mean[i] += here[i] / np.float32(_HALF)
        for t in range(_HALF):
            # A spectrum is even: behind the middle it is what it was before.
            even = decibels[min(2 * t, N_FFT - 2 * t), begin : begin + size]
            odd = decibels[min(2 * t + 1, N_FFT - 2 * t - 1), begin : begin + size]
            row = block[t * _ROW : (t + 1) * _ROW]
            for i in range(size):
                row[i] = even[i] - mean[i]
                row[i + _LANES] = odd[i] - mean[i]


@kernel
def _transform(work: NDArray[np.float32], spare: NDArray[np.float32], twiddles: NDArray[np.float32]) -> None:
    """Transform each block of work in place: 256 rows, the real parts of 16 lanes, then the imaginary ones."""
    for b in range(_BLOCKS):
        x, y = work[b * _BLOCK : (b + 1) * _BLOCK], spare[b * _BLOCK : (b + 1) * _BLOCK]
        for stage in range(_STAGES):
            for t in range(_QUARTER):
                u1, u2, u3 = twiddles[stage, t, 0], twiddles[stage, t, 1], twiddles[stage, t, 2]
                v1, v2, v3 = twiddles[stage, t, 3], twiddles[stage, t, 4], twiddles[stage, t, 5]
                # One slice to read and one to write, or the loop would not be vectorised.
                a, z = x[t * _ROW : 3 * _STRIDE + (t + 1) * _ROW], y[4 * t * _ROW : 4 * (t + 1) * _ROW]
                for i in range(_LANES):
                    ar, ai = a[i], a[i + _LANES]
                    br, bi = a[i + _STRIDE], a[i + _STRIDE + _LANES]
                    cr, ci = a[i + 2 * _STRIDE], a[i + 2 * _STRIDE + _LANES]
                    dr, di = a[i + 3 * _STRIDE], a[i + 3 * _STRIDE + _LANES]
                    pr, pi, qr, qi = ar + cr, ai + ci, ar - cr, ai - ci
                    rr, ri, sr, si = br + dr, bi + di, br - dr, bi - di
                    z[i], z[i + _LANES] = pr + rr, pi + ri
                    er, ei = qr + si, qi - sr
                    z[i + _ROW], z[i + _ROW + _LANES] = er * u1 - ei * v1, er * v1 + ei * u1
                    er, ei = pr - rr, pi - ri
                    z[i + 2 * _ROW], z[i + 2 * _ROW + _LANES] = er * u2 - ei * v2, er * v2 + ei * u2
                    er, ei = qr - si, qi + sr
                    z[i + 3 * _ROW], z[i + 3 * _ROW + _LANES] = er * u3 - ei * v3, er * v3 + ei * u3
            x, y = y, x


@kernel
def _unfold_powers(
    work: NDArray[np.float32],
    places: NDArray[np.int64],
    cosines: NDArray[np.float32],
    sines: NDArray[np.float32],
    first: int,
    powers: NDArray[np.float32],
) -> None:
    n_frames = powers.shape[1]
    half = np.float32(0.5)
    for b in range(_BLOCKS):
        begin = first + b * _LANES
        size = min(_LANES, n_frames - begin)
        if size <= 0:
            break
        for k in range(_HALF + 1):
            near = b * _BLOCK + places[k % _HALF] * _ROW
            far = b * _BLOCK + places[(_HALF - k) % _HALF] * _ROW
            x, y = work[near : near + _ROW], work[far : far + _ROW]
            out = powers[k, begin : begin + size]
            c, s = cosines[k], sines[k]
            for i in range(size):
                er, ei = half * (x[i] + y[i]), half * (x[i + _LANES] - y[i + _LANES])
                fr, fi = half * (x[i + _LANES] + y[i + _LANES]), half * (y[i] - x[i])
                re, im = er + (fr * c - fi * s), ei + (fr * s + fi * c)
                out[i] = re * re + im * im + _FLOOR


@kernel
def _unfold_cepstra(
    work: NDArray[np.float32],
    places: NDArray[np.int64],
    cosines: NDArray[np.float32],
    sines: NDArray[np.float32],
    first: int,
    start: int,
    powers: NDArray[np.float32],
) -> None:
    n_frames = powers.shape[1]
    scale = np.float32(0.5 / N_FFT)
    for b in range(_BLOCKS):
        begin = first + b * _LANES
        size = min(_LANES, n_frames - begin)
        if size <= 0:
            break
        for j in range(powers.shape[0]):
            k = start + j
            near = b * _BLOCK + places[k % _HALF] * _ROW
            far = b * _BLOCK + places[(_HALF - k) % _HALF] * _ROW
            x, y = work[near : near + _ROW], work[far : far + _ROW]
            out = powers[j, begin : begin + size]
            c, s = cosines[k], sines[k]
            for i in range(size):
                value = x[i] + y[i] + (x[i + _LANES] + y[i + _LANES]) * c - (y[i] - x[i]) * s
                out[i] = (value * scale) * (value * scale) + np.float32(1e-12)
