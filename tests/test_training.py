"""Training on evidence made at random, where it is known what can be learnt and what cannot."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import skl2onnx
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold
from synthetic import THREE, clouds, front_end
from threadpoolctl import threadpool_limits

from mercli import bundle as bundles
from mercli import classifiers, corpora, training
from mercli.classifiers import search
from mercli.classifiers.calibrated import softmax
from mercli.emotions import FER2013
from mercli.errors import CorpusError, UsageError
from mercli.fusion import fusion_vector
from mercli.judge import Judge
from mercli.observer import Evidence
from mercli.table import Table
from mercli.training import VoiceRecipe, fit, judge_all, judge_held_out
from mercli.voice.spec import VoiceSpec

MODALITIES = ("voice", "face", "fused")


@pytest.fixture(autouse=True)
def _one_thread():
    with threadpool_limits(1):  # as in `fit`: more threads add up in another order
        yield


@pytest.fixture
def small_forest(monkeypatch):
    """Forests of 30 trees, for tests that grow many."""
    monkeypatch.setattr(training, "RandomForestClassifier", lambda _, **how: RandomForestClassifier(30, **how))


@pytest.fixture
def one_setting(monkeypatch):
    """One setting of LDA, where the choice between several is not what a test is about."""
    family = search.FAMILIES["lda"]
    monkeypatch.setitem(search.FAMILIES, "lda", replace(family, grid=({"shrinkage": 0.4},)))


def rows_given(monkeypatch):
    """A list that gets the rows of every voice classifier that is trained from now on."""
    given = []
    train = classifiers.train_and_hold_out
    monkeypatch.setattr(
        classifiers, "train_and_hold_out", lambda name, rows, **how: given.append(rows) or train(name, rows, **how)
    )
    return given


def at_temperature_1(posteriors, temperature):
    """What the scores themselves say, whatever the speakers together made of their confidence."""
    return softmax(temperature * np.log(posteriors))


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
        training._fit_voice(table, "lda", 0)
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
        training._fit_voice(table, "lda", 0)
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
        voice = training._fit_voice(table, "lda", 0).estimator
        said = training._say(table, voice, None, THREE).voice
        for clip, posterior in zip(table.evidence, said, strict=True):
            assert np.allclose(posterior, voice.predict_proba(clip.voice).mean(axis=0), atol=1e-12)
        made = fit(table, front_end(), name="b", seed=0)
        assert np.allclose(judge_all(made, table, THREE).voice, said, atol=1e-5)
        assert accuracy(judge_held_out(table, front_end(), seed=0).voice, table.labels) > 0.6

    def test_a_fusion_learns_which_modality_to_trust(self):
        voice, face = clouds(6, modalities=["voice"]), clouds(6, modalities=["face"], class_offset=0, seed=1)
        both = tuple(replace(v, face=f.face) for v, f in zip(voice.evidence, face.evidence, strict=True))
        said = judge_held_out(replace(voice, evidence=both), front_end(), seed=0)
        assert accuracy(said.face, voice.labels) < 0.6
        assert accuracy(said.fused, voice.labels) > 0.9


@pytest.mark.usefixtures("small_forest")
class TestWhatIsKeptApart:
    def other_labels(self, table, rows):
        """Labels turned by one class, so that every count stays as it is."""
        return [THREE[(THREE.index(table.labels[row]) + 1) % 3] for row in rows]

    def crossfitted(self, table):
        """What the fusion learns from; the voice's without the temperature, which all speakers together set."""
        heard = training._fit_voice(table, "lda", 0)
        said = training._crossfit(table, heard, THREE, 0)
        return replace(said, voice=at_temperature_1(said.voice, heard.estimator.temperature))

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
            evidence[row] = Evidence(*(50 * getattr(evidence[row], m) for m in ("voice", "face")))
        before = self.crossfitted(table)
        after = self.crossfitted(replace(table, evidence=tuple(evidence)))
        for modality in ("voice", "face"):
            one, other = getattr(before, modality), getattr(after, modality)
            assert np.allclose(one[first], other[first], rtol=1e-6, atol=1e-12)

    def test_the_voice_s_posteriors_are_those_of_the_search_for_each_speaker_left_out(self):
        """At the setting and the temperature that the bundle's own model has."""
        table = without(with_more_views(clouds(4, class_offset=0.2)), "voice", [5, 40])
        heard = training._fit_voice(table, "lda", 0)
        said = training._crossfit(table, heard, THREE, 0).voice
        assert np.isnan(said[[5, 40]]).all()
        chosen, temperature = heard.estimator.chosen, heard.estimator.temperature
        for speaker in set(table.speakers):
            rest = table.of_speakers(frozenset(table.speakers) - {speaker})
            (scorer,) = search.fit_lda(training._labelled_rows(rest, rest.with_vector("voice")), [chosen], 0)
            for row in rows_of(table, speaker):
                if row not in (5, 40):
                    of_views = softmax(scorer.scores(table.evidence[row].voice) / temperature)
                    assert np.allclose(said[row], of_views.mean(axis=0), atol=1e-9)

    def test_what_was_not_judged_without_its_speaker_is_no_example_for_the_fusion(self):
        """One speaker's voice, all speakers' faces: nobody else's voice can judge it."""
        table = clouds(4)
        table = without(table, "voice", range(12, 48))
        heard = training._fit_voice(table, "lda", 0)
        assert np.isnan(training._crossfit(table, heard, THREE, 0).voice).all()
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

    def test_the_forest_is_grown_on_those_posteriors_and_no_others(self, monkeypatch):
        table = clouds(4)
        grown = []
        grow = training._fit_fusion
        monkeypatch.setattr(training, "_fit_fusion", lambda said, *rest: grown.append(said) or grow(said, *rest))
        fit(table, front_end(), name="b", seed=0)
        heard = training._fit_voice(table, "lda", 0)
        (said,), expected = grown, training._crossfit(table, heard, THREE, 0)
        assert np.array_equal(said.voice, expected.voice)
        assert np.array_equal(said.face, expected.face)

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
        training._fit_voice(table, "lda", 0)
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
        voice = training._fit_voice(table, "lda", 0).estimator
        assert accuracy(voice.predict_proba(training._vectors(table, "voice")), table.labels) == 1
        unseen = training._vectors(others, "voice")
        assert softmax(voice.scorer.scores(unseen)).max(axis=1).mean() > 0.8
        assert voice.predict_proba(unseen).max(axis=1).mean() < 0.5


class TestTheVoiceClassifier:
    @pytest.mark.parametrize("name", ["lda", "svm", "forest"])
    def test_it_is_the_one_that_the_recipe_names_and_the_record_says_so(self, name):
        table = clouds(3, modalities=["voice"])
        made = fit(table, front_end(), name="b", seed=0, voice=VoiceRecipe(VoiceSpec(), name))
        expected = training._fit_voice(table, name, 0).estimator
        assert made.training["voice_classifier"] == {"name": name, **expected.settings}
        setting = {"lda": {"shrinkage"}, "svm": {"C", "gamma"}, "forest": {"min_samples_leaf"}}[name]
        assert set(expected.settings) == setting | {"temperature"}
        said = judge_all(made, table, THREE).voice
        assert np.allclose(said, expected.predict_proba(training._vectors(table, "voice")), atol=1e-5)

    def test_without_a_recipe_it_is_lda_and_the_voice_is_measured_as_the_base_says(self):
        base = front_end()
        spec = replace(base.voice.spec, hop_s=0.02)
        base = replace(base, voice=replace(base.voice, spec=spec))
        made = fit(clouds(modalities=["voice"]), base, name="b", seed=0)
        assert made.training["voice_classifier"]["name"] == "lda" == training.BEST
        assert made.voice.spec == spec

    def test_the_recipe_says_how_the_voice_was_measured(self):
        spec = VoiceSpec(hop_s=0.02)
        made = fit(clouds(modalities=["voice"]), front_end(), name="b", seed=0, voice=VoiceRecipe(spec))
        assert made.voice.spec == spec

    def test_auto_takes_the_one_that_does_best_and_records_the_comparison(self, monkeypatch):
        for name, family in search.FAMILIES.items():
            monkeypatch.setitem(search.FAMILIES, name, replace(family, grid=family.grid[-1:]))
        table = clouds(3, class_offset=0.3, modalities=["voice"])
        rows = training._labelled_rows(table, table.with_vector("voice"))
        best, compared = classifiers.choose(rows, seed=0)
        recipe = VoiceRecipe(VoiceSpec(), training.AUTO)
        record = fit(table, front_end(), name="b", seed=0, voice=recipe).training["voice_classifier"]
        assert record["name"] == best
        assert record["compared_uar"] == {name: round(uar, 4) for name, uar in compared.items()}
        assert tuple(record["compared_uar"]) == classifiers.NAMES
        assert record["compared_uar"][best] == max(record["compared_uar"].values())

    def test_auto_chooses_anew_without_the_speaker_held_out(self, monkeypatch):
        asked = []
        monkeypatch.setattr(
            classifiers, "choose", lambda rows, **_: asked.append(set(rows.speakers.tolist())) or ("lda", {})
        )
        table = clouds(3, modalities=["voice"])
        judge_held_out(table, front_end(), seed=0, voice=VoiceRecipe(VoiceSpec(), training.AUTO))
        everyone = set(table.speakers)
        assert sorted(map(sorted, asked)) == sorted(sorted(everyone - {name}) for name in everyone)

    def test_a_bundle_without_a_voice_records_none(self):
        assert "voice_classifier" not in fit(clouds(modalities=["face"]), front_end(), name="b", seed=0).training

    def test_a_name_that_does_not_exist_is_refused_with_those_that_do(self):
        for name in (*classifiers.NAMES, training.AUTO):
            training.check_classifier(name)
        with pytest.raises(
            UsageError,
            match="no voice classifier 'LDA'; there are lda, logistic, svm, forest, average, auto",
        ):
            training.check_classifier("LDA")


class TestTheOnnxForm:
    """What `predict` runs, against what was trained, on vectors that were not trained on."""

    @pytest.mark.parametrize("classes", [("happy", "sad"), THREE, FER2013], ids=["2", "3", "7"])
    @pytest.mark.parametrize("scale", [1.0, 1e4])
    @pytest.mark.parametrize("modality", ["voice", "face"])
    def test_it_agrees_with_what_was_trained_to_1e_5(self, modality, classes, scale):
        def scaled(table):
            seen = (getattr(clip, modality) * np.float32(scale) for clip in table.evidence)
            return replace(table, evidence=tuple(Evidence(**{modality: vector}) for vector in seen))

        kinds = {"modalities": [modality], "class_offset": 0.3}
        trained, unseen = (
            scaled(clouds(5, classes=classes, **kinds)),
            scaled(clouds(20, classes=classes, seed=9, **kinds)),
        )
        make = {"voice": lambda t: training._fit_voice(t, "lda", 0).estimator, "face": training._fit_face}
        estimator = make[modality](trained)
        model = getattr(fit(trained, front_end(), name="b", seed=0), modality).model
        assert model.classes == tuple(estimator.classes_)
        vectors = training._vectors(unseen, modality)
        difference = np.abs(training._run(model, vectors) - estimator.predict_proba(vectors))
        assert difference.max() < 1e-5

    @pytest.mark.parametrize("classes", [("happy", "sad"), THREE, FER2013], ids=["2", "3", "7"])
    def test_the_forest_agrees_too(self, classes, monkeypatch):
        forests = []
        convert = training._to_model
        monkeypatch.setattr(
            training, "_to_model", lambda forest, *rest: forests.append(forest) or convert(forest, *rest)
        )
        rng = np.random.default_rng(0)
        n = len(classes)
        posteriors = rng.dirichlet(np.ones(n), (2, 300))
        said = training.Posteriors(*posteriors, np.full((300, n), np.nan))
        model = training._fit_fusion(said, rng.choice(classes, 300).tolist(), 0)
        unseen = fusion_vector(*rng.dirichlet(np.ones(n), (2, 500)))
        difference = np.abs(training._run(model, unseen) - forests[0].predict_proba(unseen))
        assert difference.max() < 1e-5

    @pytest.mark.parametrize("name", ["lda", "svm"])
    def test_sounds_that_stand_twice_under_two_labels_are_no_obstacle(self, name):
        """Nothing can tell them apart: between the two labels all is level."""
        table = clouds(4, clips=1, classes=FER2013, modalities=["voice"])
        evidence = list(table.evidence)
        evidence[1::7] = evidence[0::7]
        twice = replace(table, evidence=tuple(evidence))
        made = fit(twice, front_end(), name="b", seed=0, voice=VoiceRecipe(VoiceSpec(), name))
        said = judge_all(made, twice, FER2013).voice
        first, second = (FER2013.index(label) for label in table.labels[:2])
        assert np.allclose(said[0::7, first], said[0::7, second], atol=1e-5)

    @pytest.mark.parametrize("modality", ["voice", "face"])
    def test_a_model_that_changes_in_conversion_is_an_error(self, monkeypatch, modality):
        monkeypatch.setattr(training, "_run", lambda _, vectors: np.full((len(vectors), 3), 1 / 3))
        sentence = f"the {modality} model in ONNX differs from the trained one"
        with pytest.raises(training.MercliError, match=sentence):
            fit(clouds(modalities=[modality]), front_end(), name="b", seed=0)


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
        # One speaker is left to train on: no posteriors of models that did not hear them, so no forest.
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
            folder = tmp_path / "b"
            bundles.save(fit(table or clouds(), front_end(), name="b", seed=seed), folder)
            return bundles.load(folder).digest

        return made

    def test_the_same_seed_gives_the_same_bundle_to_the_last_byte(self, digest):
        assert digest(3) == digest(3)

    def test_the_order_in_which_skl2onnx_happens_to_list_its_opsets_does_not_show(self, digest, monkeypatch):
        before, convert = digest(3), skl2onnx.to_onnx

        def other_way_round(*what, **how):
            model = convert(*what, **how)
            opsets = list(model.opset_import)
            del model.opset_import[:]
            model.opset_import.extend(reversed(opsets))
            return model

        monkeypatch.setattr(skl2onnx, "to_onnx", other_way_round)
        assert digest(3) == before

    def test_another_seed_or_another_clip_gives_another(self, digest):
        less = clouds().take(range(1, 48))
        assert len({digest(3), digest(4), digest(3, less)}) == 3
