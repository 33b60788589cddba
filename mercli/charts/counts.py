"""How many of each: bars with their counts, and counts over the range from 0 to 1."""

from collections.abc import Mapping, Sequence

from mercli.charts.theme import Spec

BINS = 10  # of the range from 0 to 1

_WIDTH = 165  # pixels of the longest bar: with its labels it fits a phone held upright


def counts(values: Mapping[str, int], colours: Mapping[str, str], *, ink: str) -> Spec:
    """Lay out counts as bars, in the order given.

    Parameters
    ----------
    values : dict of str to int
        By what is counted.
    colours : dict of str to str
        Of each bar.
    ink : str
        Of the numbers.

    Returns
    -------
    dict
        A Vega-Lite specification.
    """
    rows = [{"what": name, "n": n, "colour": colours[name]} for name, n in values.items()]
    return {
        "data": {"values": rows},
        "width": _WIDTH,
        "height": {"step": 24},
        "view": {"stroke": None},
        "encoding": {
            "y": {
                "field": "what",
                "type": "nominal",
                "sort": None,
                "title": None,
                "axis": {"domain": False, "ticks": False, "labelPadding": 6, "labelLimit": 110},
            },
            "x": {
                "field": "n",
                "type": "quantitative",
                "axis": None,
                "scale": {"domain": [0, max([1, *values.values()])], "nice": False},
            },
        },
        "layer": [
            {
                "mark": {"type": "bar", "height": 16},
                "encoding": {"color": {"field": "colour", "type": "nominal", "scale": None}},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 5, "fontSize": 11, "color": ink},
                "encoding": {"text": {"field": "n", "type": "quantitative"}},
            },
        ],
    }


def histogram(shares: Sequence[float], title: str, *, colour: str, ink: str) -> Spec:
    """Lay out how often values from 0 to 1 fall into each of `BINS` bins.

    Parameters
    ----------
    shares : sequence of float
        0 to 1.
    title : str
        Of the axis.
    colour, ink : str
        Of the bars and of the numbers.

    Returns
    -------
    dict
        A Vega-Lite specification.
    """
    binned = in_bins(shares)
    rows = [{"low": i / BINS, "high": (i + 1) / BINS, "n": n, "said": n or ""} for i, n in enumerate(binned)]
    return {
        "data": {"values": rows},
        "width": 235,
        "height": 130,
        "view": {"stroke": None},
        "encoding": {
            "x": {
                "field": "low",
                "type": "quantitative",
                "title": title,
                "scale": {"domain": [0, 1]},
                "axis": {"values": [0, 0.2, 0.4, 0.6, 0.8, 1], "format": ".1f", "grid": False},
            },
            "x2": {"field": "high"},
            "y": {
                "field": "n",
                "type": "quantitative",
                "axis": None,
                "scale": {"domain": [0, 1.1 * max([1, *binned])], "nice": False},
            },
        },
        "layer": [
            {"mark": {"type": "rect", "color": colour, "stroke": None, "x2Offset": -2}},
            {
                "transform": [{"calculate": "(datum.low + datum.high) / 2", "as": "middle"}],
                "mark": {"type": "text", "dy": -7, "fontSize": 11, "color": ink},
                "encoding": {
                    "x": {"field": "middle", "type": "quantitative"},
                    "x2": None,
                    "text": {"field": "said"},
                },
            },
        ],
    }


def in_bins(shares: Sequence[float]) -> list[int]:
    """Count values from 0 to 1 in `BINS` bins of equal width; 1 is in the last.

    Examples
    --------
    >>> in_bins([0.0, 0.05, 0.3, 1.0])
    [2, 0, 0, 1, 0, 0, 0, 0, 0, 1]
    """
    binned = [0] * BINS
    for share in shares:
        # In hundred-thousandths, so that 0.3, which is a little under it as a float, is in the bin of 0.3.
        binned[min(BINS - 1, int(round(share * 1e6) * BINS // 1_000_000))] += 1
    return binned
