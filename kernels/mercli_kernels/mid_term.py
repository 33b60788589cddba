"""Deltas of frame features, and their statistics over mid-term windows."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mercli_kernels.jit import kernel


def deltas(features: ArrayLike) -> NDArray[np.float64]:
    """Subtract from each frame's features those of the frame before.

    ``d[i] = x[i] - x[i-1]``, and ``d[0] = 0``.

    Parameters
    ----------
    features : array_like [shape=(n_frames, n)]
        float32 or float64, finite.

    Returns
    -------
    np.ndarray [shape=(n_frames, n)]
        float64, in the units of the features.

    Raises
    ------
    ValueError
        If the features are not a finite float table.

    Examples
    --------
    >>> from mercli_kernels import deltas
    >>> deltas([[1.0], [4.0], [2.0]]).tolist()
    [[0.0], [3.0], [-2.0]]
    """
    table = _check_features(features)
    steps = np.zeros_like(table)
    np.subtract(table[1:], table[:-1], out=steps[1:])
    return steps


def delta_stream(tables: Iterable[NDArray[np.float64]]) -> Iterator[NDArray[np.float64]]:
    """Compute the rows of `deltas` for features that come in tables.

    Parameters
    ----------
    tables : iterable of np.ndarray [shape=(n_frames, n)]
        The features, cut anywhere; each of at least one frame.

    Yields
    ------
    np.ndarray [shape=(n_frames, n)]
        The steps of each table, the first from the last frame of the table before.

    Examples
    --------
    >>> from mercli_kernels import delta_stream
    >>> [table.tolist() for table in delta_stream([[[1.0], [4.0]], [[2.0]]])]
    [[[0.0], [3.0]], [[-2.0]]]
    """
    last: NDArray[np.float64] | None = None
    for table in tables:
        yield deltas(table) if last is None else deltas(np.concatenate((last, table)))[1:]
        last = np.array(table[-1:])


def delta_names(names: Sequence[str]) -> tuple[str, ...]:
    """Name the columns of `deltas`.

    Examples
    --------
    >>> from mercli_kernels import delta_names
    >>> delta_names(["zcr", "energy"])
    ('delta_zcr', 'delta_energy')
    """
    return tuple(f"delta_{name}" for name in names)


def mid_term_statistics(features: ArrayLike, *, window_frames: int, hop_frames: int) -> NDArray[np.float64]:
    """Compute mean and standard deviation of features over mid-term windows.

    ``mean = sum x / N`` and ``std = sqrt(sum (x - mean)^2 / N)`` over the N frames of a window. A window
    begins every ``hop_frames`` as long as a frame is left, so the last ones may hold fewer than
    ``window_frames``: ``n_mid = ceil(n_frames / hop_frames)``, as in pyAudioAnalysis.

    Parameters
    ----------
    features : array_like [shape=(n_frames, n)]
        float32 or float64, finite.
    window_frames : int
        Frames a window, at least 1.
    hop_frames : int
        Frames from one window to the next, at least 1.

    Returns
    -------
    np.ndarray [shape=(n_mid, 2 * n)]
        float64, in the units of the features: n means, then n standard deviations.

    Raises
    ------
    ValueError
        If the features are not a finite float table, or a length is not a whole number of at least 1.

    Examples
    --------
    >>> from mercli_kernels import mid_term_statistics
    >>> mid_term_statistics([[1.0], [3.0], [5.0]], window_frames=2, hop_frames=2).tolist()
    [[2.0, 1.0], [5.0, 0.0]]
    """
    table = _check_features(features)
    window_frames = _check_count("window_frames", window_frames)
    hop_frames = _check_count("hop_frames", hop_frames)
    n_frames, n = table.shape
    statistics = np.zeros((-(-n_frames // hop_frames), 2 * n))
    _mid_term(table, window_frames, hop_frames, statistics)
    return statistics


def mid_term_stream(
    tables: Iterable[NDArray[np.float64]], *, window_frames: int, hop_frames: int
) -> Iterator[NDArray[np.float64]]:
    """Compute the rows of `mid_term_statistics` for features that come in tables.

    Parameters
    ----------
    tables : iterable of np.ndarray [shape=(n_frames, n)]
        The features, cut anywhere.
    window_frames, hop_frames : int
        As for `mid_term_statistics`.

    Yields
    ------
    np.ndarray [shape=(n_mid, 2 * n)]
        The rows of the windows that a table completes, where there are any; at the end, of those cut short.

    Raises
    ------
    ValueError
        As `mid_term_statistics` does.

    Examples
    --------
    >>> import numpy as np
    >>> from mercli_kernels import mid_term_stream
    >>> tables = [np.array([[1.0], [3.0], [5.0]]), np.array([[7.0], [9.0]])]
    >>> [table.tolist() for table in mid_term_stream(tables, window_frames=2, hop_frames=2)]
    [[[2.0, 1.0]], [[6.0, 1.0]], [[9.0, 0.0]]]
    """
    window_frames = _check_count("window_frames", window_frames)
    hop_frames = _check_count("hop_frames", hop_frames)
    rest: NDArray[np.float64] | None = None
    gap = 0  # frames to come that lie between two windows
    for table in tables:
        features = _check_features(table[gap:])
        gap = max(0, gap - len(table))
        if rest is not None:
            features = np.concatenate((rest, features))
        n_whole = max(0, 1 + (len(features) - window_frames) // hop_frames)
        if n_whole:
            statistics = np.zeros((n_whole, 2 * features.shape[1]))
            _mid_term(features, window_frames, hop_frames, statistics)
            yield statistics
        gap += max(0, n_whole * hop_frames - len(features))
        rest = features[n_whole * hop_frames :]
    if rest is not None and len(rest):
        yield mid_term_statistics(rest, window_frames=window_frames, hop_frames=hop_frames)


def statistic_names(names: Sequence[str]) -> tuple[str, ...]:
    """Name the columns of `mid_term_statistics`.

    Examples
    --------
    >>> from mercli_kernels import statistic_names
    >>> statistic_names(["zcr", "energy"])
    ('zcr_mean', 'energy_mean', 'zcr_std', 'energy_std')
    """
    return (*(f"{name}_mean" for name in names), *(f"{name}_std" for name in names))


@kernel
def _mid_term(features: NDArray[np.float64], window: int, hop: int, statistics: NDArray[np.float64]) -> None:
    # statistics comes in as zeros. Two passes: a one-pass variance cancels if a feature is large and steady.
    n_frames, n = features.shape
    for m in range(statistics.shape[0]):
        first = m * hop
        stop = min(first + window, n_frames)
        for i in range(first, stop):
            for c in range(n):
                statistics[m, c] += features[i, c]
        for c in range(n):
            statistics[m, c] /= stop - first
        for i in range(first, stop):
            for c in range(n):
                statistics[m, n + c] += (features[i, c] - statistics[m, c]) ** 2
        for c in range(n):
            statistics[m, n + c] = np.sqrt(statistics[m, n + c] / (stop - first))


def _check_features(features: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(features)
    if array.ndim != 2:
        raise ValueError(f"features must be a table of shape (n_frames, n); found shape {array.shape}.")
    if array.dtype not in (np.float32, np.float64):
        raise ValueError(f"features must be float32 or float64; found {array.dtype}.")
    bad = np.argwhere(~np.isfinite(array))
    if bad.size:
        frame, column = bad[0]
        raise ValueError(
            f"features must be finite; found {array[frame, column]} in frame {frame}, column {column}."
        )
    # Always a writable copy in C order: the kernel has one signature, whatever the caller's array is.
    return np.array(array, dtype=np.float64, order="C")


def _check_count(name: str, value: int) -> int:
    if not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1; found {value!r}.")
    return int(value)
