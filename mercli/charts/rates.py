"""Rates from 0 to 1 with their intervals, one below the other."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from mercli.charts.theme import Spec

_SHAPES = ("circle", "diamond", "triangle-up", "square", "cross", "triangle-down")


@dataclass(frozen=True, slots=True)
class Rate:
    """Hold a rate to show.

    Parameters
    ----------
    row : str
        The line it stands in.
    of : str
        Which of the rates of that line it is.
    value : float
        0 to 1.
    low, high : float or None
        Its interval, where there is one.
    """

    row: str
    of: str
    value: float
    low: float | None = None
    high: float | None = None


def rates(shown: Sequence[Rate], title: str, *, accent: str, quiet: str) -> Spec:
    """Lay out rates: a point each, its interval a line through it.

    Parameters
    ----------
    shown : sequence of Rate
        At least one. The kind that comes first has the accent and a filled point, the others are quiet.
    title : str
        Of the axis.
    accent, quiet : str
        Colours.

    Returns
    -------
    dict
        A Vega-Lite specification.
    """
    kinds = list(dict.fromkeys(rate.of for rate in shown))
    legend = {"title": None, "orient": "bottom", "columns": 2} if len(kinds) > 1 else None
    of = {"field": "of", "type": "nominal", "sort": kinds, "legend": legend}
    colour = {**of, "scale": {"domain": kinds, "range": [accent, *([quiet] * (len(kinds) - 1))]}}
    shapes = [_SHAPES[i % len(_SHAPES)] for i in range(len(kinds))]
    shape = {**of, "scale": {"domain": kinds, "range": shapes}}
    return {
        "data": {"values": [asdict(rate) for rate in shown]},
        "width": 220,
        "height": {"step": max(20, 9 * len(kinds) + 8), "for": "position"},
        "encoding": {
            "y": {
                "field": "row",
                "type": "nominal",
                "sort": None,
                "title": None,
                "axis": {"domain": False, "ticks": False, "grid": True, "labelPadding": 6, "labelLimit": 100},
            },
            "yOffset": {"field": "of", "type": "nominal", "sort": kinds, "scale": {"paddingOuter": 0.4}},
        },
        "layer": [
            {
                "transform": [{"filter": "isValid(datum.low)"}],
                "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.6},
                "encoding": {
                    "x": {"field": "low", "type": "quantitative"},
                    "x2": {"field": "high"},
                    "color": colour,
                },
            },
            {
                "mark": {"type": "point", "filled": True, "size": 50, "opacity": 1},
                "encoding": {
                    "x": {
                        "field": "value",
                        "type": "quantitative",
                        "title": title,
                        "scale": {"domain": [0, 1]},
                        "axis": {"values": [0, 0.2, 0.4, 0.6, 0.8, 1], "format": ".1f"},
                    },
                    "color": colour,
                    "shape": shape,
                },
            },
        ],
    }
