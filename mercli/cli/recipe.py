"""Options of the commands that read labelled corpora and train: which files, which front end, which recipe."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mercli.cli.options import split_commas

if TYPE_CHECKING:
    from mercli.bundle import Bundle
    from mercli.face_networks import OutsideNetwork
    from mercli.limits import Limits
    from mercli.setup import Setup
    from mercli.sources import Source
    from mercli.training import Recipe
    from mercli.voice.spec import VoiceSpec
    from mercli.words.labelled import LabelledTexts

Corpora = Annotated[
    list[Path],
    typer.Argument(
        metavar="CORPUS...",
        help="Folders of a corpus whose file names are known, or manifests with file,label,speaker.",
    ),
]
Manifest = Annotated[
    Path | None,
    typer.Option(metavar="CSV", help="A CSV with file,label,speaker; its files are relative to CORPUS."),
]
Classes = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="Classes to keep, separated by commas; calm counts as neutral unless named.",
        show_default="angry,disgust,fear,happy,sad,surprise,neutral",
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="Of folds, forest and split.")]
Base = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER", help="The bundle whose face network to use.", show_default="the one that ships"
    ),
]
VoiceEncoder = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Train the voice on the frames of this speech network (ONNX), which the bundle refers to.",
        show_default="the features of --voice-set",
    ),
]
VoiceSet = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The features of the voice: mercli-1, or original-34, those of the original system.",
        show_default="that of --base, mercli-1",
    ),
]
VoiceClassifier = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="lda, logistic, svm, forest, average; or auto: the best on held-out speakers, which takes long.",
        show_default="lda",
    ),
]
FaceNetwork = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Train the face behind this network: one of `mercli models list`, or an .onnx file with its "
        "contract, a .json, beside it.",
        show_default="that of --base",
    ),
]
FacePooling = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="How the frames of a face become one answer: mean, stats, or recurrent, which takes PyTorch.",
        show_default="that of --base, stats",
    ),
]
Fusion = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What fuses voice and face: forest, logistic, product; joint, which takes PyTorch; or auto.",
        show_default="product",
    ),
]


@dataclass(frozen=True, slots=True)
class FrontEnd:
    """Hold what the options of a training command say, checked against each other and the base bundle.

    Parameters
    ----------
    folder : Path
        The base bundle's.
    bundle : Bundle
        The base bundle.
    modalities : sequence of str or None
        Those asked for.
    voice : VoiceSpec or None
        How to measure the voice, where that is not how the bundle does and no encoder was given.
    encoder : Path or None
        The speech network that was given.
    face_pooling : str or None
        As given.
    face_network : OutsideNetwork or None
        What takes the place of the base bundle's face network; `bundle` has it in it.
    made_by : mapping of str to str
        The other fields of the recipe that were given.
    """

    folder: Path
    bundle: "Bundle"
    modalities: Sequence[str] | None
    voice: "VoiceSpec | None"
    encoder: Path | None
    face_pooling: str | None
    face_network: "OutsideNetwork | None"
    made_by: Mapping[str, Any]

    @property
    def kept(self) -> str | None:
        """Name the file of the speech network that measures the voice, if one does."""
        if self.encoder:
            return self.encoder.name
        spec = (self.voice or self.bundle.voice_spec).encoder
        return spec.file if spec else None

    @property
    def read(self) -> list[Path]:
        """List the files that are read, none of which an output may replace."""
        given = [self.encoder] if self.encoder else []
        if self.face_network:
            file = Path(self.face_network.file)
            given += [file, file.with_suffix(".json")]
        return [*self.folder.iterdir(), *given]

    def set_up(self, detector: str, limits: "Limits", sources: "Iterable[Source]", *, debug: bool) -> "Setup":
        """Make the setup of workers for some files; networks that were given are tried, which takes a moment."""
        from mercli.fitting import try_encoder
        from mercli.setup import make_setup

        tried = try_encoder(self.encoder, limits, debug=debug) if self.encoder else None
        return make_setup(
            self.folder,
            self.bundle,
            self.modalities,
            detector,
            limits=limits,
            debug=debug,
            voice=tried or self.voice or self.bundle.voice_spec,
            encoder=self.encoder,
            face_network=self.face_network,
            sources=sources,
        )

    def with_words(self, texts: "LabelledTexts", *, seed: int, language: str) -> "FrontEnd":
        """Give the same with words that are learnt from a table of texts, which takes a moment."""
        from mercli.words.own import learn_part

        part, record = learn_part(texts, seed=seed, language=language)
        training = {**self.bundle.training, "words_classifier": record}
        return replace(self, bundle=replace(self.bundle, words=part, training=training))

    def recipe(self, setup: "Setup") -> "Recipe":
        """Give the recipe, for evidence that is measured by a setup."""
        from mercli.training import Recipe

        made = Recipe(setup.voice or self.bundle.voice_spec, face_pooling=self.face_pooling)
        return replace(made, **self.made_by)


def open_front_end(
    base: str | None,
    modalities: Sequence[str] | None,
    *,
    voice_encoder: Path | None,
    voice_set: str | None,
    voice_classifier: str | None,
    face_pooling: str | None,
    fusion: str | None,
    face_network: str | None,
) -> FrontEnd:
    """Check the options of a training command, and open the base bundle; a UsageError says what is wrong."""
    from mercli import training
    from mercli.errors import UsageError
    from mercli.face_networks import find
    from mercli.setup import open_bundle

    if modalities is not None and set(modalities) == {"words"}:
        raise UsageError("of --modalities voice or face is needed: words join what they say")
    _refuse_without(modalities, "voice", {"--voice-set": voice_set, "--voice-classifier": voice_classifier})
    _refuse_without(modalities, "face", {"--face-pooling": face_pooling, "--face-network": face_network})
    for modality in ("voice", "face"):
        _refuse_without(modalities, modality, {"--fusion": fusion})
    made_by = {"voice_classifier": voice_classifier, "fusion": fusion}
    training.check(face_pooling=face_pooling, **made_by)
    spec = _read_set(voice_set, voice_encoder)
    folder, front = open_bundle(base)
    network = find(face_network) if face_network is not None else None
    if network is not None:
        front = network.put_into(front)
    if modalities is not None and "words" not in modalities:
        front = replace(front, words=None)
    if front.face is not None:
        training.check(face_pooling=face_pooling or front.face.spec.pooling)
    elif face_pooling is not None:
        raise UsageError(f"--face-pooling is for the face, of which bundle {front.name} has no model")
    given = {name: value for name, value in made_by.items() if value is not None}
    return FrontEnd(folder, front, modalities, spec, voice_encoder, face_pooling, network, given)


def read_classes(text: str | None) -> Sequence[str]:
    """Take a list of classes apart; without one, give those of FER2013."""
    from mercli import emotions

    return emotions.FER2013 if text is None else split_commas(text) or ()


def _refuse_without(modalities: Sequence[str] | None, modality: str, given: Mapping[str, str | None]) -> None:
    from mercli.errors import UsageError

    for option, value in given.items():
        if value is not None and modalities is not None and modality not in modalities:
            raise UsageError(f"{option} is for the {modality}, which --modalities leaves out")


def _read_set(name: str | None, encoder: Path | None) -> "VoiceSpec | None":
    from mercli.errors import UsageError
    from mercli.measurement import set_names
    from mercli.voice.sets import default_spec

    if name is None:
        return None
    if encoder is not None:
        raise UsageError("--voice-set and --voice-encoder exclude each other: only one of them measures the voice")
    if name not in set_names():
        raise UsageError(f"no feature set {name!r}; there is {' and '.join(set_names())}")
    return default_spec(name)
