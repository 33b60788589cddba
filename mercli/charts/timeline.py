"""A clip second by second: what all say, and the voice, the face and the words, one above the other."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from mercli.charts.theme import Spec, emotion_scale

ROWS = {"p": "both", "voice": "voice", "face": "face"}
"""What the columns of a timeline's table begin with, and what a reader calls it."""

ROWS_WITH_WORDS = {"p": "all", "voice": "voice", "face": "face", "words": "words"}
"""The same of a table in which words were looked at."""

DATA = "seconds"
"""The name of the data, for a page that puts it in later."""


def timeline(
    classes: Sequence[str], *, width: int | str = 640, row_height: int = 90, rows: Mapping[str, str] = ROWS
) -> Spec:
    """Lay out a timeline of which `values` gives the data.

    Parameters
    ----------
    classes : sequence of str
        The bundle's classes.
    width : int or str
        Of the plot, in pixels.
    row_height : int
        Of one of its rows, in pixels.
    rows : mapping of str to str
        `ROWS` or `ROWS_WITH_WORDS`.

    Returns
    -------
    dict
        A Vega-Lite specification over the data named `DATA`: columns ``of``, ``emotion``, ``probability``,
        ``bottom``, ``top``, ``start_s`` and ``end_s``.
    """
    return {
        "data": {"name": DATA},
        "facet": {
            "row": {
                "field": "of",
                "type": "nominal",
                "sort": list(rows.values()),
                "header": {"title": None, "labelAngle": 0, "labelAlign": "left"},
            }
        },
        "spec": {
            "width": width,
            "height": row_height,
            "mark": {"type": "rect", "stroke": None},
            "encoding": {
                "x": {
                    "field": "start_s",
                    "type": "quantitative",
                    "title": "seconds",
                    "scale": {"nice": False},
                    "axis": {"tickMinStep": 1},
                },
                "x2": {"field": "end_s"},
                "y": {
                    "field": "bottom",
                    "type": "quantitative",
                    "title": None,
                    "scale": {"domain": [0, 1]},
                    "axis": {"values": [0, 0.5, 1]},
                },
                "y2": {"field": "top"},
                "color": {
                    "field": "emotion",
                    "type": "nominal",
                    "scale": emotion_scale(tuple(classes)),
                    "title": None,
                },
                "tooltip": [
                    {"field": "emotion"},
                    {"field": "probability", "format": ".2f"},
                    {"field": "start_s", "title": "from (s)", "format": ".1f"},
                ],
            },
        },
        "resolve": {"scale": {"x": "shared"}},
    }


def values(
    rows: Iterable[Mapping[str, Any]], classes: Sequence[str], of: Mapping[str, str] = ROWS
) -> Iterator[dict[str, Any]]:
    """Lay out the rows of a timeline's table as data of the chart; a second of which nothing was said has none."""
    for row in rows:
        for prefix, name in of.items():
            bottom = 0.0
            for emotion in classes:
                probability = row[f"{prefix}_{emotion}"]
                if probability is None:
                    continue
                yield {
                    "of": name,
                    "emotion": emotion,
                    "probability": probability,
                    "bottom": bottom,
                    "top": bottom + probability,
                    "start_s": row["start_s"],
                    "end_s": row["end_s"],
                }
                bottom += probability
