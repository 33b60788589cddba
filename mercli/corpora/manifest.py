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

MANIFEST_COLUMNS = ("file", "label", "speaker")
MANIFEST_NAME = "manifest.csv"
_LIMIT = 64 << 20  # bytes: it is held in memory
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
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        _check_columns(manifest, reader.fieldnames)
        for line in reader:
            where = f"manifest {manifest}, line {reader.line_num}"
            name, word, speaker = ((line[column] or "").strip() for column in MANIFEST_COLUMNS)
            if not (name and word and speaker):
                raise CorpusError(f"{where}: a cell of {','.join(MANIFEST_COLUMNS)} is empty")
            label = emotions.canonical(word)
            if label is None:
                raise CorpusError(
                    f"{where}: unknown label {word!r}; known are {', '.join(emotions.ALL)} and their synonyms"
                )
            if not os.path.isfile(root / name):  # noqa: PTH113 - Path.is_file raises where a name is too long
                raise CorpusError(
                    f"{where}: no file {name!r} in {root}; names are relative to the corpus or absolute"
                )
            first = seen.setdefault((root / name).resolve(), reader.line_num)
            if first != reader.line_num:
                raise CorpusError(f"{where}: {name!r} stands in line {first} already; give each file once")
            yield Labelled(root / name, label, speaker, _traits(line))
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"the manifest {manifest} is not a CSV file in UTF-8 ({error})") from error


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
        return
    header = ",".join(MANIFEST_COLUMNS)
    if set(MANIFEST_COLUMNS) <= set(re.split(r"[;|\s\"]+", ",".join(columns))):
        raise CorpusError(
            f"manifest {manifest} has its columns separated otherwise than by commas; save it as CSV with commas: "
            f"its first line must name {header}"
        )
    raise CorpusError(f"manifest {manifest} has no column {missing[0]!r}; its first line must name {header}")


def _traits(line: Mapping[str | None, object]) -> dict[str, str]:
    """Give the cells of the other columns that have a plain name and a value, in one spelling."""
    return {
        name.strip().lower(): _SEXES.get(cell.strip().lower(), cell.strip().lower())
        for name, cell in line.items()
        if isinstance(name, str)
        and name not in MANIFEST_COLUMNS
        and _TRAIT.fullmatch(name.strip().lower())
        and isinstance(cell, str)
        and cell.strip()
    }
