"""Draw a chart: as SVG for a page, whose colours follow the page's own; as PNG; or in a browser."""

import html
import re
from dataclasses import asdict

from mercli.charts.theme import LIGHT, SCHEMA, Palette, Spec, config

# Colours that no chart has, one for each the page decides: SVG is drawn with these, then they are replaced.
_STAND_INS = Palette(ink="#010203", quiet="#020304", grid="#030405", ground="#040506", accent="#050607")


def svg(spec: Spec, description: str) -> str:
    """Draw a chart as SVG to stand in a page.

    Parameters
    ----------
    spec : dict
        A Vega-Lite specification without ``config``. What has the colour ``palette().ink`` and so on, and all that
        is drawn beside the data, has the colour of the page's variables ``--ink``, ``--quiet``, ``--grid``,
        ``--ground`` and ``--accent``.
    description : str
        What it shows, for who does not see it.

    Returns
    -------
    str
        An ``<svg>`` element with the role of an image.
    """
    import vl_convert

    drawn = vl_convert.vegalite_to_svg({"$schema": SCHEMA, **spec, "config": config(_STAND_INS)})
    for name, colour in asdict(_STAND_INS).items():
        drawn = re.sub(f'"{colour}"', f'"var(--{name})"', drawn, flags=re.IGNORECASE)
    # It is one image: what Vega says of its parts would be read out mark by mark.
    drawn = re.sub(r' (?:aria-[a-z]+|role)="[^"]*"', "", drawn)
    opening = f'<svg role="img" aria-label="{html.escape(description)}" '
    return re.sub(r"^<svg ", lambda _: opening, drawn.strip(), count=1)


def palette() -> Palette:
    """Give the colours to draw with in what `svg` draws."""
    return _STAND_INS


def png(spec: Spec, *, scale: float = 2.0, colours: Palette = LIGHT) -> bytes:
    """Draw a chart as PNG.

    Parameters
    ----------
    spec : dict
        A Vega-Lite specification without ``config``.
    scale : float
        Pixels of the image a pixel of the chart.
    colours : Palette
        Of what is drawn beside the data.

    Returns
    -------
    bytes
        The file.
    """
    import vl_convert

    drawn: bytes = vl_convert.vegalite_to_png(_whole(spec, colours), scale=scale)
    return drawn


def draw(spec: Spec, suffix: str, *, colours: Palette = LIGHT) -> bytes:
    """Draw a chart as the file of a suffix, ``".png"`` or ``".svg"``; see `png`."""
    import vl_convert

    if suffix.lower() == ".png":
        return png(spec, colours=colours)
    drawn: str = vl_convert.vegalite_to_svg(_whole(spec, colours))
    return drawn.encode()


def _whole(spec: Spec, colours: Palette) -> Spec:
    return {"$schema": SCHEMA, **spec, "config": {**config(colours), "background": colours.ground}}


def javascript() -> str:
    """Give Vega, Vega-Lite and Vega-Embed as one script that needs no network and defines ``vegaEmbed``."""
    import vl_convert

    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    return bundle
