"""``mercli features``: files in, a table of what is measured in their sound out."""

import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mercli.cli import streams
from mercli.cli.compiling import say_what_is_compiled
from mercli.cli.guard import FAILED, guarded
from mercli.cli.options import Debug, Jobs, MaxDuration, MaxMemory, Quiet, Timeout, read_limits
from mercli.cli.places import find_inputs, refuse_output
from mercli.wording import count

if TYPE_CHECKING:
    from mercli.extraction import Outcome
    from mercli.inputs import Input

_STATUSES = ("ok", "partial", "failed", "crashed", "timeout")
_NAMED = 5  # files without features that are named at the end, where the table names them too


@guarded
def features(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="Folders (walked recursively), files or glob patterns."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="A .csv or .parquet file.", show_default="CSV on stdout"
        ),
    ] = None,
    feature_set: Annotated[
        str | None,
        typer.Option("--set", metavar="NAME", help="The feature set.", show_default="mercli-1"),
    ] = None,
    level: Annotated[
        str,
        typer.Option(
            metavar="short|mid|clip", help="A row a short-term window, a row a mid-term window, or a row a file."
        ),
    ] = "clip",
    jobs: Jobs = None,
    timeout: Timeout = 3600.0,
    max_memory: MaxMemory = None,
    max_duration: MaxDuration = 0.0,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure the sound of each video or sound file: a table of features.

    At clip level every file has a row, with a status; at the other levels files without a voice have none, and are
    named on stderr. Interrupted, it starts over: there is never half a table.

    Exits with 0 if every file was measured, with 1 if any was not, with 2 if the command makes no sense, with 130
    if it was interrupted.
    """
    from mercli import batch, extraction
    from mercli.assembly import assembly_for
    from mercli.errors import MercliError, UsageError
    from mercli.files import replaced_file, scratch_folder
    from mercli.progress import Display
    from mercli.voice.sets import DEFAULT

    feature_set = DEFAULT if feature_set is None else feature_set
    extraction.layout(feature_set, level)  # which says what is wrong with them
    if output is not None:
        assembly_for(output)
    refuse_output(output)
    if output is not None and output.exists() and not extraction.is_table(output):
        raise UsageError(f"{output} is no table that `mercli features` wrote; give -o another name, or remove it")
    inputs = find_inputs(paths, output)
    jobs = jobs or batch.default_jobs()
    limits = read_limits(jobs, timeout=timeout, max_memory=max_memory, max_duration=max_duration, max_pixels=0)
    with scratch_folder(output) as folder:
        ending = output.suffix.lower() if output else ".csv"
        setup = extraction.Setup(feature_set, level, ending, str(folder.resolve()), limits, debug)
        if not quiet:
            say_what_is_compiled()
        with Display("measure", len(inputs), quiet=quiet) as display:
            table, outcomes = extraction.extract(
                inputs,
                setup,
                jobs=jobs,
                on_file=lambda outcome: display.advance(outcome.duration_s, failed=not outcome.is_measured),
            )
        if output is None:
            with streams.printing(), table.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
        else:
            try:
                with replaced_file(output) as part:
                    table.replace(part)
            except UsageError as error:  # the place was good when the run began
                raise MercliError(str(error)) from error
    if not quiet:
        _say_what_is_missing(inputs, outcomes, in_table=level == "clip")
        counts = Counter(outcome.status for outcome in outcomes)
        said = ", ".join(f"{counts[status]} {status}" for status in _STATUSES if counts[status])
        where = f"; wrote {output}" if output else ""
        typer.echo(f"{count(len(inputs), 'file')}: {said}{where}", err=True)
    if not all(outcome.is_measured for outcome in outcomes):
        raise typer.Exit(FAILED)


def _say_what_is_missing(inputs: "Sequence[Input]", outcomes: "Sequence[Outcome]", *, in_table: bool) -> None:
    """Name the files that were not measured; where the table has no room for it, all of them, and the damaged."""
    told = list(zip(inputs, outcomes, strict=True))
    losses = [(item.name, outcome.error) for item, outcome in told if not outcome.is_measured]
    for name, error in losses[:_NAMED] if in_table else losses:
        typer.echo(f"no features: {name}: {error}", err=True)
    if in_table and len(losses) > _NAMED:
        typer.echo(f"no features: {len(losses) - _NAMED} more; the column error says why", err=True)
    for name, error in [(item.name, outcome.error) for item, outcome in told if outcome.status == "partial"]:
        if not in_table:
            typer.echo(f"measured as far as it can be read: {name}: {error}", err=True)
