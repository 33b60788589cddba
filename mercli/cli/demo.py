"""``mercli demo``: see it work on clips that it makes itself."""

from pathlib import Path
from typing import Annotated

import typer

from mercli.cli.compiling import say_what_is_compiled
from mercli.cli.guard import FAILED, guarded
from mercli.cli.options import Debug


@guarded
def demo(
    folder: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="Where to put the clips and the table.")
    ] = Path("mercli-demo"),
    debug: Debug = False,
) -> None:
    """Make three short clips of a drawn face and a synthetic voice, predict them and show the table."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from mercli import tables
    from mercli.inputs import Input
    from mercli.journal import Journal
    from mercli.prediction import predict
    from mercli.sample import write_sample_videos
    from mercli.setup import make_setup, open_bundle

    typer.echo(f"writing three clips to {folder} …", err=True)
    clips = write_sample_videos(folder)
    typer.echo("predicting them …", err=True)
    say_what_is_compiled()
    place, bundle = open_bundle()
    setup = make_setup(place, bundle, None, debug=debug)
    schema = tables.columns(bundle.classes)
    with Journal(None, schema) as journal:
        predict([Input(clip, clip.name) for clip in clips], bundle, setup, journal, jobs=1)
        rows = list(journal.rows(clip.name for clip in clips))
    output = folder / "out.csv"
    tables.write(output, rows, schema)
    shown = {
        "file": "file",
        "status": "status",
        "emotion": "emotion",
        "confidence": "confidence",
        "voice_emotion": "voice",
        "face_emotion": "face",
    }
    table = Table(box=box.SIMPLE)
    for heading in shown.values():
        table.add_column(heading)
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in shown))
    Console().print(table)
    for row in rows:
        if row["error"]:
            typer.echo(f"{row['file']} is {row['status']}: {row['error']}.")
    typer.echo(f"The whole table is in {output}. Now try your own: mercli predict ./videos -o out.csv")
    typer.echo(
        "A drawn face and a synthetic voice mean nothing: the demo shows that the tool runs, "
        "not how well it judges."
    )
    if any(row["emotion"] is None for row in rows):
        raise typer.Exit(FAILED)


def _cell(value: str | int | float | None) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return "" if value is None else str(value)
