"""The classifiers of the voice on vectors made at random, where it is known what can be learnt."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from mercli import corpora
from mercli.classifiers import (
    NAMES,
    Rows,
    choose,
    clip_means,
    forest,
    kernel,
    linear,
    scaling,
    search,
    to_onnx,
    train,
)
from mercli.classifiers.calibrated import fit_temperature, softmax
from mercli.classifiers.linear import fit_lda, fit_logistic
from mercli.classifiers.product import Product, fit_product
from mercli.classifiers.search import Family, divisions
from mercli.emotions import FER2013
from mercli.inference import Classifier

THREE = ("angry", "happy", "sad")


def cloud(
    speakers: int = 4,
    clips: int = 3,
    classes: tuple[str, ...] = THREE,
    *,
    views: int = 2,
    altered: int = 1,
    n_features: int = 12,
    class_offset: float = 1.0,
    speaker_offset: float = 1.0,
    relabel: Callable[[int, np.random.Generator], list[str]] | None = None,
    seed: int = 0,
) -> Rows:
    """Clips of every class by every speaker; a clip has `views` rows that are heard, and `altered` ones.

    Features have means and deviations of very different size. `relabel` gives a speaker's clips other labels.
    """
    rng = np.random.default_rng(seed)
    of_class = class_offset * np.random.default_rng(99).normal(size=(len(classes), n_features))
    centres, labels, names = [], [], []
    for speaker in range(speakers):
        own = speaker_offset * rng.normal(size=n_features)
        centres += [
            of_class[k] + own + rng.normal(size=n_features) for k in range(len(classes)) for _ in range(clips)
        ]
        labels += relabel(speaker, rng) if relabel else [label for label in classes for _ in range(clips)]
        names += [f"speaker-{speaker:02d}"] * (clips * len(classes))
    n_rows = views + altered
    X = np.repeat(centres, n_rows, axis=0) + 0.3 * rng.normal(size=(n_rows * len(centres), n_features))
    size = np.geomspace(1e-3, 1e3, n_features)
    return Rows(
        (size * (X + 3)).astype(np.float32),
        np.repeat(labels, n_rows),
        np.repeat(names, n_rows),
        np.repeat(np.arange(len(centres)), n_rows),
        np.tile(np.arange(n_rows) < views, len(centres)),
    )


def relabelled(rows, which, label):
    labels = rows.labels.astype(object)
    labels[which] = label
    return replace(rows, labels=labels.astype(str))


def in_onnx(estimator, X):
    classes = tuple(estimator.classes_)
    return Classifier(to_onnx(estimator), classes, classes, X.shape[1], "a model").posteriors(X)


def recalls(estimator, rows):
    answers = estimator.classes_[estimator.predict_proba(rows.X).argmax(axis=1)]
    return {label: np.mean(answers[rows.labels == label] == label) for label in np.unique(rows.labels)}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Forests of 20 trees, for many are grown, and one thread, as in training."""
    monkeypatch.setattr(forest, "ExtraTreesClassifier", lambda _, **how: ExtraTreesClassifier(20, **how))
    with threadpool_limits(1):
        yield


@pytest.fixture
def short_grids(monkeypatch):
    """Two settings each, for tests that compare all classifiers on many speakers."""
    for name, family in search.FAMILIES.items():
        monkeypatch.setitem(search.FAMILIES, name, replace(family, grid=family.grid[-2:]))


class TestWhatIsLearnt:
    @pytest.mark.parametrize("name", NAMES)
    def test_classes_are_told_apart_on_speakers_never_heard(self, name):
        estimator = train(name, cloud(6, class_offset=2.0), seed=0)
        assert tuple(estimator.classes_) == THREE
        assert min(recalls(estimator, cloud(6, class_offset=2.0, seed=1)).values()) > 0.7

    @pytest.mark.parametrize("name", NAMES)
    def test_posteriors_are_double_and_sum_to_1(self, name):
        posteriors = train(name, cloud(), seed=0).predict_proba(cloud(seed=1).X)
        assert posteriors.dtype == np.float64
        assert np.allclose(posteriors.sum(axis=1), 1, atol=1e-12)

    @pytest.mark.parametrize("name", ["lda", "logistic", "svm", "average"])
    def test_a_rare_class_is_recognised_as_often_as_a_frequent_one(self, name):
        rows = cloud(6, clips=12, classes=("happy", "sad"), class_offset=0.4, speaker_offset=0.0)
        sad = np.flatnonzero(rows.labels == "sad")
        rows = rows.take(np.setdiff1d(np.arange(len(rows.X)), sad[rows.clips[sad] % 6 > 0]))
        recall = recalls(
            train(name, rows, seed=0),
            cloud(20, 12, ("happy", "sad"), class_offset=0.4, speaker_offset=0.0, seed=1),
        )
        assert abs(recall["sad"] - recall["happy"]) < 0.15

    def test_the_average_is_the_mean_of_its_calibrated_members(self):
        rows, unseen = cloud(), cloud(seed=1).X
        members = [train(name, rows, seed=0).predict_proba(unseen) for name in ("lda", "logistic", "svm")]
        assert np.allclose(train("average", rows, seed=0).predict_proba(unseen), np.mean(members, axis=0))

    @pytest.mark.parametrize("name", NAMES)
    def test_what_was_chosen_can_be_told(self, name):
        told = train(name, cloud(), seed=0).settings
        for part in told.values() if name == "average" else [told]:
            assert part["temperature"] > 0
            assert len(part) > 1


class TestAgainstScikitLearn:
    """In `cloud` clips have as many rows, and classes as many clips, as any other: every row weighs the same."""

    rows, unseen = cloud(6, class_offset=0.5), cloud(6, class_offset=0.5, seed=1).X

    @pytest.mark.parametrize("shrinkage", [0.05, 0.5, 1.0])
    def test_lda(self, shrinkage, monkeypatch):
        # All that sets it apart from scikit-learn's: speakers count less, and nothing is beyond its reach.
        monkeypatch.setattr(linear, "_SPEAKER_SHARE", 1.0)
        monkeypatch.setattr(scaling, "REACH", np.inf)
        reference = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=[1 / 3] * 3)
        reference = make_pipeline(StandardScaler(), reference).fit(self.rows.X.astype(float), self.rows.labels)
        (own,) = fit_lda(self.rows, [{"shrinkage": shrinkage}], 0)
        expected = reference.predict_proba(self.unseen.astype(float))
        assert np.allclose(softmax(own.scores(self.unseen)), expected, atol=1e-5)

    @pytest.mark.parametrize("classes", [2, 3])
    def test_logistic_regression(self, classes, monkeypatch):
        monkeypatch.setattr(scaling, "REACH", np.inf)
        rows = self.rows.take(np.isin(self.rows.labels, THREE[:classes]))
        reference = LogisticRegression(C=0.1 / 3, tol=1e-8, max_iter=10_000)  # three rows a clip
        reference = make_pipeline(StandardScaler(), reference).fit(rows.X.astype(float), rows.labels)
        expected = reference.predict_proba(self.unseen.astype(float))
        for own in fit_logistic(rows, [{"C": 0.001}, {"C": 0.1}], 0)[1:]:
            assert np.allclose(softmax(own.scores(self.unseen)), expected, atol=5e-3)

    @pytest.mark.parametrize("classes", [2, 3])
    def test_svm(self, classes):
        rows = self.rows.take(np.isin(self.rows.labels, THREE[:classes]))
        machine = SVC(C=10.0, gamma=0.3 / rows.X.shape[1], class_weight="balanced")
        reference = make_pipeline(StandardScaler(), OneVsRestClassifier(machine))
        reference.fit(rows.X.astype(float), rows.labels)
        (own,) = kernel.fit_svm(rows, [{"gamma": 0.3, "C": 10.0}], 0)
        margins = own.scores(self.unseen)
        if classes == 2:  # scikit-learn trains one of two that mirror each other
            assert np.allclose(margins[:, 0], -margins[:, 1], atol=5e-3)
            margins = margins[:, 1]
        assert np.allclose(margins, reference.decision_function(self.unseen.astype(float)), atol=5e-3)

    def test_a_setting_is_trained_alike_alone_and_in_a_grid(self):
        for family in search.FAMILIES.values():
            for setting, in_grid in zip(family.grid, family.fit(self.rows, family.grid, 0), strict=True):
                alone, together = (s.scores(self.unseen) for s in (*family.fit(self.rows, [setting], 0), in_grid))
                assert np.allclose(softmax(alone), softmax(together), atol=5e-3)


class TestTheOnnxForm:
    @pytest.mark.parametrize("classes", [THREE[:2], THREE, FER2013], ids=["2", "3", "7"])
    @pytest.mark.parametrize("name", NAMES)
    def test_it_agrees_with_the_trained_one_to_1e_5_whatever_it_is_given(self, name, classes):
        rows = cloud(5, classes=classes, class_offset=0.5)
        estimator = train(name, rows, seed=0)
        unseen = cloud(5, classes=classes, class_offset=0.5, seed=1).X
        largest = np.finfo(np.float32).max
        given = {
            "trained on": rows.X,
            "not trained on": unseen,
            "a hundred times": 100 * unseen,
            "beyond the doubles of squares": np.float32(1e20) * np.sign(unseen),
            "the largest": largest * np.sign(unseen),
            "the smallest": np.full_like(unseen, np.finfo(np.float32).tiny),
            "zeros": np.zeros_like(unseen),
        }
        for what, X in given.items():
            assert np.abs(in_onnx(estimator, X) - estimator.predict_proba(X)).max() < 1e-5, what

    def test_it_agrees_where_the_svm_keeps_few_axes_and_few_rows(self, monkeypatch):
        monkeypatch.setattr(kernel, "_AXES", 5)
        monkeypatch.setattr(kernel, "_MOST_ROWS", 40)
        rows, unseen = cloud(6, class_offset=2.0), cloud(6, class_offset=2.0, seed=1)
        estimator = train("svm", rows, seed=0)
        assert estimator.scorer.vectors.shape[1] == 5
        assert len(estimator.scorer.vectors) <= 40
        X = np.concatenate([rows.X, unseen.X])
        assert np.abs(in_onnx(estimator, X) - estimator.predict_proba(X)).max() < 1e-5
        assert min(recalls(estimator, unseen).values()) > 0.7

    def test_identical_sounds_under_two_labels_are_level_in_both(self):
        rows = cloud(5)
        rows.X[rows.labels == "happy"] = rows.X[rows.labels == "sad"]
        for name in NAMES:
            estimator = train(name, rows, seed=0)
            assert np.abs(in_onnx(estimator, rows.X) - estimator.predict_proba(rows.X)).max() < 1e-5

    @pytest.mark.parametrize("name", NAMES)
    def test_it_is_valid_onnx_of_the_same_versions_for_all(self, name):
        model = onnx.load_from_string(to_onnx(train(name, cloud(), seed=0)))
        onnx.checker.check_model(model, full_check=True)
        versions = [(opset.domain, opset.version) for opset in model.opset_import]
        assert versions == [("", 18), ("ai.onnx.ml", 3)]

    def test_a_tree_sends_a_value_at_its_threshold_where_scikit_learn_does(self):
        """Thresholds are doubles between two floats: rounded to a float they would move the next one across."""
        rng = np.random.default_rng(0)
        steps = np.float32(1) + np.arange(40, dtype=np.float32) * np.finfo(np.float32).eps
        X = rng.choice(steps, (600, 3)).astype(np.float32)
        labels = np.where(X[:, 0] > steps[17], "happy", "sad")
        n = len(X)
        rows = Rows(X, labels, np.resize(["a", "b", "c"], n), np.arange(n), np.ones(n, bool))
        estimator = train("forest", rows, seed=0)
        every = np.stack([steps] * 3, axis=1)
        assert np.abs(in_onnx(estimator, every) - estimator.predict_proba(every)).max() < 1e-5


def said_by(n=400, *, powers=(1.0, 1.0), noise=None, classes=THREE, seed=0):
    """Log posteriors of two modalities that are independent given the class, each as sure as it should be.

    Raised to one over its power each is surer or less sure than it should be; `noise` knows nothing of the class.
    """
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, len(classes), n)
    posteriors = []
    for modality, power in enumerate(powers):
        scores = rng.normal(size=(n, len(classes)))
        if modality != noise:
            scores[np.arange(n), kind] += 1.5
        # Of Gaussian scores with a shift of 1.5 the posterior is the softmax of 1.5 times the scores.
        posteriors.append(1.5 * scores / power)
    logs = [said - np.log(np.exp(said).sum(axis=1, keepdims=True)) for said in posteriors]
    speakers = np.array([f"s{i % 4}" for i in range(n)])
    labels = np.array(classes)[kind]
    return Rows(np.concatenate(logs, axis=1).astype(np.float32), labels, speakers, np.arange(n), np.ones(n, bool))


class TestProducts:
    def test_it_is_what_independent_experts_say_together(self):
        one, other = np.random.default_rng(0).dirichlet(np.ones(3), (2, 50))
        experts = Product(np.array(THREE), np.arange(3), 3, 2)
        said = softmax(experts.scores(np.log(np.concatenate((one, other), axis=1)).astype(np.float32)))
        assert np.allclose(said, one * other / (one * other).sum(axis=1, keepdims=True), atol=1e-6)

    @pytest.mark.parametrize("power", [0.5, 2.0], ids=["too sure", "not sure enough"])
    def test_how_sure_it_is_is_put_right(self, power):
        estimator = train(search.product(THREE), said_by(4000, powers=(power, power)), seed=0)
        assert estimator.temperature == pytest.approx(1 / power, rel=0.15)

    def test_a_class_that_was_not_learnt_has_no_score_and_the_others_their_own_columns(self):
        rows = said_by(300)
        rows = rows.take(rows.labels != "happy")
        (found,) = fit_product(rows, [{}], 0, columns=THREE)
        assert found.classes_.tolist() == ["angry", "sad"]
        changed = rows.X.copy()
        changed[:, [1, 4]] -= 3
        assert np.array_equal(found.scores(changed), found.scores(rows.X))
        for column, score in ((0, 0), (2, 1), (3, 0), (5, 1)):
            more = rows.X.copy()
            more[:, column] += 1
            moved = (found.scores(more) - found.scores(rows.X)).mean(axis=0)
            assert moved[score] == pytest.approx(1, abs=1e-5)
            assert moved[1 - score] == pytest.approx(0, abs=1e-6)

    @pytest.mark.parametrize("classes", [THREE[:2], THREE, FER2013], ids=["2", "3", "7"])
    def test_its_onnx_form_agrees_to_1e_5_whatever_it_is_given(self, classes):
        estimator = train(search.product(classes), said_by(classes=classes), seed=0)
        unseen = said_by(100, classes=classes, seed=1).X
        for X in (unseen, 50 * unseen, 0 * unseen, -unseen):
            assert np.abs(in_onnx(estimator, X) - estimator.predict_proba(X)).max() < 1e-5

    def test_it_does_better_on_speakers_left_out_than_either_modality(self):
        rows = said_by(600)
        _, said = search.train_and_hold_out(search.product(THREE), rows, seed=0)
        right = [
            np.mean(np.array(THREE)[scores.argmax(axis=1)] == rows.labels)
            for scores in (said, rows.X[:, :3], rows.X[:, 3:])
        ]
        assert right[0] > max(right[1:]) + 0.05


class TestRepeatability:
    @staticmethod
    def digests():
        rows = cloud(12, clips=1)
        with threadpool_limits(1):
            return {name: hashlib.sha256(to_onnx(train(name, rows, seed=3))).hexdigest() for name in NAMES}

    @pytest.mark.long
    def test_the_same_training_gives_the_same_bytes_in_another_process_too(self):
        """Sets of strings come in another order there."""
        program = (
            "import test_classifiers as t; from sklearn.ensemble import ExtraTreesClassifier as E;"
            "t.forest.ExtraTreesClassifier = lambda _, **how: E(20, **how); print(t.TestRepeatability.digests())"
        )
        environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run(
            [sys.executable, "-c", program],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            cwd=Path(__file__).parent,
        )
        assert done.stdout.strip() == str(self.digests())

    def test_another_seed_grows_another_forest(self):
        assert len({to_onnx(train("forest", cloud(), seed=seed)) for seed in (0, 0, 1)}) == 2


@dataclass
class Recorder:
    """Families that learn nothing and remember who was learnt from and who was judged; X[:, 0] tells who speaks,
    X[:, 1] whether the row is heard."""

    trained: list[frozenset] = field(default_factory=list)
    judged: list[tuple[frozenset, frozenset]] = field(default_factory=list)
    learnt_from_altered: bool = False

    def fit(self, rows, grid, _seed):
        who = frozenset(rows.X[:, 0].tolist())
        self.trained.append(who)
        self.learnt_from_altered |= not rows.X[:, 1].all()
        return [self.Scorer(self, who, np.unique(rows.labels)) for _ in grid]

    @dataclass
    class Scorer:
        recorder: "Recorder"
        who: frozenset
        classes_: np.ndarray

        def scores(self, X):
            assert X[:, 1].all(), "an altered copy was judged"
            self.recorder.judged.append((self.who, frozenset(X[:, 0].tolist())))
            return np.zeros((len(X), len(self.classes_)))


@pytest.fixture
def recorder(monkeypatch):
    made = Recorder()
    for name in search.FAMILIES:
        monkeypatch.setitem(search.FAMILIES, name, Family(made.fit, ({"a": 1.0}, {"a": 2.0})))
    return made


def marked(rows):
    X = rows.X.copy()
    X[:, 0] = np.unique(rows.speakers, return_inverse=True)[1]
    X[:, 1] = rows.heard
    return replace(rows, X=X)


class TestWhatIsKeptApart:
    @pytest.mark.parametrize("speakers", [2, 4, 13])
    def test_a_setting_is_judged_on_speakers_it_was_not_trained_on(self, recorder, speakers):
        train("lda", marked(cloud(speakers)), seed=0)
        assert set.union(*(set(judged) for _, judged in recorder.judged)) == set(range(speakers))
        assert not any(trained & judged for trained, judged in recorder.judged)
        assert recorder.trained[-1] == set(range(speakers))

    @pytest.mark.parametrize("speakers", [3, 13])
    def test_a_classifier_is_judged_on_speakers_that_its_search_did_not_hear(
        self, recorder, speakers, monkeypatch
    ):
        inside = []
        searched = train

        def watched(name, rows, *, seed):
            before = len(recorder.judged)
            estimator = searched(name, rows, seed=seed)
            inside.append((set(rows.X[:, 0]), recorder.judged[before:]))
            del recorder.judged[before:]
            return estimator

        monkeypatch.setattr(search, "train", watched)
        choose(marked(cloud(speakers)), seed=0)
        for allowed, judged in inside:
            assert len(allowed) < speakers
            assert judged
            assert all(a <= allowed and b <= allowed and not a & b for a, b in judged)
        assert set.union(*(set(judged) for _, judged in recorder.judged)) == set(range(speakers))
        assert not any(trained & judged for trained, judged in recorder.judged)

    def test_altered_copies_train_but_are_not_judged(self, recorder):
        choose(marked(cloud(views=1, altered=2)), seed=0)  # the recorder refuses to judge them
        assert recorder.learnt_from_altered
        assert recorder.judged

    @pytest.mark.usefixtures("short_grids")
    def test_what_is_said_of_a_speaker_does_not_depend_on_that_speaker_s_labels(self, monkeypatch):
        rows = cloud(4, class_offset=0.4)
        own = rows.speakers == "speaker-02"
        turned = rows.labels.copy()
        turned[own] = np.roll(turned[own], 9)  # a class on: there are 3 clips of 3 rows of each
        scored = []
        uar = search._uar

        def watched(posteriors, of):
            if len(of.X) == len(rows.X):
                scored.append(posteriors)
            return uar(posteriors, of)

        monkeypatch.setattr(search, "_uar", watched)
        for these in (rows, replace(rows, labels=turned)):
            choose(these, seed=0)
        assert len(scored) == 2 * len(NAMES)
        for before, after in zip(scored[: len(NAMES)], scored[len(NAMES) :], strict=True):
            assert np.array_equal(before[own & rows.heard], after[own & rows.heard])
            assert not np.allclose(before[~own & rows.heard], after[~own & rows.heard])

    @pytest.mark.parametrize("case", ["one speaker", "two speakers", "two speakers with a class each", "many"])
    def test_every_clip_is_held_out_once_with_all_its_rows(self, case):
        rows = ODD.get(case) or cloud(12)
        parts = divisions(rows, 0)
        assert np.array_equal(np.sum(parts, axis=0), np.ones(len(rows.X)))
        for held_out in parts:
            assert not set(rows.clips[held_out]) & set(rows.clips[~held_out])
            assert set(rows.labels[~held_out]) == set(rows.labels)

    def test_a_class_that_was_not_learnt_is_not_expected_of_a_speaker_held_out(self, monkeypatch):
        rows = ODD["a class of one speaker"]
        fitted = []
        monkeypatch.setattr(search, "fit_temperature", lambda *what: fitted.append(what) or 1.0)
        train("lda", rows, seed=0)
        fear = list(np.unique(rows.labels)).index("fear")
        for scores, _, clips in fitted:
            of_speaker = np.isin(clips, rows.clips[rows.speakers == "speaker-02"])
            posteriors = softmax(scores)[:, fear]
            assert (posteriors[of_speaker] == 0).all()
            assert (posteriors[~of_speaker] > 0).all()


class TestTheChoice:
    @pytest.mark.usefixtures("short_grids")
    def test_labels_drawn_by_lot_score_chance(self):
        rows = cloud(
            7, clips=4, speaker_offset=3.0, class_offset=0.0, relabel=lambda _, rng: rng.choice(THREE, 12).tolist()
        )
        name, table = choose(rows, seed=0)
        assert tuple(table) == NAMES
        assert table[name] == max(table.values())
        for uar in table.values():
            assert uar == pytest.approx(1 / 3, abs=0.18)  # of 84 clips: 3.5 standard errors

    @pytest.mark.usefixtures("short_grids")
    @pytest.mark.long
    def test_who_speaks_does_not_give_the_label_away(self, monkeypatch):
        """Each speaker is easily known and has one label most of the time: folds by clip would give it away."""

        def mostly_one(speaker, rng):
            return np.where(rng.random(6) < 0.8, THREE[speaker % 3], rng.choice(THREE, 6)).tolist()

        def by_clip(labels, _, *, seed):
            return np.array_split(np.random.default_rng(seed).permutation(len(labels)), 5)

        rows = cloud(15, clips=2, speaker_offset=3.0, class_offset=0.0, relabel=mostly_one)
        held_apart = choose(rows, seed=0)[1]
        monkeypatch.setattr(corpora, "folds", by_clip)
        leaking = choose(rows, seed=0)[1]
        for name in NAMES:
            assert leaking[name] > 0.55
            assert held_apart[name] < 0.5

    def test_the_classifier_that_does_best_is_chosen(self, monkeypatch):
        """Two rings: no straight line tells them apart."""
        rng = np.random.default_rng(0)
        n = 160
        angle, outer = rng.uniform(0, 2 * np.pi, n), np.arange(n) % 2
        X = (1 + 2 * outer)[:, np.newaxis] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        rows = Rows(
            X.astype(np.float32),
            np.array(["happy", "sad"])[outer],
            np.repeat(["a", "b", "c", "d"], n // 4),
            np.arange(n),
            np.ones(n, bool),
        )
        monkeypatch.delitem(search.FAMILIES, "forest")
        monkeypatch.setattr(search, "NAMES", ("lda", "logistic", "svm", "average"))
        name, table = choose(rows, seed=0)
        assert name == "svm"
        assert table["svm"] > 0.95
        assert table["lda"] < 0.7

    def test_of_equals_the_first_is_chosen(self, recorder):
        rows = marked(cloud())
        assert choose(rows, seed=0) == ("lda", dict.fromkeys(NAMES, 1 / 3))
        assert train("svm", rows, seed=0).settings["a"] == 1.0
        assert recorder.trained

    def test_without_speakers_to_leave_out_it_is_the_average(self):
        assert choose(cloud(1), seed=0) == ("average", {})
        rows = cloud(2)
        one = rows.speakers == "speaker-00"
        assert choose(relabelled(relabelled(rows, one, "sad"), ~one, "happy"), seed=0) == ("average", {})

    def test_the_score_is_the_mean_recall_of_clips_by_the_mean_of_their_rows(self):
        rows = Rows(
            np.zeros((7, 1), np.float32),
            np.array(["happy"] * 4 + ["sad"] * 3),
            np.array(["a"] * 7),
            np.array([0, 0, 0, 1, 2, 3, 4]),
            np.ones(7, bool),
        )
        # The first clip is happy by its mean though two of three rows say sad. Of three sad ones one is right,
        # and one was not judged.
        happy = np.array([0.9, 0.4, 0.4, 0.3, 0.2, 0.8, np.nan])
        assert search._uar(np.stack([happy, 1 - happy], axis=1), rows) == pytest.approx((1 / 2 + 1 / 2) / 2)


class TestTemperature:
    def draw(self, n=3000, seed=0):
        rng = np.random.default_rng(seed)
        logits = 2 * rng.normal(size=(n, 3))
        truth = (rng.random((n, 1)) > softmax(logits).cumsum(axis=1)).sum(axis=1)
        return logits, truth, np.arange(n)

    @pytest.mark.parametrize("factor", [0.05, 1.0, 40.0])
    def test_it_undoes_a_factor_of_the_scores(self, factor):
        logits, truth, clips = self.draw()
        assert fit_temperature(factor * logits, truth, clips) == pytest.approx(factor, rel=0.1)

    def test_scores_that_say_nothing_are_cooled_to_even_odds(self):
        logits, truth, clips = self.draw()
        temperature = fit_temperature(logits, np.random.default_rng(1).permutation(truth), clips)
        assert np.allclose(softmax(logits / temperature), 1 / 3, atol=0.1)

    def test_it_is_fitted_to_the_mean_of_a_clip_s_rows(self):
        """Rows that contradict each other weaken the mean: each may be the surer for it."""
        logits, truth, clips = self.draw()
        rng = np.random.default_rng(1)
        noisy = [logits + 4 * rng.normal(size=logits.shape) for _ in range(3)]
        rows = np.concatenate(noisy), np.tile(truth, 3), np.tile(clips, 3)
        alone = fit_temperature(rows[0], rows[1], np.arange(3 * len(clips)))
        assert fit_temperature(*rows) < 0.8 * alone

    def test_a_small_corpus_without_a_mistake_is_not_taken_for_certain(self):
        truth = np.arange(12) % 3
        said = softmax(np.eye(3)[truth] / fit_temperature(np.eye(3)[truth], truth, np.arange(12)))
        assert said.max() == pytest.approx(1 - 2 / 15, abs=0.01)

    def test_a_class_has_the_same_say_however_many_clips_it_has(self):
        logits, truth, clips = self.draw()
        logits[truth == 0] *= 5  # it alone asks for another temperature
        many = np.concatenate([clips, *[clips[truth == 0]] * 9])
        temperature = fit_temperature(logits[many], truth[many], np.arange(len(many)))
        assert temperature == pytest.approx(fit_temperature(logits, truth, clips), rel=0.02)

    def test_a_class_that_could_not_be_learnt_does_not_move_it(self):
        logits, truth, clips = self.draw()
        known = truth < 2
        logits[:, 2] = -np.inf
        both = fit_temperature(logits, truth, clips)
        assert both == pytest.approx(fit_temperature(logits[known], truth[known], clips[known]), rel=0.02)

    @settings(max_examples=25)
    @given(st.integers(0, 10_000), st.floats(0.01, 100))
    def test_a_row_s_classes_keep_their_order(self, seed, factor):
        logits, truth, clips = self.draw(30, seed)
        cooled = softmax(factor * logits / fit_temperature(factor * logits, truth, clips))
        assert (np.diff(np.take_along_axis(cooled, logits.argsort(axis=1), axis=1), axis=1) >= 0).all()


@st.composite
def ragged(draw):
    """Clips with any number of rows, of which one at least is heard."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=12))
    labels = draw(st.lists(st.sampled_from(THREE), min_size=len(sizes), max_size=len(sizes)))
    heard = [draw(st.permutations([True] + [draw(st.booleans()) for _ in range(size - 1)])) for size in sizes]
    order = np.array(draw(st.permutations(range(sum(sizes)))))
    n = sum(sizes)
    rows = Rows(
        np.arange(n, dtype=np.float32)[:, np.newaxis],
        np.repeat(labels, sizes),
        np.array(["a"] * n),
        np.repeat(np.arange(len(sizes)) * 3 + 5, sizes),
        np.concatenate(heard),
    )
    return rows.take(order)


class TestRows:
    @given(ragged())
    def test_classes_weigh_the_same_and_so_do_the_clips_of_a_class(self, rows):
        weights = rows.weights()
        for label in set(rows.labels):
            own = rows.labels == label
            assert weights[own].sum() == pytest.approx(1 / len(set(rows.labels)))
            clips = set(rows.clips[own])
            for clip in clips:
                assert weights[rows.clips == clip].sum() == pytest.approx(weights[own].sum() / len(clips))

    @given(ragged(), st.integers(3, 40))
    def test_thinned_rows_are_no_more_than_asked_for_and_lose_no_class(self, rows, most):
        thin = rows.thinned(most)
        assert len(thin.X) <= most
        assert set(thin.labels) == set(rows.labels)
        if len(set(rows.clips)) <= most:
            assert set(thin.clips) == set(rows.clips)

    @given(ragged(), st.integers(3, 40))
    def test_thinned_rows_are_those_that_prediction_sees_before_the_others(self, rows, most):
        thin = rows.thinned(most)
        for clip in set(thin.clips):
            kept, all_of_it = (r.take(r.clips == clip) for r in (thin, rows))
            n_heard = all_of_it.heard.sum()
            assert kept.heard.sum() == min(len(kept.X), n_heard)
            first = all_of_it.X[all_of_it.heard, 0]
            assert set(first[: len(kept.X)]) <= set(kept.X[:, 0])

    @given(ragged())
    def test_what_is_plenty_leaves_all_rows_in_their_order(self, rows):
        assert np.array_equal(rows.thinned(10_000).X, rows.X)

    @given(ragged())
    def test_means_are_those_of_each_clip(self, rows):
        means = clip_means(rows.X.astype(float), rows.clips)
        assert means[:, 0] == pytest.approx([rows.X[rows.clips == clip].mean() for clip in rows.per_clip()[0]])

    @given(ragged())
    def test_a_class_of_one_clip_is_not_learnable_however_many_rows_it_has(self, rows):
        left = rows.learnable()
        assert set(left.labels) == {k for k in THREE if len(set(rows.clips[rows.labels == k])) > 1}


def odd_rows():
    many = cloud(4)
    alone = many.speakers == "speaker-02"
    first = (many.speakers == "speaker-00") & (many.labels == "sad")
    constant = cloud(4)
    constant.X[:, 3:] = 0.1
    nothing = cloud(4)
    nothing.X[:] = 7
    twice = cloud(4)
    twice.X[:] = twice.X[np.searchsorted(twice.clips, twice.clips - twice.clips % 9)]
    two = cloud(2)
    one = two.speakers == "speaker-00"
    return {
        "one speaker": cloud(1),
        "two speakers": two,
        "two speakers with a class each": relabelled(relabelled(two, one, "sad"), ~one, "happy"),
        "two speakers, one of them with one class": relabelled(two, one, "sad"),
        "a class of one speaker": relabelled(many, alone & (many.labels == "sad"), "fear"),
        "a speaker with one class": relabelled(many, alone, "sad"),
        "a class of one clip by each of two speakers": many.take(
            (many.labels != "sad") | (many.clips == 6) | (many.clips == 15)
        ),
        "a class of one clip": relabelled(many, many.clips == many.clips[first][0], "fear"),
        "one row a clip": cloud(views=1, altered=0),
        "one clip of a class by each speaker": cloud(3, clips=1),
        "fewer clips than features": cloud(2, clips=1, n_features=60),
        "one feature": cloud(4, n_features=1),
        "many speakers with one clip each": cloud(12, clips=1).take(
            np.isin(cloud(12, clips=1).clips, [3 * i + i % 3 for i in range(12)])
        ),
        "constant features": constant,
        "clips all alike": nothing,
        "clips of one speaker all alike": twice,
    }


ODD = odd_rows()


class TestOddRows:
    @pytest.mark.parametrize("case", ODD)
    def test_they_are_learnt_from_all_the_same(self, case):
        rows = ODD[case]
        for name in NAMES:
            estimator = train(name, rows, seed=0)
            expected = set(rows.labels) - ({"fear"} if case == "a class of one clip" else set())
            assert set(estimator.classes_) == expected
            posteriors = estimator.predict_proba(rows.X)
            assert np.isfinite(posteriors).all()
            assert np.abs(in_onnx(estimator, rows.X) - posteriors).max() < 1e-5

    @pytest.mark.parametrize(
        "case",
        [
            "two speakers",
            "a class of one speaker",
            "a class of one clip by each of two speakers",
        ],
    )
    def test_and_classifiers_are_compared_on_them(self, case):
        name, table = choose(ODD[case], seed=0)
        assert name in NAMES
        assert all(0 <= uar <= 1 for uar in table.values())

    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize(
        "rows",
        [cloud().take(np.zeros(0, int)), cloud(classes=("sad",)), cloud(1, clips=1)],
        ids=["nothing", "one class", "one clip a class"],
    )
    def test_too_little_gives_no_classifier(self, name, rows):
        assert train(name, rows, seed=0) is None

    def test_a_name_that_is_none_is_an_error(self):
        with pytest.raises(KeyError):
            train("oracle", cloud(), seed=0)
