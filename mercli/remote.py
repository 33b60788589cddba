"""Files behind URLs: listed, told apart and fetched by fsspec, whatever the protocol."""

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from mercli.errors import MercliError, UsageError
from mercli.formats import TRANSCRIPT_SUFFIXES

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(://|::)")  # two letters at least: C:// is a drive
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
_TEMPORARY = "mercli-fetched-"


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
        return PurePosixPath(unquote(_path_of(self.url))).name


@dataclass(frozen=True, slots=True)
class Listed:
    """Hold a file that a URL stands for, and its name within the folder that was asked for, if one was."""

    file: RemoteFile
    name: str | None


def is_url(text: str) -> bool:
    """Tell whether a text has the form of a URL.

    Examples
    --------
    >>> is_url("s3://bucket/clips"), is_url("clips/a.mp4"), is_url("C:/clips")
    (True, False, False)
    """
    return _URL.match(text) is not None


def shown(url: str) -> str:
    """Give a URL without what may be secret in it: user, password and the query that signs it.

    Examples
    --------
    >>> shown("https://me:secret@host/a.mp4?signature=1")
    'https://host/a.mp4'
    """
    try:
        parts = urlsplit(url)
    except ValueError:  # half an IPv6 address
        return url.partition("?")[0].rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))


def listed(url: str) -> list[Listed]:
    """Name the files that a URL stands for.

    Parameters
    ----------
    url : str
        Of a folder, which is walked recursively; of a file; or a pattern with ``*``, ``?`` or ``[``.

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
        if set(_path_of(url)) & set("*?["):
            infos = system.glob(path, detail=True)
            found = [_describe(system, url, each, infos[each], None) for each in sorted(infos)]
        elif system.isdir(path):
            infos = system.find(path, detail=True)
            top = path.rstrip("/") + "/"
            found = [
                _describe(system, url, each, infos[each], each.removeprefix(top).lstrip("/"))
                for each in sorted(infos)
            ]
        else:
            found = [_describe(system, url, path, system.info(path), None)]
    if not found:
        raise UsageError(f"nothing at {shown(url)}")
    return _with_neighbours(found)


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
        In a temporary folder, under its own ending.

    Raises
    ------
    MercliError
        If it cannot be fetched: the message is the reason as a phrase.
    """
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{_TEMPORARY}{os.getpid()}-"))
    try:
        name = PurePosixPath(file.name)
        path = folder / f"file{name.suffix}"
        try:
            _fetch(file, path)
            for other in file.beside:
                _fetch(other, folder / f"file{other.name[len(name.stem) :]}")
        except UsageError as error:
            raise MercliError(str(error)) from error
        yield path
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _fetch(file: RemoteFile, path: Path) -> None:
    with _said_of(file.url):
        system, there = _open(file.url)
        system.get_file(there, str(path))


def _with_neighbours(found: list[Listed]) -> list[Listed]:
    """Have each media file know the small files that share its name: its transcript may be among them."""
    texts: dict[str, list[RemoteFile]] = {}
    for each in found:
        folder, _, name = each.file.url.rpartition("/")
        if PurePosixPath(each.file.name).suffix.lower() in TRANSCRIPT_SUFFIXES:
            texts.setdefault(f"{folder}/{name.split('.')[0]}", []).append(each.file)
    if not texts:
        return found

    def neighbours(file: RemoteFile) -> tuple[RemoteFile, ...]:
        folder, _, name = file.url.rpartition("/")
        stem = PurePosixPath(file.name).stem
        alike = texts.get(f"{folder}/{name.split('.')[0]}", [])
        return tuple(text for text in alike if text != file and text.name.startswith(f"{stem}."))

    return [replace(each, file=replace(each.file, beside=neighbours(each.file))) for each in found]


def _sweep() -> None:
    """Remove what processes that were killed have fetched and left."""
    import psutil

    for left in Path(tempfile.gettempdir()).glob(f"{_TEMPORARY}*"):
        owner = left.name.removeprefix(_TEMPORARY).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _open(url: str) -> tuple[Any, str]:
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        raise UsageError(
            f'{shown(url)} is a URL, which needs fsspec: python -m pip install "mercli[urls]"'
        ) from None
    system, path = url_to_fs(url)
    return system, str(path)


def _describe(system: Any, url: str, path: str, info: Mapping[str, Any], name: str | None) -> Listed:
    size = info.get("size")
    if size is None and name is not None:  # a folder's page on the web says nothing of its files
        with contextlib.suppress(Exception):
            info = system.info(path)
            size = info.get("size")
    _, chained, rest = url.partition("::")
    full = system.unstrip_protocol(path) + chained + rest
    return Listed(RemoteFile(full, size if type(size) is int else None, _state(info)), name)


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


def _path_of(url: str) -> str:
    first = url.partition("::")[0]
    with contextlib.suppress(ValueError):
        return urlsplit(first).path or first
    return first


@contextlib.contextmanager
def _said_of(url: str) -> Iterator[None]:
    """Turn what storages raise, each errors of its own, into a sentence."""
    try:
        yield
    except MercliError:
        raise
    except ImportError as error:  # fsspec says which package knows the protocol
        raise UsageError(f"cannot read {shown(url)}: {_first_line(error)}") from error
    except FileNotFoundError as error:
        raise UsageError(f"cannot read {shown(url)}: nothing is there, or the server does not give it") from error
    except Exception as error:
        raise UsageError(f"cannot read {shown(url)}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    line = (str(error).strip() or type(error).__name__).splitlines()[0][:200].rstrip(".")
    return "".join(letter if letter.isprintable() else "?" for letter in line)
