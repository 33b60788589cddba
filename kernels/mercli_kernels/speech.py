"""The contours of speech: what each 25 ms of a sound is like, every 10 ms."""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mercli_kernels.jit import kernel
from mercli_kernels.mel import packed, triangles
from mercli_kernels.pitch import Pitch
from mercli_kernels.transform import N_FFT, cepstral_powers, power_spectra

SPEECH_RATE_HZ = 16000.0
WINDOW_S, HOP_S = 0.025, 0.010
N_MELS, N_CEPSTRA = 40, 20
LOWEST_HZ, HIGHEST_HZ = 50.0, 7000.0

_ACTIVE_DB, _MARGIN_S = 35.0, 0.05
_FLOOR_DB = -80.0  # of the mel bands, below the loudest
_SPECTRUM_FLOOR_DB = -90.0  # of a bin, below the loudest frame
_LIFTER = 22
_FIRST_QUEFRENCY = 24  # samples: 1.5 ms, the period of 667 Hz

SPECTRAL_NAMES = (
    "level",
    "zcr",
    "spectral_centroid",
    "spectral_spread",
    "spectral_rolloff_25",
    "spectral_rolloff_85",
    "spectral_entropy",
    "spectral_flatness",
    "spectral_flux",
    "alpha_ratio",
    "hammarberg_index",
    "slope_0_500",
    "slope_500_1500",
    "slope_1500_7000",
)
CEPSTRAL_NAMES = tuple(f"mfcc_{n}" for n in range(N_CEPSTRA))
MEL_NAMES = tuple(f"mel_{n}" for n in range(1, N_MELS + 1))
VOICE_NAMES = ("f0", "voicing", "hnr", "h1_h2", "h1_a1", "h1_a3", "cpp")
SPEECH_NAMES: tuple[str, ...] = (*SPECTRAL_NAMES, *CEPSTRAL_NAMES, *MEL_NAMES, *VOICE_NAMES)


class Axis(NamedTuple):
    """How the bins of a spectrum lie on the frequencies of a sound that is played at another rate."""

    bin_hz: float
    n_bins: int  # up to HIGHEST_HZ
    runs: NDArray[np.int64]
    weights: NDArray[np.float32]


class Framing(NamedTuple):
    """The samples a frame, and from one to the next, of a sound that is played at another rate."""

    window: int
    hop: int

    @classmethod
    def at(cls, rate: float) -> "Framing":
        """Give the framing that is 25 ms and 10 ms of the sound as it is played."""
        return cls(round(WINDOW_S * SPEECH_RATE_HZ * rate), round(HOP_S * SPEECH_RATE_HZ * rate))

    def count(self, n_samples: int) -> int:
        """Count the frames that lie inside."""
        return max(0, 1 + (n_samples - self.window) // self.hop)


def speech_contours(samples: NDArray[np.float32], pitch: Pitch, *, rate: float = 1.0) -> NDArray[np.float32]:
    """Describe each frame of a sound as if it were played at another rate.

    Nothing is resampled: at a rate r, frames span ``25 ms r`` of the sound every ``10 ms r``, and what lies at a
    frequency f counts as ``r f``. So r = 1.12 describes a voice that is higher by two semitones, from a vocal
    tract that is a tenth shorter, and speaks faster.

    Parameters
    ----------
    samples : np.ndarray [shape=(n,)]
        16 kHz, at the level at which its peak is 1.
    pitch : Pitch
        From `track_pitch` of the same samples, at rate 1.
    rate : float
        0.88 to 1.14, so that 7 kHz lies below the Nyquist frequency, and a frame fits the transform.

    Returns
    -------
    np.ndarray [shape=(81, n_frames)]
        float32, the rows named by `SPEECH_NAMES`; f0 in semitones above 100 Hz, NaN where a frame is unvoiced.

    Raises
    ------
    ValueError
        If the rate is beyond its bounds.

    References
    ----------
    Eyben, F. et al. (2016). The Geneva minimalistic acoustic parameter set (GeMAPS) for voice research and
    affective computing. IEEE Transactions on Affective Computing 7(2), 190-202.
    Young, S. et al. (2006). The HTK book, chapter 5.
    """
    if not HIGHEST_HZ / (SPEECH_RATE_HZ / 2) <= rate <= N_FFT / (WINDOW_S * SPEECH_RATE_HZ):
        raise ValueError(f"rate must be 0.875 to 1.28; found {rate}.")
    framing, axis = Framing.at(rate), _axis(rate)
    n = framing.count(samples.size)
    contours = np.zeros((len(SPEECH_NAMES), n), np.float32)
    if not n:
        return contours
    powers = power_spectra(samples, _taper(framing.window), framing.hop, n)
    first_mel = len(SPECTRAL_NAMES) + N_CEPSTRA
    mels = contours[first_mel : first_mel + N_MELS]
    decibels = _spectral(samples, powers, framing, axis, contours)
    _mel_bands(powers, axis.runs, axis.weights, mels)
    _to_decibels(mels)
    np.maximum(mels, mels.max() + np.float32(_FLOOR_DB), out=mels)
    contours[len(SPECTRAL_NAMES) : first_mel] = _cepstra() @ mels

    # The nearest of the pitch's frames, which are 10 ms apart at rate 1.
    centres = np.arange(n) * framing.hop + (framing.window - round(WINDOW_S * SPEECH_RATE_HZ)) / 2
    nearest = np.clip(np.rint(centres / round(HOP_S * SPEECH_RATE_HZ)).astype(np.int64), 0, pitch.f0_hz.size - 1)
    f0_hz = pitch.f0_hz[nearest] * rate
    voice = contours[first_mel + N_MELS :]
    voiced = f0_hz > 0
    voice[0] = np.where(voiced, 12 * np.log2(np.where(voiced, f0_hz, 100.0) / 100.0), np.nan)
    voice[1] = pitch.strength[nearest]
    periodic = np.clip(pitch.strength[nearest], 0.001, 0.999)
    voice[2] = 10 * np.log10(periodic / (1 - periodic))
    _harmonics(decibels, f0_hz, axis.bin_hz, voice[3:6])
    voice[6] = _cepstral_peak(decibels)
    return contours


def speech_part(contours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cut contours to where somebody speaks, and make levels relative to the speech's own.

    A frame is active within 35 dB of the loudest. What is kept runs from 50 ms before the first active frame to
    50 ms after the last. The mean level of the active frames is subtracted from the level, the mel bands and,
    in its scale, from ``mfcc_0``.

    Parameters
    ----------
    contours : np.ndarray [shape=(81, n_frames)]
        From `speech_contours`, at least one frame.

    Returns
    -------
    np.ndarray [shape=(81, n_kept)]
        A copy.
    """
    level = contours[0]
    active = level > level.max() - np.float32(_ACTIVE_DB)
    found = np.flatnonzero(active)
    margin = round(_MARGIN_S / HOP_S)
    speech = contours[:, max(0, int(found[0]) - margin) : int(found[-1]) + margin + 1].copy()
    own = level[active].mean(dtype=np.float64)
    first_mel = len(SPECTRAL_NAMES) + N_CEPSTRA
    speech[0] -= own
    speech[first_mel : first_mel + N_MELS] -= own
    speech[len(SPECTRAL_NAMES)] -= own * math.sqrt(2 * N_MELS) / 10
    return speech


@lru_cache(maxsize=16)
def _taper(window: int) -> NDArray[np.float32]:
    # Of the same energy whatever the rate, so that a louder view is not a longer window.
    taper = np.hamming(window)
    return (taper / math.sqrt(float((taper**2).sum()))).astype(np.float32)


def _to_decibels(powers: NDArray[np.float32]) -> None:
    np.log10(powers, out=powers)
    powers *= np.float32(10)


@lru_cache(maxsize=16)
def _axis(rate: float) -> Axis:
    bin_hz = SPEECH_RATE_HZ / N_FFT * rate
    edges = _hz_from_mel(np.linspace(_mel_from_hz(LOWEST_HZ), _mel_from_hz(HIGHEST_HZ), N_MELS + 2))
    bank = triangles(edges, np.arange(N_FFT // 2 + 1, dtype=np.float64) * bin_hz)
    # A low band of a narrow filter may lie between two bins: it takes what the nearest bin has.
    empty = bank.sum(axis=1) == 0
    bank[empty, np.rint(edges[1:-1][empty] / bin_hz).astype(int)] = 1.0
    bank /= bank.sum(axis=1, keepdims=True)
    runs, weights = packed(bank)
    return Axis(bin_hz, int(HIGHEST_HZ / bin_hz) + 1, runs, weights.astype(np.float32))


def _mel_from_hz(hz: float) -> float:
    return 2595 * math.log10(1 + hz / 700)


def _hz_from_mel(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    hz: NDArray[np.float64] = 700 * (10 ** (mel / 2595) - 1)
    return hz


@kernel
def _mel_bands(
    powers: NDArray[np.float32], runs: NDArray[np.int64], weights: NDArray[np.float32], bands: NDArray[np.float32]
) -> None:
    # bands comes in as zeros
    for j in range(runs.shape[0]):
        for k in range(runs[j, 0], runs[j, 1]):
            w = weights[runs[j, 2] + k - runs[j, 0]]
            for i in range(powers.shape[1]):
                bands[j, i] += w * powers[k, i]


@lru_cache(maxsize=1)
def _cepstra() -> NDArray[np.float32]:
    """Give the matrix of a DCT-II with a sine lifter, scaled for decibels: a tenth of them."""
    n, j = np.arange(N_CEPSTRA)[:, None], np.arange(N_MELS)
    dct = math.sqrt(2 / N_MELS) * np.cos(np.pi * n * (j + 0.5) / N_MELS)
    lifter = 1 + _LIFTER / 2 * np.sin(np.pi * n / _LIFTER)
    return (dct * lifter / 10).astype(np.float32)


def _spectral(
    samples: NDArray[np.float32],
    powers: NDArray[np.float32],
    framing: Framing,
    axis: Axis,
    contours: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Fill in the spectral contours, which come in as zeros; give the spectra in dB."""
    khz = (np.arange(axis.n_bins) * axis.bin_hz / 1000).astype(np.float32)
    decibels = powers.copy()
    _to_decibels(decibels)
    _shape(powers, decibels, khz, contours)
    contours[0] = 10 * np.log10(contours[0])
    contours[2:6] *= np.float32(1000)  # from kHz, in which float32 sums are good
    np.maximum(decibels, contours[0].max() + np.float32(_SPECTRUM_FLOOR_DB), out=decibels)
    _tilt(powers, decibels, khz, contours)
    _slopes(decibels, khz, contours[11:14])
    contours[7] -= contours[0] - np.float32(10 * math.log10(axis.n_bins))
    _zero_crossings(samples, framing.window, framing.hop, contours[1])
    return decibels


@kernel
def _zero_crossings(samples: NDArray[np.float32], window: int, hop: int, rates: NDArray[np.float32]) -> None:
    # Crossings counted up to each sample: a frame's are a difference of two.
    counts = np.zeros(samples.shape[0] + 1, np.int64)
    for t in range(1, samples.shape[0]):
        counts[t + 1] = counts[t] + ((samples[t] >= 0.0) != (samples[t - 1] >= 0.0))
    for i in range(rates.shape[0]):
        first = i * hop
        rates[i] = (counts[first + window] - counts[first + 1]) / (window - 1)


@kernel
def _shape(
    powers: NDArray[np.float32],
    decibels: NDArray[np.float32],
    khz: NDArray[np.float32],
    contours: NDArray[np.float32],
) -> None:
    n_bins, n = khz.shape[0], powers.shape[1]
    total, centroid, spread = contours[0], contours[2], contours[3]
    low, high, entropy, flux = contours[4], contours[5], contours[6], contours[8]
    for k in range(n_bins):
        for i in range(n):
            total[i] += powers[k, i]
            centroid[i] += khz[k] * powers[k, i]
            entropy[i] -= decibels[k, i] * powers[k, i]
    scale = np.empty(n, np.float32)
    bits = np.float32(math.log2(10.0) / 10.0)
    for i in range(n):
        scale[i] = np.float32(1) / total[i]
        centroid[i] *= scale[i]
        entropy[i] = bits * entropy[i] * scale[i] + np.float32(math.log2(total[i]))
    step = khz[1] - khz[0]
    below = np.zeros(n, np.float32)
    shares = np.empty(n, np.float32)
    for k in range(n_bins):
        for i in range(n):
            shares[i] = powers[k, i] * scale[i]
            spread[i] += (khz[k] - centroid[i]) * (khz[k] - centroid[i]) * shares[i]
            below[i] += shares[i]
            low[i] += step if below[i] < np.float32(0.25) else np.float32(0)
            high[i] += step if below[i] < np.float32(0.85) else np.float32(0)
        for i in range(n):
            shares[i] = math.sqrt(shares[i])
        for i in range(1, n):
            flux[i] += (shares[i] - shares[i - 1]) * (shares[i] - shares[i - 1])
    for i in range(n):
        spread[i] = math.sqrt(spread[i])


@kernel
def _tilt(
    powers: NDArray[np.float32],
    decibels: NDArray[np.float32],
    khz: NDArray[np.float32],
    contours: NDArray[np.float32],
) -> None:
    n_bins, n = khz.shape[0], powers.shape[1]
    flatness, alpha, hammarberg = contours[7], contours[9], contours[10]
    low, high = np.full(n, np.float32(1e-14)), np.full(n, np.float32(1e-14))
    low_peak, high_peak = np.full(n, np.float32(-1e9)), np.full(n, np.float32(-1e9))
    for k in range(n_bins):
        f = khz[k]
        for i in range(n):
            flatness[i] += decibels[k, i] / np.float32(n_bins)
        if 0.05 <= f < 1.0:
            for i in range(n):
                low[i] += powers[k, i]
        elif 1.0 <= f < 5.0:
            for i in range(n):
                high[i] += powers[k, i]
        if f < 2.0:
            for i in range(n):
                low_peak[i] = max(low_peak[i], decibels[k, i])
        elif f < 5.0:
            for i in range(n):
                high_peak[i] = max(high_peak[i], decibels[k, i])
    for i in range(n):
        alpha[i] = np.float32(10.0) * np.float32(math.log10(low[i] / high[i]))
        hammarberg[i] = low_peak[i] - high_peak[i]


@kernel
def _slopes(decibels: NDArray[np.float32], khz: NDArray[np.float32], rows: NDArray[np.float32]) -> None:
    # rows comes in as zeros: the slope of the regression of dB on kHz in each of three bands
    n_bins, n = khz.shape[0], decibels.shape[1]
    edges = (0.0, 0.5, 1.5, 7.0)
    for band in range(3):
        count, mean, square = 0, 0.0, 0.0
        for k in range(n_bins):
            if edges[band] <= khz[k] < edges[band + 1]:
                count += 1
                mean += khz[k]
        mean /= count
        for k in range(n_bins):
            if edges[band] <= khz[k] < edges[band + 1]:
                square += (khz[k] - mean) ** 2
        for k in range(n_bins):
            if edges[band] <= khz[k] < edges[band + 1]:
                w = np.float32((khz[k] - mean) / square)
                for i in range(n):
                    rows[band, i] += w * decibels[k, i]


@kernel
def _harmonics(
    decibels: NDArray[np.float32], f0_hz: NDArray[np.float64], bin_hz: float, rows: NDArray[np.float32]
) -> None:
    # rows comes in as zeros: H1 less H2, less A1 and less A3, the peaks where the first and third formants lie
    last = decibels.shape[0] - 1
    for i in range(f0_hz.shape[0]):
        if f0_hz[i] <= 0.0:
            continue
        tops = np.full(4, np.float32(-1e9))
        f = f0_hz[i]
        lows = (0.75 * f, 1.75 * f, 300.0, 2400.0)
        highs = (1.25 * f, 2.25 * f, 1000.0, 3600.0)
        for b in range(4):
            first, stop = max(1, int(lows[b] / bin_hz)), min(last, int(highs[b] / bin_hz) + 1)
            for k in range(first, stop + 1):
                tops[b] = max(tops[b], decibels[k, i])
        for b in range(3):
            rows[b, i] = tops[0] - tops[b + 1]


def _cepstral_peak(decibels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the cepstral peak prominence of each frame, in dB."""
    levels = cepstral_powers(decibels, _FIRST_QUEFRENCY, N_FFT // 2)
    _to_decibels(levels)
    prominence = np.empty(levels.shape[1], np.float32)
    _above_line(levels, prominence)
    return prominence


@kernel
def _above_line(levels: NDArray[np.float32], prominence: NDArray[np.float32]) -> None:
    n_q, n = levels.shape
    middle = np.float32((n_q - 1) / 2)
    square = np.float32(n_q * (n_q * n_q - 1) / 12)
    mean, slope = np.zeros(n, np.float32), np.zeros(n, np.float32)
    for q in range(n_q):
        for i in range(n):
            mean[i] += levels[q, i] / np.float32(n_q)
            slope[i] += (np.float32(q) - middle) * levels[q, i] / square
    prominence[:] = np.float32(-1e9)
    for q in range(n_q):
        for i in range(n):
            above = levels[q, i] - mean[i] - slope[i] * (np.float32(q) - middle)
            prominence[i] = max(prominence[i], above)
