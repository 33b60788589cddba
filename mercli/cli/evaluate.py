"""``mercli evaluate``: a labelled corpus in, honest numbers out."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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

if TYPE_CHECKING:
    from mercli.corpora import Corpus
    from mercli.errors import MercliError
    from mercli.evaluation.run import Wish
    from mercli.evaluation.verdict import Evaluation
    from mercli.limits import Limits
    from mercli.progress import Display
    from mercli.setup import Setup


_FRONT = ("base", "face_network")  # what is measured, whatever the recipe


@guarded
def evaluate(
    corpora: Corpora,
    manifest: Manifest = None,
    bundle: Annotated[
        str | None,
        typer.Option(metavar="FOLDER", help="Test this fitted bundle.", show_default="the one that ships"),
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="folds|loso|N/N/N|original",
            help="Train and test in place of testing a bundle: in folds, leaving one speaker out, with speakers "
            "drawn such as 8/12/4, or as the original system did.",
        ),
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, metavar="N", help="How often to draw speakers.", show_default="1, of the original 10"
        ),
    ] = None,
    allow_seen: Annotated[
        bool, typer.Option("--allow-seen", help="Test on speakers that the bundle was fitted on, too; it is said.")
    ] = False,
    leave_out_seen: Annotated[
        bool, typer.Option("--leave-out-seen", help="Test on the other speakers only.")
    ] = False,
    features: Annotated[
        bool,
        typer.Option(
            "--features", help="Rank the features of the voice, and find their leading dimensions; original does."
        ),
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="All numbers, for programs and `mercli report`.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="All tables as Markdown.")
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", metavar="FILE", help="What was said of each clip: .csv, .parquet or .jsonl."),
    ] = None,
    pca: Annotated[
        Path | None,
        typer.Option("--pca", metavar="FILE", help="The clips in the leading dimensions: .png or .svg."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", metavar="FILE", help="A page to look at, as `mercli report` makes.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace these files where they exist.")] = False,
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
    """Say how well a bundle, or a way to train one, does on speakers it never saw.

    Without --protocol a fitted bundle is tested. It is not tested on speakers that it was fitted on, which it
    records, unless --allow-seen says so.
    """
    from dataclasses import replace

    from mercli import batch
    from mercli.cli.places import refuse_to_replace
    from mercli.errors import UsageError

    outputs = {"--json": json_file, "--markdown": markdown, "--answers": answers, "--pca": pca, "--report": report}
    refuse_to_replace(outputs, overwrite=overwrite, read=[*corpora, *([manifest] if manifest else [])])
    _refuse_suffixes(answers, pca)
    jobs = jobs or batch.default_jobs()
    limits = read_limits(
        jobs, timeout=timeout, max_memory=max_memory, max_duration=max_duration, max_pixels=max_pixels
    )
    run = _Run(
        outputs,
        corpora,
        manifest,
        classes,
        split_commas(modalities),
        face_detector,
        limits,
        jobs,
        seed,
        quiet,
        debug,
        device,
    )
    made_by = {
        "base": base,
        "voice_set": voice_set,
        "voice_classifier": voice_classifier,
        "face_pooling": face_pooling,
        "fusion": fusion,
        "face_network": face_network,
    }
    ranked = features or pca is not None
    if ranked and run.modalities is not None and "voice" not in run.modalities:
        raise UsageError("--features and --pca are for the voice, which --modalities leaves out")
    for_bundles = {"--bundle": bundle, "--allow-seen": allow_seen, "--leave-out-seen": leave_out_seen}
    for_recipes = {f"--{name.replace('_', '-')}": value for name, value in made_by.items()}
    if protocol is None:
        _refuse("is for training, which --protocol does", {**for_recipes, "--draws": draws})
        found = run.test_bundle(bundle, voice_encoder, ranked, allow_seen, leave_out_seen)
    else:
        _refuse("is for a fitted bundle, and --protocol trains its own", for_bundles)
        found = run.train_and_test(protocol, draws, voice_encoder, made_by, ranked)
    found = replace(found, command=shlex.join(["mercli", *sys.argv[1:]]))
    written, unwritten = _write(found, outputs)
    _show(found)
    if not quiet and written:
        typer.echo(f"wrote {', '.join(map(str, written))}", err=True)
    if unwritten:
        raise unwritten[0]


@dataclass(frozen=True, slots=True)
class _Run:
    """Hold what both kinds of evaluation are told."""

    outputs: Mapping[str, Path | None]
    corpora: Sequence[Path]
    manifest: Path | None
    classes: str | None
    modalities: Sequence[str] | None
    detector: str
    limits: "Limits"
    jobs: int
    seed: int
    quiet: bool
    debug: bool
    device: str

    def test_bundle(
        self, name: str | None, encoder: Path | None, ranked: bool, allow_seen: bool, leave_out_seen: bool
    ) -> "Evaluation":
        """Test a fitted bundle."""
        from mercli.cli.places import refuse_to_lose
        from mercli.errors import UsageError
        from mercli.evaluation.run import evaluate_bundle, refuse_seen, seen_speakers, without_speakers
        from mercli.setup import make_setup, open_bundle

        if allow_seen and leave_out_seen:
            raise UsageError("--allow-seen and --leave-out-seen exclude each other")
        folder, bundle = open_bundle(name)
        refuse_to_lose(self.outputs, [*folder.iterdir(), *([encoder] if encoder else [])])
        classes = bundle.classes if self.classes is None else split_commas(self.classes) or ()
        if strange := [name for name in classes if name not in bundle.classes]:
            raise UsageError(f"bundle {bundle.name} knows no {strange[0]}; it knows {', '.join(bundle.classes)}")
        labelled = self._load(classes, to_train=False)
        left_out = seen_speakers(labelled, bundle) if leave_out_seen else ()
        labelled = without_speakers(labelled, left_out)
        if not allow_seen:
            refuse_seen(labelled, bundle)
        setup = make_setup(
            folder,
            bundle,
            self.modalities,
            self.detector,
            limits=self.limits,
            debug=self.debug,
            encoder=encoder,
            sources=labelled.paths,
        )
        with on_device(self.device, setup) as setup, self._display(labelled, setup) as display:
            return evaluate_bundle(labelled, bundle, setup, self._wish(display, ranked), left_out=left_out)

    def train_and_test(
        self,
        protocol: str,
        draws: int | None,
        encoder: Path | None,
        made_by: Mapping[str, str | None],
        ranked: bool,
    ) -> "Evaluation":
        """Train and test, in rounds."""
        from dataclasses import replace

        from mercli.cli.places import refuse_to_lose
        from mercli.evaluation import original
        from mercli.evaluation.rounds import ORIGINAL, fit_sizes, parse_protocol
        from mercli.evaluation.run import evaluate_protocol, n_rounds

        asked = parse_protocol(protocol, draws)
        given = dict(made_by)
        if asked.name == ORIGINAL:
            fixed: dict[str, object] = {
                f"--{name.replace('_', '-')}": value for name, value in made_by.items() if name not in _FRONT
            }
            _refuse(
                "does not go with --protocol original, whose recipe is fixed",
                {**fixed, "--voice-encoder": encoder},
            )
            if self.modalities is None or "voice" in self.modalities:
                given["voice_set"] = original.RECIPE.voice.feature_set
        front = open_front_end(given.pop("base"), self.modalities, voice_encoder=encoder, **given)
        refuse_to_lose(self.outputs, front.read)
        default = original.CLASSES if asked.name == ORIGINAL else None
        labelled = self._load(default if default and self.classes is None else read_classes(self.classes))
        asked = fit_sizes(asked, len(labelled.speakers))
        if asked.name == ORIGINAL:  # which knew no words
            front = replace(front, bundle=replace(front.bundle, words=None))
        setup = front.set_up(self.detector, self.limits, labelled.paths, debug=self.debug)
        recipe = original.RECIPE if asked.name == ORIGINAL else front.recipe(setup)
        rounds = n_rounds(labelled, asked, seed=self.seed)
        with on_device(self.device, setup) as setup, self._display(labelled, setup, rounds) as display:
            wish = self._wish(display, ranked or asked.name == ORIGINAL)
            return evaluate_protocol(labelled, front.bundle, setup, asked, recipe, wish)

    def _load(self, classes: Sequence[str], *, to_train: bool = True) -> "Corpus":
        from mercli import corpora
        from mercli.cli.places import refuse_to_lose

        labelled = corpora.load(self.corpora, manifest=self.manifest, classes=classes, to_train=to_train)
        refuse_to_lose(self.outputs, labelled.files)
        return labelled

    def _display(self, labelled: "Corpus", setup: "Setup", n_rounds: int = 0) -> "Display":
        from mercli.progress import Display

        if not self.quiet and "voice" in setup.modalities:
            say_what_is_compiled()
        return Display("measure", len(labelled.examples), quiet=self.quiet, then=("train", n_rounds))

    def _wish(self, display: "Display", ranked: bool) -> "Wish":
        from mercli.evaluation.run import Wish

        return Wish(
            self.jobs,
            self.seed,
            ranked,
            on_file=lambda evidence: display.advance(
                evidence.duration_s, failed=evidence.voice is None and evidence.face is None and not evidence.words
            ),
            on_round=display.advance_then,
        )


def _refuse(why: str, given: Mapping[str, object]) -> None:
    """Raise a UsageError where an option was given that does not belong here."""
    from mercli.errors import UsageError

    for option, value in given.items():
        if value is not None and value is not False:
            raise UsageError(f"{option} {why}")


def _refuse_suffixes(answers: Path | None, pca: Path | None) -> None:
    from mercli import tables
    from mercli.errors import UsageError

    if answers is not None:
        tables.writer_for(answers)
    if pca is not None and pca.suffix.lower() not in (".png", ".svg"):
        raise UsageError(f"--pca {pca} ends neither in .png nor in .svg")


def _write(found: "Evaluation", outputs: Mapping[str, Path | None]) -> "tuple[list[Path], list[MercliError]]":
    """Write the files that were asked for; what cannot be written costs neither the others nor the tables."""
    from mercli.errors import MercliError

    written, unwritten = [], []
    for option, path in outputs.items():
        if path is not None:
            try:
                _write_one(found, option, path)
                written.append(path)
            except MercliError as error:
                unwritten.append(MercliError(str(error)))  # the places were good when the run began
    return written, unwritten


def _write_one(found: "Evaluation", option: str, path: Path) -> None:
    import json

    from mercli import files, tables
    from mercli.evaluation import markdown
    from mercli.evaluation.pictures import draw_dimensions
    from mercli.report import write_page

    if option == "--json":
        text = json.dumps(found.to_json(), indent=2, ensure_ascii=False, allow_nan=False)
        files.write_text(path, f"{text}\n", option)
    elif option == "--markdown":
        files.write_text(path, markdown.write(found), option)
    elif option == "--answers":
        tables.write(path, found.answers, found.columns, option)
    elif option == "--pca":
        draw_dimensions(found, path, option)
    else:
        write_page(path, evaluations=[found.to_json()])


def _show(found: "Evaluation") -> None:
    from rich.console import Console
    from rich.markup import escape

    from mercli.cli.scores import show
    from mercli.evaluation.sections import sections
    from mercli.wording import count

    console = Console()
    size = f"{count(found.n_clips, 'clip')} of {count(found.n_speakers, 'speaker')}"
    console.print(f"[bold]{escape(found.corpus)}[/], {size}")
    console.print(escape(found.how))
    for warning in found.warnings:
        console.print(escape(warning), style="bold yellow")
    console.print()
    for section in sections(found):
        show(console, section)
