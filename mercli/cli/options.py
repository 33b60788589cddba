"""Options that several commands share, each declared once."""

from typing import Annotated

import typer

Jobs = Annotated[
    int | None,
    typer.Option("-j", "--jobs", min=1, metavar="N", help="Worker processes.", show_default="one a processor"),
]
Modalities = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="What to look at, separated by commas: voice, face.",
        show_default="all the bundle knows",
    ),
]
Detector = Annotated[
    str,
    typer.Option("--face-detector", metavar="haar|FILE", help="haar, or the path of a YuNet .onnx file."),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no notes on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback where something goes wrong.")]


def split_commas(text: str | None) -> list[str] | None:
    """Take ``"voice, face"`` apart."""
    if text is None:
        return None
    return [word.strip() for word in text.split(",") if word.strip()]
