"""The 34 short-term features of a signal, frame by frame."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mercli_kernels.chroma import N_CLASSES, chroma, semitone_runs
from mercli_kernels.mel import N_COEFFICIENTS, mel_cepstra, packed_mel_bank
from mercli_kernels.spectrum import magnitude_spectra, spectral_features
from mercli_kernels.waveform import ENTROPY_BLOCKS, Level, check_signal, levelled, waveform_features

SHORT_TERM_NAMES: tuple[str, ...] = (
    "zcr",
    "energy",
    "energy_entropy",
    "spectral_centroid",
    "spectral_spread",
    "spectral_entropy",
    "spectral_flux",
    "spectral_rolloff",
    *(f"mfcc_{n}" for n in range(1, N_COEFFICIENTS + 1)),
    *(f"chroma_{c}" for c in range(1, N_CLASSES + 1)),
    "chroma_std",
)

# A frame's spectrum has half as many bins as the frame has samples, and each of its ten blocks needs one.
_SHORTEST_WINDOW = 2 * ENTROPY_BLOCKS

# Frames are computed in blocks of about this many samples, so that a block's spectra stay in the processor's
# second-level cache and a long signal needs no more memory to work in than a short one.
_BLOCK_SAMPLES = 2**17
_SMALLEST_BLOCK = 8  # frames


def short_term_features(
    samples: ArrayLike,
    *,
    sample_rate_hz: float,
    window_s: float = 0.05,
    hop_s: float = 0.05,
    level: Level | None = None,
) -> NDArray[np.float64]:
    """Compute the 34 short-term features of each frame of a signal.

    The signal first has its mean removed and is divided by its peak: neither an offset nor a gain changes a
    feature. Frames of ``W = round(window_s * sample_rate_hz)`` samples begin every
    ``H = round(hop_s * sample_rate_hz)`` and lie fully inside the signal, ``n_frames = 1 + (n - W) // H``.
    They are not tapered.

    The first eight features are those of pyAudioAnalysis 0.3.14. The cepstra and the chroma have its
    definitions but not its errors: mel filters and pitch classes lie at their frequencies, and a pitch class
    counts all its bins.

    Parameters
    ----------
    samples : array_like [shape=(n,)]
        One channel, float32 or float64, any range.
    sample_rate_hz : float
        Sampling rate, above 266.67 Hz.
    window_s : float
        Length of a frame in seconds, at least 20 samples.
    hop_s : float
        Time from one frame to the next in seconds, at least 1 sample.
    level : Level, optional
        What `measure_level` says of the whole signal, where the samples are a part of it.

    Returns
    -------
    np.ndarray [shape=(n_frames, 34)]
        float64, the columns named by `SHORT_TERM_NAMES`. Centroid, spread and rolloff are shares of the
        Nyquist frequency; energy is the mean square relative to the peak. A signal shorter than a frame has
        no rows.

    Raises
    ------
    ValueError
        If the samples are not a finite float32 or float64 array of one dimension, if a rate or a length is
        not positive, or if the frame or the hop is too short.

    References
    ----------
    Giannakopoulos, T. (2015). pyAudioAnalysis: an open-source Python library for audio signal analysis. PLoS
    ONE 10(12): e0144610.

    Examples
    --------
    >>> import numpy as np
    >>> from mercli_kernels import SHORT_TERM_NAMES, short_term_features
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> features = short_term_features(tone, sample_rate_hz=16000)
    >>> features.shape
    (20, 34)
    >>> float(features[0, SHORT_TERM_NAMES.index("energy")].round(3))
    0.5
    """
    window, hop = _framing(sample_rate_hz, window_s, hop_s)
    mel_bank = packed_mel_bank(sample_rate_hz, window)
    semitones = semitone_runs(sample_rate_hz, window)
    signal = check_signal(samples, level)

    n_frames = max(0, 1 + (signal.samples.size - window) // hop)
    features = np.empty((n_frames, len(SHORT_TERM_NAMES)))
    block_frames = max(_SMALLEST_BLOCK, _BLOCK_SAMPLES // max(window, hop))
    for first in range(0, n_frames, block_frames):
        stop = min(first + block_frames, n_frames)
        # The flux of a block's first frame needs the spectrum of the frame before it.
        lead = min(first, 1)
        block = levelled(signal, (first - lead) * hop, (stop - 1) * hop + window)
        magnitudes = magnitude_spectra(block, window=window, hop=hop)
        rows = np.concatenate(
            (
                waveform_features(block, window=window, hop=hop),
                spectral_features(magnitudes),
                mel_cepstra(magnitudes, mel_bank),
                chroma(magnitudes, semitones),
            )
        )
        features[first:stop] = rows[:, lead:].T
    return features


def short_term_stream(
    blocks: Iterable[ArrayLike],
    *,
    level: Level,
    sample_rate_hz: float,
    window_s: float = 0.05,
    hop_s: float = 0.05,
) -> Iterator[NDArray[np.float64]]:
    """Compute the rows of `short_term_features` for a signal that comes in blocks.

    Parameters
    ----------
    blocks : iterable of array_like [shape=(n,)]
        The signal, cut anywhere; float32 or float64.
    level : Level
        What `measure_level` says of the whole signal.
    sample_rate_hz, window_s, hop_s : float
        As for `short_term_features`.

    Yields
    ------
    np.ndarray [shape=(n_frames, 34)]
        The rows of the frames that a block completes, where there are any.

    Raises
    ------
    ValueError
        As `short_term_features` does.

    Examples
    --------
    >>> import numpy as np
    >>> from mercli_kernels import measure_level, short_term_features, short_term_stream
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    >>> blocks = [tone[:7000], tone[7000:]]
    >>> tables = list(short_term_stream(blocks, level=measure_level(blocks), sample_rate_hz=16000))
    >>> [len(table) for table in tables]
    [8, 12]
    >>> bool(np.allclose(np.concatenate(tables), short_term_features(tone, sample_rate_hz=16000)))
    True
    """
    window, hop = _framing(sample_rate_hz, window_s, hop_s)
    options = {"sample_rate_hz": sample_rate_hz, "window_s": window_s, "hop_s": hop_s}
    # The flux of a block's first frame needs the frame before it, which is therefore carried over.
    rest: NDArray[Any] | None = None
    lead = 0
    for block in blocks:
        signal = np.asarray(block) if rest is None else np.concatenate((rest, block))
        n_frames = max(0, 1 + (signal.size - window) // hop)
        if n_frames > lead:
            yield short_term_features(signal, **options, level=level)[lead:]
            signal, lead = signal[(n_frames - 1) * hop :], 1
        rest = signal


def _framing(sample_rate_hz: float, window_s: float, hop_s: float) -> tuple[int, int]:
    """Give the samples a frame, and from one frame to the next."""
    sample_rate_hz = _check_positive("sample_rate_hz", sample_rate_hz)
    window_s = _check_positive("window_s", window_s)
    hop_s = _check_positive("hop_s", hop_s)
    window, hop = round(window_s * sample_rate_hz), round(hop_s * sample_rate_hz)
    if window < _SHORTEST_WINDOW:
        raise ValueError(
            f"window_s must span at least {_SHORTEST_WINDOW} samples; "
            f"found {window_s}, which spans {window} at {sample_rate_hz} Hz."
        )
    if hop < 1:
        raise ValueError(f"hop_s must span at least 1 sample; found {hop_s}, none at {sample_rate_hz} Hz.")
    return window, hop


def _check_positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a positive number; found {value}.")
    return float(value)
