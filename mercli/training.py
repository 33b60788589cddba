"""Train a bundle's classifiers on labelled evidence, and say how they do on speakers they never saw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from mercli import classifiers, stacking
from mercli.bundle import Bundle, FusionPart, VoicePart
from mercli.emotions import ordered
from mercli.errors import CorpusError, UsageError
from mercli.face.pooling import STEPS
from mercli.face.spec import MEAN, POOLINGS, RECURRENT, STATS, FaceSpec
from mercli.fusion import JOINT
from mercli.judge import Judge
from mercli.learning import AUTO, Learnt, learn
from mercli.stacking import fit_fusion
from mercli.table import Posteriors, Table
from mercli.voice.spec import VoiceSpec
from mercli.words.weighing import weigh

BEST = "lda"
"""The voice classifier that did best on speakers left out (docs/fit.md)."""

FACE_CLASSIFIERS = {MEAN: "logistic", STATS: "logistic", RECURRENT: RECURRENT}
"""What judges a face, by how its frames were pooled."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Say how the classifiers of a bundle are made.

    Parameters
    ----------
    voice : VoiceSpec
        How the voice was measured.
    voice_classifier : str
        One of `mercli.classifiers.NAMES`, or ``"auto"``: the one that does best on speakers left out in turn.
    fusion : str
        One of `mercli.stacking.CHOICES`.
    face_pooling : str or None
        One of `mercli.face.spec.POOLINGS`; None for that of the front end.
    learns_face : bool
        Whether a classifier of the face is trained; else the frame network's posteriors are averaged, over its own
        classes, as in the original system.
    keeps_weight : str or None
        Why it is not to be found how much the front end's words count, where that is so.
    """

    voice: VoiceSpec
    voice_classifier: str = BEST
    fusion: str = stacking.BEST
    face_pooling: str | None = None
    learns_face: bool = True
    keeps_weight: str | None = None


def fit(
    table: Table,
    base: Bundle,
    *,
    name: str,
    seed: int,
    fusion_on: Table | None = None,
    recipe: Recipe | None = None,
) -> Bundle:
    """Train the classifiers of a bundle.

    Parameters
    ----------
    table : Table
        What the voice and the face model are trained on.
    base : Bundle
        Gives the front end: how the evidence was measured.
    name : str
        The new bundle's name.
    seed : int
        Of folds and forest.
    fusion_on : Table, optional
        What the fusion is trained on, of other speakers. Without it, on posteriors of `table` itself from
        models that did not see the speaker; of one speaker there are none, and voice and face are averaged.
    recipe : Recipe, optional
        How the classifiers are made; without it, the best, of a voice that was measured as `base` says.

    Returns
    -------
    Bundle
        In memory, without a card. Its training record says how the voice's classifier was found.

    Raises
    ------
    CorpusError
        If there is too little to train on.
    """
    recipe = recipe or Recipe(base.voice_spec)
    base = _pooled(base, recipe)
    # A pool of threads adds numbers up in another order on another machine, and here costs more than it gives.
    with threadpool_limits(1):
        heard = learn_voice(table, recipe, seed=seed)
        seen = learn_face(table, base.face.spec, seed=seed) if base.face and recipe.learns_face else None
        if heard is None and seen is None and (recipe.learns_face or base.face is None):
            raise _too_little(table)
        classes = ordered((*table.labels, *(fusion_on.labels if fusion_on else ()), *_untrained(base, recipe)))
        made = assemble(base, recipe, heard, seen, classes)
        record = {f"{what}_classifier": part.record for what, part in (("voice", heard), ("face", seen)) if part}
        if fusion_on:
            said = judge_all(made, fusion_on, classes)
        elif heard or seen:
            said = held_out(heard, seen, classes)
        else:
            said = Posteriors.nothing(len(table.labels), len(classes))
        if seen is None and made.face is not None and not fusion_on:  # an untrained face knows nobody
            said = replace(said, face=judge_all(made, table, classes).face)
        fused = None
        if heard is not None and made.face is not None:
            fused = fit_fusion(recipe.fusion, fusion_on or table, said, made, classes, seed=seed)
            if fused is not None:
                kind = str(fused.record["name"])
                made = replace(made, fusion=FusionPart(kind, fused.model))
                record["fusion"] = fused.record
        if base.words is not None and len(set(base.words.model.classes) & set(classes)) > 1:
            beside = voice_and_face(said, fused, classes)
            words, record["words"] = weigh(base.words, fusion_on or table, beside, classes, recipe.keeps_weight)
            made = replace(made, words=words)
            if (how := base.training.get("words_classifier")) is not None:
                record["words_classifier"] = how
    return replace(made, name=name, training=record)


def _pooled(base: Bundle, recipe: Recipe) -> Bundle:
    """Record in the front end how the recipe has the frames of a face pooled."""
    if base.face is None or recipe.face_pooling is None:
        return base
    return replace(base, face=replace(base.face, spec=replace(base.face.spec, pooling=recipe.face_pooling)))


def _untrained(base: Bundle, recipe: Recipe) -> tuple[str, ...]:
    """Name the classes that a face answers when no classifier of it is trained."""
    return base.face.spec.classes if base.face and not recipe.learns_face else ()


def learn_voice(table: Table, recipe: Recipe, *, seed: int) -> Learnt | None:
    """Train the classifier of the voice; None where there is too little."""
    rows, n_clips = table.voice_rows(), len(table.labels)
    return learn(rows, recipe.voice_classifier, classifiers.FAMILIES, n_clips=n_clips, seed=seed)


def learn_face(table: Table, spec: FaceSpec, *, seed: int) -> Learnt | None:
    """Train the classifier that suits how the frames of a face are pooled; None where there is too little."""
    families = {**classifiers.FAMILIES, RECURRENT: classifiers.recurrent(STEPS)}
    rows, n_clips = table.face_rows(spec), len(table.labels)
    return learn(rows, FACE_CLASSIFIERS[spec.pooling], families, n_clips=n_clips, seed=seed)


def assemble(
    base: Bundle, recipe: Recipe, heard: Learnt | None, seen: Learnt | None, classes: tuple[str, ...]
) -> Bundle:
    """Put voice and face into one bundle, without a fusion."""
    has_face = base.face is not None and (seen is not None or not recipe.learns_face)
    return Bundle(
        name="unnamed",
        classes=classes,
        voice=VoicePart(recipe.voice, heard.model) if heard else None,
        face=replace(base.face, model=seen.model if seen else None) if base.face and has_face else None,
    )


def held_out(heard: Learnt | None, seen: Learnt | None, classes: Sequence[str]) -> Posteriors:
    """Give what voice and face models, one at least, said of clips whose speaker they did not know."""
    n_clips = next(len(learnt.held_out) for learnt in (heard, seen) if learnt is not None)
    said = Posteriors.nothing(n_clips, len(classes))
    for rows, learnt in ((said.voice, heard), (said.face, seen)):
        if learnt is not None:
            _put(rows, learnt, classes)
    return said


def voice_and_face(said: Posteriors, fused: Learnt | None, classes: Sequence[str]) -> NDArray[np.float64]:
    """Give what voice and face together say of clips whose speaker no model knew [n_clips, n_classes].

    Parameters
    ----------
    said : Posteriors
        What each says; NaN where it is missing.
    fused : Learnt or None
        The fusion; without one the two are averaged.
    classes : sequence of str
        The columns.
    """
    mean = (said.voice + said.face) / 2
    rows = np.where(np.isnan(said.voice), said.face, np.where(np.isnan(said.face), said.voice, mean))
    if fused is not None:
        _put(rows, fused, classes)
    return rows


def _put(rows: NDArray[np.float64], learnt: Learnt, classes: Sequence[str]) -> None:
    """Put what was said by models that did not know the speaker into the columns of `classes`."""
    judged = np.flatnonzero(~np.isnan(learnt.held_out).any(axis=1))
    rows[judged] = 0.0
    columns = np.array([classes.index(label) for label in learnt.model.classes])
    rows[np.ix_(judged, columns)] = learnt.held_out[judged]


def judge_all(bundle: Bundle, table: Table, classes: Sequence[str]) -> Posteriors:
    """Let a bundle judge every row of a table, as `predict` does.

    Parameters
    ----------
    bundle : Bundle
        In memory.
    table : Table
        Its labels are not looked at.
    classes : sequence of str
        The columns of the answer, a superset of the bundle's classes.

    Returns
    -------
    Posteriors
        NaN where a modality is missing.
    """
    judge = Judge(bundle)
    said = Posteriors.nothing(len(table.labels), len(classes))
    columns = [classes.index(label) for label in bundle.classes]
    for i, evidence in enumerate(table.evidence):
        result = judge.judge(evidence)
        for modality in ("voice", "face", "fused", "words"):
            posterior = getattr(result, modality)
            if posterior is not None:
                row = getattr(said, modality)[i]
                row[:] = 0.0
                row[columns] = posterior
    return said


def _too_little(table: Table) -> CorpusError:
    n, n_speakers, kinds = len(table.labels), len(set(table.speakers)), ", ".join(ordered(table.labels)) or "none"
    return CorpusError(
        f"too little to train on: clips: {n}, speakers: {n_speakers}, classes: {kinds}; "
        "two classes with two clips each are needed, also when the speakers to test on are taken away"
    )


def check(
    *, voice_classifier: str | None = None, face_pooling: str | None = None, fusion: str | None = None
) -> None:
    """Raise a UsageError if one of these is no name of a recipe's part, or needs what is not installed."""
    voices = (*classifiers.NAMES, AUTO)
    for what, name, known in (
        ("voice classifier", voice_classifier, voices),
        ("face pooling", face_pooling, POOLINGS),
        ("fusion", fusion, stacking.CHOICES),
    ):
        if name is not None and name not in known:
            raise UsageError(f"no {what} {name!r}; there are {', '.join(known)}")
    if face_pooling == RECURRENT:
        classifiers.refuse_without_torch("a recurrent network")
    if fusion == JOINT:
        classifiers.refuse_without_torch("a joint network")
