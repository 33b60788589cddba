"""Files behind URLs: listed, told apart and fetched by fsspec, whatever the protocol."""

import contextlib
import glob
import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from mercli.errors import MercliError, UsageError
from mercli.formats import TRANSCRIPT_SUFFIXES
from mercli.urls import chain, folder_of, is_pattern, name_of, readable, shown, without_secrets

_TELLING = {  # what storages call the things that change with a file's content
    "etag",
    "contentmd5",
    "md5hash",
    "digest",
    "generation",
    "lastmodified",
    "updated",
    "mtime",
    "modified",
}
_TEMPORARY, _LOCK = "mercli-fetched-", ".lock"
_SETTLED_S = 60.0
_CONNECT_S, _SILENCE_S = 30, 60  # of a web server; how long a file takes in all is limited by --timeout


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """Name a file behind a URL.

    Parameters
    ----------
    url : str
        As fsspec takes it.
    size_bytes : int or None
        Where the storage says it.
    state : str or None
        Changes when the file does; None where the storage says nothing that would.
    beside : tuple of RemoteFile
        Files of the same name but for the ending that were listed with it, such as its transcript.
    """

    url: str
    size_bytes: int | None = None
    state: str | None = None
    beside: tuple["RemoteFile", ...] = ()

    @property
    def name(self) -> str:
        """Give the last part of its path."""
        return name_of(self.url)


@dataclass(frozen=True, slots=True)
class Listed:
    """Hold a file that a URL stands for, and its name within the folder that was asked for, if one was."""

    file: RemoteFile
    name: str | None


def listed(url: str) -> list[Listed]:
    """Name the files that a URL stands for.

    Parameters
    ----------
    url : str
        Of a folder, which is walked recursively; of a file; or a pattern with ``*``, ``?`` or ``[``, whose folders
        are walked.

    Returns
    -------
    list of Listed
        In the order of their names.

    Raises
    ------
    UsageError
        If there is nothing, the storage cannot be reached or refuses, or no library here knows the protocol.
    """
    with _said_of(url):
        system, path = _open(url)
        if is_pattern(url):
            matched = _matched(system, url, path)
            found = list(matched.values())
            texts = _texts_in(system, url, {each.rpartition("/")[0] for each in matched})
        elif system.isdir(path):
            found = list(_walked(system, url, path).values())
            texts = [each.file for each in found]
        else:
            found = [_describe(system, url, path, system.info(path), None)]
            texts = _texts_beside(system, url, path)
    if not found:
        raise UsageError(f"nothing at {shown(url)}")
    return _with_neighbours(found, texts)


@contextlib.contextmanager
def fetched(file: RemoteFile) -> Iterator[Path]:
    """Fetch a file, and remove it afterwards.

    Parameters
    ----------
    file : RemoteFile
        Which.

    Yields
    ------
    Path
        In a temporary folder of its own, under its own ending.

    Raises
    ------
    MercliError
        If it cannot be fetched: the message is the reason as a phrase.
    """
    _sweep()
    with _scratch() as folder:
        path = folder / f"file{PurePosixPath(file.name).suffix}"
        fetch(file, path)
        yield path


def fetch(file: RemoteFile, path: Path) -> None:
    """Fetch a file to a path; a MercliError is the reason why it cannot be, as a phrase."""
    try:
        with _said_of(file.url):
            system, there = _open(file.url)
            system.get_file(there, str(path))
    except UsageError as error:
        raise MercliError(str(error)) from error


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Make a folder that `_sweep` leaves alone, on this machine and on others that see it, while this is open."""
    import portalocker

    try:
        folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY))
        lock = (folder / _LOCK).open("w")
    except OSError as error:
        raise MercliError(f"cannot fetch it to {tempfile.gettempdir()}: {error.strerror}") from error
    try:
        with lock:
            with contextlib.suppress(portalocker.LockException, OSError):  # not every file system has locks
                portalocker.lock(lock, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep() -> None:
    """Remove what processes that were killed have fetched and left."""
    import portalocker

    for left in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY}*"):
        with contextlib.suppress(OSError, portalocker.LockException):  # it is in use, or nobody can tell
            if time.time() - left.stat().st_mtime < _SETTLED_S:  # it may be about to be locked
                continue
            with (left / _LOCK).open("r+") as lock:
                portalocker.lock(lock, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
                shutil.rmtree(left, ignore_errors=True)


def _open(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UsageError(
            f'{shown(url)} is a URL, which needs fsspec: python -m pip install "mercli[urls]"'
        ) from None
    options: dict[str, Any] = {}
    for protocol in ("http", "https"):
        if any(part.startswith(f"{protocol}://") for part in chain(url)):
            import aiohttp

            # It would give up on a film after five minutes, whether or not it comes.
            limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S)
            options[protocol] = {"client_kwargs": {"timeout": limits}}
    system, path = url_to_fs(url, **options)
    return system, str(path)


def _matched(system: Any, url: str, path: str) -> dict[str, Listed]:
    """Give what a pattern stands for, by its path, with all that is in folders which match."""
    found: dict[str, Listed] = {}
    for each, info in sorted(system.glob(path, detail=True).items()):
        is_folder = info.get("type") == "directory"
        there = _walked(system, url, each) if is_folder else {each: _describe(system, url, each, info, None)}
        found.update((path, one) for path, one in there.items() if path not in found)
    return found


def _walked(system: Any, url: str, folder: str) -> dict[str, Listed]:
    """Give what lies in a folder and those below it, by its path, but for what is hidden; each is named within."""
    top = folder.rstrip("/") + "/"
    infos = system.find(folder, detail=True)
    names = {each: readable(each.removeprefix(top).lstrip("/"), url) for each in sorted(infos)}
    return {
        each: _describe(system, url, each, infos[each], name)
        for each, name in names.items()
        if not any(part.startswith(".") for part in name.split("/"))
    }


def _texts_in(system: Any, url: str, folders: Iterable[str]) -> list[RemoteFile]:
    """Give what may be transcripts in some folders, as far as those can be listed."""
    found = []
    for folder in sorted(folders):
        with contextlib.suppress(Exception):  # it need not allow that
            for info in system.ls(folder, detail=True):
                if PurePosixPath(info["name"]).suffix.lower() in TRANSCRIPT_SUFFIXES:
                    found.append(_describe(system, url, info["name"], info, None).file)
    return found


def _texts_beside(system: Any, url: str, path: str) -> list[RemoteFile]:
    """Give what may be transcripts of one file: its folder may hold millions of others."""
    stem = path[: len(path) - len(PurePosixPath(path).suffix)]
    with contextlib.suppress(Exception):
        infos = system.glob(f"{glob.escape(stem)}.*", detail=True)
        return [_describe(system, url, each, info, None).file for each, info in infos.items() if each != path]
    return []


def _describe(system: Any, url: str, path: str, info: Mapping[str, Any], name: str | None) -> Listed:
    size = info.get("size")
    if size is None:  # a folder's page on the web says nothing of its files
        with contextlib.suppress(Exception):
            info = system.info(path)
            size = info.get("size")
    first, *rest = chain(url)
    full = system.unstrip_protocol(path)
    # A cache in front of another storage gives the URL of that.
    parts = [full, *rest] if "://" in first else [first, full]
    return Listed(RemoteFile("::".join(parts), size if type(size) is int else None, _state(info)), name)


def _state(info: Mapping[str, Any]) -> str | None:
    telling = {
        plain: str(value)
        for key, value in info.items()
        if (plain := re.sub(r"[^a-z0-9]", "", key.lower())) in _TELLING and value
    }
    if not telling:
        return None
    told = "|".join(f"{key}={telling[key]}" for key in sorted(telling))
    return f"{info.get('size')}-url-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def _with_neighbours(found: list[Listed], texts: Iterable[RemoteFile]) -> list[Listed]:
    """Have each media file know the small files that share its name: its transcript may be among them."""
    by_stem: dict[tuple[str, str], list[RemoteFile]] = {}
    for text in texts:
        if PurePosixPath(text.name).suffix.lower() in TRANSCRIPT_SUFFIXES:
            by_stem.setdefault((folder_of(text.url), text.name.split(".")[0]), []).append(text)
    if not by_stem:
        return found

    def neighbours(file: RemoteFile) -> tuple[RemoteFile, ...]:
        alike = by_stem.get((folder_of(file.url), file.name.split(".")[0]), [])
        stem = PurePosixPath(file.name).stem
        return tuple(text for text in alike if text.url != file.url and text.name.startswith(f"{stem}."))

    return [replace(each, file=replace(each.file, beside=neighbours(each.file))) for each in found]


@contextlib.contextmanager
def _said_of(url: str) -> Iterator[None]:
    """Turn what storages raise, each errors of its own, into a sentence."""
    try:
        yield
    except MercliError:
        raise
    except ImportError as error:  # fsspec says which package knows the protocol
        hint = '; python -m pip install "mercli[urls]" has what https:// needs'
        raise UsageError(f"cannot read {shown(url)}: {_reason(error)}{hint}") from error
    except FileNotFoundError as error:
        raise UsageError(f"cannot read {shown(url)}: nothing is there, or the server does not give it") from error
    except TimeoutError as error:  # fsspec's is one, too
        raise UsageError(f"cannot read {shown(url)}: the server said nothing for {_SILENCE_S} s") from error
    except Exception as error:
        raise UsageError(f"cannot read {shown(url)}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    status, message = getattr(error, "status", None), getattr(error, "message", None)
    if type(status) is int:
        return f"the server says {status} {message or ''}".rstrip()
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = lines[0] if not lines[0].endswith(":") else " ".join(lines[:2])
    bare = without_secrets(line)
    return "".join(letter if letter.isprintable() else "?" for letter in bare[:200]).rstrip(".")
