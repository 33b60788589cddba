"""Options that several commands share, each declared once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mercli.limits import Limits

Jobs = Annotated[
    int | None,
    typer.Option("-j", "--jobs", min=1, metavar="N", help="Worker processes.", show_default="one a processor"),
]
Modalities = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="What to look at, separated by commas: voice, face, words.",
        show_default="all the bundle knows",
    ),
]
Detector = Annotated[
    str,
    typer.Option(
        "--face-detector",
        metavar="haar|yunet|FILE",
        help="haar; yunet, once `mercli models pull yunet` got it; or the path of a YuNet .onnx file.",
    ),
]
FaceNetwork = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Judge faces by this network: one of `mercli models list`, or an .onnx file with its contract, a "
        ".json, beside it.",
        show_default="the bundle's own",
    ),
]
BundleFolder = Annotated[
    str | None,
    typer.Option(
        "--bundle", metavar="FOLDER", help="A bundle that `mercli fit` wrote.", show_default="the one that ships"
    ),
]
VoiceEncoder = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The speech network that the bundle refers to.",
        show_default="the one in the bundle's folder",
    ),
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no notes on stderr.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback where something goes wrong.")]

Timeout = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="Give up on a file after this long; 0 for never.")
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        metavar="SIZE",
        help="End a worker that holds more, such as 2G; 0 for any.",
        show_default="80 % of the machine's memory, divided by the jobs",
    ),
]
MaxDuration = Annotated[
    float, typer.Option(min=0, metavar="SECONDS", help="Refuse longer files; 0 takes any length.")
]
MaxPixels = Annotated[
    int,
    typer.Option(
        min=0, max=2**31 - 1, metavar="N", help="Do not decode pictures of more pixels; 0 takes any size."
    ),
]


def read_limits(
    jobs: int, *, timeout: float, max_memory: str | None, max_duration: float, max_pixels: int
) -> "Limits":
    """Make limits of what was typed: 0 is none."""
    from mercli import limits

    return limits.read_limits(
        jobs, timeout=timeout, max_memory=max_memory, max_duration=max_duration, max_pixels=max_pixels
    )


def split_commas(text: str | None) -> list[str] | None:
    """Take ``"voice, face"`` apart."""
    if text is None:
        return None
    return [word.strip() for word in text.split(",") if word.strip()]
