"""Where the transcript of a clip lies, if it lies beside it."""

import functools
import os
import re
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from mercli import remote
from mercli.errors import MercliError
from mercli.formats import TRANSCRIPT_SUFFIXES
from mercli.remote import RemoteFile
from mercli.sources import Source, state_of
from mercli.words.languages import speaks

LARGEST_BYTES = 16 << 20
"""Of a transcript: one of a whole day has some five million."""

# "eng" and "en-GB" are English too.
_TAG = re.compile(r"\.(?P<language>[A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{2,8})*")
_SETTLED_NS = 2_000_000_000  # a folder that was changed so long ago shows any further change in its time

_Listed = Mapping[str, tuple[tuple[str | None, str], ...]]


def find(path: Path, language: str) -> Path | None:
    """Find the transcript beside a media file.

    Parameters
    ----------
    path : Path
        Of ``clip.mp4`` it is ``clip.srt``, ``clip.vtt`` or ``clip.txt``, in this order; else ``clip.en.srt`` and
        the like, with a tag of the language. The case of the suffix does not count.
    language : str
        The code of two letters that a tag has to stand for.

    Returns
    -------
    Path or None
        It may be anything of that name, a folder too. None where there is none.
    """
    name = _choose(path.name, _list(path.parent), language)
    return None if name is None else path.parent / name


def has(source: Source, language: str) -> bool:
    """Tell whether a media file has a transcript beside it."""
    return _beside(source, language) is not None


def state(source: Source, language: str) -> str:
    """Give a short text that changes when the transcript beside a media file does, comes or goes."""
    found = _beside(source, language)
    if found is None:
        return ""
    stem = source.stem if isinstance(source, Path) else Path(source.name).stem
    return f"{found.name[len(stem) :]}:{state_of(found)}"


def fetch(file: RemoteFile, path: Path, language: str) -> str | None:
    """Put the transcript of a remote file beside the copy of it.

    Parameters
    ----------
    file : RemoteFile
        The media file.
    path : Path
        Its copy.
    language : str
        As of `find`.

    Returns
    -------
    str or None
        Why it is not there, as a phrase; None where it is, or none was listed.
    """
    found = _beside(file, language)
    if not isinstance(found, RemoteFile):
        return None
    if (found.size_bytes or 0) > LARGEST_BYTES:
        return f"the transcript {found.name} is over {LARGEST_BYTES >> 20} MB, so it is none"
    try:
        remote.fetch(found, path.with_name(f"{path.stem}{found.name[len(Path(file.name).stem) :]}"))
    except MercliError as error:
        return f"the transcript {found.name} cannot be fetched: {error}"
    return None


def _beside(source: Source, language: str) -> Source | None:
    if isinstance(source, Path):
        return find(source, language)
    there = {each.name: each for each in source.beside}
    name = _choose(source.name, _by_stem(there), language)
    return None if name is None else there[name]


def _choose(media: str, listed: _Listed, language: str) -> str | None:
    named = [
        (tag, name) for tag, name in listed.get(Path(media).stem, ()) if name != media and speaks(tag, language)
    ]
    if not named:
        return None
    return min(named, key=lambda found: (found[0] is not None, _rank(found[1]), found[1]))[1]


def _list(folder: Path) -> _Listed:
    """Give the transcripts in a folder, by the stem of the file that they belong to."""
    try:
        changed_ns = os.stat(folder).st_mtime_ns  # noqa: PTH116 - Path("") is no folder for its own stat
    except (OSError, ValueError):
        return {}
    if time.time_ns() - changed_ns < _SETTLED_NS:  # its time may not show the next change
        return _look(folder)
    return _looked(folder, changed_ns)


@functools.lru_cache(maxsize=8)
def _looked(folder: Path, changed_ns: int) -> _Listed:
    del changed_ns
    return _look(folder)


def _look(folder: Path) -> _Listed:
    try:
        return _by_stem(os.listdir(folder))  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return {}


def _by_stem(names: Iterable[str]) -> _Listed:
    found: dict[str, list[tuple[str | None, str]]] = {}
    for name in names:
        stem, suffix = os.path.splitext(name)  # noqa: PTH122
        if suffix.lower() not in TRANSCRIPT_SUFFIXES:
            continue
        found.setdefault(stem, []).append((None, name))
        bare, tag = os.path.splitext(stem)  # noqa: PTH122
        if match := _TAG.fullmatch(tag):
            found.setdefault(bare, []).append((match["language"], name))
    return {stem: tuple(them) for stem, them in found.items()}


def _rank(name: str) -> int:
    return TRANSCRIPT_SUFFIXES.index(os.path.splitext(name)[1].lower())  # noqa: PTH122
