"""How often answers of a confidence are right: a reliability diagram."""

from collections.abc import Sequence

from mercli.charts.theme import Spec

Bin = tuple[float, float, int]
"""Of the answers in a bin of confidence: their mean confidence, how often they were right, their number."""


def calibration(bins: Sequence[Bin], *, quiet: str, accent: str) -> Spec:
    """Lay out a reliability diagram; on the dashed line confidence is what it says.

    Parameters
    ----------
    bins : sequence of Bin
        Those that hold answers.
    quiet, accent : str
        Of the dashed line and of the points.

    Returns
    -------
    dict
        A Vega-Lite specification; the area of a point tells how many answers it stands for.
    """
    points = [{"confidence": confidence, "right": right, "n": n} for confidence, right, n in bins]
    share = {"scale": {"domain": [0, 1]}, "axis": {"values": [0, 0.2, 0.4, 0.6, 0.8, 1], "format": ".1f"}}
    return {
        "width": 230,
        "height": 230,
        "encoding": {
            "x": {"field": "confidence", "type": "quantitative", "title": "mean confidence", **share},
            "y": {"field": "right", "type": "quantitative", "title": "share that was right", **share},
        },
        "layer": [
            {
                "data": {"values": [{"confidence": 0, "right": 0}, {"confidence": 1, "right": 1}]},
                "mark": {"type": "line", "color": quiet, "strokeDash": [4, 4], "strokeWidth": 1},
            },
            {
                "data": {"values": points},
                "mark": {"type": "line", "color": accent, "strokeWidth": 1.5},
            },
            {
                "data": {"values": points},
                "mark": {"type": "point", "color": accent, "filled": True, "opacity": 1},
                "encoding": {
                    "size": {
                        "field": "n",
                        "type": "quantitative",
                        "scale": {"domain": [0, max([1, *(n for _, _, n in bins)])], "range": [12, 260]},
                        "legend": None,
                    }
                },
            },
        ],
    }
