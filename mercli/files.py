"""Files written whole or not at all, and the hashes that tell one from another."""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mercli.errors import UsageError


def sha256(data: bytes) -> str:
    """Hash bytes.

    Parameters
    ----------
    data : bytes
        What to hash.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    return hashlib.sha256(data).hexdigest()


def refuse_unwritable(path: Path) -> None:
    """Raise a UsageError, before hours of work, if a file could not be written at `path`."""
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            raise UsageError(f"cannot write {path}: it is a folder; give -o the name of a file")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _cannot_write(path, error) from error
    _make_part(path).unlink()


@contextlib.contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """Write a file under a temporary name beside its own, and move it into place when all went well.

    Parameters
    ----------
    path : Path
        The final name; what stands there is replaced.

    Yields
    ------
    Path
        The temporary name to write to. It is gone afterwards, whatever happened.

    Raises
    ------
    UsageError
        If nothing can be written beside `path`.
    """
    path = Path(path)
    part = _make_part(path)
    try:
        yield part
        part.chmod(0o666 & ~_umask())
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


@contextlib.contextmanager
def replaced_folder(path: Path) -> Iterator[Path]:
    """Fill a folder under a temporary name beside its own, and move it into place when all went well.

    Parameters
    ----------
    path : Path
        The final name; a folder that stands there is replaced.

    Yields
    ------
    Path
        The temporary folder to fill. It is gone afterwards, whatever happened.

    Raises
    ------
    UsageError
        If nothing can be written beside `path`, or a file is in its way.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise UsageError(f"cannot write the folder {path}: a file of that name is in the way")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent))
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another place with -o") from error
    old = part.with_suffix(".old")
    try:
        yield part
        part.chmod(0o777 & ~_umask())
        # Few systems replace a folder in one step: the old one steps aside, and comes back on failure.
        if path.exists():
            path.rename(old)
        try:
            part.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _make_part(path: Path) -> Path:
    """Make an empty file beside `path`, under a name that has room for what mkstemp adds."""
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise _cannot_write(path, error) from error
    os.close(handle)
    return Path(name)


def _cannot_write(path: Path, error: OSError) -> UsageError:
    return UsageError(f"cannot write {path}: {error.strerror}; choose another place with -o")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
