"""``mercli report``: a table or an evaluation in, a page to look at out."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mercli.cli.guard import guarded
from mercli.cli.options import (
    Debug,
    Detector,
    Jobs,
    MaxDuration,
    MaxMemory,
    MaxPixels,
    Quiet,
    Timeout,
    read_limits,
)
from mercli.wording import count

if TYPE_CHECKING:
    from mercli.limits import Limits
    from mercli.report.pictures import Pictures
    from mercli.report.results import Results


@guarded
def report(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="INPUT",
            help="A table that `mercli predict` wrote, or the .json file of `mercli evaluate`.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o", "--output", metavar="FILE", help="The page.", show_default="the input's name, ending in .html"
        ),
    ] = None,
    timeline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What `mercli predict --timeline` wrote: each clip second by second.",
            show_default="no timelines",
        ),
    ] = None,
    evaluation: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="What `mercli evaluate` wrote; may be given several times.", show_default="none"
        ),
    ] = None,
    thumbnails: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Put pictures of the faces into the page, taken from the files that predict was given: the same "
            "folder, file or pattern; may be given several times.",
            show_default="no pictures",
        ),
    ] = None,
    face_detector: Detector = "haar",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file that is not a page of mercli's.")
    ] = False,
    jobs: Jobs = None,
    timeout: Timeout = 3600.0,
    max_memory: MaxMemory = None,
    max_duration: MaxDuration = 0.0,
    max_pixels: MaxPixels = 40_000_000,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make one HTML page of a table: what was said of each clip, to sort, to filter and to open.

    The page needs nothing beside it, and no network. Workers and limits are for --thumbnails only.

    Exits with 0 if the page was written, with 1 if not, with 2 if the command makes no sense or an input is
    refused, with 130 if it was interrupted.
    """
    from mercli.errors import MercliError, UsageError
    from mercli.report.evaluations import read_evaluation
    from mercli.report.page import refuse_overwriting, write_page
    from mercli.report.results import read_results, read_timelines

    evaluations = list(evaluation or ())
    is_table = source.suffix.lower() != ".json"
    if not is_table:
        evaluations.insert(0, source)
        if timeline or thumbnails:
            raise UsageError(f"--timeline and --thumbnails go with a table, and {source} is an evaluation")
    output = output or source.with_suffix(".html")
    inputs = [source, *evaluations, *([timeline] if timeline else []), *map(Path, thumbnails or ())]
    refuse_overwriting(output, inputs, overwrite=overwrite)
    results = read_results(source) if is_table else None
    timelines = read_timelines(timeline, results) if timeline and results else None
    found = [read_evaluation(path) for path in evaluations]
    pictures = None
    if thumbnails and results:
        from mercli import batch

        jobs = jobs or batch.default_jobs()
        limits = read_limits(
            jobs, timeout=timeout, max_memory=max_memory, max_duration=max_duration, max_pixels=max_pixels
        )
        pictures = _take(results, thumbnails, face_detector, jobs, limits, quiet=quiet, debug=debug)
    try:
        write_page(output, results=results, timelines=timelines, pictures=pictures, evaluations=found)
    except UsageError as error:  # the place was good when the work began
        raise MercliError(str(error)) from error
    if not quiet:
        said = [
            *([count(len(results.files), "file")] if results else []),
            *([f"{count(len(pictures.found), 'picture')} of faces"] if pictures else []),
            *([count(len(found), "evaluation")] if found else []),
        ]
        typer.echo(f"{', '.join(said)}; wrote {output}", err=True)


def _take(
    results: "Results",
    paths: list[str],
    detector: str,
    jobs: int,
    limits: "Limits",
    *,
    quiet: bool,
    debug: bool,
) -> "Pictures":
    from mercli.face.choice import locate
    from mercli.progress import Display
    from mercli.report import pictures

    if found := locate(detector):
        from mercli.face.detect import open_detector

        open_detector(detector)
        detector = str(found.resolve())
    n_files = len({row["file"] for row in results.rows if row["face"] is not None})
    with Display("look", n_files, quiet=quiet) as display:
        return pictures.take(
            results,
            paths,
            jobs=jobs,
            detector=detector,
            limits=limits,
            debug=debug,
            on_file=lambda seen: display.advance(seen.duration_s, failed=not seen.faces),
        )
