"""The top of a page: how many files, what was said of them, and what went wrong."""

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mercli.card import MEANING
from mercli.charts import counts, drawing
from mercli.charts.theme import EMOTION_COLOURS
from mercli.report.results import STATUSES, Results
from mercli.tables import Row

NO_ANSWER = STATUSES[2:]

_REASONS = 12  # that are told; of files that fail each in its own way there may be thousands

_MEANINGS = {
    "ok": "answered, with all that was wanted",
    "partial": "answered from less than was wanted",
    "failed": "no answer",
    "crashed": "the worker that read it died twice, or took too much memory",
    "timeout": "it took longer than was allowed",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """Hold a chart: what it is called, the SVG, and what is to be said below it."""

    title: str
    svg: str
    note: str = ""


def overview(results: Results) -> dict[str, Any]:
    """Sum a table up.

    Parameters
    ----------
    results : Results
        The table. A file counts once, with its first row, which is about its main face.

    Returns
    -------
    dict
        What the template shows.
    """
    files = results.files
    durations = [value for row in files if isinstance(value := row["duration_s"], float)]
    statuses = Counter(str(row["status"]) for row in files)
    return {
        "n_files": len(files),
        "n_rows": len(results.rows),
        "statuses": [(name, statuses[name], _MEANINGS[name]) for name in STATUSES if statuses[name]],
        "duration": _durations(durations),
        "bundles": Counter(str(row["bundle"]) for row in results.rows).most_common(),
        "failures": _reasons(files, NO_ANSWER),
        "shortfalls": _reasons(files, ("partial",)),
        "figures": _figures(files, results),
        "meaning": MEANING,
    }


def clock(seconds: float) -> str:
    """Write a duration as people read it.

    Examples
    --------
    >>> clock(3.788), clock(75), clock(7325)
    ('3.8 s', '1 min 15 s', '2 h 02 min')
    """
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _durations(durations: Sequence[float]) -> dict[str, str] | None:
    if not durations:
        return None
    middle = statistics.median(durations)
    told = {"total": sum(durations), "median": middle, "shortest": min(durations), "longest": max(durations)}
    return {name: clock(value) for name, value in told.items()}


def _reasons(files: Sequence[Row], statuses: Sequence[str]) -> dict[str, Any]:
    """Group files by why they have less of an answer, the most frequent reason first."""
    found = Counter(str(row["error"] or "no reason was given") for row in files if row["status"] in statuses)
    told = found.most_common(_REASONS)
    return {"n": found.total(), "told": told, "untold": found.total() - sum(n for _, n in told)}


def _figures(files: Sequence[Row], results: Results) -> list[Figure]:
    colours = drawing.palette()
    answers = Counter(str(row["emotion"]) for row in files if row["emotion"] is not None)
    figures = []
    if answers:
        named = {name: answers[name] for name in results.classes}
        figures.append(_bars("Emotions", "files by emotion", named, EMOTION_COLOURS))
        deciding = Counter(str(row["decided_by"]) for row in files if row["decided_by"] is not None)
        told = {name: deciding[name] for name in results.decided_by}
        figures.append(_bars("Who decided", "files by what decided", told, dict.fromkeys(told, colours.accent)))
    for column, title, axis, what in (
        ("confidence", "Confidence", "confidence", "the probability of the answer"),
        ("face_coverage", "Face coverage", "share of frames with the face", "how much of a clip shows the face"),
    ):
        shares = [value for row in files if isinstance(value := row[column], float)]
        if shares:
            figures.append(_spread(title, axis, what, shares))
    return figures


def _bars(title: str, what: str, values: Mapping[str, int], colours: Mapping[str, str]) -> Figure:
    said = ", ".join(f"{name} {n}" for name, n in values.items())
    chart = counts.counts(values, colours, ink=drawing.palette().ink)
    return Figure(title, drawing.svg(chart, f"Bar chart, {what}: {said}"))


def _spread(title: str, axis: str, what: str, shares: Sequence[float]) -> Figure:
    colours = drawing.palette()
    binned = counts.in_bins(shares)
    said = ", ".join(f"{i / 10:.1f} to {(i + 1) / 10:.1f}: {n}" for i, n in enumerate(binned) if n)
    chart = counts.histogram(shares, axis, colour=colours.accent, ink=colours.ink)
    note = f"{title} is {what}; its median is {statistics.median(shares):.2f}."
    return Figure(title, drawing.svg(chart, f"Histogram, files by {axis}: {said}"), note)
