"""From a labelled corpus to a bundle with honest numbers: what `mercli fit` does."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mercli import batch, corpora, encoders, evaluation, training
from mercli.bundle import Bundle
from mercli.card import write_card
from mercli.corpora import Corpus
from mercli.emotions import ordered
from mercli.errors import CorpusError, UsageError
from mercli.evaluation import Scores, rounds
from mercli.evaluation.rounds import Protocol
from mercli.evidence import Evidence
from mercli.face.choice import kind_of
from mercli.files import PLAIN_NAME, sha256
from mercli.fingerprint import identity
from mercli.formats import SAMPLE_RATE_HZ
from mercli.fusion import JOINT
from mercli.limits import Limits
from mercli.setup import Setup
from mercli.survey import observe
from mercli.table import Posteriors, Table
from mercli.training import Recipe
from mercli.voice.encoder_spec import EncoderSpec
from mercli.voice.spec import VoiceSpec
from mercli.words.own import known_by
from mercli.worker import Lost

FOLDED = Protocol(rounds.FOLDS)
MODALITY_NAMES = {"voice": "voice", "face": "face", "words": "words", "fused": "fusion"}


@dataclass(frozen=True, slots=True)
class Fitted:
    """Hold a trained bundle, what it scored on held-out speakers, and what could not be used, or not whole.

    `familiar` says where the words were learnt from what they were tested on.
    """

    bundle: Bundle
    scores: dict[str, Scores]
    problems: dict[Path, str]
    damaged: dict[Path, str]
    familiar: str | None = None


def try_encoder(path: Path, limits: Limits, *, debug: bool = False) -> VoiceSpec:
    """Find out how a speech network measures a voice; a worker of its own opens it.

    Parameters
    ----------
    path : Path
        Its file.
    limits : Limits
        What it may cost to try it.
    debug : bool
        Whether a dying worker shows where it was.

    Returns
    -------
    VoiceSpec
        Of the feature set ``encoder``.

    Raises
    ------
    UsageError
        If it cannot be read, or its worker does not live to try it.
    BundleError
        If it does not do what a speech network has to.
    """
    encoders.refuse_name(path)
    encoders.describe(path)
    ((_, tried),) = batch.run(encoders.measure, [path], jobs=1, limits=limits, debug=debug)
    if isinstance(tried, Lost):
        raise UsageError(f"the voice encoder {path} cannot be tried ({tried.status}): {tried.reason}")
    digest, size_bytes, dim, pace = tried
    return VoiceSpec(
        feature_set="encoder",
        window_s=pace.window / SAMPLE_RATE_HZ,
        hop_s=pace.hop / SAMPLE_RATE_HZ,
        encoder=EncoderSpec(path.name, digest, size_bytes, dim),
    )


def fit(
    corpus: Corpus,
    base: Bundle,
    setup: Setup,
    *,
    name: str,
    jobs: int,
    seed: int = 0,
    split: tuple[int, int, int] | None = None,
    recipe: Recipe | None = None,
    known_texts: Collection[str] = (),
    command: str = "mercli fit",
    on_file: Callable[[Evidence], None] = lambda _: None,
) -> Fitted:
    """Train a bundle on a corpus and score it on speakers it did not see.

    Parameters
    ----------
    corpus : Corpus
        Labelled files.
    base : Bundle
        The front end: the face network and how vectors are made.
    setup : Setup
        The same, for the workers.
    name : str
        The bundle's name.
    jobs : int
        Worker processes.
    seed : int
        Of folds, forest and split.
    split : tuple of int, optional
        Numbers of speakers for the models, the fusion and the test. Without it the numbers come from folds
        over all speakers, and the bundle is trained on all of them.
    recipe : Recipe, optional
        How the classifiers are made; without it, the best.
    known_texts : collection of str
        What the words of the base bundle were learnt from, where that is known: how much words count is not found
        on clips that say the same.
    command : str
        What was typed, for the card.
    on_file : callable
        Told of each file as it is measured.

    Returns
    -------
    Fitted
        The bundle, with its card and training record filled in.

    Raises
    ------
    CorpusError
        If there is too little to train on, or to test on.
    UsageError
        If there are too few speakers for the split.
    """
    drawn = corpora.split_speakers(corpus.speakers, split, seed=seed) if split else None
    recipe = recipe or Recipe(setup.voice or base.voice_spec)
    setup = replace(setup, altered=True, sequences=recipe.fusion == JOINT)
    measured = observe(corpus, setup, jobs=jobs, on_file=on_file)
    table = measured.table
    _check_what_is_left(corpus, measured.problems)
    base = with_detector(base, setup)
    familiar = known_by(known_texts, table)
    recipe = replace(recipe, keeps_weight=familiar or recipe.keeps_weight)
    classes = ordered(table.labels)
    if drawn is None:
        trained = tested = table
        said = rounds.judge_held_out(table, base, seed=seed, recipe=recipe)
        bundle = training.fit(table, base, name=name, seed=seed, recipe=recipe)
        protocol = f"{rounds.describe(FOLDED, table, seed=seed)} The bundle itself is trained on all speakers."
    else:
        models, fusion, test = drawn
        trained, tested = table.of_speakers(models | fusion), table.of_speakers(test)
        bundle = training.fit(
            table.of_speakers(models),
            base,
            name=name,
            seed=seed,
            fusion_on=table.of_speakers(fusion),
            recipe=recipe,
        )
        said = training.judge_all(bundle, tested, classes)
        protocol = _split_protocol(models, fusion, test, seed)
    if familiar:
        protocol += f" WORDS KNOWN: {familiar}: the scores of words, and of the fusion with them, are too good."
    scores = score_all(said, tested, classes, bundle.modalities)
    if not scores:
        raise CorpusError("nothing to test on: no clip of the speakers held out has what was trained on")
    speakers = sorted(set(trained.speakers))
    paths = [example.path for example in measured.examples if example.speaker in speakers]
    record = {
        **bundle.training,
        "corpus": corpus.name,
        "speakers": speakers,
        "recordings": sorted({known for path in paths if (known := identity(path))}),
        "clips": len(trained.labels),
        "detector": bundle.face.spec.detector if bundle.face else None,
        "seed": seed,
        "split": dict(zip(("models", "fusion", "test"), map(sorted, drawn), strict=True)) if drawn else None,
        "scores": {what: score.to_json() for what, score in scores.items()},
    }
    if bundle.voice and bundle.voice.spec.encoder:
        encoder = bundle.voice.spec.encoder
        record["voice_encoder"] = {"file": encoder.file, "sha256": encoder.sha256}
    if bundle.face and bundle.face.spec.contract:
        record["face_network"] = {"name": _network_name(base, setup), "sha256": sha256(bundle.face.network)}
    bundle = replace(bundle, training=record)
    data = (
        f"{corpus.name}: {len(trained.labels)} clips of {len(speakers)} speakers. Whoever passes the bundle on "
        "owes its users the terms of that data."
    )
    card = write_card(bundle, data=data, protocol=protocol, scores=scores, command=command)
    return Fitted(replace(bundle, card=card), scores, measured.problems, measured.damaged, familiar)


def _network_name(base: Bundle, setup: Setup) -> str:
    """Name the face network from elsewhere: the one that was given, else the one the base bundle has."""
    if setup.face_network:
        return setup.face_network.name
    known = base.training.get("face_network")
    name = known.get("name") if isinstance(known, dict) else None
    return name if isinstance(name, str) and PLAIN_NAME.fullmatch(name) else "unnamed"


def score_all(
    said: Posteriors, table: Table, classes: tuple[str, ...], modalities: tuple[str, ...]
) -> dict[str, Scores]:
    """Score each modality, and their fusion where there are two, on the rows that have them.

    Parameters
    ----------
    said : Posteriors
        What was said of each row.
    table : Table
        Labels and speakers.
    classes : tuple of str
        The columns of `said`.
    modalities : tuple of str
        Those of the bundle.

    Returns
    -------
    dict of str to Scores
        By ``"voice"``, ``"face"``, ``"words"``, ``"fusion"``.
    """
    rows: Mapping[str, NDArray[np.float64]] = {m: getattr(said, m) for m in MODALITY_NAMES}
    judged = [modality for modality in modalities if not np.isnan(rows[modality]).all()]
    wanted = [*judged, *(["fused"] if len(judged) > 1 else [])]
    return {
        MODALITY_NAMES[modality]: evaluation.score(rows[modality], table.labels, table.speakers, classes)
        for modality in wanted
        if not np.isnan(rows[modality]).all()
    }


def _check_what_is_left(corpus: Corpus, problems: Mapping[Path, str]) -> None:
    left = tuple(example for example in corpus.examples if example.path not in problems)
    try:
        corpora.check_usable(replace(corpus, examples=left))
    except CorpusError as error:
        if not problems:
            raise
        path, reason = next(iter(problems.items()))
        raise CorpusError(f"{error}. {len(problems)} files were of no use, such as {path}: {reason}") from error


def with_detector(base: Bundle, setup: Setup) -> Bundle:
    """Record in the front end which detector finds the faces."""
    if base.face is None:
        return base
    detector = kind_of(setup.detector)
    margin = base.face.spec.margin if detector == base.face.spec.detector else None
    spec = replace(base.face.spec, detector=detector, margin=margin)
    return replace(base, face=replace(base.face, spec=spec))


def _split_protocol(models: frozenset[str], fusion: frozenset[str], test: frozenset[str], seed: int) -> str:
    return (
        f"Speakers drawn with seed {seed}: {', '.join(sorted(models))} train the voice and face models, "
        f"{', '.join(sorted(fusion))} the fusion, {', '.join(sorted(test))} test. Intervals: 95 %, bootstrap over "
        "speakers."
    )
