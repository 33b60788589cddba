"""Manifests: a table of files with their labels, speakers, and whatever else is known of them."""

import csv
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mercli import emotions
from mercli.corpora.labelled import Labelled
from mercli.errors import CorpusError
from mercli.wording import shortened

MANIFEST_COLUMNS = ("file", "label", "speaker")
MANIFEST_NAME = "manifest.csv"
_LIMIT = 64 << 20  # bytes: it is held in memory
_LONGEST = 200  # characters of a speaker's name
_SEXES = {"f": "female", "m": "male", "woman": "female", "man": "male"}
_TRAIT = re.compile(r"[a-z][a-z0-9_ -]{0,39}")  # a column's name that can head a table of results


def read_manifest(manifest: Path, root: Path) -> Iterator[Labelled]:
    """Read a manifest.

    Parameters
    ----------
    manifest : Path
        A CSV in UTF-8 with the columns `MANIFEST_COLUMNS`; other columns with plain names are traits.
    root : Path
        The folder that its files are relative to.

    Yields
    ------
    Labelled
        A file each, in order.

    Raises
    ------
    CorpusError
        If a line is not understood, or its file is not there.
    """
    seen: dict[Path, int] = {}
    try:
        reader = csv.DictReader(io.StringIO(_read_manifest(manifest), newline=""))
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
        _check_columns(manifest, reader.fieldnames)
        for line in reader:
            where = f"manifest {manifest}, line {reader.line_num}"
            name, word, speaker = ((line[column] or "").strip() for column in MANIFEST_COLUMNS)
            _check_cells(where, line)
            label = emotions.canonical(word)
            if label is None:
                known = f"{', '.join(emotions.ALL)} and their synonyms"
                raise CorpusError(f"{where}: unknown label {shortened(word)}; known are {known}")
            if not os.path.isfile(root / name):  # noqa: PTH113 - Path.is_file raises where a name is too long
                raise CorpusError(
                    f"{where}: no file {shortened(name)} in {root}; names are relative to the corpus or absolute"
                )
            first = seen.setdefault((root / name).resolve(), reader.line_num)
            if first != reader.line_num:
                raise CorpusError(
                    f"{where}: {shortened(name)} stands in line {first} already; give each file once"
                )
            yield Labelled(root / name, label, speaker, _traits(line))
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"the manifest {manifest} is not a CSV file in UTF-8 ({error})") from error
    if not seen:
        raise CorpusError(f"the manifest {manifest} names no file")


def _read_manifest(manifest: Path) -> str:
    try:
        with manifest.open("rb") as file:
            data = file.read(_LIMIT + 1)
    except OSError as error:
        raise CorpusError(f"cannot read the manifest {manifest}: {error.strerror}") from error
    if len(data) > _LIMIT:
        raise CorpusError(f"the manifest {manifest} is over {_LIMIT >> 20} MB, so it is no list of files")
    return data.decode("utf-8-sig")


def _check_columns(manifest: Path, columns: Sequence[str]) -> None:
    missing = [name for name in MANIFEST_COLUMNS if name not in columns]
    if not missing:
        if twice := [name for name in columns if name and columns.count(name) > 1]:
            raise CorpusError(f"manifest {manifest} has two columns named {shortened(twice[0])}; leave one out")
        return
    header = ",".join(MANIFEST_COLUMNS)
    if set(MANIFEST_COLUMNS) <= set(re.split(r"[;|\s\"]+", ",".join(columns))):
        raise CorpusError(
            f"manifest {manifest} has its columns separated otherwise than by commas; save it as CSV with commas: "
            f"its first line must name {header}"
        )
    raise CorpusError(f"manifest {manifest} has no column {missing[0]!r}; its first line must name {header}")


def _check_cells(where: str, line: Mapping[str | None, object]) -> None:
    """Raise a CorpusError where a line has too few cells or too many, or a name that cannot be printed."""
    if None in line:
        raise CorpusError(f"{where}: it has more cells than the first line; put a cell with a comma in quotes")
    if not all(isinstance(line[column], str) and str(line[column]).strip() for column in MANIFEST_COLUMNS):
        raise CorpusError(f"{where}: a cell of {','.join(MANIFEST_COLUMNS)} is empty")
    for column, cell in line.items():
        if column != "file" and isinstance(cell, str) and not cell.strip().isprintable():
            raise CorpusError(f"{where}: {column} {shortened(cell)} has a character that cannot be printed")
    if len(str(line["speaker"])) > _LONGEST:
        raise CorpusError(f"{where}: speaker {shortened(str(line['speaker']))} is no name: it is too long")


def _traits(line: Mapping[str | None, object]) -> dict[str, str]:
    """Give the cells of the other columns that have a plain name and a value, in one spelling."""
    return {
        name: _SEXES.get(cell.strip().lower(), cell.strip().lower())
        for name, cell in line.items()
        if isinstance(name, str)
        and name not in MANIFEST_COLUMNS
        and _TRAIT.fullmatch(name)
        and isinstance(cell, str)
        and 0 < len(cell.strip()) <= _LONGEST
    }
