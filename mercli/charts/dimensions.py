"""Clips in the three leading dimensions of their features: each pair of dimensions as a plane."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from mercli.charts.theme import Spec, emotion_scale

PAIRS = tuple(combinations(range(3), 2))
"""The planes: which two dimensions each shows."""


def dimensions(
    points: Sequence[Sequence[float]],
    labels: Sequence[str],
    explained: Sequence[float],
    classes: Sequence[str],
    *,
    pairs: Sequence[tuple[int, int]] = PAIRS,
    side: int = 260,
) -> Spec:
    """Lay clips out.

    Parameters
    ----------
    points : sequence [shape=(n, 3)]
        Where each clip lies.
    labels : sequence of str
        What each is called.
    explained : sequence of float
        The share of the variance in each dimension.
    classes : sequence of str
        The names, in the order of the legend.
    pairs : sequence of (int, int)
        The planes to show, side by side.
    side : int
        Of a plane, in pixels.

    Returns
    -------
    dict
        A Vega-Lite specification.
    """
    values: list[dict[str, Any]] = [
        {"emotion": label, **{f"d{i}": value for i, value in enumerate(point)}}
        for point, label in zip(points, labels, strict=True)
    ]

    def axis(i: int) -> Spec:
        title = f"dimension {i + 1} ({explained[i]:.0%} of variance)"
        return {"field": f"d{i}", "type": "quantitative", "title": title, "scale": {"zero": False}}

    of = {"field": "emotion", "type": "nominal", "title": None}
    mark = {"type": "point", "filled": True, "opacity": 0.65, "size": 22}
    planes = [
        {
            "width": side,
            "height": side,
            "mark": mark,
            "encoding": {
                "x": axis(i),
                "y": axis(j),
                "color": {**of, "scale": emotion_scale(tuple(classes))},
                "shape": {**of, "scale": {"domain": list(classes)}},
            },
        }
        for i, j in pairs
    ]
    return {"data": {"values": values}, "hconcat": planes}
