"""The command line: one file a command; each parses, calls one library function and prints."""

import sys
from typing import Annotated

import typer

from mercli import __version__
from mercli.cli import streams
from mercli.cli.annotate import annotate
from mercli.cli.corpus import corpus
from mercli.cli.demo import demo
from mercli.cli.evaluate import evaluate
from mercli.cli.features import features
from mercli.cli.fit import fit
from mercli.cli.guard import FAILED
from mercli.cli.models import models
from mercli.cli.plot import plot
from mercli.cli.predict import predict
from mercli.cli.report import report

app = typer.Typer(
    name="mercli",
    help="Turn a directory of videos into a table of emotions from voice, face and words.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(predict)
app.command()(fit)
app.command()(evaluate)
app.command()(features)
app.command()(report)
app.command()(annotate)
app.command()(plot)
app.command()(demo)
app.add_typer(corpus)
app.add_typer(models)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mercli {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version


def main() -> None:
    """Run the command line."""
    streams.secure()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except OSError as error:
        streams.abandon_stdout()
        typer.echo(f"mercli: cannot write the output: {error.strerror}", err=True)
        raise SystemExit(FAILED) from None
