"""Where a file to read lies: on this machine or a disk that it mounts, or behind a URL."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from mercli import fingerprint
from mercli.remote import RemoteFile, fetched

Source = Path | RemoteFile


@contextlib.contextmanager
def local(source: Source) -> Iterator[Path]:
    """Have a file as one of this machine: one behind a URL is fetched, and gone afterwards.

    Raises
    ------
    MercliError
        If it cannot be fetched: the message is the reason as a phrase.
    """
    if isinstance(source, Path):
        yield source
    else:
        with fetched(source) as path:
            yield path


def state_of(source: Source) -> str | None:
    """Give a short text that changes when a file does; see `mercli.fingerprint.fingerprint`."""
    return fingerprint.fingerprint(source) if isinstance(source, Path) else source.state


def size_of(source: Source) -> int:
    """Give the bytes of a file, 0 where nobody can tell."""
    if not isinstance(source, Path):
        return source.size_bytes or 0
    try:
        return os.stat(source).st_size  # noqa: PTH116 - a Path is slower, and may raise where a name is too long
    except (OSError, ValueError):
        return 0
