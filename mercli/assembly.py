"""A long table put together from parts that workers write, in memory that does not grow with its length."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet
from numpy.typing import NDArray

from mercli.errors import UsageError
from mercli.tables import inert

_COPIED = 1 << 20  # bytes copied at a time
_MOST_BATCHES = 256
_GROUP_CELLS = 1 << 22  # a row group of Parquet: some ten megabytes, whatever the number of columns


@dataclass(frozen=True, slots=True)
class Layout:
    """Name the columns of a table, in order.

    Parameters
    ----------
    texts : tuple of str
        Those that say the same in all rows of a part.
    seconds : tuple of str
        Times, float64.
    values : tuple of str
        Measurements, float32.
    """

    texts: tuple[str, ...]
    seconds: tuple[str, ...]
    values: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Name all columns."""
        return self.texts + self.seconds + self.values


Rows = tuple[NDArray[np.float64], NDArray[np.float32]]
"""Some rows: the columns `Layout.seconds`, then `Layout.values`. NaN is a missing value."""


class Assembly(Protocol):
    """Write one table, a part after the other."""

    def __init__(self, path: Path, layout: Layout) -> None: ...

    @staticmethod
    def write_part(path: Path, rows: Iterable[Rows], layout: Layout) -> None:
        """Write the rows of one part: this is what can be done elsewhere, and before it is the part's turn."""
        ...

    def add(self, texts: Sequence[str | None], part: Path) -> None:
        """Write on with the rows of a part, each with these texts in front."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def assembly_for(path: Path) -> type[Assembly]:
    """Choose a format by the ending of a table's name.

    Raises
    ------
    UsageError
        If the ending is not ``.csv`` or ``.parquet``.
    """
    try:
        return _FORMATS[path.suffix.lower()]
    except KeyError:
        raise UsageError(f"cannot tell the format of {path}: end its name in .csv or .parquet") from None


def columns_of(path: Path) -> tuple[str, ...] | None:
    """Name the columns of a table that is there; none where the file is empty, None where it is no table."""
    try:
        if not path.stat().st_size:
            return ()
        if path.suffix.lower() == ".parquet":
            return tuple(pa.parquet.read_schema(path).names)
        with path.open(encoding="utf-8", newline="") as file:
            return tuple(next(csv.reader([file.readline(_COPIED)], strict=True)))
    except (OSError, ValueError, csv.Error, StopIteration):  # pyarrow's own errors are ValueErrors
        return None


class _Csv:
    """A part is the lines of the table without the texts in front."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._file = path.open("wb")
        self._file.write(_line(layout.names))

    @staticmethod
    def write_part(path: Path, rows: Iterable[Rows], layout: Layout) -> None:
        plain = pa.csv.WriteOptions(include_header=False)
        with path.open("wb") as file:
            for piece in rows:
                pa.csv.write_csv(_batch(piece, layout), file, plain)

    def add(self, texts: Sequence[str | None], part: Path) -> None:
        front = _line([inert(text) for text in texts]).removesuffix(b"\n") + b","
        with part.open("rb") as file:
            while lines := file.readlines(_COPIED):
                self._file.write(front + front.join(lines))

    def close(self) -> None:
        self._file.close()


class _Parquet:
    """A part is a stream of Arrow's; the table's row groups are made of many parts."""

    def __init__(self, path: Path, layout: Layout) -> None:
        self._schema = _schema(layout)
        self._file = path.open("wb")
        # A dictionary of measurements would be as long as they are.
        self._writer = pa.parquet.ParquetWriter(
            self._file, self._schema, use_dictionary=list(layout.texts), write_page_checksum=True
        )
        self._waiting: list[Any] = []
        self._n_waiting = 0

    @staticmethod
    def write_part(path: Path, rows: Iterable[Rows], layout: Layout) -> None:
        with path.open("wb") as file, pa.ipc.new_stream(file, _schema(layout, texts=False)) as stream:
            for piece in rows:
                stream.write_batch(_batch(piece, layout))

    def add(self, texts: Sequence[str | None], part: Path) -> None:
        with part.open("rb") as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                front = [pa.repeat(pa.scalar(text, pa.string()), batch.num_rows) for text in texts]
                self._waiting.append(pa.RecordBatch.from_arrays([*front, *batch.columns], schema=self._schema))
                self._n_waiting += batch.num_rows
                if len(self._waiting) == _MOST_BATCHES:  # a row of its own takes many times its size
                    self._waiting = pa.Table.from_batches(self._waiting).combine_chunks().to_batches()
                if self._n_waiting * len(self._schema) >= _GROUP_CELLS:
                    self._write_group()

    def close(self) -> None:
        try:
            if self._n_waiting:
                self._write_group()
            self._writer.close()
        finally:
            self._file.close()

    def _write_group(self) -> None:
        group = pa.Table.from_batches(self._waiting, self._schema)
        self._writer.write_table(group, row_group_size=self._n_waiting)
        self._waiting, self._n_waiting = [], 0


_FORMATS: dict[str, type[Assembly]] = {".csv": _Csv, ".parquet": _Parquet}


def _line(cells: Iterable[object]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def _schema(layout: Layout, *, texts: bool = True) -> Any:
    front = [(name, pa.string()) for name in layout.texts] if texts else []
    seconds = [(name, pa.float64()) for name in layout.seconds]
    return pa.schema([*front, *seconds, *((name, pa.float32()) for name in layout.values)])


def _batch(rows: Rows, layout: Layout) -> Any:
    # Arrow takes NaN for a missing value only where it is told that pandas does.
    arrays = [pa.array(column, from_pandas=True) for table in rows for column in np.ascontiguousarray(table.T)]
    return pa.RecordBatch.from_arrays(arrays, schema=_schema(layout, texts=False))
