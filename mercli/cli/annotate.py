"""``mercli annotate``: a video in, the same video with what is said of it out."""

from pathlib import Path
from typing import Annotated

import typer

from mercli.cli.compiling import say_what_is_compiled
from mercli.cli.guard import guarded
from mercli.cli.options import (
    BundleFolder,
    Debug,
    Detector,
    MaxDuration,
    MaxMemory,
    MaxPixels,
    Modalities,
    Quiet,
    Timeout,
    VoiceEncoder,
    read_limits,
    split_commas,
)
from mercli.cli.places import refuse_no_file, refuse_to_replace
from mercli.wording import count


@guarded
def annotate(
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video file.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="A .mp4, .mkv, .mov or .webm file.")
    ],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")] = False,
    bundle: BundleFolder = None,
    voice_encoder: VoiceEncoder = None,
    modalities: Modalities = None,
    face_detector: Detector = "haar",
    timeout: Timeout = 3600.0,
    max_memory: MaxMemory = None,
    max_duration: MaxDuration = 0.0,
    max_pixels: MaxPixels = 40_000_000,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a video again with a box at the face and what is said of each second.

    The sound is kept. Exits with 0 if the video was written, with 1 if nothing could be said of it or it could not
    be read, with 2 if the command makes no sense, with 130 if it was interrupted.
    """
    from mercli.annotation import run as annotating
    from mercli.progress import Display
    from mercli.result import likeliest
    from mercli.setup import make_setup, open_bundle

    annotating.check_suffix(output)
    refuse_to_replace({"-o": output}, overwrite=overwrite, read=[video])
    refuse_no_file(video)
    limits = read_limits(
        1, timeout=timeout, max_memory=max_memory, max_duration=max_duration, max_pixels=max_pixels
    )
    folder, opened = open_bundle(bundle)
    setup = make_setup(
        folder,
        opened,
        split_commas(modalities),
        face_detector,
        limits=limits,
        debug=debug,
        encoder=voice_encoder,
        timeline=True,
        paths=[video],
    )
    if not quiet and "voice" in setup.modalities:
        say_what_is_compiled()
    with Display("annotate", 1, quiet=quiet) as display:
        done = annotating.annotate(video, output, opened, setup)
        display.advance(done.result.evidence.duration_s, failed=False)
    if quiet:
        return
    for note in done.notes:
        typer.echo(f"note: {note}", err=True)
    if done.result.fused is not None:
        best = likeliest(done.result.fused)
        said = f"{opened.classes[best]} {done.result.fused[best]:.2f}"
        typer.echo(f"{said}; wrote {output}, {count(done.n_frames, 'frame')}", err=True)
