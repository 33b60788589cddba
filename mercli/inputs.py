"""From what the user typed to the files to read, each with the name it has in the table."""

import fnmatch
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mercli import remote, urls
from mercli.errors import UsageError
from mercli.formats import SUFFIXES
from mercli.sources import Source
from mercli.spreadsheet import is_formula

_ESCAPE = re.compile(r"\\x[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Input:
    """Hold one file to read and its name in the table."""

    path: Source
    name: str


def find(paths: Sequence[str], *, leave_out: Collection[Path] = ()) -> list[Input]:
    """Find the media files that paths stand for.

    Parameters
    ----------
    paths : sequence of str
        Folders, walked recursively; files, taken whatever their name; or glob patterns. Each may be a URL.
    leave_out : collection of Path
        Files to pass over unless they are named outright, such as the one that is to be written.

    Returns
    -------
    list of Input
        In the order of `paths`, within a folder by name; each file once. A file found in a folder is named
        relative to that folder, a file given outright as it was given, a URL without what is secret in it. Where
        that would give two files one name, both keep the folder as typed in front. A name that a spreadsheet would
        run as a formula begins with ``./``. A folder that cannot be looked into stands for what is in it; its name
        ends in a slash.

    Raises
    ------
    UsageError
        If a path stands for nothing, or a URL cannot be listed.
    """
    passed_over = {os.path.realpath(path) for path in leave_out}
    found: dict[str, tuple[Source, str, str]] = {}  # real path -> (path, short name, long name)
    for text in paths:
        if _is_remote(text):
            for each in remote.listed(urls.plain(text)):
                if each.name is None or PurePosixPath(each.name).suffix.lower() in SUFFIXES:
                    url = each.file.url
                    found.setdefault(url, (each.file, each.name or urls.shown(url), urls.distinct(url)))
            continue
        for path, short, long in _expand(text):
            real = os.path.realpath(path)
            if real not in passed_over or path == Path(text):
                found.setdefault(real, (path, short, long))
    names = {real: short for real, (_, short, _) in found.items()}
    # A long name may in turn be another's short one, so this goes on until nothing changes.
    while True:
        times = Counter(names.values())
        longer = {real: found[real][2] for real, name in names.items() if times[name] > 1}
        if all(names[real] == long for real, long in longer.items()):
            break
        names |= longer
    return [Input(path, table_name(names[real])) for real, (path, _, _) in found.items()]


def find_some(paths: Sequence[str], *, leave_out: Collection[Path] = ()) -> list[Input]:
    """Find media files as `find` does, and raise a UsageError where there are none."""
    inputs = find(paths, leave_out=leave_out)
    if not inputs:
        raise UsageError(
            f"no video or sound file in {', '.join(map(urls.shown, paths)) or 'an empty list of paths'}"
        )
    return inputs


def _is_remote(text: str) -> bool:
    return urls.is_url(text) and not os.path.lexists(text)


def _expand(text: str) -> Iterator[tuple[Path, str, str]]:
    matches = [Path(text)] if os.path.lexists(text) else _match(text)
    if not matches:
        raise UsageError(f"no such file or folder: {text}")
    for match in matches:
        if not _is_folder(match):
            yield match, match.as_posix(), match.as_posix()
            continue
        for place, files in _walk(match):
            if files is None:
                short = match if place == match else place.relative_to(match)
                yield place, f"{short.as_posix()}/", f"{place.as_posix()}/"
                continue
            for file in (place / name for name in files if Path(name).suffix.lower() in SUFFIXES):
                yield file, file.relative_to(match).as_posix(), file.as_posix()


def _match(pattern: str) -> list[Path]:
    matches = set(_glob(Path(), Path(pattern).parts)) if pattern else set()
    folders_only = pattern.endswith(("/", os.sep))
    return sorted((match for match in matches if not folders_only or _is_folder(match)), key=str)


def _glob(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Expand a pattern as `glob` does, but follow no link within ``**``, and give folders that are closed."""
    if not parts:
        yield folder
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        for place, files in _walk(folder):
            if files is None:
                yield place
                continue
            yield from _glob(place, rest)
            if not rest:
                yield from (place / name for name in files)
    elif set(part).isdisjoint("*?["):
        if _is_there(folder / part):
            yield from _glob(folder / part, rest)
    elif (listed := _list(folder, hidden=part.startswith("."))) is None:
        yield folder
    else:
        folders, files = listed
        for name in fnmatch.filter(folders if rest else folders + files, part):
            yield from _glob(folder / name, rest)


def _walk(top: Path) -> Iterator[tuple[Path, list[str] | None]]:
    """Give a folder and those below it, no link followed, with the files in each; None where one is closed."""
    left = [top]
    while left:
        place = left.pop()
        listed = _list(place)
        if listed is None:
            yield place, None
            continue
        folders, files = listed
        yield place, files
        below = (place / name for name in reversed(folders))
        left.extend(path for path in below if not os.path.islink(path))  # noqa: PTH114 - Path.is_symlink may raise


def _list(folder: Path, *, hidden: bool = False) -> tuple[list[str], list[str]] | None:
    """Name the folders and the files in a folder: none where it is no folder, None where it is closed."""

    def give_up(error: OSError) -> None:
        raise error

    try:
        _, folders, files = next(os.walk(folder, onerror=give_up))
    except (FileNotFoundError, NotADirectoryError):
        return [], []
    except OSError:
        return None
    shown = [sorted(name for name in names if hidden or not name.startswith(".")) for names in (folders, files)]
    return shown[0], shown[1]


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises where the folder around it cannot be searched


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except PermissionError:  # who can tell; its row will say so
        return True
    except (OSError, ValueError):
        return False
    return True


def table_name(name: str) -> str:
    """Spell out what would spoil a table, so that different files still have different names."""
    spelled = _spell(name)
    if _ESCAPE.search(spelled):
        spelled = _spell(name.replace("\\", r"\\"))
    if spelled == name:
        spelled = name  # which the path holds already
    return f"./{spelled}" if is_formula(spelled) else spelled


def _spell(name: str) -> str:
    """Spell out bytes that are not UTF-8, and the one character that readers of CSV stumble over."""
    return os.fsencode(name).decode("utf-8", "backslashreplace").replace("\r", r"\x0d")
