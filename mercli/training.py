"""Train a bundle's classifiers on labelled evidence, and say how they do on speakers they never saw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from threadpoolctl import threadpool_limits

from mercli import classifiers, corpora
from mercli.bundle import Bundle, Model, VoicePart
from mercli.classifiers import Estimator, Rows
from mercli.emotions import ordered
from mercli.errors import CorpusError, MercliError, UsageError
from mercli.fusion import fusion_vector
from mercli.inference import Classifier
from mercli.judge import Judge
from mercli.table import Posteriors, Table
from mercli.voice.spec import VoiceSpec

_OPSETS = {"": 18, "ai.onnx.ml": 3}
_AGREEMENT = 1e-5  # between a classifier and its ONNX form, in probability

AUTO = "auto"
BEST = "lda"
"""The voice classifier that did best on speakers left out (docs/fit.md)."""

FACE_CLASSIFIER = "logistic"


@dataclass(frozen=True, slots=True)
class VoiceRecipe:
    """Say how a voice model is made.

    Parameters
    ----------
    spec : VoiceSpec
        How the voice was measured.
    classifier : str
        One of `mercli.classifiers.NAMES`, or ``"auto"``: the one that does best on speakers left out in turn.
    """

    spec: VoiceSpec
    classifier: str = BEST


def fit(
    table: Table,
    base: Bundle,
    *,
    name: str,
    seed: int,
    fusion_on: Table | None = None,
    voice: VoiceRecipe | None = None,
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
    voice : VoiceRecipe, optional
        How the voice model is made; without it, the voice was measured as `base` says.

    Returns
    -------
    Bundle
        In memory, without a card. Its training record says how the voice's classifier was found.

    Raises
    ------
    CorpusError
        If there is too little to train on.
    """
    recipe = voice or VoiceRecipe(base.voice_spec)
    face_spec = base.face.spec if base.face else None
    # A pool of threads adds numbers up in another order on another machine, and here costs more than it gives.
    with threadpool_limits(1):
        heard = _learn(table, table.voice_rows(), recipe.classifier, seed)
        seen = _learn(table, table.face_rows(face_spec), FACE_CLASSIFIER, seed) if face_spec else None
        if heard is None and seen is None:
            raise _too_little(table)
        classes = ordered((*table.labels, *(fusion_on.labels if fusion_on else ())))
        fusion = None
        if heard is not None and seen is not None:
            stacked = fusion_on or table
            said = (
                judge_all(_bundle(base, recipe, heard, seen, classes), fusion_on, classes)
                if fusion_on
                else _held_out(heard, seen, classes)
            )
            fusion = _fit_fusion(said, stacked.labels, seed)
        made = _bundle(base, recipe, heard, seen, classes)
    record = {f"{name}_classifier": part.record for name, part in (("voice", heard), ("face", seen)) if part}
    return replace(made, name=name, fusion=fusion, training=record)


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
        for modality in ("voice", "face", "fused"):
            posterior = getattr(result, modality)
            if posterior is not None:
                row = getattr(said, modality)[i]
                row[:] = 0.0
                row[columns] = posterior
    return said


def judge_held_out(table: Table, base: Bundle, *, seed: int, voice: VoiceRecipe | None = None) -> Posteriors:
    """Judge every row by a bundle trained, from the first step on, without that row's speaker.

    Parameters
    ----------
    table : Table
        Labelled evidence.
    base : Bundle
        The front end.
    seed : int
        Of folds and forests.
    voice : VoiceRecipe, optional
        See `fit`. What it leaves open is chosen anew each time, on the speakers trained on.

    Returns
    -------
    Posteriors
        Over the classes of the whole table.
    """
    classes = ordered(table.labels)
    said = Posteriors.nothing(len(table.labels), len(classes))
    everyone = np.arange(len(table.labels))
    for held_out in corpora.folds(table.labels, table.speakers, seed=seed):
        rest = table.take(np.setdiff1d(everyone, held_out))
        bundle = fit(rest, base, name="fold", seed=seed, voice=voice)
        part = judge_all(bundle, table.take(held_out), classes)
        for modality in ("voice", "face", "fused"):
            getattr(said, modality)[held_out] = getattr(part, modality)
    return said


def _too_little(table: Table) -> CorpusError:
    n, n_speakers, kinds = len(table.labels), len(set(table.speakers)), ", ".join(ordered(table.labels)) or "none"
    return CorpusError(
        f"too little to train on: clips: {n}, speakers: {n_speakers}, classes: {kinds}; "
        "two classes with two clips each are needed, also when the speakers to test on are taken away"
    )


@dataclass(frozen=True, slots=True)
class _Learnt:
    """Hold a modality's classifier, what models without a row's speaker said of it, and how it was found."""

    estimator: Estimator
    model: Model
    held_out: NDArray[np.float64]
    record: dict[str, Any]


def check_classifier(name: str) -> None:
    """Raise a UsageError unless it is the name of a voice classifier, or ``"auto"``."""
    if name not in (*classifiers.NAMES, AUTO):
        raise UsageError(f"no voice classifier {name!r}; there are {', '.join((*classifiers.NAMES, AUTO))}")


def _learn(table: Table, rows: Rows, classifier: str, seed: int) -> _Learnt | None:
    """Train the classifier of one modality; None where there is too little."""
    if not len(rows.X):
        return None
    record: dict[str, Any] = {}
    if classifier == AUTO:
        classifier, compared = classifiers.choose(rows, seed=seed)
        record["compared_uar"] = {name: round(uar, 4) for name, uar in compared.items()}
    found = classifiers.train_and_hold_out(classifier, rows, seed=seed)
    if found is None:
        return None
    estimator, said = found
    held_out = np.full((len(table.labels), said.shape[1]), np.nan)
    held_out[np.unique(rows.clips)] = said
    model = Model(classifiers.to_onnx(estimator), _classes_of(estimator))
    _check_agreement(model, estimator, rows.X, classifier)
    return _Learnt(estimator, model, held_out, {"name": classifier, **estimator.settings, **record})


def _bundle(
    base: Bundle, recipe: VoiceRecipe, heard: _Learnt | None, seen: _Learnt | None, classes: tuple[str, ...]
) -> Bundle:
    return Bundle(
        name="unnamed",
        classes=classes,
        voice=VoicePart(recipe.spec, heard.model) if heard else None,
        face=replace(base.face, model=seen.model) if seen and base.face else None,
    )


def _fit_fusion(said: Posteriors, labels: Sequence[str], seed: int) -> Model | None:
    both = np.flatnonzero(~np.isnan(said.voice).any(axis=1) & ~np.isnan(said.face).any(axis=1))
    known = [labels[int(i)] for i in both]
    if len(set(known)) < 2:
        return None
    vectors = fusion_vector(said.voice[both], said.face[both])
    forest = RandomForestClassifier(300, min_samples_leaf=3, class_weight="balanced", random_state=seed)
    return _to_model(forest.fit(vectors, known), vectors, "fusion")


def _held_out(heard: _Learnt, seen: _Learnt, classes: tuple[str, ...]) -> Posteriors:
    """Give what voice and face models said of rows whose speaker they did not know."""
    said = Posteriors.nothing(len(heard.held_out), len(classes))
    for rows, learnt in ((said.voice, heard), (said.face, seen)):
        judged = np.flatnonzero(~np.isnan(learnt.held_out).any(axis=1))
        columns = np.array([classes.index(label) for label in _classes_of(learnt.estimator)])
        rows[judged] = 0.0
        rows[np.ix_(judged, columns)] = learnt.held_out[judged]
    return said


def _to_model(estimator: Any, vectors: NDArray[np.float32], what: str) -> Model:
    """Convert a classifier to ONNX, and see that it answers as before."""
    from skl2onnx import to_onnx

    converted = to_onnx(estimator, vectors[:1], options={id(estimator): {"zipmap": False}}, target_opset=_OPSETS)
    # skl2onnx lists them in the order of a set, which changes: a bundle would not be the same twice.
    opsets = sorted(converted.opset_import, key=lambda opset: opset.domain)
    del converted.opset_import[:]
    converted.opset_import.extend(opsets)
    model = Model(converted.SerializeToString(deterministic=True), _classes_of(estimator))
    _check_agreement(model, estimator, vectors, what)
    return model


def _check_agreement(model: Model, estimator: Any, vectors: NDArray[np.float32], what: str) -> None:
    apart = np.abs(_run(model, vectors) - estimator.predict_proba(vectors)).max(axis=1) > _AGREEMENT
    if apart.any():
        raise MercliError(f"the {what} model in ONNX differs from the trained one on {apart.sum()} rows: a bug")


def _classes_of(estimator: Any) -> tuple[str, ...]:
    return tuple(str(label) for label in estimator.classes_)


def _run(model: Model, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    classifier = Classifier(model.onnx, model.classes, model.classes, vectors.shape[1], "a trained model")
    return classifier.posteriors(vectors)
