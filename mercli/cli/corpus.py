"""``mercli corpus``: labelled corpora, before anything is trained on them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mercli.cli.guard import FAILED, guarded
from mercli.cli.options import (
    Debug,
    Jobs,
    MaxDuration,
    MaxMemory,
    MaxPixels,
    Quiet,
    Timeout,
    read_limits,
)
from mercli.cli.recipe import Corpora, Manifest
from mercli.wording import count

if TYPE_CHECKING:
    from rich.console import Console

    from mercli.corpora.audit import Audit

_SHOWN = 40  # speakers that are shown one by one
_NAMED = 5  # files that are named

corpus = typer.Typer(name="corpus", help="Look at labelled corpora.", no_args_is_help=True)


@corpus.callback()
def _options() -> None:
    """Look at labelled corpora."""


@corpus.command()
@guarded
def check(
    corpora: Corpora,
    manifest: Manifest = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="The same for programs.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace that file where it exists.")] = False,
    jobs: Jobs = None,
    timeout: Timeout = 3600.0,
    max_memory: MaxMemory = None,
    max_duration: MaxDuration = 0.0,
    max_pixels: MaxPixels = 40_000_000,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Read every file, count classes and speakers, and find what would spoil a result.

    Finds files that cannot be read, recordings that stand more than once, and speakers on both sides of a split.
    Exits with 1 if there are any, with 0 if all is well.
    """
    import json

    from rich.console import Console

    from mercli import batch, emotions, files
    from mercli.cli.places import refuse_to_lose, refuse_to_replace
    from mercli.corpora import load
    from mercli.corpora.audit import Examination, audit
    from mercli.progress import Display

    read = [*corpora, *([manifest] if manifest else [])]
    refuse_to_replace({"--json": json_file}, overwrite=overwrite, read=read)
    labelled = load(corpora, manifest=manifest, classes=emotions.ALL, to_train=False)
    refuse_to_lose({"--json": json_file}, labelled.files)
    jobs = jobs or batch.default_jobs()
    limits = read_limits(
        jobs, timeout=timeout, max_memory=max_memory, max_duration=max_duration, max_pixels=max_pixels
    )
    with Display("read", len(labelled.examples), quiet=quiet) as display:
        found = audit(
            labelled,
            Examination(limits, debug),
            jobs=jobs,
            on_file=lambda each: display.advance(each.duration_s, failed=each.problem is not None),
        )
    if json_file is not None:
        files.write_text(json_file, json.dumps(found.to_json(), indent=2, ensure_ascii=False) + "\n", "--json")
    _show(Console(), found)
    if found.problems():
        raise typer.Exit(FAILED)


def _show(console: "Console", found: "Audit") -> None:
    from rich.markup import escape

    corpus = found.corpus
    n_files, n_speakers = count(len(corpus.examples), "file"), count(len(corpus.speakers), "speaker")
    console.print(
        f"[bold]{escape(corpus.name)}[/]: {n_files}, {n_speakers}, {found.duration_s / 60:.1f} minutes\n"
    )
    _show_counts(console, found)
    for trait, counts in found.traits().items():
        if len(counts) <= _SHOWN:
            said = ", ".join(f"{value} {n}" for value, n in sorted(counts.items()))
            console.print(f"{escape(trait)}: {escape(said)}", highlight=False)
    console.print()
    _show_reasons(console, "cannot be read", found.unreadable())
    _show_reasons(console, "read as far as they go", found.damaged())
    _show_reasons(console, "silent", found.silent())
    for each in found.duplicates():
        across = f", across {' and '.join(each.crosses)}" if each.crosses else ""
        _list(console, f"the same {each.what}{across}", [str(example.path) for example in each.examples])
    for speaker, splits in found.on_both_sides().items():
        console.print(f"on both sides: {escape(speaker)} ({', '.join(map(escape, splits))})", highlight=False)
    for note in found.notes():
        console.print(escape(note), highlight=False)
    problems = found.problems()
    verdict = "; ".join(problems) if problems else "nothing found that would spoil a result"
    console.print(f"[bold]{escape(verdict)}[/]", highlight=False)


def _show_counts(console: "Console", found: "Audit") -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    corpus, counts = found.corpus, found.counts()
    table = Table(box=box.SIMPLE, padding=0, pad_edge=False)
    table.add_column("")
    for name in (*corpus.classes, "all"):
        table.add_column(name, justify="right")

    def add(name: str, of: Mapping[str, int]) -> None:
        table.add_row(escape(name), *(str(of.get(label, 0)) for label in corpus.classes), str(sum(of.values())))

    if len(counts) <= _SHOWN:
        for speaker, of in counts.items():
            add(speaker, of)
        table.add_section()
    whole = {label: sum(of[label] for of in counts.values()) for label in corpus.classes}
    add("all" if len(counts) <= _SHOWN else f"{len(counts)} speakers", whole)
    console.print(table)


def _show_reasons(console: "Console", what: str, reasons: Mapping[Path, str]) -> None:
    if reasons:
        _list(
            console, f"{count(len(reasons), 'file')} {what}", [f"{path}: {why}" for path, why in reasons.items()]
        )


def _list(console: "Console", title: str, lines: Sequence[str]) -> None:
    from rich.markup import escape

    console.print(f"{escape(title)}:", highlight=False)
    for line in lines[:_NAMED]:
        console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
    if len(lines) > _NAMED:
        console.print(f"  and {len(lines) - _NAMED} more", highlight=False)
