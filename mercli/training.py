"""Train a bundle's classifiers on labelled evidence, and say how they do on speakers they never saw."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from mercli import classifiers, corpora
from mercli.bundle import Bundle, Model, VoicePart
from mercli.classifiers import Estimator
from mercli.emotions import ordered
from mercli.errors import CorpusError, MercliError, UsageError
from mercli.fusion import fusion_vector
from mercli.inference import Classifier
from mercli.judge import Judge
from mercli.observer import Evidence
from mercli.voice.spec import VoiceSpec

_OPSETS = {"": 18, "ai.onnx.ml": 3}
_AGREEMENT = 1e-5  # between a classifier and its ONNX form, in probability

AUTO = "auto"
BEST = "lda"
"""The voice classifier that did best on speakers left out (docs/fit.md)."""


@dataclass(frozen=True, slots=True)
class Table:
    """Hold labelled evidence: one entry a clip in each field.

    Parameters
    ----------
    evidence : tuple of Evidence
        What was measured.
    labels, speakers : tuple of str
        What it is called, and who it is.
    """

    evidence: tuple[Evidence, ...]
    labels: tuple[str, ...]
    speakers: tuple[str, ...]

    def take(self, rows: Sequence[int] | NDArray[np.int_]) -> "Table":
        """Give some of the rows."""
        return Table(
            tuple(self.evidence[i] for i in rows),
            tuple(self.labels[i] for i in rows),
            tuple(self.speakers[i] for i in rows),
        )

    def of_speakers(self, speakers: frozenset[str]) -> "Table":
        """Give the rows of some speakers."""
        return self.take([i for i, who in enumerate(self.speakers) if who in speakers])

    def with_vector(self, modality: str) -> NDArray[np.int_]:
        """Give the rows in which a modality was seen."""
        return np.flatnonzero([getattr(clip, modality) is not None for clip in self.evidence])


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


@dataclass(frozen=True, slots=True)
class Posteriors:
    """Hold what was said of each row of a table: [n, n_classes] each, NaN where nothing was said."""

    voice: NDArray[np.float64]
    face: NDArray[np.float64]
    fused: NDArray[np.float64]


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
    # A pool of threads adds numbers up in another order on another machine, and here costs more than it gives.
    with threadpool_limits(1):
        heard = _fit_voice(table, recipe.classifier, seed)
        face = _fit_face(table) if base.face else None
        if heard is None and face is None:
            raise _too_little(table)
        classes = ordered((*table.labels, *(fusion_on.labels if fusion_on else ())))
        fusion = None
        if heard is not None and face is not None:
            stacked, said = (
                (fusion_on, _say(fusion_on, heard.estimator, face, classes))
                if fusion_on
                else (table, _crossfit(table, heard, classes, seed))
            )
            fusion = _fit_fusion(said, stacked.labels, seed)
        voice_part = face_part = None
        if heard is not None:
            model = Model(classifiers.to_onnx(heard.estimator), _classes_of(heard.estimator))
            voice_part = VoicePart(
                recipe.spec, _checked(model, heard.estimator, _vectors(table, "voice"), "voice")
            )
        if face is not None and base.face:
            face_part = replace(base.face, model=_to_model(face, _vectors(table, "face"), "face"))
    record = {"voice_classifier": heard.record} if heard else {}
    return Bundle(name=name, classes=classes, voice=voice_part, face=face_part, fusion=fusion, training=record)


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
    said = _nothing(len(table.labels), len(classes))
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
    said = _nothing(len(table.labels), len(classes))
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
class _Heard:
    """Hold a voice's classifier, what was said of each row by models without its speaker, and how it was found."""

    estimator: Estimator
    held_out: NDArray[np.float64]
    record: dict[str, Any]


def check_classifier(name: str) -> None:
    """Raise a UsageError unless it is the name of a voice classifier, or ``"auto"``."""
    if name not in (*classifiers.NAMES, AUTO):
        raise UsageError(f"no voice classifier {name!r}; there are {', '.join((*classifiers.NAMES, AUTO))}")


def _fit_voice(table: Table, classifier: str, seed: int) -> _Heard | None:
    present = table.with_vector("voice")
    if not len(present):
        return None
    rows = _labelled_rows(table, present)
    record: dict[str, Any] = {}
    if classifier == AUTO:
        classifier, compared = classifiers.choose(rows, seed=seed)
        record["compared_uar"] = {name: round(uar, 4) for name, uar in compared.items()}
    found = classifiers.train_and_hold_out(classifier, rows, seed=seed)
    if found is None:
        return None
    estimator, said = found
    held_out = np.full((len(table.labels), said.shape[1]), np.nan)
    held_out[present] = said
    return _Heard(estimator, held_out, {"name": classifier, **estimator.settings, **record})


def _labelled_rows(table: Table, present: NDArray[np.int_]) -> classifiers.Rows:
    clips = [_rows(table.evidence[i], "voice") for i in present]
    sizes = [len(rows) for rows in clips]
    n_views = [len(_views(table.evidence[i], "voice")) for i in present]
    return classifiers.Rows(
        np.concatenate(clips),
        np.repeat(np.array([table.labels[i] for i in present]), sizes),
        np.repeat(np.array([table.speakers[i] for i in present]), sizes),
        np.repeat(present, sizes),
        np.concatenate([np.arange(size) < n for size, n in zip(sizes, n_views, strict=True)]),
    )


def _fit_face(table: Table) -> Any:
    rows = table.take(table.with_vector("face"))
    if len(set(rows.labels)) < 2:
        return None
    regression = LogisticRegression(C=0.1, class_weight="balanced", max_iter=5000)
    return make_pipeline(StandardScaler(), regression).fit(_vectors(rows, "face"), rows.labels)


def _fit_fusion(said: Posteriors, labels: Sequence[str], seed: int) -> Model | None:
    both = np.flatnonzero(~np.isnan(said.voice).any(axis=1) & ~np.isnan(said.face).any(axis=1))
    known = [labels[int(i)] for i in both]
    if len(set(known)) < 2:
        return None
    vectors = fusion_vector(said.voice[both], said.face[both])
    forest = RandomForestClassifier(300, min_samples_leaf=3, class_weight="balanced", random_state=seed)
    return _to_model(forest.fit(vectors, known), vectors, "fusion")


def _crossfit(table: Table, heard: _Heard, classes: Sequence[str], seed: int) -> Posteriors:
    """Judge every row by voice and face models that did not see its speaker."""
    said = _nothing(len(table.labels), len(classes))
    judged = ~np.isnan(heard.held_out).any(axis=1)
    said.voice[judged] = 0.0
    columns = np.array([classes.index(label) for label in _classes_of(heard.estimator)])
    said.voice[np.ix_(np.flatnonzero(judged), columns)] = heard.held_out[judged]
    everyone = np.arange(len(table.labels))
    for held_out in corpora.folds(table.labels, table.speakers, seed=seed):
        rest = table.take(np.setdiff1d(everyone, held_out))
        said.face[held_out] = _say(table.take(held_out), None, _fit_face(rest), classes).face
    return said


def _say(table: Table, voice: Any, face: Any, classes: Sequence[str]) -> Posteriors:
    said = _nothing(len(table.labels), len(classes))
    for modality, estimator in (("voice", voice), ("face", face)):
        rows = table.with_vector(modality)
        if estimator is None or not len(rows):
            continue
        columns = [classes.index(label) for label in estimator.classes_]
        views = [_views(table.evidence[i], modality) for i in rows]
        of_views = estimator.predict_proba(np.concatenate(views))
        of_clips = np.split(of_views, np.cumsum([len(view) for view in views])[:-1])
        posteriors = np.zeros((len(rows), len(classes)))
        posteriors[:, columns] = [said_of.mean(axis=0) for said_of in of_clips]
        getattr(said, modality)[rows] = posteriors
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
    return _checked(model, estimator, vectors, what)


def _checked(model: Model, estimator: Any, vectors: NDArray[np.float32], what: str) -> Model:
    apart = np.abs(_run(model, vectors) - estimator.predict_proba(vectors)).max(axis=1) > _AGREEMENT
    if apart.any():
        raise MercliError(f"the {what} model in ONNX differs from the trained one on {apart.sum()} rows: a bug")
    return model


def _classes_of(estimator: Any) -> tuple[str, ...]:
    return tuple(str(label) for label in estimator.classes_)


def _run(model: Model, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    classifier = Classifier(model.onnx, model.classes, model.classes, vectors.shape[1], "a trained model")
    return classifier.posteriors(vectors)


def _views(clip: Evidence, modality: str) -> NDArray[np.float32]:
    """Give what a classifier is asked about a clip, a row a view; of a face there is one."""
    return np.atleast_2d(getattr(clip, modality)).astype(np.float32)


def _rows(clip: Evidence, modality: str) -> NDArray[np.float32]:
    """Give what a classifier learns of a clip: its views, and those of its sound altered."""
    views = _views(clip, modality)
    if modality != "voice" or clip.voice_altered is None:
        return views
    return np.concatenate((views, clip.voice_altered)).astype(np.float32)


def _vectors(table: Table, modality: str) -> NDArray[np.float32]:
    """Give all that a classifier learns of the clips in which a modality was seen."""
    return np.concatenate([_rows(table.evidence[i], modality) for i in table.with_vector(modality)])


def _nothing(n: int, n_classes: int) -> Posteriors:
    blank = np.full((n, n_classes), np.nan)
    return Posteriors(blank, blank.copy(), blank.copy())
