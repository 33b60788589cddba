"""``mercli fit``: a labelled corpus in, a bundle and its numbers out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mercli.cli.compiling import say_what_is_compiled
from mercli.cli.guard import guarded
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
    count,
    read_limits,
    split_commas,
)

if TYPE_CHECKING:
    from mercli.corpora import Corpus
    from mercli.evaluation import Scores
    from mercli.fitting import Fitted
    from mercli.voice.spec import VoiceSpec

_FEW_SPEAKERS = 5


@guarded
def fit(
    corpus: Annotated[
        Path,
        typer.Argument(
            metavar="CORPUS", help="A folder of RAVDESS files, or a manifest CSV with file,label,speaker."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="BUNDLE", help="The new bundle's folder.")],
    manifest: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="A CSV with file,label,speaker; its files are relative to CORPUS."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="N/N/N",
            help="Speakers to train the voice and face models, to train the fusion, and to test, such as 8/12/4.",
            show_default="folds over all speakers",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Classes to keep, separated by commas; calm counts as neutral unless named.",
            show_default="angry,disgust,fear,happy,sad,surprise,neutral",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="Of folds, forest and split.")] = 0,
    jobs: Jobs = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="The bundle whose face network to use.", show_default="the one that ships"
        ),
    ] = None,
    voice_encoder: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Train the voice on the frames of this speech network (ONNX), which the bundle refers to.",
            show_default="the features of --voice-set",
        ),
    ] = None,
    voice_set: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The features of the voice: mercli-1, or original-34, those of the original system.",
            show_default="that of --base, mercli-1",
        ),
    ] = None,
    voice_classifier: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="lda, logistic, svm, forest, average; or auto: the best on held-out speakers, which takes long.",
            show_default="lda",
        ),
    ] = None,
    face_pooling: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="How the frames of a face become one answer: mean, stats, or recurrent, which takes PyTorch.",
            show_default="that of --base, stats",
        ),
    ] = None,
    fusion: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What fuses voice and face: forest, logistic, product; joint, which takes PyTorch; or auto.",
            show_default="product",
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
    """Train a bundle on a labelled corpus, and say how it does on speakers it never saw."""
    import shlex
    import sys

    from mercli import batch, corpora, emotions, training
    from mercli import bundle as bundles
    from mercli.cli.progress import Display
    from mercli.errors import UsageError
    from mercli.fitting import fit as fit_corpus
    from mercli.fitting import try_encoder
    from mercli.setup import make_setup, open_bundle

    chosen = split_commas(modalities)
    _refuse_without(chosen, "voice", {"--voice-set": voice_set, "--voice-classifier": voice_classifier})
    _refuse_without(chosen, "face", {"--face-pooling": face_pooling})
    for modality in ("voice", "face"):
        _refuse_without(chosen, modality, {"--fusion": fusion})
    made_by = {"voice_classifier": voice_classifier, "fusion": fusion}
    training.check(face_pooling=face_pooling, **made_by)
    spec = _read_set(voice_set, voice_encoder)
    folder, front = open_bundle(base)
    if front.face is not None:
        training.check(face_pooling=face_pooling or front.face.spec.pooling)
    elif face_pooling is not None:
        raise UsageError(f"--face-pooling is for the face, of which bundle {front.name} has no model")
    measured_by = (spec or front.voice_spec).encoder
    kept = voice_encoder.name if voice_encoder else measured_by.file if measured_by else None
    bundles.refuse_to_replace(output, kept)
    sizes = corpora.parse_split(split) if split is not None else None
    wanted = emotions.FER2013 if classes is None else split_commas(classes) or ()
    labelled = corpora.load(corpus, manifest=manifest, classes=wanted)
    jobs = jobs or batch.default_jobs()
    limits = read_limits(
        jobs, timeout=timeout, max_memory=max_memory, max_duration=max_duration, max_pixels=max_pixels
    )
    setup = make_setup(
        folder,
        front,
        split_commas(modalities),
        face_detector,
        limits=limits,
        debug=debug,
        voice=try_encoder(voice_encoder, limits, debug=debug) if voice_encoder else spec or front.voice_spec,
        encoder=voice_encoder,
    )
    given = {name: value for name, value in made_by.items() if value is not None}
    if not quiet and "voice" in setup.modalities:
        say_what_is_compiled()
    with Display("measure", len(labelled.examples), quiet=quiet) as display:
        fitted = fit_corpus(
            labelled,
            front,
            setup,
            name=bundles.name_for(output),
            jobs=jobs,
            seed=seed,
            split=sizes,
            recipe=training.Recipe(setup.voice or front.voice_spec, face_pooling=face_pooling, **given),
            command=shlex.join(["mercli", *sys.argv[1:]]),
            on_file=lambda evidence: display.advance(
                evidence.duration_s, failed=evidence.voice is None and evidence.face is None
            ),
        )
    bundles.save(fitted.bundle, output, kept)
    try:
        _say(fitted, labelled, wanted, quiet=quiet)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; {output} is written") from None
    if not quiet:
        typer.echo(f"wrote {output}", err=True)


def _refuse_without(modalities: Sequence[str] | None, modality: str, given: Mapping[str, str | None]) -> None:
    from mercli.errors import UsageError

    for option, value in given.items():
        if value is not None and modalities is not None and modality not in modalities:
            raise UsageError(f"{option} is for the {modality}, which --modalities leaves out")


def _read_set(name: str | None, encoder: Path | None) -> "VoiceSpec | None":
    from mercli.errors import UsageError
    from mercli.features import set_names
    from mercli.voice.sets import default_spec

    if name is None:
        return None
    if encoder is not None:
        raise UsageError("--voice-set and --voice-encoder exclude each other: only one of them measures the voice")
    if name not in set_names():
        raise UsageError(f"no feature set {name!r}; there is {' and '.join(set_names())}")
    return default_spec(name)


def _say(fitted: "Fitted", labelled: "Corpus", wanted: Sequence[str], *, quiet: bool) -> None:
    for path, reason in fitted.problems.items():
        typer.echo(f"left out: {path}: {reason}", err=True)
    for path, reason in fitted.damaged.items():
        typer.echo(f"used as far as it can be read: {path}: {reason}", err=True)
    if labelled.left_out and not quiet:
        typer.echo(f"left out: {labelled.left_out} files of other classes", err=True)
    absent = [label for label in wanted if label not in labelled.classes]
    if absent and not quiet:
        typer.echo(f"no example of {', '.join(absent)}: the bundle does not know it", err=True)
    n_speakers = max(score.n_speakers for score in fitted.scores.values())
    if n_speakers < _FEW_SPEAKERS and not quiet:
        few = count(n_speakers, "speaker")
        typer.echo(f"tested on {few} only: the numbers and their intervals say little about others", err=True)
    _show(fitted.scores)


def _show(scores: "dict[str, Scores]") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print("On held-out speakers, with 95 % intervals (bootstrap over speakers)")
    summary = Table(box=box.SIMPLE)
    for heading in ("", "clips", "speakers", "accuracy", "macro-F1", "UAR", "ECE"):
        summary.add_column(heading, justify="left" if heading == "" else "right")
    for what, score in scores.items():
        rates = (
            f"{getattr(score, rate):.3f}" + (f"\n{low:.3f} to {high:.3f}" if score.n_speakers > 1 else "")
            for rate in ("accuracy", "macro_f1", "uar")
            for low, high in [score.intervals[rate]]
        )
        summary.add_row(what, str(score.n), str(score.n_speakers), *rates, f"{score.ece:.3f}")
    console.print(summary)
    for what, score in scores.items():
        console.print(f"{what}: confusion, rows are true, columns answered")
        confusion = Table(box=box.SIMPLE)
        confusion.add_column("")
        for name in score.classes:
            confusion.add_column(name, justify="right")
        for name, counts in zip(score.classes, score.confusion, strict=True):
            confusion.add_row(name, *map(str, counts))
        console.print(confusion)
