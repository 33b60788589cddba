"""``mercli plot``: a file in, a picture of what is said of it second by second out."""

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


@guarded
def plot(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A video or sound file.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="A .png or .svg file.")],
    dark: Annotated[bool, typer.Option("--dark", help="On black.")] = False,
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
    """Draw what the voice, the face and all together say of each second of a file.

    Exits with 0 if it was drawn, with 1 if nothing could be said of the file or it could not be read, with 2 if
    the command makes no sense, with 130 if it was interrupted.
    """
    from mercli import plotting
    from mercli.errors import MercliError, UsageError
    from mercli.progress import Display
    from mercli.setup import make_setup, open_bundle
    from mercli.viewing import view

    plotting.check_suffix(output)
    refuse_to_replace({"-o": output}, overwrite=overwrite, read=[file])
    refuse_no_file(file)
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
        sources=[file],
    )
    if not quiet and "voice" in setup.modalities:
        say_what_is_compiled()
    with Display("plot", 1, quiet=quiet) as display:
        result = view(file, setup).result
        display.advance(result.evidence.duration_s, failed=result.fused is None)
    if result.fused is None:
        raise MercliError(f"{file}: nothing can be said of it: {result.error}")
    try:
        plotting.write(output, file.name, result, opened.classes, dark=dark)
    except UsageError as error:  # the place was good when the run began
        raise MercliError(str(error)) from error
    if not quiet:
        if result.error:
            typer.echo(f"note: {result.error}", err=True)
        typer.echo(f"wrote {output}", err=True)
