"""Files written whole or not at all, and the hashes that tell one from another."""

import contextlib
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mercli import interrupts
from mercli.errors import UsageError

PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""A file name that leads nowhere else and is the same on every system."""


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


def refuse_unwritable(path: Path, option: str = "-o") -> None:
    """Raise a UsageError, before hours of work, if a file could not be written at `path`, which `option` named."""
    with _refused_in_words(path, option):
        _make_part(_final(path, option)).unlink()


def refuse_unwritable_folder(path: Path) -> None:
    """Raise a UsageError, before hours of work, if a folder, and those above it, could not be made at `path`."""
    with _refused_in_words(path):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            path.stat()  # raises where links lead in a circle
        final = Path(os.path.realpath(path))
        above = (place for place in final.parents if os.path.exists(place))  # noqa: PTH110 - Path.exists may raise
        place = next(above, final)
        try:
            trial = _make_part_folder(place / "trial")
        except OSError as error:
            reason = f"{place} takes no new folder ({error.strerror})"
            raise UsageError(f"cannot write {path}: {reason}; choose another place with -o") from error
        try:
            for name in final.relative_to(place).parts:  # each may be longer than the file system takes
                (trial / name).mkdir()
        finally:
            shutil.rmtree(trial, ignore_errors=True)


@contextlib.contextmanager
def replaced_file(path: Path, option: str = "-o") -> Iterator[Path]:
    """Write a file under a temporary name beside its own, and move it into place when all went well.

    Parameters
    ----------
    path : Path
        The final name; what stands there is replaced. Where that is a link, the file behind it is.
    option : str
        What named it, for the error message.

    Yields
    ------
    Path
        The temporary name to write to. It is gone afterwards, whatever happened.

    Raises
    ------
    UsageError
        If nothing can be written there.
    """
    path = Path(path)
    with _refused_in_words(path, option):
        final = _final(path, option)
    part: Path | None = None
    try:
        with interrupts.noted() as asked, _refused_in_words(path, option):
            part = _make_part(final)
        if asked.is_set():  # while it was made: nobody would have known of it
            raise KeyboardInterrupt
        yield part
        part.chmod(0o666 & ~_umask())
        with part.open("rb+") as written:  # Windows confirms only what may be written
            os.fsync(written.fileno())
        part.replace(final)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str, option: str = "-o") -> None:
    """Write a text as UTF-8, whole or not at all; see `replaced_file`."""
    with replaced_file(path, option) as part:
        part.write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


@contextlib.contextmanager
def scratch_folder(path: Path | None) -> Iterator[Path]:
    """Make a hidden folder for what is on its way to a file, and remove it in the end.

    Parameters
    ----------
    path : Path or None
        The file; the folder lies beside it, so that what was made there can be moved. None for one that lies where
        temporary files do.

    Yields
    ------
    Path
        The folder.

    Raises
    ------
    UsageError
        If none can be made there.
    """
    with _refused_in_words(path or Path(tempfile.gettempdir())):
        part = _make_part_folder(_final(path)) if path else Path(tempfile.mkdtemp(prefix="mercli-"))
    try:
        yield part
    finally:
        with interrupts.noted():  # an impatient second Ctrl-C must not leave half of it
            shutil.rmtree(part, ignore_errors=True)


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
    with _refused_in_words(path):
        if path.exists() and not path.is_dir():
            raise UsageError(f"cannot write the folder {path}: a file of that name is in the way")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _make_part_folder(path)
    old = part.with_suffix(".old")
    try:
        yield part
        part.chmod(0o777 & ~_umask())
        # Few systems replace a folder in one step: the old one steps aside, and comes back on failure.
        if path.exists():
            path.rename(old)
        part.rename(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        # Ctrl-C may have come between the two moves; the old one goes only when the new one is in its place.
        if old.exists() and (part.exists() or not path.exists()):
            _put_back(old, path)
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _put_back(old: Path, path: Path) -> None:
    try:
        old.rename(path)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; what stood there is now {old}") from error


def _final(path: Path, option: str = "-o") -> Path:
    """Find the regular file, be it there or not, that a path stands for: where it is a link, the one behind it."""
    try:
        kind = path.stat().st_mode
    except FileNotFoundError:
        kind = stat.S_IFREG
    if stat.S_ISDIR(kind):
        raise UsageError(f"cannot write {path}: it is a folder; give {option} the name of a file")
    if not stat.S_ISREG(kind):
        raise UsageError(f"cannot write {path}: it is not a regular file; give {option} the name of one")
    return Path(os.path.realpath(path)) if path.is_symlink() else path


def _make_part(path: Path) -> Path:
    """Make an empty file beside `path`, under a name that has room for what mkstemp adds."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    os.close(handle)
    return Path(name)


def _make_part_folder(path: Path) -> Path:
    """Make an empty folder beside `path`, under a name that has room for what mkdtemp adds."""
    return Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent))


@contextlib.contextmanager
def _refused_in_words(path: Path, option: str = "-o") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}; choose another place with {option}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
