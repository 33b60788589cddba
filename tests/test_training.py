"""Training on evidence made at random, where it is known what can be learnt and what cannot."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import StratifiedKFold
from synthetic import THREE, clouds, frames_of, front_end
from threadpoolctl import threadpool_limits

from mercli import bundle as bundles
from mercli import classifiers, corpora, learning, stacking, training
from mercli.classifiers import forest, search
from mercli.classifiers.calibrated import softmax
from mercli.emotions import FER2013
from mercli.errors import CorpusError, MercliError, UsageError
from mercli.evaluation.rounds import judge_held_out
from mercli.evidence import Evidence
from mercli.face.pooling import pool
from mercli.face.spec import MEAN, POOLINGS, STATS, FaceSpec
from mercli.fusion import fusion_vector
from mercli.inference import Classifier
from mercli.judge import Judge
from mercli.table import Posteriors, Table
from mercli.training import Recipe, fit, judge_all
from mercli.voice.spec import VoiceSpec

MODALITIES = ("voice", "face", "fused")
VOICE = Recipe(VoiceSpec())
FACE = FaceSpec(FER2013)


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1):  # as in `fit`: more threads add up in another order
        yield


@pytest.fixture
def small_forest(monkeypatch):
    """Forests of 30 trees, for tests that grow many."""
    monkeypatch.setattr(forest, "ExtraTreesClassifier", lambda _, **how: ExtraTreesClassifier(30, **how))


@pytest.fixture
def face_by_lda(monkeypatch):
    """The face judged like the voice, by what is solved in one step: the same to the last digits each time."""
    monkeypatch.setitem(training.FACE_CLASSIFIERS, STATS, "lda")


@pytest.fixture
def one_setting(monkeypatch):
    """One setting of LDA, where the choice between several is not what a test is about."""
    family = search.FAMILIES["lda"]
    monkeypatch.setitem(search.FAMILIES, "lda", replace(family, grid=({"shrinkage": 0.4},)))


def estimator_of(train, *what, **how):
    """What a function trained on its way to a model, and what it gave."""
    found = []
    with pytest.MonkeyPatch.context() as patched:
        write = learning._to_model
        patched.setattr(learning, "_to_model", lambda e, *rest: found.append(e) or write(e, *rest))
        learnt = train(*what, **how)
    (estimator,) = found
    return estimator, learnt


def voice_estimator(table, name="lda"):
    return estimator_of(training.learn_voice, table, replace(VOICE, voice_classifier=name), seed=0)[0]


def face_rows(table, spec=FACE):
    """The vectors of all clips with a face."""
    return np.concatenate([pool(clip.face, spec) for clip in table.evidence if clip.face is not None])


def voice_rows(table):
    return np.concatenate([clip.voice for clip in table.evidence if clip.voice is not None])


def rows_given(monkeypatch):
    """A list that gets the rows of every classifier that is trained from now on."""
    given = []
    train = classifiers.train_and_hold_out
    monkeypatch.setattr(
        classifiers, "train_and_hold_out", lambda name, rows, **how: given.append(rows) or train(name, rows, **how)
    )
    return given


def at_temperature_1(posteriors, temperature):
    """What the scores themselves say, whatever the speakers together made of their confidence."""
    return softmax(temperature * np.log(posteriors))


def run(model, vectors):
    """What prediction gets of a model."""
    return Classifier(model.onnx, model.classes, model.classes, vectors.shape[1], "a model").posteriors(vectors)


def accuracy(posteriors, labels, classes=THREE):
    answers = [classes[i] for i in posteriors.argmax(axis=1)]
    return np.mean([answer == label for answer, label in zip(answers, labels, strict=True)])


def rows_of(table, speaker):
    return [i for i, name in enumerate(table.speakers) if name == speaker]


def relabelled(table, rows, labels):
    new = list(table.labels)
    for row, label in zip(rows, labels, strict=True):
        new[row] = label
    return replace(table, labels=tuple(new))


def with_more_views(table):
    """The same table, each clip's sound seen in two views, and in three of altered copies."""
    rng = np.random.default_rng(5)

    def near(voice, n):
        return (voice + 0.1 * rng.normal(size=(n, voice.shape[1]))).astype(np.float32)

    evidence = tuple(
        replace(clip, voice=np.concatenate((clip.voice, near(clip.voice, 1))), voice_altered=near(clip.voice, 3))
        for clip in table.evidence
    )
    return replace(table, evidence=evidence)


def with_long_faces(table):
    """The same table, each face seen for twelve seconds."""
    evidence = tuple(
        replace(clip, face=frames_of(clip.face.posteriors, step_s=12 / (len(clip.face) - 1)))
        for clip in table.evidence
    )
    return replace(table, evidence=evidence)


def without(table, modality, rows):
    """The same table, the modality not seen in some rows."""
    evidence = list(table.evidence)
    for row in rows:
        evidence[row] = replace(evidence[row], **{modality: None})
    return replace(table, evidence=tuple(evidence))


@pytest.mark.usefixtures("small_forest")
class TestWhatIsLearnt:
    def test_classes_that_can_be_told_apart_are_told_apart_on_speakers_never_heard(self):
        table = clouds(5, speaker_offset=2.0)
        said = judge_held_out(table, front_end(), seed=0)
        for modality in MODALITIES:
            posteriors = getattr(said, modality)
            assert np.allclose(posteriors.sum(axis=1), 1)
            assert accuracy(posteriors, table.labels) > 0.9

    def test_labels_drawn_by_lot_score_chance_on_speakers_never_heard(self):
        table = clouds(
            8, clips=5, speaker_offset=3.0, class_offset=0, relabel=lambda _, rng: rng.choice(THREE, 15).tolist()
        )
        said = judge_held_out(table, front_end(), seed=0)
        for modality in MODALITIES:
            # Of 120 clips: three standard errors are 0.13.
            assert accuracy(getattr(said, modality), table.labels) == pytest.approx(1 / 3, abs=0.13)

    def test_who_speaks_does_not_give_the_label_away(self, monkeypatch):
        """Each speaker is easily known and has one label most of the time: folds by clip would give it away."""

        def mostly_one(speaker, rng):
            return np.where(rng.random(6) < 0.8, THREE[speaker % 3], rng.choice(THREE, 6)).tolist()

        def by_clip(labels, _, *, seed):
            splitter = StratifiedKFold(5, shuffle=True, random_state=seed)
            return [held_out for _, held_out in splitter.split(labels, labels)]

        table = clouds(30, clips=2, speaker_offset=3.0, class_offset=0, relabel=mostly_one)
        said = judge_held_out(table, front_end(), seed=0)
        monkeypatch.setattr(corpora, "folds", by_clip)
        leaking = judge_held_out(table, front_end(), seed=0)
        for modality in MODALITIES:
            assert accuracy(getattr(leaking, modality), table.labels) > 0.6
            # A speaker's clips are called alike, all right or all wrong: of 30, three standard errors are 0.2.
            assert accuracy(getattr(said, modality), table.labels) < 1 / 3 + 0.2

    def test_each_view_and_each_altered_one_is_a_row_with_the_label_of_its_clip(self, monkeypatch):
        given = rows_given(monkeypatch)
        table = with_more_views(clouds(modalities=["voice"]))
        training.learn_voice(table, VOICE, seed=0)
        (rows,) = given
        for said, of_clips in ((rows.labels, table.labels), (rows.speakers, table.speakers)):
            assert said.tolist() == [name for name in of_clips for _ in range(5)]
        assert rows.clips.tolist() == [i for i in range(len(table.labels)) for _ in range(5)]
        clip = table.evidence[7]
        assert np.array_equal(rows.X[35:40], np.concatenate((clip.voice, clip.voice_altered)))
        assert rows.X.dtype == np.float32

    def test_what_prediction_will_hear_is_told_from_altered_copies(self, monkeypatch):
        given = rows_given(monkeypatch)
        table = without(with_more_views(clouds(modalities=["voice"])), "voice", [0, 3])
        training.learn_voice(table, VOICE, seed=0)
        (rows,) = given
        assert rows.heard.tolist() == [True, True, False, False, False] * (len(table.labels) - 2)
        assert set(rows.clips) == set(range(len(table.labels))) - {0, 3}

    def test_altered_copies_are_learnt_from(self):
        table = with_more_views(clouds())
        plain = replace(table, evidence=tuple(replace(clip, voice_altered=None) for clip in table.evidence))
        made, other = (fit(these, front_end(), name="b", seed=0) for these in (table, plain))
        assert made.voice != other.voice
        assert made.face == other.face

    def test_the_answers_to_the_views_of_a_clip_are_averaged_and_altered_ones_not_asked_for(self):
        table = with_more_views(clouds(5, class_offset=0.3))
        voice = voice_estimator(table)
        made = fit(table, front_end(), name="b", seed=0)
        for clip, posterior in zip(table.evidence, judge_all(made, table, THREE).voice, strict=True):
            assert np.allclose(posterior, voice.predict_proba(clip.voice).mean(axis=0), atol=1e-5)
        assert accuracy(judge_held_out(table, front_end(), seed=0).voice, table.labels) > 0.6

    @pytest.mark.parametrize("pooling", [MEAN, STATS])
    def test_the_stretches_of_a_face_are_rows_each_with_the_label_of_its_clip(self, monkeypatch, pooling):
        given = rows_given(monkeypatch)
        table = without(with_long_faces(clouds(modalities=["face"])), "face", [2])
        spec = replace(FACE, pooling=pooling)
        training.learn_face(table, spec, seed=0)
        (rows,) = given
        kept = [i for i in range(len(table.labels)) if i != 2]
        assert rows.clips.tolist() == [i for i in kept for _ in range(2)]
        for said, of_clips in ((rows.labels, table.labels), (rows.speakers, table.speakers)):
            assert said.tolist() == [of_clips[i] for i in kept for _ in range(2)]
        assert np.array_equal(rows.X[6:8], pool(table.evidence[4].face, spec))
        assert rows.heard.all()

    def test_the_answers_to_the_stretches_of_a_face_are_averaged(self):
        table = with_long_faces(clouds(5, modalities=["face"]))
        face, learnt = estimator_of(training.learn_face, table, FACE, seed=0)
        made = fit(table, front_end(), name="b", seed=0)
        assert made.face.model == learnt.model
        for clip, posterior in zip(table.evidence, judge_all(made, table, THREE).face, strict=True):
            vectors = pool(clip.face, FACE)
            assert len(vectors) == 2
            assert np.allclose(posterior, face.predict_proba(vectors).mean(axis=0), atol=1e-5)

    @pytest.mark.parametrize("fusion", ["product", "logistic", "forest"])
    def test_a_fusion_learns_which_modality_to_trust(self, fusion):
        voice, face = clouds(6, modalities=["voice"]), clouds(6, modalities=["face"], class_offset=0, seed=1)
        both = tuple(replace(v, face=f.face) for v, f in zip(voice.evidence, face.evidence, strict=True))
        recipe = replace(VOICE, fusion=fusion)
        said = judge_held_out(replace(voice, evidence=both), front_end(), seed=0, recipe=recipe)
        assert accuracy(said.face, voice.labels) < 0.6
        assert accuracy(said.fused, voice.labels) > 0.9


@pytest.mark.usefixtures("small_forest", "face_by_lda")
class TestWhatIsKeptApart:
    def other_labels(self, table, rows):
        """Labels turned by one class, so that every count stays as it is."""
        return [THREE[(THREE.index(table.labels[row]) + 1) % 3] for row in rows]

    def crossfitted(self, table):
        """What the fusion learns from, without the temperatures, which all speakers together set."""
        voice, heard = estimator_of(training.learn_voice, table, VOICE, seed=0)
        face, seen = estimator_of(training.learn_face, table, FACE, seed=0)
        said = training.held_out(heard, seen, THREE)
        return Posteriors(
            at_temperature_1(said.voice, voice.temperature),
            at_temperature_1(said.face, face.temperature),
            said.fused,
            said.words,
        )

    @pytest.mark.usefixtures("one_setting")
    @pytest.mark.parametrize("speaker", ["speaker-00", "speaker-02"])
    def test_fusion_learns_from_posteriors_of_models_that_did_not_see_the_speaker(self, speaker):
        table = clouds(4, class_offset=0.2)
        rows = rows_of(table, speaker)
        others = np.setdiff1d(np.arange(len(table.labels)), rows)
        before = self.crossfitted(table)
        after = self.crossfitted(relabelled(table, rows, self.other_labels(table, rows)))
        for modality in ("voice", "face"):
            one, other = getattr(before, modality), getattr(after, modality)
            assert np.allclose(one[rows], other[rows], rtol=1e-6, atol=1e-12)
            assert not np.allclose(one[others], other[others])

    @pytest.mark.usefixtures("one_setting")
    def test_nor_does_a_speaker_s_own_sound_move_how_that_speaker_is_measured(self):
        table = clouds(4, class_offset=0.2)
        first, *rest = rows_of(table, "speaker-01")
        evidence = list(table.evidence)
        for row in rest:
            wrong = evidence[row].face.posteriors[:, ::-1] ** 3
            evidence[row] = Evidence(50 * evidence[row].voice, frames_of(wrong / wrong.sum(axis=1, keepdims=True)))
        before = self.crossfitted(table)
        after = self.crossfitted(replace(table, evidence=tuple(evidence)))
        for modality in ("voice", "face"):
            one, other = getattr(before, modality), getattr(after, modality)
            assert np.allclose(one[first], other[first], rtol=1e-6, atol=1e-12)

    @pytest.mark.parametrize("modality", ["voice", "face"])
    def test_the_posteriors_are_those_of_the_search_for_each_speaker_left_out(self, modality):
        """At the setting and the temperature that the bundle's own model has."""
        table = without(with_more_views(clouds(4, class_offset=0.2)), modality, [5, 40])
        heard = estimator_of(training.learn_voice, table, VOICE, seed=0)
        seen = estimator_of(training.learn_face, table, FACE, seed=0)
        said = getattr(training.held_out(heard[1], seen[1], THREE), modality)
        assert np.isnan(said[[5, 40]]).all()
        estimator = {"voice": heard, "face": seen}[modality][0]
        for speaker in set(table.speakers):
            rest = table.of_speakers(frozenset(table.speakers) - {speaker})
            rows = rest.voice_rows() if modality == "voice" else rest.face_rows(FACE)
            (scorer,) = search.fit_lda(rows, [estimator.chosen], 0)
            for row in rows_of(table, speaker):
                if row not in (5, 40):
                    clip = table.evidence[row]
                    vectors = clip.voice if modality == "voice" else pool(clip.face, FACE)
                    of_views = softmax(scorer.scores(vectors) / estimator.temperature)
                    assert np.allclose(said[row], of_views.mean(axis=0), atol=1e-9)

    def test_what_was_not_judged_without_its_speaker_is_no_example_for_the_fusion(self):
        """One speaker's voice, all speakers' faces: nobody else's voice can judge it."""
        table = clouds(4)
        table = without(table, "voice", range(12, 48))
        heard, seen = training.learn_voice(table, VOICE, seed=0), training.learn_face(table, FACE, seed=0)
        assert np.isnan(training.held_out(heard, seen, THREE).voice).all()
        made = fit(table, front_end(), name="b", seed=0)
        assert made.modalities == ("voice", "face")
        assert made.fusion is None

    def test_held_out_answers_do_not_know_the_labels_of_their_speaker(self):
        table = clouds(4, clips=3, class_offset=0.3)
        rows = rows_of(table, "speaker-03")
        others = np.setdiff1d(np.arange(len(table.labels)), rows)
        before = judge_held_out(table, front_end(), seed=0)
        after = judge_held_out(relabelled(table, rows, self.other_labels(table, rows)), front_end(), seed=0)
        for modality in MODALITIES:
            one, other = getattr(before, modality), getattr(after, modality)
            assert np.array_equal(one[rows], other[rows])
            assert not np.allclose(one[others], other[others])

    @pytest.mark.parametrize("fusion", ["product", "logistic", "forest"])
    def test_the_fusion_is_trained_on_those_posteriors_and_no_others(self, monkeypatch, fusion):
        given = rows_given(monkeypatch)
        table = without(without(clouds(4), "voice", [3]), "face", [8, 9])
        fit(table, front_end(), name="b", seed=0, recipe=replace(VOICE, fusion=fusion))
        heard, seen = training.learn_voice(table, VOICE, seed=0), training.learn_face(table, FACE, seed=0)
        expected = training.held_out(heard, seen, THREE)
        both = [i for i in range(len(table.labels)) if i not in (3, 8, 9)]
        rows = given[2]  # after the voice's and the face's
        assert np.array_equal(rows.X, fusion_vector(expected.voice[both], expected.face[both]))
        assert rows.clips.tolist() == both
        assert rows.labels.tolist() == [table.labels[i] for i in both]
        assert rows.speakers.tolist() == [table.speakers[i] for i in both]

    def test_with_a_split_the_fusion_is_trained_on_what_the_bundle_says_of_its_own_speakers(self, monkeypatch):
        table = clouds(6, class_offset=0.3)
        models, fusion = (
            table.of_speakers(frozenset(names)) for names in (table.speakers[:36], table.speakers[36:])
        )
        given = rows_given(monkeypatch)
        made = fit(models, front_end(), name="b", seed=0, fusion_on=fusion)
        said = judge_all(made, fusion, THREE)
        assert np.array_equal(given[2].X, fusion_vector(said.voice, said.face))
        assert given[2].speakers.tolist() == list(fusion.speakers)

    def test_with_a_split_voice_and_face_do_not_see_the_speakers_of_the_fusion(self):
        table = clouds(6, class_offset=0.3)
        models, fusion = (
            table.of_speakers(frozenset(names)) for names in (table.speakers[:36], table.speakers[36:])
        )
        assert not set(models.speakers) & set(fusion.speakers)
        made = fit(models, front_end(), name="b", seed=0, fusion_on=fusion)
        turned = relabelled(fusion, range(36), self.other_labels(fusion, range(36)))
        other = fit(models, front_end(), name="b", seed=0, fusion_on=turned)
        assert (made.voice, made.face) == (other.voice, other.face)
        assert made.fusion != other.fusion

    @pytest.mark.parametrize("speakers", [4, 1], ids=["by speaker", "by clip"])
    def test_the_views_of_a_clip_are_calibrated_on_one_side(self, speakers, monkeypatch):
        trained, judged = [], []
        family = search.FAMILIES["lda"]

        def watched(rows, grid, seed):
            trained.append({*map(bytes, rows.X)})
            scorers = family.fit(rows, grid, seed)
            return [Watched(scorer) for scorer in scorers]

        class Watched:
            def __init__(self, scorer):
                self.scorer, self.classes_ = scorer, scorer.classes_

            def scores(self, X):
                judged.append((trained[-1], {*map(bytes, X)}))
                return self.scorer.scores(X)

        monkeypatch.setitem(search.FAMILIES, "lda", replace(family, fit=watched))
        table = with_more_views(clouds(speakers, modalities=["voice"]))
        classifiers.train_and_hold_out("lda", table.voice_rows(), seed=0)
        assert judged
        for learnt, asked in judged:
            for clip in table.evidence:
                views, altered = ({*map(bytes, rows)} for rows in (clip.voice, clip.voice_altered))
                assert views <= asked or not views & asked
                assert not altered & asked
                assert not learnt & (views | altered) or not asked & views
        assert set.union(*(asked for _, asked in judged)) == {
            bytes(view) for clip in table.evidence for view in clip.voice
        }

    def test_probabilities_are_calibrated_on_speakers_left_out(self):
        """Each speaker is called one thing only, which tells nothing of another: nobody new is to be sure of."""

        def always_one(speaker, _):
            return [THREE[speaker % 3]] * 6

        how = {"clips": 2, "modalities": ["voice"], "class_offset": 0, "speaker_offset": 3.0}
        table, others = (clouds(9, seed=seed, relabel=always_one, **how) for seed in (0, 1))
        voice = voice_estimator(table)
        assert accuracy(voice.predict_proba(voice_rows(table)), table.labels) == 1
        unseen = voice_rows(others)
        assert softmax(voice.scorer.scores(unseen)).max(axis=1).mean() > 0.8
        assert voice.predict_proba(unseen).max(axis=1).mean() < 0.5


class TestTheVoiceClassifier:
    @pytest.mark.parametrize("name", ["lda", "svm", "forest"])
    def test_it_is_the_one_that_the_recipe_names_and_the_record_says_so(self, name):
        table = clouds(3, modalities=["voice"])
        made = fit(table, front_end(), name="b", seed=0, recipe=Recipe(VoiceSpec(), name))
        expected = voice_estimator(table, name)
        assert made.training["voice_classifier"] == {"name": name, **expected.settings}
        setting = {"lda": {"shrinkage"}, "svm": {"C", "gamma"}, "forest": {"min_samples_leaf"}}[name]
        assert set(expected.settings) == setting | {"temperature"}
        said = judge_all(made, table, THREE).voice
        assert np.allclose(said, expected.predict_proba(voice_rows(table)), atol=1e-5)

    def test_without_a_recipe_it_is_lda_and_the_voice_is_measured_as_the_base_says(self):
        base = front_end()
        spec = replace(base.voice.spec, hop_s=0.02)
        base = replace(base, voice=replace(base.voice, spec=spec))
        made = fit(clouds(modalities=["voice"]), base, name="b", seed=0)
        assert made.training["voice_classifier"]["name"] == "lda" == training.BEST
        assert made.voice.spec == spec

    def test_the_recipe_says_how_the_voice_was_measured(self):
        spec = VoiceSpec(hop_s=0.02)
        made = fit(clouds(modalities=["voice"]), front_end(), name="b", seed=0, recipe=Recipe(spec))
        assert made.voice.spec == spec

    def test_auto_takes_the_one_that_does_best_and_records_the_comparison(self, monkeypatch):
        for name, family in search.FAMILIES.items():
            monkeypatch.setitem(search.FAMILIES, name, replace(family, grid=family.grid[-1:]))
        table = clouds(3, class_offset=0.3, modalities=["voice"])
        best, compared = classifiers.choose(table.voice_rows(), seed=0)
        recipe = Recipe(VoiceSpec(), training.AUTO)
        record = fit(table, front_end(), name="b", seed=0, recipe=recipe).training["voice_classifier"]
        assert record["name"] == best
        assert record["compared_uar"] == {name: round(uar, 4) for name, uar in compared.items()}
        assert tuple(record["compared_uar"]) == classifiers.NAMES
        assert record["compared_uar"][best] == max(record["compared_uar"].values())

    def test_auto_chooses_anew_without_the_speaker_held_out(self, monkeypatch):
        asked = []
        monkeypatch.setattr(
            classifiers, "choose", lambda rows, *_, **__: asked.append(set(rows.speakers.tolist())) or ("lda", {})
        )
        table = clouds(3, modalities=["voice"])
        judge_held_out(table, front_end(), seed=0, recipe=Recipe(VoiceSpec(), training.AUTO))
        everyone = set(table.speakers)
        assert sorted(map(sorted, asked)) == sorted(sorted(everyone - {name}) for name in everyone)

    def test_a_bundle_without_a_voice_records_none(self):
        assert "voice_classifier" not in fit(clouds(modalities=["face"]), front_end(), name="b", seed=0).training


class TestTheFaceClassifier:
    @pytest.mark.parametrize(("pooling", "name"), [(MEAN, "logistic"), (STATS, "logistic")])
    def test_it_suits_how_the_frames_are_pooled_and_the_record_says_so(self, pooling, name):
        table = clouds(3, modalities=["face"])
        made = fit(table, front_end(), name="b", seed=0, recipe=replace(VOICE, face_pooling=pooling))
        spec = replace(FACE, pooling=pooling)
        expected, _ = estimator_of(training.learn_face, table, spec, seed=0)
        assert made.face.spec == replace(front_end().face.spec, pooling=pooling)
        assert made.training["face_classifier"] == {"name": name, **expected.settings}
        said = judge_all(made, table, THREE).face
        assert np.allclose(said, expected.predict_proba(face_rows(table, spec)), atol=1e-5)

    @pytest.mark.parametrize("pooling", [MEAN, STATS])
    def test_without_a_recipe_the_frames_are_pooled_as_the_base_says(self, pooling):
        base = front_end()
        base = replace(base, face=replace(base.face, spec=replace(base.face.spec, pooling=pooling)))
        assert fit(clouds(modalities=["face"]), base, name="b", seed=0).face.spec.pooling == pooling

    def test_the_frames_are_pooled_as_the_recipe_says_whatever_the_base_does(self):
        table = clouds(modalities=["face"])
        made = {}
        for pooling in (MEAN, STATS):
            base = front_end()
            base = replace(base, face=replace(base.face, spec=replace(base.face.spec, pooling=pooling)))
            made[pooling] = fit(table, base, name="b", seed=0, recipe=replace(VOICE, face_pooling=STATS))
        assert made[MEAN] == made[STATS]

    def test_a_bundle_without_a_face_records_none(self):
        record = fit(clouds(modalities=["voice"]), front_end(), name="b", seed=0).training
        assert set(record) == {"voice_classifier"}


class TestTheFusion:
    @pytest.mark.parametrize("kind", ["forest", "logistic", "product"])
    def test_it_is_of_the_kind_that_the_recipe_names_and_the_record_says_so(self, kind):
        table = clouds(4)
        made = fit(table, front_end(), name="b", seed=0, recipe=replace(VOICE, fusion=kind))
        assert made.fusion.kind == made.training["fusion"]["name"] == kind
        settings = {"forest": {"min_samples_leaf"}, "logistic": {"C"}, "product": set()}[kind]
        assert set(made.training["fusion"]) == {"name", "temperature", *settings}

    def test_without_a_recipe_it_is_a_product(self):
        assert fit(clouds(4), front_end(), name="b", seed=0).fusion.kind == "product" == stacking.BEST

    @pytest.mark.usefixtures("small_forest")
    def test_auto_takes_the_one_that_does_best_and_records_the_comparison(self):
        table = clouds(3, clips=3, class_offset=0.3)
        made = fit(table, front_end(), name="b", seed=0, recipe=replace(VOICE, fusion="auto"))
        record = made.training["fusion"]
        assert tuple(record["compared_uar"]) == ("forest", "logistic", "product")
        assert record["compared_uar"][made.fusion.kind] == max(record["compared_uar"].values())
        named = fit(table, front_end(), name="b", seed=0, recipe=replace(VOICE, fusion=made.fusion.kind))
        assert named.fusion == made.fusion

    @pytest.mark.usefixtures("small_forest")
    @pytest.mark.parametrize("kind", ["forest", "logistic", "product"])
    def test_it_judges_speakers_never_heard_as_well_as_either_modality(self, kind):
        table = clouds(5, class_offset=0.3)
        said = judge_held_out(table, front_end(), seed=0, recipe=replace(VOICE, fusion=kind))
        assert np.allclose(said.fused.sum(axis=1), 1)
        alone = [accuracy(getattr(said, modality), table.labels) for modality in ("voice", "face")]
        assert accuracy(said.fused, table.labels) > max(alone) - 0.05


class TestNames:
    def test_a_name_that_does_not_exist_is_refused_with_those_that_do(self):
        for name in (*classifiers.NAMES, training.AUTO):
            training.check(voice_classifier=name)
        with pytest.raises(
            UsageError,
            match="no voice classifier 'LDA'; there are lda, logistic, svm, forest, average, auto",
        ):
            training.check(voice_classifier="LDA")

    def test_so_is_that_of_a_pooling_and_of_a_fusion(self, monkeypatch):
        monkeypatch.setattr("importlib.util.find_spec", lambda _: "PyTorch")
        for name in POOLINGS:
            training.check(face_pooling=name)
        for name in ("forest", "logistic", "product", "joint", "auto"):
            training.check(fusion=name)
        with pytest.raises(UsageError, match="no face pooling 'max'; there are mean, stats, recurrent"):
            training.check(face_pooling="max")
        with pytest.raises(UsageError, match="no fusion 'svm'; there are forest, logistic, product, joint, auto"):
            training.check(fusion="svm")

    @pytest.mark.parametrize(
        ("asked", "what"),
        [({"face_pooling": "recurrent"}, "a recurrent network"), ({"fusion": "joint"}, "a joint network")],
    )
    def test_what_takes_pytorch_is_refused_where_there_is_none(self, monkeypatch, asked, what):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torch" else name)
        with pytest.raises(UsageError) as caught:
            training.check(**asked)
        assert str(caught.value) == (
            f"{what} is trained by PyTorch, which is not installed: pip install 'mercli[train]'"
        )
        training.check(voice_classifier="lda", face_pooling="stats", fusion="product")


class TestTheOnnxForm:
    """What `predict` runs, against what was trained, on vectors that were not trained on."""

    @pytest.mark.parametrize("classes", [("happy", "sad"), THREE, FER2013], ids=["2", "3", "7"])
    @pytest.mark.parametrize("scale", [1.0, 1e4])
    @pytest.mark.parametrize("modality", ["voice", "face"])
    def test_it_agrees_with_what_was_trained_to_1e_5(self, modality, classes, scale):
        def scaled(table):
            """Of a face the place, whose numbers know no bounds."""
            seen = (getattr(clip, modality) for clip in table.evidence)
            evidence = (
                Evidence(voice=numbers * np.float32(scale))
                if modality == "voice"
                else Evidence(face=replace(numbers, boxes_px=moved(len(numbers))))
                for numbers in seen
            )
            return replace(table, evidence=tuple(evidence))

        def moved(n_frames):
            places = [*scale * rng.normal(size=(2, n_frames)), *rng.uniform(1, 2, (2, n_frames))]
            return np.stack(places, axis=1).astype(np.float32)

        rng = np.random.default_rng(7)

        kinds = {"modalities": [modality], "class_offset": 0.3}
        trained, unseen = (
            scaled(clouds(5, classes=classes, **kinds)),
            scaled(clouds(20, classes=classes, seed=9, **kinds)),
        )
        if modality == "voice":
            estimator, vectors = voice_estimator(trained), voice_rows(unseen)
        else:
            estimator, _ = estimator_of(training.learn_face, trained, FACE, seed=0)
            vectors = face_rows(unseen)
        model = getattr(fit(trained, front_end(), name="b", seed=0), modality).model
        assert model.classes == tuple(estimator.classes_)
        difference = np.abs(run(model, vectors) - estimator.predict_proba(vectors))
        assert difference.max() < 1e-5

    @pytest.mark.parametrize("kind", ["forest", "logistic", "product"])
    @pytest.mark.parametrize("classes", [("happy", "sad"), THREE, FER2013], ids=["2", "3", "7"])
    def test_the_fusion_agrees_too(self, classes, kind):
        rng = np.random.default_rng(0)
        n = len(classes)
        posteriors = rng.dirichlet(np.ones(n), (2, 300))
        said = Posteriors(*posteriors, *np.full((2, 300, n), np.nan))
        speakers = tuple(f"s{i}" for i in rng.integers(0, 5, 300))
        table = Table((Evidence(),) * 300, tuple(rng.choice(classes, 300).tolist()), speakers)
        estimator, learnt = estimator_of(stacking.fit_fusion, kind, table, said, front_end(), classes, seed=0)
        unseen = fusion_vector(*rng.dirichlet(np.full(n, 0.2), (2, 500)))
        difference = np.abs(run(learnt.model, unseen) - estimator.predict_proba(unseen))
        assert difference.max() < 1e-5

    @pytest.mark.parametrize("name", ["lda", "svm"])
    def test_sounds_that_stand_twice_under_two_labels_are_no_obstacle(self, name):
        """Nothing can tell them apart: between the two labels all is level."""
        table = clouds(4, clips=1, classes=FER2013, modalities=["voice"])
        evidence = list(table.evidence)
        evidence[1::7] = evidence[0::7]
        twice = replace(table, evidence=tuple(evidence))
        made = fit(twice, front_end(), name="b", seed=0, recipe=Recipe(VoiceSpec(), name))
        said = judge_all(made, twice, FER2013).voice
        first, second = (FER2013.index(label) for label in table.labels[:2])
        assert np.allclose(said[0::7, first], said[0::7, second], atol=1e-5)

    @pytest.mark.parametrize("part", ["voice", "face", "fusion"])
    def test_a_model_that_changes_in_conversion_is_an_error(self, monkeypatch, part):
        write, written = classifiers.to_onnx, []

        def wrongly(estimator):
            written.append(estimator)
            if part == "fusion" and len(written) < 3:  # after the voice's and the face's
                return write(estimator)
            return write(replace(estimator, temperature=estimator.temperature * 1.001))

        monkeypatch.setattr(classifiers, "to_onnx", wrongly)
        name = {"voice": "lda", "face": "logistic", "fusion": "product"}[part]
        table = clouds(modalities=["voice", "face"] if part == "fusion" else [part])
        with pytest.raises(MercliError, match=f"the {name} model in ONNX differs from the trained one on"):
            fit(table, front_end(), name="b", seed=0)


@pytest.mark.usefixtures("small_forest")
class TestOddTables:
    @pytest.mark.parametrize("modality", ["voice", "face"])
    def test_one_modality_gives_a_bundle_of_that_one(self, modality):
        table = clouds(modalities=[modality])
        made = fit(table, front_end(), name="b", seed=0)
        assert made.modalities == (modality,)
        assert made.fusion is None
        said = judge_held_out(table, front_end(), seed=0)
        other = {"voice": "face", "face": "voice"}[modality]
        assert np.isnan(getattr(said, other)).all()
        assert np.array_equal(said.fused, getattr(said, modality))

    def test_the_face_is_not_trained_without_a_face_network(self):
        made = fit(clouds(), bundles.Bundle("no network", FER2013), name="b", seed=0)
        assert made.modalities == ("voice",)
        assert made.fusion is None

    def test_a_clip_that_lacks_a_modality_is_judged_by_the_other(self):
        table = without(without(clouds(), "face", [0, 7]), "voice", [3])
        said = judge_held_out(table, front_end(), seed=0)
        assert np.isnan(said.face[[0, 7]]).all()
        assert np.isnan(said.voice[3]).all()
        assert np.array_equal(said.fused[[0, 7]], said.voice[[0, 7]])
        assert np.array_equal(said.fused[3], said.face[3])
        assert not np.isnan(said.fused).any()

    def test_a_modality_too_rare_to_learn_is_left_out(self):
        table = clouds()
        made = fit(without(table, "face", range(1, len(table.labels))), front_end(), name="b", seed=0)
        assert made.modalities == ("voice",)

    def test_a_class_that_one_speaker_alone_provides_is_learnt_but_not_expected_of_others(self):
        table = clouds(4, clips=3)
        rows = rows_of(table, "speaker-02")[:3]
        table = relabelled(table, rows, ["fear"] * 3)
        made = fit(table, front_end(), name="b", seed=0)
        assert made.classes == ("angry", "fear", "happy", "sad")
        assert set(made.voice.model.classes) == set(made.face.model.classes) == set(made.classes)
        said = judge_held_out(table, front_end(), seed=0)
        assert (said.fused[rows, 1] == 0).all()
        assert not np.isnan(said.fused).any()

    def test_a_class_with_examples_of_few_speakers_is_no_obstacle_when_one_of_them_is_held_out(self):
        """Two clips of fear by one speaker and one by another: held out, the first leaves a single one."""
        table = clouds(4, modalities=["voice"])
        one, other = rows_of(table, "speaker-00"), rows_of(table, "speaker-01")
        table = relabelled(table, [*one[:2], other[0]], ["fear"] * 3)
        assert "fear" in fit(table, front_end(), name="b", seed=0).voice.model.classes
        said = judge_held_out(table, front_end(), seed=0)
        assert not np.isnan(said.voice).any()
        assert (said.voice[one, 1] == 0).all()

    def test_a_speaker_with_one_class_is_no_obstacle(self):
        table = clouds(4)
        rows = rows_of(table, "speaker-01")
        said = judge_held_out(relabelled(table, rows, ["sad"] * len(rows)), front_end(), seed=0)
        assert not np.isnan(said.fused).any()

    def test_two_speakers_are_enough(self):
        table = clouds(2)
        assert fit(table, front_end(), name="b", seed=0).fusion is not None
        said = judge_held_out(table, front_end(), seed=0)
        # One speaker is left to train on: no posteriors of models that did not hear them, so no fusion.
        assert np.allclose(said.fused, (said.voice + said.face) / 2)

    def test_many_speakers_with_one_clip_each_are_enough(self):
        table = clouds(12, clips=1, modalities=["voice"])
        table = table.take([3 * i + i % 3 for i in range(12)])
        assert Counter(table.labels) == dict.fromkeys(THREE, 4)
        assert not np.isnan(judge_held_out(table, front_end(), seed=0).voice).any()

    def test_a_bundle_fitted_to_some_classes_is_judged_among_more(self):
        table = clouds(classes=("happy", "sad"), modalities=["voice"])
        said = judge_all(fit(table, front_end(), name="b", seed=0), table, FER2013)
        known = [FER2013.index("happy"), FER2013.index("sad")]
        assert np.allclose(said.voice[:, known].sum(axis=1), 1)
        assert (np.delete(said.voice, known, axis=1) == 0).all()

    def test_classes_of_the_fusion_s_speakers_alone_are_classes_of_the_bundle(self):
        made = fit(clouds(3), front_end(), name="b", seed=0, fusion_on=clouds(3, classes=(*THREE, "fear"), seed=1))
        assert made.classes == ("angry", "fear", "happy", "sad")
        assert Judge(made).judge(clouds().evidence[0]).fused.shape == (4,)


class TestTooLittle:
    @pytest.mark.parametrize(
        "table",
        [
            Table((), (), ()),
            clouds(3).take([0, 1, 2, 3]),
            replace(clouds(3), evidence=(Evidence(),) * 36),
            clouds(1, clips=1, modalities=["voice"]),
        ],
        ids=["nothing", "one class", "no vector", "one clip a class"],
    )
    def test_it_is_said_in_a_sentence(self, table):
        with pytest.raises(
            CorpusError, match=r"too little to train on: clips: \d+, speakers: \d+, classes: .*needed"
        ):
            fit(table, front_end(), name="b", seed=0)

    def test_also_when_it_is_too_little_only_without_the_speaker_held_out(self):
        table = clouds(2, modalities=["voice"])
        rows = rows_of(table, "speaker-00")
        table = relabelled(table, rows, ["sad"] * len(rows))
        with pytest.raises(
            CorpusError, match=r"clips: 12, speakers: 1, classes: sad; .*to test on are taken away"
        ):
            judge_held_out(table, front_end(), seed=0)


class TestRepeatability:
    @pytest.fixture
    def digest(self, tmp_path):
        def made(seed, table=None):
            """Of a forest, whose trees are drawn."""
            recipe, folder = replace(VOICE, fusion="forest"), tmp_path / "b"
            bundles.save(fit(table or clouds(), front_end(), name="b", seed=seed, recipe=recipe), folder)
            return bundles.load(folder).digest

        return made

    def test_the_same_seed_gives_the_same_bundle_to_the_last_byte(self, digest):
        assert digest(3) == digest(3)

    @pytest.mark.parametrize("recipe", [replace(VOICE, fusion="logistic", face_pooling=MEAN), VOICE])
    def test_so_it_does_whatever_is_fused_and_pooled(self, recipe):
        one, other = (fit(clouds(), front_end(), name="b", seed=3, recipe=recipe) for _ in range(2))
        assert one == other

    def test_another_seed_or_another_clip_gives_another(self, digest):
        less = clouds().take(range(1, 48))
        assert len({digest(3), digest(4), digest(3, less)}) == 3
