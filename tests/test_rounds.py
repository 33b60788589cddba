"""Who trains and who tests: nobody is judged by models that know the speaker."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import clouds, front_end

from mercli import training
from mercli.corpora import split_speakers
from mercli.emotions import FER2013
from mercli.errors import CorpusError, UsageError
from mercli.evaluation import original
from mercli.evaluation.ranking import rank
from mercli.evaluation.rounds import (
    Protocol,
    Round,
    describe,
    divide,
    fit_sizes,
    judge_held_out,
    judge_rounds,
    parse_protocol,
    rounds,
)
from mercli.voice.sets import default_spec, feature_set


@pytest.fixture
def trained_on(monkeypatch):
    """The speakers that each training is told of, models and fusion together."""
    told = []
    fit = training.fit

    def telling(table, *args, fusion_on=None, **how):
        told.append((set(table.speakers), set(fusion_on.speakers) if fusion_on else set()))
        return fit(table, *args, fusion_on=fusion_on, **how)

    monkeypatch.setattr(training, "fit", telling)
    return told


@pytest.mark.parametrize("asked", ["folds", "loso", "2/2/2", "original"])
def test_whoever_is_judged_trained_nothing(asked, trained_on):
    table = clouds(6, clips=2)
    protocol = fit_sizes(parse_protocol(asked, None if asked in ("folds", "loso") else 3), 6)
    found = list(rounds(table, front_end(), protocol, seed=0))
    assert len(found) == len(trained_on) == (6 if protocol.sizes is None else 3)
    for each, (models, fusion) in zip(found, trained_on, strict=True):
        tested = {table.speakers[i] for i in each.tested}
        assert tested
        assert not tested & (models | fusion)
        assert not models & fusion
        assert {i for i, who in enumerate(table.speakers) if who in tested} == set(each.tested.tolist())


@pytest.mark.parametrize(("n", "n_rounds"), [(10, 10), (11, 5)])
def test_folds_are_of_one_speaker_up_to_ten_and_then_five(n, n_rounds):
    table = clouds(n, clips=2)
    folds = divide(table.labels, table.speakers, Protocol("folds"), seed=0)
    assert len(folds) == n_rounds
    assert sorted(np.concatenate(folds).tolist()) == list(range(len(table.labels)))
    assert len(divide(table.labels, table.speakers, Protocol("loso"), seed=0)) == n


def test_draws_differ_and_the_same_seed_draws_the_same():
    table = clouds(6, clips=2)
    protocol = parse_protocol("2/2/2", 4)
    first, again, other = (
        [each.tested.tolist() for each in rounds(table, front_end(), protocol, seed=s)] for s in (0, 0, 9)
    )
    assert first == again != other
    assert len({tuple(rows) for rows in first}) > 1


def test_a_row_that_is_tested_by_several_draws_is_answered_each_time():
    table = clouds(3, clips=2)
    made = list(rounds(table, front_end(), parse_protocol("1/1/1", 5), seed=0))
    answers = judge_rounds(made, table, sorted(set(table.labels)))
    assert answers.rows.tolist() == np.concatenate([each.tested for each in made]).tolist()
    assert len(answers.said.fused) == len(answers.rows) == 5 * 6


def test_folds_judge_every_row_once_as_held_out_judging_does():
    table = clouds(4, clips=2)
    classes = sorted(set(table.labels))
    answers = judge_rounds(rounds(table, front_end(), Protocol("folds"), seed=0), table, classes)
    said = judge_held_out(table, front_end(), seed=0)
    order = np.argsort(answers.rows)
    assert answers.rows[order].tolist() == list(range(len(table.labels)))
    assert np.array_equal(answers.said.fused[order], said.fused)


class TestAsking:
    @pytest.mark.parametrize("text", ["", "fold", "8/12", "8/12/4/1", "0/1/1", "-1/2/3", "8/12/4 x", "٣/٣/٣"])
    def test_what_is_no_protocol_is_refused(self, text):
        with pytest.raises(UsageError):
            parse_protocol(text)

    @given(st.text(max_size=20))
    def test_any_text_is_a_protocol_or_refused_in_a_sentence(self, text):
        with contextlib.suppress(UsageError):
            assert parse_protocol(text).name == text.strip().lower()

    def test_draws_are_for_speakers_that_are_drawn(self):
        assert parse_protocol("1/1/1", 7).draws == 7
        assert parse_protocol("original").draws == 10
        with pytest.raises(UsageError, match="--draws"):
            parse_protocol("folds", 2)

    def test_too_few_speakers_are_said_before_anything_is_measured(self):
        with pytest.raises(UsageError, match="12 speakers, but the protocol 8/12/4 asks for 24"):
            fit_sizes(parse_protocol("8/12/4"), 12)

    @given(st.integers(4, 23))
    def test_of_fewer_actors_the_original_takes_as_many_in_proportion(self, n):
        sizes = fit_sizes(parse_protocol("original"), n).sizes
        assert sum(sizes) == n
        assert min(sizes) >= 1
        assert all(abs(size - n * whole / 24) <= 1.5 for size, whole in zip(sizes, (8, 12, 4), strict=True))

    def test_of_all_its_actors_the_original_takes_its_own_numbers(self):
        assert fit_sizes(parse_protocol("original"), 24).sizes == (8, 12, 4)
        assert fit_sizes(parse_protocol("original"), 30).sizes == (8, 12, 4)

    def test_who_was_drawn_to_test_must_have_a_file_of_use(self):
        table = clouds(3, clips=2)
        speakers = [*sorted(set(table.speakers)), "nobody"]
        seed = next(s for s in range(99) if split_speakers(speakers, (1, 1, 1), seed=s)[2] == {"nobody"})
        with pytest.raises(CorpusError, match="nothing to test on"):
            list(rounds(table, front_end(), parse_protocol("1/1/1"), seed=seed, speakers=speakers))

    @pytest.mark.parametrize("asked", ["folds", "loso", "2/1/1"])
    def test_the_protocol_is_described(self, asked):
        words = describe(parse_protocol(asked), clouds(4, clips=2), seed=5)
        assert "bootstrap over speakers" in words
        assert {"folds": "4 folds", "loso": "One speaker", "2/1/1": "with seed 5, once: 2 train"}[asked] in words


class TestOriginal:
    def test_its_face_learns_nothing_the_frames_are_averaged(self):
        table = clouds(4, clips=2)
        (made,) = rounds(table, front_end(), parse_protocol("2/1/1"), seed=0, recipe=original.RECIPE)
        assert made.bundle.face.model is None
        assert made.bundle.fusion.kind == "forest"
        classes = made.bundle.classes
        assert set(classes) == set(FER2013)
        said = judge_rounds([made], table, classes).said.face
        for row, i in zip(said, made.tested, strict=True):
            mean = table.evidence[i].face.posteriors.mean(axis=0)
            assert row == pytest.approx(mean / mean.sum(), abs=1e-6)

    def test_without_a_table_of_its_own_the_fusion_learns_of_speakers_left_out(self):
        table = clouds(4, clips=2)
        made = training.fit(table, front_end(), name="b", seed=0, recipe=original.RECIPE)
        assert made.fusion is not None
        assert made.face.model is None

    def test_with_no_voice_to_learn_the_untrained_face_is_left(self):
        table = clouds(4, clips=2, modalities=("face",))
        made = training.fit(table, front_end(), name="b", seed=0, recipe=original.RECIPE)
        assert made.modalities == ("face",)


class TestRanking:
    @pytest.fixture
    def planted(self):
        """Clouds of noise, in which one feature tells the classes apart."""
        table = clouds(5, clips=4, class_offset=0.0, speaker_offset=0.2, modalities=("voice",))
        names = feature_set(default_spec("original-34")).clip_names()
        feature = names.index("mfcc_3_std")
        kinds = sorted(set(table.labels))
        for clip, label in zip(table.evidence, table.labels, strict=True):
            clip.voice[:, feature] += 8.0 * kinds.index(label)
        return table, list(rounds(table, front_end(), Protocol("folds"), seed=0))

    def test_the_feature_that_tells_the_classes_apart_is_first_by_each_measure(self, planted):
        table, made = planted
        found = rank(table, default_spec("original-34"), made, seed=0)
        first = found.features[0]
        assert first.name == "mfcc_3_std"
        others = found.features[1:]
        assert first.f > 10 * others[0].f
        assert first.mutual_information == max(each.mutual_information for each in found.features)
        assert first.importance == max(each.importance for each in found.features) > 0.05
        assert [each.f for each in found.features] == sorted((each.f for each in found.features), reverse=True)

    def test_the_leading_dimensions_are_those_of_scikit_learn(self, planted):
        from sklearn.decomposition import PCA
        from sklearn.preprocessing import StandardScaler

        table, _ = planted
        found = rank(table, default_spec("original-34"), [], seed=0)
        X = StandardScaler().fit_transform([clip.voice[0] for clip in table.evidence])
        pca = PCA(3, svd_solver="full").fit(X)
        assert found.explained == pytest.approx(pca.explained_variance_ratio_, rel=1e-6)
        assert np.abs(found.points) == pytest.approx(np.abs(pca.transform(X)), abs=1e-4)
        assert all(each.importance is None for each in found.features)

    def test_a_feature_that_never_varies_ranks_last_and_costs_nothing(self, planted):
        table, made = planted
        for clip in table.evidence:
            clip.voice[:, 0] = 1.0
        found = rank(table, default_spec("original-34"), made[:1], seed=0)
        constant = next(
            each
            for each in found.features
            if each.name == feature_set(default_spec("original-34")).clip_names()[0]
        )
        assert (constant.f, constant.mutual_information, constant.importance) == (0.0, 0.0, 0.0)

    def test_too_few_clips_have_no_ranking(self):
        table = clouds(1, clips=1)
        assert rank(table, default_spec("original-34"), [], seed=0) is None
        assert rank(clouds(2, clips=4, classes=("sad",)), default_spec("original-34"), [], seed=0) is None

    def test_a_bundle_without_a_voice_gives_no_importance(self):
        table = clouds(4, clips=2)
        made = training.fit(clouds(4, clips=2, modalities=("face",)), front_end(), name="b", seed=0)
        found = rank(table, default_spec("original-34"), [Round(made, np.arange(len(table.labels)))], seed=0)
        assert all(each.importance is None for each in found.features)
