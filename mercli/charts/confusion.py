"""A confusion matrix: what was answered of what was true."""

from collections.abc import Sequence

from mercli.charts.theme import Spec

_STRONGEST = 0.5  # opacity of a whole row in one cell: ink on it can still be read, on white as on black


def confusion(classes: Sequence[str], matrix: Sequence[Sequence[int]], *, ink: str, accent: str) -> Spec:
    """Lay out a confusion matrix: the colour is the share of the row, the number the count.

    Parameters
    ----------
    classes : sequence of str
        In the order of rows and columns.
    matrix : sequence of sequence of int
        Rows are true classes, columns what was answered.
    ink, accent : str
        Of the numbers and of the cells.

    Returns
    -------
    dict
        A Vega-Lite specification.
    """
    cells = [
        {"true": true, "answer": answer, "n": n, "share": n / sum(row) if sum(row) else 0.0}
        for true, row in zip(classes, matrix, strict=True)
        for answer, n in zip(classes, row, strict=True)
    ]
    side = max(22, min(36, 270 // len(classes)))
    axis = {"domain": False, "ticks": False, "labelPadding": 5, "labelLimit": 90}
    return {
        "data": {"values": cells},
        "width": {"step": side},
        "height": {"step": min(side, 30)},
        "encoding": {
            "x": {
                "field": "answer",
                "type": "nominal",
                "sort": None,
                "title": "answer",
                "axis": {**axis, "orient": "top", "labelAngle": -45},
            },
            "y": {"field": "true", "type": "nominal", "sort": None, "title": "true", "axis": axis},
        },
        "layer": [
            {
                "mark": {"type": "rect", "color": accent},
                "encoding": {
                    "fillOpacity": {
                        "field": "share",
                        "type": "quantitative",
                        "scale": {"domain": [0, 1], "range": [0, _STRONGEST]},
                        "legend": None,
                    }
                },
            },
            {
                "mark": {"type": "text", "fontSize": 11, "color": ink},
                "encoding": {"text": {"field": "n", "type": "quantitative"}},
            },
        ],
    }
