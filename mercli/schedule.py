"""In which order files are given out."""

import os
from collections.abc import Sequence
from pathlib import Path

_PORTION = 100  # a file of less than this part of a worker's share keeps its place


def long_first(paths: Sequence[Path], jobs: int) -> list[int]:
    """Order files so that none that takes long is left for the end, when the other workers are idle.

    Parameters
    ----------
    paths : sequence of Path
        The files; nothing but their size is looked at.
    jobs : int
        How many are worked on at a time.

    Returns
    -------
    list of int
        Places in `paths`. Files of more than a hundredth of a worker's share of the bytes come first, the largest
        in front; the others come as they are, so that what has to wait for its turn in a table waits briefly.
    """
    sizes = [_size(path) for path in paths]
    least = sum(sizes) / (jobs * _PORTION)
    large = sorted((place for place, size in enumerate(sizes) if size > least), key=lambda place: -sizes[place])
    return large + [place for place, size in enumerate(sizes) if size <= least]


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - a Path is slower, and may raise where a name is too long
    except (OSError, ValueError):
        return 0
