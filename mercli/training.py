"""Train a bundle's classifiers on labelled evidence, and say how they do on speakers they never saw."""

import copy
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from mercli import corpora
from mercli.bundle import Bundle, Model, VoicePart
from mercli.emotions import ordered
from mercli.errors import CorpusError, MercliError
from mercli.fusion import fusion_vector
from mercli.inference import Classifier
from mercli.judge import Judge
from mercli.observer import Evidence
from mercli.voice.spec import VoiceSpec

_OPSETS = {"": 18, "ai.onnx.ml": 3}
_AGREEMENT = 1e-4  # between a classifier and its ONNX form, in probability
_LEVEL = 1e-4  # nearer to zero than this, rounding to float32 decides a vote of the SVM


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
    voice_spec: VoiceSpec | None = None,
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
    voice_spec : VoiceSpec, optional
        How the voice was measured, where that is not how `base` says.

    Returns
    -------
    Bundle
        In memory, without a card.

    Raises
    ------
    CorpusError
        If there is too little to train on.
    """
    # A pool of threads adds numbers up in another order on another machine, and here costs more than it gives.
    with threadpool_limits(1):
        voice = _fit_voice(table, seed)
        face = _fit_face(table) if base.face else None
        if voice is None and face is None:
            raise _too_little(table)
        classes = ordered((*table.labels, *(fusion_on.labels if fusion_on else ())))
        fusion = None
        if voice is not None and face is not None:
            stacked, said = (
                (fusion_on, _say(fusion_on, voice, face, classes))
                if fusion_on
                else (table, _crossfit(table, classes, seed))
            )
            fusion = _fit_fusion(said, stacked.labels, seed)
    spec = voice_spec or (base.voice.spec if base.voice else VoiceSpec())
    voice_part = face_part = None
    if voice is not None:
        voice_part = VoicePart(spec, _to_model(voice, _vectors(table, "voice"), "voice"))
    if face is not None and base.face:
        face_part = replace(base.face, model=_to_model(face, _vectors(table, "face"), "face"))
    return Bundle(name=name, classes=classes, voice=voice_part, face=face_part, fusion=fusion)


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


def judge_held_out(table: Table, base: Bundle, *, seed: int, voice_spec: VoiceSpec | None = None) -> Posteriors:
    """Judge every row by a bundle trained, from the first step on, without that row's speaker.

    Parameters
    ----------
    table : Table
        Labelled evidence.
    base : Bundle
        The front end.
    seed : int
        Of folds and forests.
    voice_spec : VoiceSpec, optional
        See `fit`.

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
        bundle = fit(rest, base, name="fold", seed=seed, voice_spec=voice_spec)
        part = judge_all(bundle, table.take(held_out), classes)
        for modality in ("voice", "face", "fused"):
            getattr(said, modality)[held_out] = getattr(part, modality)
    return said


def _too_little(table: Table) -> CorpusError:
    n_speakers, kinds = len(set(table.speakers)), ", ".join(ordered(table.labels)) or "none"
    return CorpusError(
        f"too little to train on: {len(table.labels)} clips of {n_speakers} speakers, classes: {kinds}; "
        "two classes with two clips each are needed, also when the speakers to test on are taken away"
    )


def _fit_voice(table: Table, seed: int) -> Any:
    clips = table.take(table.with_vector("voice"))
    # Calibration holds examples of every class back: a class that has no second one is not learnt.
    count = Counter(clips.labels)
    clips = clips.take([i for i, label in enumerate(clips.labels) if count[label] > 1])
    if len(set(clips.labels)) < 2:
        return None
    rows = [_rows(clip, "voice") for clip in clips.evidence]
    clip_of = np.repeat(np.arange(len(rows)), [len(part) for part in rows])
    # Folds divide clips, not rows: the views of a clip are too alike to stand on both sides of one.
    folds = [
        (np.flatnonzero(np.isin(clip_of, train)), np.flatnonzero(np.isin(clip_of, held_out)))
        for train, held_out in _calibration_folds(clips, seed)
    ]
    # Support vectors give no probabilities: a sigmoid is fitted to the scores of speakers left out in turn.
    svm = CalibratedClassifierCV(
        # scikit-learn's own gamma, 1 / 136, is so narrow that every clip unlike the training's gets one answer.
        SVC(C=3.0, gamma=0.001, class_weight="balanced"),
        ensemble=False,
        cv=folds,
    )
    return make_pipeline(StandardScaler(), svm).fit(np.concatenate(rows), [clips.labels[i] for i in clip_of])


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


def _crossfit(table: Table, classes: Sequence[str], seed: int) -> Posteriors:
    """Judge every row by voice and face models that did not see its speaker."""
    said = _nothing(len(table.labels), len(classes))
    everyone = np.arange(len(table.labels))
    for held_out in corpora.folds(table.labels, table.speakers, seed=seed):
        rest = table.take(np.setdiff1d(everyone, held_out))
        part = _say(table.take(held_out), _fit_voice(rest, seed), _fit_face(rest), classes)
        said.voice[held_out], said.face[held_out] = part.voice, part.face
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


def _calibration_folds(table: Table, seed: int) -> list[tuple[NDArray[np.int_], NDArray[np.int_]]]:
    everyone = np.arange(len(table.labels))
    folds = corpora.folds(table.labels, table.speakers, seed=seed)
    pairs = [(np.setdiff1d(everyone, held_out), held_out) for held_out in folds]
    if pairs and all(len({table.labels[i] for i in train}) == len(set(table.labels)) for train, _ in pairs):
        return pairs
    # A class that one speaker alone provides cannot be left out by speaker.
    rarest = min(Counter(table.labels).values())
    splitter = StratifiedKFold(min(5, rarest), shuffle=True, random_state=seed)
    return list(splitter.split(everyone, table.labels))


def _to_model(estimator: Any, vectors: NDArray[np.float32], what: str) -> Model:
    """Convert a classifier to ONNX, and see that it answers as before."""
    from skl2onnx import to_onnx

    with warnings.catch_warnings():
        # skl2onnx reads the SVM's deprecated attributes; the check below is what counts.
        warnings.simplefilter("ignore", FutureWarning)
        converted = to_onnx(
            estimator, vectors[:1], options={id(estimator): {"zipmap": False}}, target_opset=_OPSETS
        )
    # skl2onnx lists them in the order of a set, which changes: a bundle would not be the same twice.
    opsets = sorted(converted.opset_import, key=lambda opset: opset.domain)
    del converted.opset_import[:]
    converted.opset_import.extend(opsets)
    classes = tuple(str(label) for label in estimator.classes_)
    model = Model(converted.SerializeToString(deterministic=True), classes)
    answer = _run(model, vectors)
    apart = np.abs(answer - estimator.predict_proba(vectors)).max(axis=1) > _AGREEMENT
    if what == "voice":
        apart &= ~_level_votes(estimator, vectors)
    if apart.any():
        raise MercliError(f"the {what} model in ONNX differs from the trained one on {apart.sum()} rows: a bug")
    return model


def _level_votes(estimator: Any, vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mark the rows on which two classes are level: an SVM counts votes between pairs of them."""
    scaler, calibrated = estimator
    (fitted,) = calibrated.calibrated_classifiers_
    pairs = copy.copy(fitted.estimator).set_params(decision_function_shape="ovo")
    votes = pairs.decision_function(scaler.transform(vectors)).reshape(len(vectors), -1)
    level: NDArray[np.bool_] = (np.abs(votes) < _LEVEL).any(axis=1)
    return level


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
