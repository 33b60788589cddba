"""The look of every chart: colours of emotions, and of ink and ground on white, on black, and on a page."""

from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]
"""A Vega-Lite specification, or a part of one."""

SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"  # a name: it is never fetched

EMOTION_COLOURS = {
    "angry": "#c8442b",
    "disgust": "#7d8a1e",
    "fear": "#7a56b3",
    "happy": "#dfa000",
    "sad": "#2876b8",
    "surprise": "#c668a0",
    "neutral": "#858585",
    "calm": "#1b9277",
}
"""Told apart by the colour-blind too, and seen on white as on black."""

FONT = "system-ui, 'DejaVu Sans', 'Liberation Sans', sans-serif"


@dataclass(frozen=True, slots=True)
class Palette:
    """Hold the colours of what is drawn beside the data."""

    ink: str
    quiet: str
    grid: str
    ground: str
    accent: str


LIGHT = Palette(ink="#1d1d1f", quiet="#5c5c63", grid="#dcdce2", ground="#ffffff", accent="#2563b0")
DARK = Palette(ink="#ececf0", quiet="#a9a9b2", grid="#3c3c44", ground="#17171a", accent="#74aef5")


def config(palette: Palette = LIGHT) -> Spec:
    """Give the ``config`` of a specification."""
    axis = {
        "labelColor": palette.ink,
        "titleColor": palette.ink,
        "titleFontWeight": "normal",
        "labelFontSize": 11,
        "domainColor": palette.quiet,
        "tickColor": palette.quiet,
        "gridColor": palette.grid,
    }
    legend = {"labelColor": palette.ink, "titleColor": palette.ink, "titleFontWeight": "normal"}
    return {
        "background": None,
        "font": FONT,
        "view": {"stroke": palette.grid},
        "axis": axis,
        "legend": legend,
        "header": {"labelColor": palette.ink, "titleColor": palette.ink},
        "title": {"color": palette.ink, "fontWeight": "normal", "anchor": "start"},
        "text": {"color": palette.ink},
    }


def emotion_scale(classes: tuple[str, ...]) -> Spec:
    """Give the colour scale of some classes."""
    return {"domain": list(classes), "range": [EMOTION_COLOURS[name] for name in classes]}
