"""``mercli predict``: files in, a table out."""

import contextlib
import io
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mercli.cli import streams
from mercli.cli.guard import FAILED, guarded
from mercli.cli.options import (
    Debug,
    Detector,
    Jobs,
    MaxDuration,
    MaxMemory,
    MaxPixels,
    Modalities,
    Quiet,
    Timeout,
    read_limits,
    split_commas,
)

if TYPE_CHECKING:
    from mercli.journal import Journal
    from mercli.prediction import Plan
    from mercli.tables import Row

_STATUSES = ("ok", "partial", "failed", "crashed", "timeout")
_NO_ANSWER = ("failed", "crashed", "timeout")
_LONGEST_COMMAND = 1000  # characters


@guarded
def predict(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="Folders (walked recursively), files or glob patterns."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="A .csv, .parquet or .jsonl file.", show_default="CSV on stdout"
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start over instead of continuing an earlier run.")
    ] = False,
    jobs: Jobs = None,
    bundle: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="A bundle that `mercli fit` wrote.", show_default="the one that ships"
        ),
    ] = None,
    modalities: Modalities = None,
    face_detector: Detector = "haar",
    timeout: Timeout = 3600.0,
    max_memory: MaxMemory = None,
    max_duration: MaxDuration = 0.0,
    max_pixels: MaxPixels = 40_000_000,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Name the emotion in each video or sound file: one row a file.

    Every finished file is kept in a journal beside the output. The same command, typed again, goes on where it
    stopped.

    Exits with 0 if every file gave an answer, with 1 if any did not, with 2 if the command makes no sense, with
    130 if it was interrupted.
    """
    from mercli import batch, journal, prediction, tables
    from mercli.cli.progress import Display
    from mercli.errors import UsageError
    from mercli.files import refuse_unwritable
    from mercli.inputs import find
    from mercli.pipeline import make_setup, open_bundle

    kept = None
    if output is None and streams.leads_nowhere("stdout"):
        raise UsageError("the output is closed; give -o the name of a file")
    if output is not None:
        tables.writer_for(output)
        refuse_unwritable(output)
        kept = output.with_name(output.name + journal.SUFFIX)
    inputs = find(paths, leave_out=[output, kept] if output and kept else ())
    if not inputs:
        raise UsageError(f"no video or sound file in {', '.join(paths)}")
    if output is not None and os.path.realpath(output) in {os.path.realpath(item.path) for item in inputs}:
        raise UsageError(f"-o {output} is one of the files to read; choose another name so that it is not lost")
    jobs = jobs or batch.default_jobs()
    limits = read_limits(
        jobs, timeout=timeout, max_memory=max_memory, max_duration=max_duration, max_pixels=max_pixels
    )
    folder, opened = open_bundle(bundle)
    setup = make_setup(folder, opened, split_commas(modalities), face_detector, limits=limits, debug=debug)
    names = [item.name for item in inputs]
    with journal.Journal(kept, overwrite=overwrite) as rows, _saying_how_to_continue(names, rows):
        plan = prediction.plan(inputs, opened, setup, rows)
        if not quiet:
            _say_what_is_done(plan, len(inputs), rows)
        with Display("predict", len(inputs), done=plan.done, quiet=quiet or not plan.todo) as display:
            prediction.predict(
                plan.todo,
                opened,
                setup,
                rows,
                jobs=jobs,
                on_result=lambda result: display.advance(
                    result.evidence.duration_s, failed=result.status in _NO_ANSWER
                ),
            )
        schema = tables.columns(opened.classes)
        if output is None:
            _print_csv(rows.rows(names), schema)
        else:
            tables.write(output, rows.rows(names), schema)
        counts = Counter(map(rows.status, names))
    if not quiet:
        said = ", ".join(f"{counts[status]} {status}" for status in _STATUSES if counts[status])
        where = f"; wrote {output}" if output else ""
        typer.echo(f"{len(names)} {'file' if len(names) == 1 else 'files'}: {said}{where}", err=True)
    if any(counts[status] for status in _NO_ANSWER):
        raise typer.Exit(FAILED)


def _say_what_is_done(plan: "Plan", total: int, rows: "Journal") -> None:
    if plan.done:
        typer.echo(
            f"continuing: {plan.done} of {total} files are done already ({rows.path}); --overwrite starts over",
            err=True,
        )
    if plan.stale:
        typer.echo(
            f"done anew: {plan.stale} files that gave no lasting answer before, or for which the file, the bundle "
            "or an option changed",
            err=True,
        )


@contextlib.contextmanager
def _saying_how_to_continue(names: Sequence[str], rows: "Journal") -> Iterator[None]:
    """Add to what ends a run early what is kept of it, and how to continue."""
    from mercli.errors import BundleError, MercliError

    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; {_how_to_continue(names, rows)}") from None
    except BundleError:
        raise
    except MercliError as error:
        raise MercliError(f"{error}; {_how_to_continue(names, rows)}") from error


def _how_to_continue(names: Sequence[str], rows: "Journal") -> str:
    if rows.path is None:
        return "nothing was kept. With -o FILE a run can be continued"
    done = sum(map(rows.holds, names))
    command = shlex.join(["mercli", *(word for word in sys.argv[1:] if word != "--overwrite")])
    if len(command) > _LONGEST_COMMAND:  # the shell made a list of all files
        command = "the same command" + (", without --overwrite" if "--overwrite" in sys.argv else "")
    return f"{done} of {len(names)} files are done and kept in {rows.path}. To continue: {command}"


def _print_csv(rows: "Iterable[Row]", schema: Mapping[str, type]) -> None:
    from mercli import tables
    from mercli.errors import MercliError

    if isinstance(sys.stdout, io.TextIOWrapper):  # the same bytes as in a file, whatever the terminal's are
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    try:
        tables.write_csv(sys.stdout, rows, schema)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        streams.abandon_stdout()
        raise MercliError(f"cannot write the output: {error.strerror}") from error
