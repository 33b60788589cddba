"""The table of results: its columns, and writers for CSV, Parquet and JSON lines."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from mercli.errors import UsageError
from mercli.files import replaced_file
from mercli.judge import Result
from mercli.spreadsheet import is_formula

Value = str | int | float | None
Row = Mapping[str, Value]

_FIRST = ("file", "status", "emotion")

_PROBABILITY_DIGITS = 6
_SECONDS_DIGITS = 3


def columns(classes: Sequence[str]) -> dict[str, type]:
    """Name the columns, in order, with the type of their values.

    Parameters
    ----------
    classes : sequence of str
        The bundle's classes.

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
        **{f"p_{name}": float for name in classes},
        "voice_emotion": str,
        **{f"voice_p_{name}": float for name in classes},
        "face_emotion": str,
        **{f"face_p_{name}": float for name in classes},
        "duration_s": float,
        "n_frames": int,
        "n_face_frames": int,
        "face_coverage": float,
        "error": str,
        "bundle": str,
    }


def row(name: str, result: Result, classes: Sequence[str], bundle: str) -> Row:
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

    Returns
    -------
    dict
        A value for each of `columns`; None is a missing value.
    """
    evidence = result.evidence
    coverage = None
    if evidence.n_frames and evidence.n_face_frames is not None:
        coverage = round(evidence.n_face_frames / evidence.n_frames, _PROBABILITY_DIGITS)
    fused, voice, face = (_rounded(p) for p in (result.fused, result.voice, result.face))
    return {
        "file": name,
        "status": result.status,
        "emotion": _top(fused, classes),
        "confidence": max(fused) if fused else None,
        **_named("p", fused, classes),
        "voice_emotion": _top(voice, classes),
        **_named("voice_p", voice, classes),
        "face_emotion": _top(face, classes),
        **_named("face_p", face, classes),
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


def is_table(path: Path) -> bool:
    """Tell whether a file is a table of mercli's, by its first columns; an empty file is as good."""
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as file:
            head = file.read(64)
        if suffix == ".parquet" and head:
            import pyarrow.parquet as pq

            return list(pq.read_schema(path).names[:3]) == list(_FIRST)
    except (OSError, ValueError):  # pyarrow's own errors are ValueErrors
        return False
    return not head or head.startswith(b'{"file": "' if suffix == ".jsonl" else f"{','.join(_FIRST)},".encode())


def write(path: Path, rows: Iterable[Row], schema: Mapping[str, type]) -> None:
    """Write a table whole or not at all.

    Parameters
    ----------
    path : Path
        Its ending chooses the format.
    rows : iterable of dict
        As `row` makes them.
    schema : dict
        As `columns` gives it.

    Raises
    ------
    UsageError
        If the ending is unknown or the place cannot be written.
    """
    write_as = writer_for(path)
    with replaced_file(path) as part:
        write_as(part, rows, schema)


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

    types = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    fields = pa.schema([(name, types[kind]) for name, kind in schema.items()])
    pq.write_table(pa.Table.from_pylist(list(rows), schema=fields), path)


def _rounded(posterior: NDArray[np.float64] | None) -> list[float] | None:
    return None if posterior is None else [round(float(p), _PROBABILITY_DIGITS) for p in posterior]


def _top(posterior: list[float] | None, classes: Sequence[str]) -> str | None:
    return None if posterior is None else classes[posterior.index(max(posterior))]


def _named(prefix: str, posterior: list[float] | None, classes: Sequence[str]) -> dict[str, Value]:
    values: Sequence[Value] = posterior if posterior is not None else [None] * len(classes)
    return {f"{prefix}_{name}": value for name, value in zip(classes, values, strict=True)}
