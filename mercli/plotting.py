"""What is said of one file second by second, as a picture: what `mercli plot` draws."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mercli import tables
from mercli.charts.theme import DARK, LIGHT, Palette, Spec
from mercli.charts.timeline import DATA, ROWS, ROWS_WITH_WORDS, timeline, values
from mercli.errors import UsageError
from mercli.files import replaced_file
from mercli.result import Result, Timeline, likeliest

SUFFIXES = (".png", ".svg")
"""Of the pictures that are drawn."""

_STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_MOST_BINS = 400  # side by side: more could not be told apart
_WIDTHS = (420, 1200)  # of the plot, in pixels
_SECOND_PX = 14
_TICK_PX = 70  # from one number below the plot to the next, at least


def check_suffix(output: Path) -> None:
    """Raise a UsageError where no picture of that name is drawn."""
    if output.suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot tell the format of {output}: end its name in {' or '.join(SUFFIXES)}")


def step_s(duration_s: float) -> int:
    """Give how many seconds are drawn as one.

    Examples
    --------
    >>> step_s(7), step_s(400), step_s(3600), step_s(86400)
    (1, 1, 10, 300)
    """
    return next((step for step in _STEPS_S if duration_s <= step * _MOST_BINS), _STEPS_S[-1])


def in_steps(said: Timeline, step: int) -> Timeline:
    """Average seconds of a timeline, those of which something was said.

    Parameters
    ----------
    said : Timeline
        Second by second.
    step : int
        How many make one.

    Returns
    -------
    Timeline
        Of parts of `step` seconds; the last may be shorter.
    """
    if step == 1 or not len(said.starts_s):
        return said
    first = np.arange(0, len(said.starts_s), step)
    ends = np.append(first[1:], len(said.starts_s)) - 1
    fused, voice, face = (_means(part, first) for part in (said.fused, said.voice, said.face))
    words = None if said.words is None else _means(said.words, first)
    return Timeline(said.starts_s[first], said.ends_s[ends], fused, voice, face, words)


def _means(posteriors: NDArray[np.float64], first: NDArray[np.int_]) -> NDArray[np.float64]:
    there = ~np.isnan(posteriors)
    sums = np.add.reduceat(np.where(there, posteriors, 0.0), first, axis=0)
    counts = np.add.reduceat(there.astype(np.float64), first, axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)


def chart(name: str, result: Result, classes: Sequence[str], *, colours: Palette = LIGHT) -> Spec:
    """Lay out what is said of a file, second by second.

    Parameters
    ----------
    name : str
        What the file is called: text, whatever it holds.
    result : Result
        What is said of it, with its timeline.
    classes : sequence of str
        The bundle's classes.
    colours : Palette
        What it will be drawn with.

    Returns
    -------
    dict
        A Vega-Lite specification, for `mercli.charts.drawing.draw`.
    """
    if result.timeline is None:
        raise ValueError("the result has no timeline")
    duration_s = float(result.timeline.ends_s[-1]) if len(result.timeline.ends_s) else 0.0
    step = step_s(duration_s)
    said = in_steps(result.timeline, step)
    has_words = said.words is not None
    of = ROWS_WITH_WORDS if has_words else ROWS
    names = list(tables.timeline_columns(classes, with_words=has_words))[1:]
    rows = [dict(zip(names, cells, strict=True)) for cells in tables.seconds(said)]
    least, most = _WIDTHS
    width = round(min(most, max(least, _SECOND_PX * duration_s)))
    spec = timeline(classes, width=width, rows=of)
    data = list(values(rows, classes, of))
    shown = {value["of"] for value in data}
    if len(shown) == 2:  # of one modality only: what both say is no more than that
        data = [value for value in data if value["of"] != of["p"]]
    spec["data"] = {"name": DATA, "values": data}
    ticks = _ticks(duration_s, width)
    spec["spec"]["encoding"]["x"] |= {
        "title": "minutes and seconds" if duration_s < 3600 else "hours, minutes and seconds",
        "scale": {"domain": [0, max(duration_s, 0.001)], "nice": False},
        "axis": {"values": ticks, "labelExpr": _CLOCK if duration_s < 3600 else _LONG_CLOCK},
    }
    # Else the ground shines through where two rectangles meet.
    spec["spec"]["mark"] = {"type": "rect", "strokeWidth": 0.5}
    spec["spec"]["encoding"]["stroke"] = spec["spec"]["encoding"]["color"]
    spec["spec"]["encoding"]["y"]["axis"] |= {"format": "%"}
    spec["title"] = {
        "text": _plain(name),
        "subtitle": _notes(result, classes, step, [row for row in of.values() if row not in shown]),
        "color": colours.ink,
        "subtitleColor": colours.quiet,
        "limit": width,
        "offset": 14,
    }
    spec["padding"] = 16
    return spec


_CLOCK = "floor(datum.value / 60) + ':' + pad(datum.value % 60, 2, '0', 'left')"
_LONG_CLOCK = (
    "floor(datum.value / 3600) + ':' + pad(floor(datum.value / 60) % 60, 2, '0', 'left') + ':' + "
    "pad(datum.value % 60, 2, '0', 'left')"
)


def _ticks(duration_s: float, width: int) -> list[int]:
    n_most = max(2, width // _TICK_PX)
    each_s = next((step for step in (*_STEPS_S, 7200, 14400) if duration_s / step <= n_most), 14400)
    return list(range(0, math.floor(duration_s) + 1, each_s))


def _notes(result: Result, classes: Sequence[str], step: int, absent: Sequence[str]) -> list[str]:
    notes = []
    if result.fused is not None:
        best = likeliest(result.fused)
        by = {"voice": "the voice", "face": "the face", "words": "the words", "all": "all"}.get(
            result.decided_by or "", "both"
        )
        notes.append(f"whole clip: {classes[best]} {result.fused[best]:.0%}, decided by {by}")
    if result.error:
        notes.append(_plain(result.error))
    elif absent:
        notes.append(f"not looked at: {', '.join(absent)}")
    if step > 1:
        notes.append(f"each column is the mean of {step} seconds")
    return notes


def _plain(text: str) -> str:
    """Give text that can be drawn: bytes that are none, and what steers a terminal, are spelled out."""
    shown = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def write(output: Path, name: str, result: Result, classes: Sequence[str], *, dark: bool = False) -> None:
    """Draw what is said of a file, second by second, into a picture whose suffix says in which format.

    Parameters
    ----------
    output : Path
        A .png or .svg file; one that is there is replaced.
    name, result, classes
        As for `chart`.
    dark : bool
        Whether the ground is black.

    Raises
    ------
    UsageError
        If the suffix is another, or it cannot be written.
    """
    from mercli.charts.drawing import draw

    check_suffix(output)
    colours = DARK if dark else LIGHT
    drawn = draw(chart(name, result, classes, colours=colours), output.suffix, colours=colours)
    with replaced_file(output) as part:
        part.write_bytes(drawn)
