"""The tables that a page is made of, read and checked: a row a clip or face, and a row a second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from mercli import emotions, tables
from mercli.errors import UsageError
from mercli.report.reading import Refused, read_rows, told
from mercli.tables import Row

STATUSES = ("ok", "partial", "failed", "crashed", "timeout")
"""What may become of a file, in the order in which a page tells of it."""

DECIDED_BY = ("voice", "face", "both")
_WITH_WORDS = ("voice", "face", "words", "both", "all")

MOST_ROWS = 50_000
"""A page of more would take a browser minutes to lay out."""

MODALITIES = ("p", "voice_p", "face_p")
"""What the columns of probabilities begin with: both, the voice, the face; the words are in some tables only."""


@dataclass(frozen=True, slots=True)
class Results:
    """Hold a table of `mercli predict`.

    Parameters
    ----------
    name : str
        The file's name.
    classes : tuple of str
        The bundle's classes.
    rows : sequence of dict
        As `mercli.tables.row` lays them out.
    """

    name: str
    classes: tuple[str, ...]
    rows: Sequence[Row]

    @property
    def has_words(self) -> bool:
        """Tell whether words were looked at."""
        return bool(self.rows) and "n_words" in self.rows[0]

    @property
    def modalities(self) -> tuple[str, ...]:
        """Give what the columns of probabilities begin with."""
        return (*MODALITIES, "words_p") if self.has_words else MODALITIES

    @property
    def decided_by(self) -> tuple[str, ...]:
        """Give what may have decided."""
        return _WITH_WORDS if self.has_words else DECIDED_BY

    @property
    def files(self) -> list[Row]:
        """Give the first row of each file, which is about its main face."""
        first: dict[object, Row] = {}
        for row in self.rows:
            first.setdefault(row["file"], row)
        return list(first.values())


@dataclass(frozen=True, slots=True)
class Timelines:
    """Hold a table of `mercli predict --timeline`: the seconds of each file, in order."""

    name: str
    classes: tuple[str, ...]
    seconds: Mapping[str, Sequence[Row]]
    has_words: bool = False


def read_results(path: Path) -> Results:
    """Read a table that `mercli predict` wrote.

    Parameters
    ----------
    path : Path
        A .csv, .parquet or .jsonl file.

    Returns
    -------
    Results
        Checked: every probability is one, every class and status is known.

    Raises
    ------
    UsageError
        If it is no such table, or is empty, damaged or too long for a page.
    """
    classes: tuple[str, ...] = ()

    def schema_of(names: Sequence[str]) -> dict[str, type]:
        nonlocal classes
        if list(names[:2]) == ["file", "start_s"]:
            raise Refused("it is a timeline; give it to --timeline, and the table of -o as the input")
        if list(names[:2]) != ["file", "status"] or "emotion" not in names:
            raise Refused("it is not a table that `mercli predict` wrote")
        classes = _classes(names, "p_")
        return tables.columns(classes, with_words="n_words" in names)

    rows = read_rows(path, schema_of)
    if len(rows) > MOST_ROWS:
        raise UsageError(f"{path}: {len(rows):,} rows are over the {MOST_ROWS:,} of a page; make several tables")
    for number, row in enumerate(rows, 1):
        if wrong := _what_is_wrong(row, classes):
            raise UsageError(f"{path}: row {number}: {wrong}")
    return Results(told(path.name), classes, rows)


def read_timelines(path: Path, results: Results) -> Timelines:
    """Read a table that `mercli predict --timeline` wrote.

    Parameters
    ----------
    path : Path
        A .csv, .parquet or .jsonl file.
    results : Results
        The table that it goes with.

    Returns
    -------
    Timelines
        Those of all files in it, be they in the table or not.

    Raises
    ------
    UsageError
        If it is no such table, is empty or damaged, or is of another bundle.
    """
    classes: tuple[str, ...] = ()
    has_words = False

    def schema_of(names: Sequence[str]) -> dict[str, type]:
        nonlocal classes, has_words
        if list(names[:3]) != ["file", "start_s", "end_s"]:
            raise Refused("it is not a timeline that `mercli predict --timeline` wrote")
        classes = _classes(names, "p_")
        if classes != results.classes:
            raise Refused(
                f"its classes are {', '.join(classes)}, those of {results.name} are {', '.join(results.classes)}: "
                "they are of different bundles"
            )
        has_words = any(name.startswith("words_") for name in names)
        return tables.timeline_columns(classes, with_words=has_words)

    seconds: dict[str, list[Row]] = {}
    for number, row in enumerate(read_rows(path, schema_of), 1):
        if row["file"] is None or row["start_s"] is None or row["end_s"] is None:
            raise UsageError(f"{path}: row {number} lacks its file or its time")
        if wrong := _no_probability(row, [name for name in row if name not in ("file", "start_s", "end_s")]):
            raise UsageError(f"{path}: row {number}: {wrong}")
        seconds.setdefault(str(row["file"]), []).append(row)
    for name, rows in seconds.items():
        starts = [float(row["start_s"] or 0) for row in rows]
        if any(second - first != 1 for first, second in pairwise(starts)):
            raise UsageError(f"{path}: the seconds of {name} do not follow each other; the file is damaged")
    return Timelines(told(path.name), classes, seconds, has_words)


def _classes(names: Sequence[str], prefix: str) -> tuple[str, ...]:
    found = tuple(name.removeprefix(prefix) for name in names if name.startswith(prefix))
    if not found:
        raise Refused(f"it has no columns {prefix}<class>")
    if strange := [name for name in found if name not in emotions.ALL]:
        raise Refused(f"{told(strange[0])!r} is no class that mercli knows; it may be of a later version")
    return found


def _what_is_wrong(row: Row, classes: Sequence[str]) -> str | None:
    """Say why a row is none of ours, or give None."""
    if row["file"] is None or row["bundle"] is None:
        return "it lacks its file or its bundle"
    if row["status"] not in STATUSES:
        return f"its status is {row['status'] or 'missing'}, and none of {', '.join(STATUSES)}"
    for name in ("emotion", "voice_emotion", "face_emotion", "words_emotion"):
        if row.get(name) is not None and row[name] not in classes:
            return f"its {name}, {row[name]}, is none of the table's classes"
    has_words = "n_words" in row
    deciding = _WITH_WORDS if has_words else DECIDED_BY
    if row["decided_by"] not in (None, *deciding):
        return f"decided_by is {row['decided_by']}, and none of {', '.join(deciding)}"
    if (row["emotion"] is None) != (row["confidence"] is None):
        return "of emotion and confidence one is missing"
    prefixes = (*MODALITIES, "words_p") if has_words else MODALITIES
    probabilities = [f"{prefix}_{name}" for prefix in prefixes for name in classes]
    return _no_probability(row, ["confidence", "face_coverage", *probabilities])


def _no_probability(row: Row, names: Sequence[str]) -> str | None:
    for name in names:
        value = row[name]
        if isinstance(value, float | int) and value > 1:
            return f"{name} is {value}, and should be 0 to 1"
    return None
