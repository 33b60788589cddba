"""Rows under named columns, as pandas, Polars and pyarrow take them, and as files."""

import html
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mercli import tables
from mercli.errors import UsageError
from mercli.tables import Row, Value

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN = 20  # rows in a notebook


@dataclass(frozen=True, slots=True, repr=False)
class Sheet:
    """Hold a table in memory.

    Parameters
    ----------
    rows : tuple of dict
        With a value for each column; None is a missing one.
    schema : dict of str to type
        The columns in order, and the type of their values: str, int or float.
    sources : tuple of Path
        The files it was made from, which are never written over.

    Examples
    --------
    >>> sheet = Sheet(({"file": "a.mp4", "p": 0.5}, {"file": "b.mp4", "p": None}), {"file": str, "p": float})
    >>> sheet.to_dict()
    {'file': ['a.mp4', 'b.mp4'], 'p': [0.5, None]}
    """

    rows: tuple[Row, ...]
    schema: Mapping[str, type]
    sources: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        return f"Sheet({len(self.rows)} rows of {', '.join(self.schema)})"

    def to_dict(self) -> dict[str, list[Value]]:
        """Give the values of each column: what ``pandas.DataFrame`` and ``polars.DataFrame`` take."""
        return {name: [row[name] for row in self.rows] for name in self.schema}

    def to_arrow(self) -> "pa.Table":
        """Give a pyarrow.Table, which knows the type of a column without a value too."""
        return tables.to_arrow(self.rows, self.schema)

    def write(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the table that the command writes, byte for byte, whole or not at all.

        Parameters
        ----------
        path : path
            Ends in ``.csv``, ``.parquet`` or ``.jsonl``. A table of mercli's that stands there is replaced.
        overwrite : bool
            Whether any other file is too. One that the table was made from is not in any case.

        Raises
        ------
        UsageError
            If the ending is unknown, the place cannot be written, or a file would be lost.
        """
        path = Path(path)
        tables.writer_for(path)
        if os.path.realpath(path) in set(map(os.path.realpath, self.sources)):
            raise UsageError(f"{path} is one of the files that were read; choose another name, or it is lost")
        if path.is_file() and not (overwrite or tables.is_table(path, self.schema)):
            raise UsageError(f"{path} is not a table of mercli's; choose another name, or say overwrite=True")
        tables.write(path, self.rows, self.schema, "path")

    def _repr_html_(self) -> str:
        lines = ([row[name] for name in self.schema] for row in self.rows[:_SHOWN])
        return html_table(list(self.schema), lines, left_out=len(self.rows) - _SHOWN)


def html_table(head: Sequence[str], lines: Iterable[Sequence[object]], *, left_out: int = 0) -> str:
    """Lay out a table in HTML that holds no markup but its own.

    Parameters
    ----------
    head : sequence of str
        The names of the columns.
    lines : iterable of sequences
        The cells of each row; None is an empty one.
    left_out : int
        How many rows are not among them; said below where there are any.

    Returns
    -------
    str
        A ``<table>``.

    Examples
    --------
    >>> html_table(["file"], [["<b>.mp4"]])
    '<table><thead><tr><th>file</th></tr></thead><tbody><tr><td>&lt;b&gt;.mp4</td></tr></tbody></table>'
    """

    def row(cells: Sequence[object], tag: str) -> str:
        texts = (html.escape("" if cell is None else str(cell)) for cell in cells)
        return f"<tr>{''.join(f'<{tag}>{text}</{tag}>' for text in texts)}</tr>"

    body = "".join(row(cells, "td") for cells in lines)
    foot = f"<tfoot>{row([f'and {left_out} more'], 'td')}</tfoot>" if left_out > 0 else ""
    return f"<table><thead>{row(head, 'th')}</thead><tbody>{body}</tbody>{foot}</table>"
