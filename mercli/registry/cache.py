"""The user's cache folder: where it is, who may change it, and whether the network may be used to fill it."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from mercli.errors import UsageError

CACHE = "MERCLI_CACHE"
"""The environment variable that names the folder for what is pulled."""

OFFLINE = "MERCLI_OFFLINE"
"""The environment variable that forbids the network."""

_NO = ("", "0", "false", "no", "off")
_TICK_S = 0.1


def cache_folder() -> Path:
    """Give the folder for what is pulled: $MERCLI_CACHE, else mercli's in the user's cache folder."""
    import platformdirs

    own = os.environ.get(CACHE)
    return Path(own).absolute() if own else platformdirs.user_cache_path("mercli", appauthor=False)


def is_offline() -> bool:
    """Tell whether the environment forbids the network."""
    return os.environ.get(OFFLINE, "").strip().lower() not in _NO


@contextlib.contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Wait until no other process changes a file, and keep others waiting meanwhile.

    Parameters
    ----------
    path : Path
        The file, in a folder that is made where there is none. A file beside it, ``.lock`` in place of its suffix,
        is there meanwhile.

    Raises
    ------
    UsageError
        If nothing can be written there.
    """
    import portalocker

    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    with contextlib.ExitStack() as stack:
        while True:
            with writing(path):
                file = stack.enter_context(lock.open("a"))
            try:
                portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
            except portalocker.AlreadyLocked:
                file.close()
                time.sleep(_TICK_S)
                continue
            except (portalocker.LockException, OSError):  # not every file system has locks
                break
            if _is(lock, file.fileno()):
                stack.callback(_remove, lock)
                break
            file.close()  # who had it has removed it since: another one may hold the new one
        yield


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say in a sentence why the cache cannot be written."""
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error.strerror or error}; name another folder in {CACHE}"
        ) from error


def _is(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # not every system removes a file that is open
        path.unlink()
