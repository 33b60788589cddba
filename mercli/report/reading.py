"""Read a table that mercli wrote, from CSV, Parquet or JSON lines, and check every cell of it."""

import csv
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from mercli.errors import UsageError
from mercli.tables import Row, Value

Raw = tuple[str, Mapping[str, Any]]
"""Where in the file a row stands, as ``line 7``, and its cells by column."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_NAMED = 4  # columns that are named where many are missing


class Refused(Exception):  # noqa: N818  # it becomes a UsageError that names the file
    """Report what is wrong with a table, as a phrase."""


def read_rows(path: Path, schema_of: Callable[[Sequence[str]], Mapping[str, type]]) -> list[Row]:
    """Read a table.

    Parameters
    ----------
    path : Path
        A .csv, .parquet or .jsonl file.
    schema_of : callable
        Given the names of its columns, gives those it has to have with the type of their values; may raise
        `Refused`.

    Returns
    -------
    list of dict
        A value for each column of the schema; None is a missing one. Texts can be written as UTF-8.

    Raises
    ------
    UsageError
        If it cannot be read, or is no such table: which file, where in it, and what is wrong.
    """
    try:
        names, raw_rows = _open(path)
        schema = schema_of(names)
        if missing := [name for name in schema if name not in names]:
            more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
            raise Refused(f"it lacks the columns {', '.join(missing[:_NAMED])}{more}")
        read = [_read_row(where, cells, schema) for where, cells in raw_rows]
    except Refused as error:
        raise UsageError(f"{path}: {error}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: it is not UTF-8 text (byte {error.start}); the file is damaged") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    if not read:
        raise UsageError(f"{path}: the table has no rows")
    return read


def told(text: str) -> str:
    r"""Spell out what no page can hold: lone surrogates and control characters but line feed and tab.

    Examples
    --------
    >>> print(told("a\x00\ud800"))
    a\x00\ud800
    """
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _open(path: Path) -> tuple[Sequence[str], Iterator[Raw]]:
    """Give the names of the columns, and the rows as they stand there."""
    readers = {".csv": _open_csv, ".parquet": _open_parquet, ".jsonl": _open_jsonl}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"cannot tell the format of {path}: its name should end in .csv, .parquet or .jsonl")
    if not path.is_file():
        raise UsageError(f"no such file: {path}")
    if not path.stat().st_size:
        raise Refused("the file is empty")
    names, rows = reader(path)
    if doubled := next((name for i, name in enumerate(names) if name in names[:i]), None):
        raise Refused(f"it has two columns named {told(doubled)!r}")
    return names, rows


def _open_csv(path: Path) -> tuple[Sequence[str], Iterator[Raw]]:
    lines = _csv_lines(path)
    _, names = next(lines, ("", []))

    def rows() -> Iterator[Raw]:
        for where, cells in lines:
            if cells == names:
                raise Refused(f"{where} is a line of column names again; give one table at a time")
            if len(cells) != len(names):
                raise Refused(f"{where} has {len(cells)} cells and not {len(names)}: the file is damaged or cut")
            yield where, {name: cell or None for name, cell in zip(names, cells, strict=True)}

    return names, rows()


def _csv_lines(path: Path) -> Iterator[tuple[str, list[str]]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        begun = 1
        try:
            for cells in lines:
                if cells:
                    yield f"line {begun}", cells
                begun = lines.line_num + 1
        except csv.Error as error:
            raise Refused(f"line {begun} is no CSV ({error}): the file is damaged or cut") from error


def _open_jsonl(path: Path) -> tuple[Sequence[str], Iterator[Raw]]:
    lines = _json_lines(path)
    first = next(lines, None)
    if first is None:
        raise Refused("the table has no rows")
    names = list(first[1])

    def rows() -> Iterator[Raw]:
        yield first
        for where, cells in lines:
            if list(cells) != names:
                raise Refused(f"{where} has other columns than the first; give one table at a time")
            yield where, cells

    return names, rows()


def _json_lines(path: Path) -> Iterator[Raw]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                cells = json.loads(line, parse_constant=_refuse_constant)
            except (ValueError, RecursionError) as error:
                raise Refused(f"line {number} is no JSON: the file is damaged or cut") from error
            if not isinstance(cells, dict):
                raise Refused(f"line {number} is no JSON object")
            yield f"line {number}", cells


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _open_parquet(path: Path) -> tuple[Sequence[str], Iterator[Raw]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read()
        rows = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise Refused("it is not a Parquet file that can be read; it is damaged or cut") from error
    return table.column_names, ((f"row {i}", cells) for i, cells in enumerate(rows, 1))


def _read_row(where: str, cells: Mapping[str, Any], schema: Mapping[str, type]) -> Row:
    row: dict[str, Value] = {}
    for name, kind in schema.items():
        try:
            row[name] = _read_cell(cells[name], kind)
        except ValueError as error:
            raise Refused(f"{where}, {name}: {_short(cells[name])} {error}") from None
    return row


def _read_cell(value: object, kind: type) -> Value:
    """Give a value of its kind; raise a ValueError that says what it is not."""
    if value is None:
        return None
    if kind is str:
        if not isinstance(value, str):
            raise ValueError("is no text")
        return told(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("is no number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError("is no number") from None
    if not 0 <= number < math.inf:
        raise ValueError("is no number of 0 or more")
    if kind is float:
        return number
    if number != int(number):
        raise ValueError("is no whole number")
    return int(number)


def _short(value: object) -> str:
    shown = told(repr(value))
    return shown if len(shown) <= 40 else f"{shown[:37]}…"
