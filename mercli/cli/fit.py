"""``mercli fit``: a labelled corpus in, a bundle and its numbers out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mercli.cli.compiling import say_what_is_compiled
from mercli.cli.device import Device, on_device
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
    read_limits,
    split_commas,
)
from mercli.cli.recipe import (
    Base,
    Classes,
    Corpora,
    FaceNetwork,
    FacePooling,
    Fusion,
    Manifest,
    Seed,
    VoiceClassifier,
    VoiceEncoder,
    VoiceSet,
    open_front_end,
    read_classes,
)
from mercli.wording import count

if TYPE_CHECKING:
    from mercli.cli.recipe import FrontEnd
    from mercli.corpora import Corpus
    from mercli.fitting import Fitted
    from mercli.words.labelled import LabelledTexts

_FEW_SPEAKERS = 5


@guarded
def fit(
    corpora: Corpora,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="BUNDLE", help="The new bundle's folder.")],
    manifest: Manifest = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="N/N/N",
            help="Speakers to train the voice and face models, to train the fusion, and to test, such as 8/12/4.",
            show_default="folds over all speakers",
        ),
    ] = None,
    classes: Classes = None,
    seed: Seed = 0,
    jobs: Jobs = None,
    base: Base = None,
    voice_encoder: VoiceEncoder = None,
    voice_set: VoiceSet = None,
    voice_classifier: VoiceClassifier = None,
    face_network: FaceNetwork = None,
    face_pooling: FacePooling = None,
    fusion: Fusion = None,
    words_model: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Learn words from this table of texts and emotions, such as one of MELD's.",
            show_default="the words of --base, if it knows any",
        ),
    ] = None,
    words_language: Annotated[
        str | None,
        typer.Option(
            metavar="CODE",
            help="What language the texts of --words-model, and so the transcripts, are in, by two letters.",
            show_default="en",
        ),
    ] = None,
    modalities: Modalities = None,
    face_detector: Detector = "haar",
    device: Device = "auto",
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

    from mercli import batch
    from mercli import bundle as bundles
    from mercli import corpora as labels
    from mercli.fitting import fit as fit_corpus
    from mercli.progress import Display

    front = open_front_end(
        base,
        split_commas(modalities),
        voice_encoder=voice_encoder,
        voice_set=voice_set,
        voice_classifier=voice_classifier,
        face_pooling=face_pooling,
        fusion=fusion,
        face_network=face_network,
    )
    bundles.refuse_to_replace(output, front.kept)
    texts = _read_texts(words_model, words_language, modalities)
    sizes = labels.parse_split(split) if split is not None else None
    wanted = read_classes(classes)
    labelled = labels.load(corpora, manifest=manifest, classes=wanted)
    jobs = jobs or batch.default_jobs()
    limits = read_limits(
        jobs, timeout=timeout, max_memory=max_memory, max_duration=max_duration, max_pixels=max_pixels
    )
    if texts is not None:
        front = front.with_words(texts, seed=seed, language=words_language or "en")
        if texts.left_out and not quiet:
            said = f"{texts.left_out} of {count(texts.left_out + len(texts.texts), 'row')} of {words_model}"
            typer.echo(f"left out: {said}, without a word or with an emotion that mercli does not know", err=True)
    front = _with_words_of_use(front, labelled, texts is not None)
    setup = front.set_up(face_detector, limits, labelled.paths, debug=debug)
    if not quiet and "voice" in setup.modalities:
        say_what_is_compiled()
    with (
        on_device(device, setup) as setup,
        Display("measure", len(labelled.examples), quiet=quiet) as display,
    ):
        fitted = fit_corpus(
            labelled,
            front.bundle,
            setup,
            name=bundles.name_for(output),
            jobs=jobs,
            seed=seed,
            split=sizes,
            recipe=front.recipe(setup),
            known_texts=texts.texts if texts else (),
            command=shlex.join(["mercli", *sys.argv[1:]]),
            on_file=lambda evidence: display.advance(
                evidence.duration_s, failed=evidence.voice is None and evidence.face is None and not evidence.words
            ),
        )
    bundles.save(fitted.bundle, output, front.kept)
    try:
        _say(fitted, labelled, wanted, quiet=quiet)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; {output} is written") from None
    if not quiet:
        typer.echo(f"wrote {output}", err=True)


def _with_words_of_use(front: "FrontEnd", labelled: "Corpus", is_given: bool) -> "FrontEnd":
    """Leave out words that know too few of the corpus' classes; a UsageError says so where they were asked for."""
    from dataclasses import replace

    from mercli.errors import UsageError

    words = front.bundle.words
    if words is None or len(set(words.model.classes) & set(labelled.classes)) > 1:
        return front
    why = (
        f"the words know {', '.join(words.model.classes)}, the corpus {', '.join(labelled.classes)}: they have to "
        "have two in common"
    )
    if is_given or "words" in (front.modalities or ()):
        raise UsageError(why)
    if front.modalities is None:
        typer.echo(f"words are left out: {why}", err=True)
    return replace(front, bundle=replace(front.bundle, words=None))


def _read_texts(path: Path | None, language: str | None, modalities: str | None) -> "LabelledTexts | None":
    from mercli.errors import UsageError
    from mercli.words.labelled import read_texts
    from mercli.words.languages import check_code

    if path is None:
        if language is not None:
            raise UsageError("--words-language is for --words-model, which is not given")
        return None
    try:
        check_code(language or "en")
    except ValueError as error:
        raise UsageError(f"--words-language: {error}, such as de") from error
    asked = split_commas(modalities)
    if asked is not None and "words" not in asked:
        raise UsageError("--words-model is for words, which --modalities leaves out")
    return read_texts(path)


def _say(fitted: "Fitted", labelled: "Corpus", wanted: Sequence[str], *, quiet: bool) -> None:
    from rich.console import Console

    from mercli.cli.scores import show
    from mercli.evaluation.sections import confusion, scores

    for path, reason in fitted.problems.items():
        typer.echo(f"left out: {path}: {reason}", err=True)
    for path, reason in fitted.damaged.items():
        typer.echo(f"used as far as it can be read: {path}: {reason}", err=True)
    if labelled.left_out and not quiet:
        typer.echo(f"left out: {labelled.left_out} files of other classes", err=True)
    if fitted.familiar:
        typer.echo(f"{fitted.familiar}: the scores of words, and of the fusion with them, are too good", err=True)
    absent = [label for label in wanted if label not in labelled.classes]
    if absent and not quiet:
        typer.echo(f"no example of {', '.join(absent)}: the bundle does not know it", err=True)
    n_speakers = max(score.n_speakers for score in fitted.scores.values())
    if n_speakers < _FEW_SPEAKERS and not quiet:
        few = count(n_speakers, "speaker")
        typer.echo(f"tested on {few} only: the numbers and their intervals say little about others", err=True)
    console = Console()
    show(console, scores(fitted.scores, "On held-out speakers, with 95 % intervals (bootstrap over speakers)"))
    for what, score in fitted.scores.items():
        show(console, confusion(what, score))
