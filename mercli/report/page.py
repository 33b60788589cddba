"""One HTML page that needs nothing beside it, from a table, its timelines and evaluations."""

import base64
import functools
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from mercli import __version__
from mercli.charts import drawing
from mercli.charts.theme import DARK, EMOTION_COLOURS, FONT, LIGHT, Palette
from mercli.errors import UsageError
from mercli.files import refuse_unwritable, replaced_file
from mercli.report.clips import clips
from mercli.report.evaluations import Evaluation, evaluation_of
from mercli.report.overview import overview
from mercli.report.results import Results, Timelines
from mercli.report.scores import evaluation_section

if TYPE_CHECKING:  # it imports what runs workers
    from mercli.report.pictures import Pictures

GENERATOR = "mercli report"

_MARK = f'<meta name="generator" content="{GENERATOR}'.encode()
_HEAD = 1 << 12  # bytes within which a page says what made it
_SUFFIXES = (".html", ".htm")


def write_page(
    path: Path,
    *,
    results: Results | None = None,
    timelines: Timelines | None = None,
    pictures: "Pictures | None" = None,
    evaluations: Sequence[Evaluation | Mapping[str, Any]] = (),
) -> None:
    """Write a page whole or not at all; call `refuse_overwriting` before.

    Parameters
    ----------
    path : Path
        The HTML file; what stands there is replaced.
    results : Results or None
        A table of `mercli predict`.
    timelines : Timelines or None
        The seconds of its files.
    pictures : Pictures or None
        Thumbnails of its faces.
    evaluations : sequence of Evaluation or dict
        What `mercli evaluate` found, as its JSON has it.

    Raises
    ------
    UsageError
        If an evaluation is none, or the place cannot be written.
    """
    page = render(results=results, timelines=timelines, pictures=pictures, evaluations=evaluations)
    with replaced_file(path) as part:
        part.write_bytes(page.encode("utf-8"))


def render(
    *,
    results: Results | None = None,
    timelines: Timelines | None = None,
    pictures: "Pictures | None" = None,
    evaluations: Sequence[Evaluation | Mapping[str, Any]] = (),
) -> str:
    """Make a page; see `write_page`."""
    checked = [found if isinstance(found, Evaluation) else evaluation_of(found) for found in evaluations]
    table = clips(results, timelines, pictures) if results else None
    style = _style()
    scripts = [_asset("script.js")] if table else []
    if table and table["data"].get("timelines"):
        scripts.insert(0, _as_script(drawing.javascript()))  # nearly a megabyte: only where it draws something
    page: str = (
        _environment()
        .get_template("page.html.j2")
        .render(
            generator=f"{GENERATOR} {__version__}",
            version=__version__,
            policy=_policy([style], scripts),
            style=Markup(style),
            scripts=[Markup(script) for script in scripts],
            source=results.name if results else None,
            overview=overview(results) if results else None,
            table=table,
            evaluations=[evaluation_section(evaluation) for evaluation in checked],
        )
    )
    return page


def refuse_overwriting(path: Path, inputs: Sequence[Path], *, overwrite: bool = False) -> None:
    """Raise a UsageError where no page can be written, or it would cost a file that is not one.

    Parameters
    ----------
    path : Path
        Where the page is to go.
    inputs : sequence of Path
        What it is made of, which is never replaced.
    overwrite : bool
        Whether a file that is no page of mercli's may be.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise UsageError(f"{path} is to be a page; end its name in .html")
    refuse_unwritable(path)
    for source in inputs:
        is_same = os.path.realpath(source) == os.path.realpath(path)
        if is_same or (path.exists() and source.exists() and path.samefile(source)):
            raise UsageError(f"{path} is an input; give -o another name")
    if path.exists() and not (overwrite or is_report(path)):
        raise UsageError(f"{path} is not a page of mercli's; give -o another name, or --overwrite it")


def is_report(path: Path) -> bool:
    """Tell whether a file is a page that mercli wrote; an empty file is as good."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return not head or _MARK in head


@functools.lru_cache(maxsize=1)
def _environment() -> Any:
    import jinja2

    # Nothing that a template shows is markup unless this module says so.
    return jinja2.Environment(
        loader=jinja2.PackageLoader("mercli.report", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _style() -> str:
    """Give the style sheet, with the colours that the charts have too."""
    dots = "".join(f".e-{name}::before{{background:{colour}}}" for name, colour in EMOTION_COLOURS.items())
    return "\n".join(
        (
            f":root{{color-scheme:light dark;--font:{FONT};{_variables(LIGHT)}}}",
            f"@media screen and (prefers-color-scheme:dark){{:root{{{_variables(DARK)}}}}}",
            _asset("style.css"),
            dots,
        )
    )


def _variables(palette: Palette) -> str:
    return ";".join(f"--{name}:{colour}" for name, colour in asdict(palette).items())


def _asset(name: str) -> str:
    return resources.files("mercli.report").joinpath("assets", name).read_text(encoding="utf-8")


def _as_script(code: str) -> str:
    """Make sure that no text in a script ends it."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _policy(styles: Sequence[str], scripts: Sequence[str]) -> str:
    """Forbid the network, and every style and script but these."""
    return "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src {_hashes(styles)}",
            f"script-src {_hashes(scripts)}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hashes(texts: Sequence[str]) -> str:
    digests = (hashlib.sha256(text.encode("utf-8")).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests) or "'none'"
