"""The table of results: its columns, and writers for CSV, Parquet and JSON lines."""

import csv
import itertools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mercli import profile
from mercli.errors import UsageError
from mercli.files import replaced_file
from mercli.result import PROBABILITY_DIGITS, Result, Timeline, likeliest
from mercli.spreadsheet import is_formula

if TYPE_CHECKING:
    import pyarrow as pa

Value = str | int | float | None
Row = Mapping[str, Value]

_FIRST = 3  # columns by which a table is known
_GROUP_ROWS = 1 << 15  # rows of Parquet that are held at a time

_SECONDS_DIGITS = 3
_LONGEST_LINE = 1 << 20  # bytes of a first line that are looked at


def columns(classes: Sequence[str], *, with_profile: bool = False, with_words: bool = False) -> dict[str, type]:
    """Name the columns, in order, with the type of their values.

    Parameters
    ----------
    classes : sequence of str
        The bundle's classes.
    with_profile : bool
        Whether a row says what each stage took.
    with_words : bool
        Whether words are looked at.

    Returns
    -------
    dict of str to type
        str, int or float; any cell may be missing but ``file``, ``status`` and ``bundle``.
    """
    return {
        "file": str,
        "status": str,
        "emotion": str,
        "confidence": float,
        "decided_by": str,
        "face": int,
        **{f"p_{name}": float for name in classes},
        "voice_emotion": str,
        **{f"voice_p_{name}": float for name in classes},
        "face_emotion": str,
        **{f"face_p_{name}": float for name in classes},
        **(_words_columns(classes) if with_words else {}),
        "duration_s": float,
        "n_frames": int,
        "n_face_frames": int,
        "face_coverage": float,
        "error": str,
        "bundle": str,
        **(profile.columns() if with_profile else {}),
    }


def _words_columns(classes: Sequence[str]) -> dict[str, type]:
    return {"words_emotion": str, **{f"words_p_{name}": float for name in classes}, "n_words": int}


def timeline_columns(classes: Sequence[str], *, with_words: bool = False) -> dict[str, type]:
    """Name the columns of a timeline, in order, with the type of their values; see `columns`."""
    of_what = ("p", "voice", "face", *(["words"] if with_words else []))
    probabilities = [f"{of}_{name}" for of in of_what for name in classes]
    return {"file": str, "start_s": float, "end_s": float, **dict.fromkeys(probabilities, float)}


def rows(
    name: str,
    result: Result,
    classes: Sequence[str],
    bundle: str,
    *,
    with_profile: bool = False,
    with_words: bool = False,
) -> list[Row]:
    """Lay out one result as the rows of its file: the first is of the main face, the others are of one each."""
    return [
        {
            **row(name, said, classes, bundle, with_words=with_words),
            **(profile.cells(said.spent) if with_profile else {}),
        }
        for said in (result, *result.others)
    ]


def seconds(timeline: Timeline | None) -> list[list[Value]]:
    """Lay out a timeline: the cells of each second, without the name of the file in front."""
    if timeline is None:
        return []
    times = np.stack((timeline.starts_s, timeline.ends_s), axis=1).round(_SECONDS_DIGITS).tolist()
    words = () if timeline.words is None else (timeline.words,)
    said = np.concatenate((timeline.fused, timeline.voice, timeline.face, *words), axis=1).tolist()
    return [
        [*edges, *(None if math.isnan(p) else round(p, PROBABILITY_DIGITS) for p in line)]
        for edges, line in zip(times, said, strict=True)
    ]


def row(name: str, result: Result, classes: Sequence[str], bundle: str, *, with_words: bool = False) -> Row:
    """Lay out one result as a row.

    Parameters
    ----------
    name : str
        The file's name in the table.
    result : Result
        What is known of it.
    classes : sequence of str
        The bundle's classes.
    bundle : str
        The bundle's label.
    with_words : bool
        Whether words are looked at.

    Returns
    -------
    dict
        A value for each of `columns`; None is a missing value.
    """
    evidence = result.evidence
    coverage = None
    if evidence.n_frames and evidence.n_face_frames is not None:
        coverage = round(evidence.n_face_frames / evidence.n_frames, PROBABILITY_DIGITS)
    fused, voice, face = result.fused, result.voice, result.face
    words: dict[str, Value] = {}
    if with_words:
        said = _named("words_p", result.words, classes)
        words = {"words_emotion": _top(result.words, classes), **said, "n_words": evidence.n_words}
    return {
        "file": name,
        "status": result.status,
        "emotion": _top(fused, classes),
        "confidence": None if fused is None else round(float(fused.max()), PROBABILITY_DIGITS),
        "decided_by": result.decided_by,
        "face": None if evidence.face is None else evidence.face.track,
        **_named("p", fused, classes),
        "voice_emotion": _top(voice, classes),
        **_named("voice_p", voice, classes),
        "face_emotion": _top(face, classes),
        **_named("face_p", face, classes),
        **words,
        "duration_s": None if evidence.duration_s is None else round(evidence.duration_s, _SECONDS_DIGITS),
        "n_frames": evidence.n_frames,
        "n_face_frames": evidence.n_face_frames,
        "face_coverage": coverage,
        "error": result.error,
        "bundle": bundle,
    }


def writer_for(path: Path) -> Callable[[Path, Iterable[Row], Mapping[str, type]], None]:
    """Choose a writer by the ending of the output's name.

    Raises
    ------
    UsageError
        If the ending is not one of ``.csv``, ``.parquet``, ``.jsonl``.
    """
    try:
        return {".csv": _write_csv, ".parquet": _write_parquet, ".jsonl": _write_jsonl}[path.suffix.lower()]
    except KeyError:
        raise UsageError(f"cannot tell the format of {path}: end its name in .csv, .parquet or .jsonl") from None


def is_table(path: Path, schema: Mapping[str, type]) -> bool:
    """Tell whether a file is a table of mercli's, by its first columns; an empty file is as good.

    Parameters
    ----------
    path : Path
        The file.
    schema : dict
        As `columns` or `timeline_columns` gives it, of any classes.
    """
    suffix, first = path.suffix.lower(), list(schema)[:_FIRST]
    try:
        with path.open("rb") as file:
            head = file.readline(_LONGEST_LINE)
        if suffix == ".parquet" and head:
            import pyarrow.parquet as pq

            return list(pq.read_schema(path).names[:_FIRST]) == first
        if suffix == ".jsonl" and head:
            return list(json.loads(head))[:_FIRST] == first
    except (OSError, ValueError, TypeError, RecursionError):  # pyarrow's own errors are ValueErrors
        return False
    return not head or head.startswith(f"{','.join(first)},".encode())


def write(path: Path, rows: Iterable[Row], schema: Mapping[str, type], option: str = "-o") -> None:
    """Write a table whole or not at all.

    Parameters
    ----------
    path : Path
        Its ending chooses the format.
    rows : iterable of dict
        With a value for each column; None is a missing one.
    schema : dict
        As `columns` or `timeline_columns` gives it.
    option : str
        What named the file, for the error message.

    Raises
    ------
    UsageError
        If the ending is unknown or the place cannot be written.
    """
    write_as = writer_for(path)
    with replaced_file(path, option) as part:
        write_as(part, rows, schema)


def to_arrow(rows: Iterable[Row], schema: Mapping[str, type]) -> "pa.Table":
    """Give a table as a pyarrow.Table, whose types are those of the schema whatever is missing."""
    import pyarrow as pa

    return pa.Table.from_pylist(list(rows), schema=_arrow_schema(schema))


def write_csv(file: IO[str], rows: Iterable[Row], schema: Mapping[str, type]) -> None:
    """Write a table as CSV to an open text file.

    A missing value is an empty cell. A text that a spreadsheet would take for a formula begins with an apostrophe,
    and a carriage return, which readers of CSV take for the end of a line, is a blank.
    """
    writer = csv.DictWriter(file, list(schema), lineterminator="\n")
    writer.writeheader()
    for line in rows:
        writer.writerow({name: inert(value) for name, value in line.items()})


def inert(value: Value) -> Value:
    """Give what stands in a cell of CSV for a value: no formula, and no carriage return."""
    if not isinstance(value, str):
        return value
    text = value.replace("\r", " ")
    return f"'{text}" if is_formula(text) else text


def _write_csv(path: Path, rows: Iterable[Row], schema: Mapping[str, type]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        write_csv(file, rows, schema)


def _write_jsonl(path: Path, rows: Iterable[Row], schema: Mapping[str, type]) -> None:
    del schema
    with path.open("w", encoding="utf-8", newline="") as file:
        for line in rows:
            file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")


def _write_parquet(path: Path, rows: Iterable[Row], schema: Mapping[str, type]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = _arrow_schema(schema)
    left = iter(rows)
    with pq.ParquetWriter(path, fields, write_page_checksum=True) as writer:
        while group := list(itertools.islice(left, _GROUP_ROWS)):
            writer.write_table(pa.Table.from_pylist(group, schema=fields))


def _arrow_schema(schema: Mapping[str, type]) -> "pa.Schema":
    import pyarrow as pa

    types = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    return pa.schema([(name, types[kind]) for name, kind in schema.items()])


def _top(posterior: NDArray[np.float64] | None, classes: Sequence[str]) -> str | None:
    return None if posterior is None else classes[likeliest(posterior)]


def _named(prefix: str, posterior: NDArray[np.float64] | None, classes: Sequence[str]) -> dict[str, Value]:
    if posterior is None:
        return {f"{prefix}_{name}": None for name in classes}
    return {
        f"{prefix}_{name}": round(float(p), PROBABILITY_DIGITS) for name, p in zip(classes, posterior, strict=True)
    }
