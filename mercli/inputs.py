"""From what the user typed to the files to read, each with the name it has in the table."""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mercli.errors import UsageError
from mercli.media import SUFFIXES


@dataclass(frozen=True, slots=True)
class Input:
    """Hold one file to read and its name in the table."""

    path: Path
    name: str


def find(paths: Sequence[str]) -> list[Input]:
    """Find the media files that paths stand for.

    Parameters
    ----------
    paths : sequence of str
        Folders, walked recursively; files, taken whatever their name; or glob patterns.

    Returns
    -------
    list of Input
        In the order of `paths`, within a folder by name; each file once. A file found in a folder is named
        relative to that folder, a file given outright as it was given. Where that would give two files one
        name, both keep the folder as typed in front.

    Raises
    ------
    UsageError
        If a path stands for nothing.
    """
    found: dict[str, tuple[Path, str, str]] = {}  # real path -> (path, short name, long name)
    for text in paths:
        for path, short, long in _expand(text):
            found.setdefault(os.path.realpath(path), (path, short, long))
    names = {real: short for real, (_, short, _) in found.items()}
    # A long name may in turn be another's short one, so this goes on until nothing changes.
    while True:
        times = Counter(names.values())
        longer = {real: found[real][2] for real, name in names.items() if times[name] > 1}
        if all(names[real] == long for real, long in longer.items()):
            break
        names |= longer
    return [Input(path, _printable(names[real])) for real, (path, _, _) in found.items()]


def _expand(text: str) -> Iterator[tuple[Path, str, str]]:
    # Path.glob takes no absolute pattern.
    matches = [text] if os.path.lexists(text) else sorted(glob.glob(text, recursive=True))  # noqa: PTH207
    if not matches:
        raise UsageError(f"no such file or folder: {text}")
    for match in matches:
        path = Path(match)
        if path.is_dir():
            for file in _walk(path):
                yield file, file.relative_to(path).as_posix(), file.as_posix()
        else:
            yield path, path.as_posix(), path.as_posix()


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                yield Path(place) / name


def _printable(name: str) -> str:
    """Spell out the bytes of a name that is not UTF-8, and the one character that readers of CSV stumble over."""
    return os.fsencode(name).decode("utf-8", "backslashreplace").replace("\r", r"\r")
