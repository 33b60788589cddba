"""The table of a page: a line a row, and what the panel of each line tells."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from mercli.charts.theme import Palette, config
from mercli.charts.timeline import DATA, ROWS, ROWS_WITH_WORDS, timeline
from mercli.report.results import STATUSES, Results, Timelines
from mercli.report.seconds import MISSING, SCALE, pack
from mercli.tables import Row, Value

if TYPE_CHECKING:  # it imports what runs workers
    from mercli.report.pictures import Pictures

_PAGE = Palette(*(f"var(--{field.name})" for field in fields(Palette)))
"""The colours of the page, whichever they are when the script draws."""

_NAMED = 5  # files that are named where a timeline has others than the table


@dataclass(frozen=True, slots=True)
class Column:
    """Hold a column of the table on the page: its title, the column of `mercli predict`, and its decimals."""

    title: str
    name: str
    decimals: int | None = None


COLUMNS = (
    Column("File", "file"),
    Column("Status", "status"),
    Column("Emotion", "emotion"),
    Column("Confidence", "confidence", 2),
    Column("Decided by", "decided_by"),
    Column("Voice", "voice_emotion"),
    Column("Face", "face_emotion"),
    Column("Words", "words_emotion"),
    Column("Coverage", "face_coverage", 2),
    Column("Duration (s)", "duration_s", 1),
    Column("Error", "error"),
)


def clips(results: Results, timelines: Timelines | None, pictures: "Pictures | None") -> dict[str, Any]:
    """Lay out the table.

    Parameters
    ----------
    results : Results
        A table of `mercli predict`.
    timelines : Timelines or None
        The seconds of its files.
    pictures : Pictures or None
        Thumbnails of its faces.

    Returns
    -------
    dict
        What the template shows, and as ``data`` what the script needs for the panels.
    """
    times = Counter(row["file"] for row in results.rows)
    found = pictures.found if pictures else {}
    columns = [column for column in COLUMNS if column.name != "words_emotion" or results.has_words]
    lines = [_line(row, columns, times[row["file"]] > 1, found) for row in results.rows]
    return {
        "columns": columns,
        "lines": lines,
        "n_pictures": sum(line["picture"] is not None for line in lines),
        "picture_px": pictures.size_px if pictures else None,
        "pictures_missing": pictures.missing if pictures else [],
        "choices": {
            name: [(value, n) for value in known if (n := _count(results.rows, name, value))]
            for name, known in _choices(results)
        },
        "data": _data(results, timelines),
        "timeline": timelines.name if timelines else None,
        "mismatch": _mismatch(results, timelines) if timelines else None,
    }


def shown(value: Value, decimals: int | None) -> str:
    """Give what stands in a cell, rounded where it is a number.

    Examples
    --------
    >>> shown(0.71047, 2), shown(None, 2), shown("ok", None)
    ('0.71', '', 'ok')
    """
    if value is None:
        return ""
    return str(value) if decimals is None else f"{value:.{decimals}f}"


def _choices(results: Results) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Name the columns that lines are chosen by, with what may stand in them."""
    return ("status", STATUSES), ("emotion", results.classes), ("decided_by", results.decided_by)


def _line(
    row: Row, columns: Sequence[Column], is_of_several: bool, pictures: Mapping[tuple[Value, Value], str]
) -> dict[str, Any]:
    cells = [(column, row[column.name], shown(row[column.name], column.decimals)) for column in columns]
    picture = pictures.get((row["file"], row["face"]))
    return {"cells": cells, "face": row["face"] if is_of_several else None, "picture": picture}


def _count(rows: Sequence[Row], name: str, value: str) -> int:
    return sum(row[name] == value for row in rows)


def _data(results: Results, timelines: Timelines | None) -> dict[str, Any]:
    """Give what the script makes panels of: probabilities as they are, the seconds of each file packed."""
    data: dict[str, Any] = {
        "classes": results.classes,
        "said_by": list((ROWS_WITH_WORDS if results.has_words else ROWS).values()),
        "rows": [
            [
                [_probabilities(row, prefix, results.classes) for prefix in results.modalities],
                row["n_face_frames"],
                row["n_frames"],
                row["bundle"],
            ]
            for row in results.rows
        ],
    }
    # Most tables have one bundle: it is told once.
    if len({row["bundle"] for row in results.rows}) == 1:
        data["bundle"] = results.rows[0]["bundle"]
        for row in data["rows"]:
            row.pop()
    if timelines is not None:
        kinds = ROWS_WITH_WORDS if timelines.has_words else ROWS
        places: dict[Value, int] = {}
        for i, row in enumerate(results.rows):
            places.setdefault(row["file"], i)
        data["files"] = [places[row["file"]] for row in results.rows]
        data["timelines"] = {
            str(places[name]): pack(rows, results.classes, kinds)
            for name, rows in timelines.seconds.items()
            if name in places
        }
        below = {"orient": "bottom", "columns": 4}
        data["spec"], data["spec_data"] = timeline(results.classes, rows=kinds), DATA
        data["kinds"] = list(kinds.values())
        data["config"] = {**config(_PAGE), "legend": {**config(_PAGE)["legend"], **below}}
        data["scale"], data["missing"] = SCALE, MISSING
    return data


def _probabilities(row: Row, prefix: str, classes: Sequence[str]) -> list[Value] | None:
    values = [row[f"{prefix}_{name}"] for name in classes]
    return None if all(value is None for value in values) else values


def _mismatch(results: Results, timelines: Timelines) -> dict[str, Any] | None:
    """Say which files have seconds and no row, and how many have rows and a duration and no seconds."""
    known = {row["file"] for row in results.rows}
    strange = [name for name in timelines.seconds if name not in known]
    without = [
        str(row["file"]) for row in results.files if row["duration_s"] and row["file"] not in timelines.seconds
    ]
    if not strange and not without:
        return None
    return {
        "strange": strange[:_NAMED],
        "n_strange": len(strange),
        "without": without[:_NAMED],
        "n_without": len(without),
    }
