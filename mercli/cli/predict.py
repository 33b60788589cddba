"""``mercli predict``: files in, a table out."""

from pathlib import Path
from typing import Annotated

import typer

from mercli.cli.guard import FAILED, guarded
from mercli.cli.options import Debug, Detector, Jobs, Modalities, Quiet, split_commas


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
    jobs: Jobs = None,
    bundle: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="A bundle that `mercli fit` wrote.", show_default="the one that ships"
        ),
    ] = None,
    modalities: Modalities = None,
    face_detector: Detector = "haar",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Name the emotion in each video or sound file: one row a file.

    Exits with 0 if every file gave an answer, with 1 if any failed, with 2 if the command makes no sense.
    """
    import io
    import sys

    from mercli import batch, tables
    from mercli.cli.progress import Display
    from mercli.errors import UsageError
    from mercli.files import refuse_unwritable
    from mercli.inputs import find
    from mercli.pipeline import make_setup, open_bundle
    from mercli.prediction import predict as predict_files

    if output is not None:
        tables.writer_for(output)
        refuse_unwritable(output)
    inputs = find(paths)
    if not inputs:
        raise UsageError(f"no video or sound file in {', '.join(paths)}")
    if output is not None and any(item.path.resolve() == output.resolve() for item in inputs):
        raise UsageError(f"-o {output} is one of the files to read; choose another name so that it is not lost")
    folder, opened = open_bundle(bundle)
    setup = make_setup(folder, opened, split_commas(modalities), face_detector, debug=debug)
    with Display("predict", len(inputs), quiet=quiet) as display:
        rows = predict_files(
            inputs,
            opened,
            setup,
            jobs=jobs or batch.default_jobs(),
            on_result=lambda result: display.advance(result.evidence.duration_s, failed=result.status == "failed"),
        )
    schema = tables.columns(opened.classes)
    if output is None:
        if isinstance(sys.stdout, io.TextIOWrapper):  # the same bytes as in a file, whatever the terminal's are
            sys.stdout.reconfigure(encoding="utf-8", newline="")
        tables.write_csv(sys.stdout, rows, schema)
        sys.stdout.flush()
    else:
        tables.write(output, rows, schema)
    counts = {status: sum(row["status"] == status for row in rows) for status in ("ok", "partial", "failed")}
    if not quiet:
        said = ", ".join(f"{count} {status}" for status, count in counts.items() if count)
        where = f"; wrote {output}" if output else ""
        typer.echo(f"{len(rows)} {'file' if len(rows) == 1 else 'files'}: {said}{where}", err=True)
    if counts["failed"]:
        raise typer.Exit(FAILED)
