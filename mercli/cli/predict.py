"""``mercli predict``: files in, a table out."""

import contextlib
import io
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mercli.cli import streams
from mercli.cli.cluster import LAG_S, names_cluster, reached, say_where
from mercli.cli.compiling import say_what_is_compiled
from mercli.cli.continuing import say_what_is_done, saying_how_to_continue
from mercli.cli.device import Device, on_device
from mercli.cli.guard import FAILED, guarded
from mercli.cli.options import (
    BundleFolder,
    Debug,
    Detector,
    FaceNetwork,
    Jobs,
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
from mercli.cli.places import find_inputs, refuse_output
from mercli.cli.profile import show_profile
from mercli.formats import FRAME_RATE_HZ
from mercli.wording import count

if TYPE_CHECKING:
    from mercli.inputs import Input
    from mercli.journal import Journal
    from mercli.tables import Row

_STATUSES = ("ok", "partial", "failed", "crashed", "timeout")
_NO_ANSWER = ("failed", "crashed", "timeout")
_NAMED = 5  # files without an answer that are named at the end


@guarded
def predict(
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH", help="Folders (walked recursively), files, glob patterns or URLs."),
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
    bundle: BundleFolder = None,
    voice_encoder: VoiceEncoder = None,
    modalities: Modalities = None,
    face_detector: Detector = "haar",
    face_network: FaceNetwork = None,
    faces: Annotated[
        str,
        typer.Option(metavar="main|all", help="A row for the main face of a file, or one for each of its faces."),
    ] = "main",
    timeline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Judge every second too, into another .csv, .parquet or .jsonl file.",
            show_default="no timeline",
        ),
    ] = None,
    fps: Annotated[
        float,
        typer.Option(
            min=0.1, max=1000, metavar="RATE", help="Look at about so many frames a second; 1000 for every one."
        ),
    ] = FRAME_RATE_HZ,
    words: Annotated[
        bool | None,
        typer.Option(
            "--words/--no-words",
            help="Read what is said too: in a transcript beside a file (.srt, .vtt, .txt), else, where --words is "
            "given, in its subtitles.",
            show_default="on where the bundle knows words and a transcript lies beside a file",
        ),
    ] = None,
    transcribe: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Hear the words where there is no transcript, by the Whisper model (CTranslate2) in this folder.",
            show_default="no speech recognition",
        ),
    ] = None,
    device: Device = "auto",
    backend: Annotated[
        str,
        typer.Option(metavar="local|dask|ray", help="Work on this machine, or on the workers of a cluster."),
    ] = "local",
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Where the cluster is: tcp://host:8786 of dask, ray://host:10001 of ray.",
            show_default="for ray, this machine",
        ),
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Say where the time goes: a table, and columns of seconds.")
    ] = False,
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
    from mercli.errors import UsageError
    from mercli.face_networks import find
    from mercli.profile import Profile
    from mercli.progress import Display
    from mercli.setup import make_setup, open_bundle

    is_cluster = names_cluster(backend, scheduler)
    if faces not in ("main", "all"):
        raise UsageError(f"no --faces {faces}; there are main and all")
    kept = _find_journal(output, overwrite)
    if timeline is not None:
        _refuse_timeline(timeline, output, kept, overwrite)
    inputs = find_inputs(paths, output, *(path for path in (kept, timeline) if path))
    limits = read_limits(
        jobs or batch.default_jobs(),
        timeout=timeout,
        # A cluster's machines have memory of their own, of which each worker knows its share.
        max_memory="0" if max_memory is None and is_cluster else max_memory,
        max_duration=max_duration,
        max_pixels=max_pixels,
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
        all_faces=faces == "all",
        timeline=timeline is not None,
        profile=profile,
        frame_rate_hz=fps,
        face_network=find(face_network).within(opened) if face_network is not None else None,
        words=words,
        transcribe=transcribe,
        sources=[item.path for item in inputs],
    )
    with_words = "words" in setup.modalities
    spent = Profile() if profile else None
    names = [item.name for item in inputs]
    schema = tables.columns(opened.classes, with_profile=profile, with_words=with_words)
    seconds = tables.timeline_columns(opened.classes, with_words=with_words)
    with (
        journal.Journal(kept, schema, seconds, overwrite=overwrite, lag_s=LAG_S if is_cluster else 0.0) as rows,
        saying_how_to_continue(len(names), rows),
        contextlib.ExitStack() as stack,
    ):
        plan = prediction.plan(inputs, opened, setup, rows)
        cluster = (
            reached(backend, scheduler, debug=debug) if is_cluster and plan.todo else contextlib.nullcontext()
        )
        engine = stack.enter_context(cluster)
        setup = stack.enter_context(on_device(device, setup, at_once=bool(plan.todo) and not is_cluster))
        if not quiet:
            if with_words and words is None and transcribe is None and modalities is None:
                _say_who_has_words(inputs, setup.language)
            say_what_is_done(plan, len(inputs), rows)
            if engine is not None:
                say_where(engine)
            elif plan.todo and "voice" in setup.modalities:
                say_what_is_compiled()
        with Display("predict", len(inputs), done=plan.done, quiet=quiet or not plan.todo) as display:
            prediction.predict(
                plan.todo,
                opened,
                setup,
                rows,
                jobs=jobs or (batch.default_jobs() if engine is None else 0),
                on_result=lambda result: display.advance(
                    result.evidence.duration_s, failed=result.status in _NO_ANSWER
                ),
                profile=spent,
                engine=engine,
            )
        complete = spent.complete if spent else iter
        if timeline is not None:  # first: who reads the table from stdout may leave early
            _write(timeline, rows.timeline(names), seconds, "--timeline")
        _write(output, complete(rows.rows(names)), schema, "-o")
        losses = [name for name in names if rows.status(name) in _NO_ANSWER]
        if not quiet:
            _name_some(losses, rows)
            _say_what_was_done(Counter(map(rows.status, names)), output, timeline)
    if spent is not None:
        show_profile(spent)
    if losses:
        raise typer.Exit(FAILED)


def _say_what_was_done(counts: Mapping[str, int], *outputs: Path | None) -> None:
    said = ", ".join(f"{counts[status]} {status}" for status in _STATUSES if counts[status])
    written = " and ".join(str(path) for path in outputs if path)
    where = f"; wrote {written}" if written else ""
    typer.echo(f"{count(sum(counts.values()), 'file')}: {said}{where}", err=True)


def _say_who_has_words(inputs: "Sequence[Input]", language: str) -> None:
    """Say on stderr that words are looked at although nobody asked for them."""
    from mercli.words import beside

    n = sum(beside.has(item.path, language) for item in inputs)
    of = f"{n} of {count(len(inputs), 'file')}"
    typer.echo(f"words are looked at too: a transcript lies beside {of}; --no-words leaves them out", err=True)


def _write(output: Path | None, rows: "Iterable[Row]", schema: Mapping[str, type], option: str) -> None:
    from mercli import tables
    from mercli.errors import MercliError, UsageError

    if output is None:
        _print_csv(rows, schema)
        return
    try:
        tables.write(output, rows, schema, option)
    except UsageError as error:  # the place was good when the run began
        raise MercliError(str(error)) from error


def _name_some(losses: Sequence[str], rows: "Journal") -> None:
    """Say why the first files without an answer have none."""
    for row in rows.rows(losses[:_NAMED]):
        typer.echo(f"no answer: {row['file']}: {row['error']}", err=True)
    if len(losses) > _NAMED:
        typer.echo(f"no answer: {len(losses) - _NAMED} more; the column error says why", err=True)


def _find_journal(output: Path | None, overwrite: bool) -> Path | None:
    """Say where the journal goes, once it is clear that the table can be written and costs no other file."""
    from mercli import journal, tables
    from mercli.errors import UsageError

    if output is not None:
        tables.writer_for(output)
    refuse_output(output)
    if output is None:
        return None
    # Beside the file behind a link: two runs through two names are still on one output.
    place = Path(os.path.realpath(output)) if output.is_symlink() else output
    kept = place.with_name(place.name + journal.SUFFIX)
    if output.exists() and not (overwrite or tables.is_table(output, tables.columns(()))):
        raise UsageError(f"{output} is not a table of mercli's; give -o another name, or --overwrite it")
    return kept


def _refuse_timeline(timeline: Path, output: Path | None, kept: Path | None, overwrite: bool) -> None:
    """Raise a UsageError where no timeline could be written, or one would cost another file."""
    from mercli import tables
    from mercli.errors import UsageError
    from mercli.files import refuse_unwritable

    tables.writer_for(timeline)
    if output is not None and _are_one(timeline, output):
        raise UsageError(f"--timeline {timeline} is the file of -o too; give each a name of its own")
    if kept is not None and _are_one(timeline, kept):
        raise UsageError(f"--timeline {timeline} is the journal of -o; give it a name of its own")
    refuse_unwritable(timeline, "--timeline")
    if timeline.exists() and not (overwrite or tables.is_table(timeline, tables.timeline_columns(()))):
        raise UsageError(
            f"{timeline} is not a timeline of mercli's; give --timeline another name, or --overwrite it"
        )


def _are_one(path: Path, other: Path) -> bool:
    """Tell whether two names are, or would be, of one file."""
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    return path.exists() and other.exists() and path.samefile(other)


def _print_csv(rows: "Iterable[Row]", schema: Mapping[str, type]) -> None:
    from mercli import tables

    if isinstance(sys.stdout, io.TextIOWrapper):  # the same bytes as in a file, whatever the terminal's are
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    with streams.printing():
        tables.write_csv(sys.stdout, rows, schema)
