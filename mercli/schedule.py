"""In which order files are given out."""

from collections.abc import Sequence

from mercli.sources import Source, size_of

_PORTION = 100  # a file of less than this part of a worker's share keeps its place


def long_first(paths: Sequence[Source], jobs: int) -> list[int]:
    """Order files so that none that takes long is left for the end, when the other workers are idle.

    Parameters
    ----------
    paths : sequence of Path or RemoteFile
        The files; nothing but their size is looked at.
    jobs : int
        How many are worked on at a time.

    Returns
    -------
    list of int
        Places in `paths`. Files of more than a hundredth of a worker's share of the bytes come first, the largest
        in front; the others come as they are, so that what has to wait for its turn in a table waits briefly.
    """
    sizes = [size_of(path) for path in paths]
    least = sum(sizes) / (jobs * _PORTION)
    large = sorted((place for place, size in enumerate(sizes) if size > least), key=lambda place: -sizes[place])
    return large + [place for place, size in enumerate(sizes) if size <= least]
