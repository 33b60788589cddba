"""When the windows of a sound begin and end: row by row, the times of a feature set's tables."""

import numpy as np
from numpy.typing import NDArray

from mercli.formats import SAMPLE_RATE_HZ
from mercli.voice.spec import VoiceSpec


def mid_term_frames(spec: VoiceSpec) -> tuple[int, int]:
    """Give the short-term windows in a mid-term one, and from one mid-term window to the next."""
    return max(1, round(spec.mid_window_s / spec.hop_s)), max(1, round(spec.mid_hop_s / spec.hop_s))


def short_term_spans_s(spec: VoiceSpec, n_samples: int, first: int, n: int) -> NDArray[np.float64]:
    """Give beginning and end of short-term windows, in seconds.

    Parameters
    ----------
    spec : VoiceSpec
        Windows and hops.
    n_samples : int
        Samples of the whole sound.
    first, n : int
        Which windows: from `first` on, at most `n` of those that the sound has.

    Returns
    -------
    np.ndarray [shape=(n, 2)]
        float64.

    Examples
    --------
    >>> short_term_spans_s(VoiceSpec(), 16_000, 18, 5).tolist()
    [[0.9, 0.95], [0.95, 1.0]]
    """
    begin = np.arange(first, min(first + n, _n_frames(spec, n_samples)))
    return _seconds(spec, begin, begin + 1)


def mid_term_spans_s(spec: VoiceSpec, n_samples: int, first: int, n: int) -> NDArray[np.float64]:
    """Give beginning and end of mid-term windows, in seconds; see `short_term_spans_s`.

    The last windows may be shorter: they end with the last short-term window.

    Examples
    --------
    >>> mid_term_spans_s(VoiceSpec(), 24_000, 0, 5).tolist()
    [[0.0, 1.0], [1.0, 1.5]]
    """
    window, hop = mid_term_frames(spec)
    n_frames = _n_frames(spec, n_samples)
    begin = hop * np.arange(first, min(first + n, -(-n_frames // hop)))
    return _seconds(spec, begin, np.minimum(begin + window, n_frames))


def _n_frames(spec: VoiceSpec, n_samples: int) -> int:
    window, hop = _samples(spec)
    return max(0, 1 + (n_samples - window) // hop)


def _seconds(spec: VoiceSpec, begin: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float64]:
    """Turn runs of short-term windows, the last left out, into seconds."""
    window, hop = _samples(spec)
    # Whole samples are divided, so that each time is the float nearest to it and is written short.
    return np.stack((begin * hop, (stop - 1) * hop + window), axis=1) / SAMPLE_RATE_HZ


def _samples(spec: VoiceSpec) -> tuple[int, int]:
    return round(spec.window_s * SAMPLE_RATE_HZ), round(spec.hop_s * SAMPLE_RATE_HZ)
