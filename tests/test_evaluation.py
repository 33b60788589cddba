"""Scores: the same as scikit-learn's, and intervals that know how many speakers there are."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
    recall_score,
)

from mercli.corpora import Example
from mercli.emotions import FER2013
from mercli.evaluation import calibration_error, score
from mercli.evaluation.chance import majority, permuted
from mercli.evaluation.judged import Judged
from mercli.evaluation.rounds import Answers
from mercli.table import Posteriors

RATES = ("accuracy", "macro_f1", "uar")


def posteriors_for(answers, classes, certainty=0.9):
    """Posteriors whose largest value is at the answer."""
    rest = (1 - certainty) / (len(classes) - 1)
    rows = np.full((len(answers), len(classes)), rest)
    rows[np.arange(len(answers)), [classes.index(answer) for answer in answers]] = certainty
    return rows


def noisy_judge(n_speakers, *, clips=20, right=0.6, seed=0):
    """Labels, speakers and posteriors of a judge who is right as often as told, with some speakers more."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(FER2013, n_speakers * clips).tolist()
    speakers = np.repeat([f"s{i}" for i in range(n_speakers)], clips).tolist()
    luck = np.repeat(np.clip(rng.normal(right, 0.15, n_speakers), 0, 1), clips)
    answers = np.where(rng.random(len(labels)) < luck, labels, rng.choice(FER2013, len(labels))).tolist()
    return posteriors_for(answers, FER2013), labels, speakers


@settings(max_examples=50)
@given(st.lists(st.tuples(*[st.sampled_from(FER2013)] * 2), min_size=1, max_size=60), st.data())
def test_rates_and_confusion_equal_those_of_scikit_learn_over_the_classes_that_occur(pairs, data):
    truth, answers = (list(column) for column in zip(*pairs, strict=True))
    speakers = data.draw(st.lists(st.sampled_from("abc"), min_size=len(pairs), max_size=len(pairs)))
    found = score(posteriors_for(answers, FER2013), truth, speakers, FER2013)
    occurring = sorted(set(truth))
    assert found.accuracy == pytest.approx(accuracy_score(truth, answers))
    expected = f1_score(truth, answers, labels=occurring, average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(expected)
    assert found.uar == pytest.approx(
        recall_score(truth, answers, labels=occurring, average="macro", zero_division=0)
    )
    assert np.array_equal(found.confusion, confusion_matrix(truth, answers, labels=FER2013))
    assert (found.n, found.n_speakers) == (len(pairs), len(set(speakers)))


def test_the_calibration_error_of_a_few_answers_is_what_one_computes_by_hand():
    """In the bin from 0.5 to 0.6 two answers, one right; in the last, to which 1 belongs, three, two right."""
    sure = np.array([0.51, 0.58, 0.95, 1.0, 0.9])
    posteriors = np.stack([sure, 1 - sure], axis=1)
    truth = np.array([0, 1, 0, 1, 0])
    by_hand = abs(0.51 + 0.58 - 1) / 5 + abs(0.95 + 1.0 + 0.9 - 2) / 5
    assert calibration_error(posteriors, truth) == pytest.approx(by_hand, abs=1e-12)
    turned = [4, 2, 0, 3, 1]
    assert calibration_error(posteriors[turned], truth[turned]) == pytest.approx(by_hand, abs=1e-12)
    assert calibration_error(posteriors[:, ::-1], 1 - truth) == pytest.approx(by_hand, abs=1e-12)


def test_who_is_right_as_often_as_said_is_calibrated_and_who_is_surer_or_less_sure_is_not():
    rng = np.random.default_rng(0)
    believed = rng.dirichlet(np.ones(7) * 0.4, 20_000)
    truth = np.array([rng.choice(7, p=row) for row in believed])
    assert calibration_error(believed, truth) < 0.01
    surer, less = (believed**power / (believed**power).sum(axis=1, keepdims=True) for power in (3, 1 / 3))
    for other in (surer, less):
        off = abs(other.max(axis=1).mean() - (other.argmax(axis=1) == truth).mean())
        assert off > 0.1
        assert off - 1e-9 <= calibration_error(other, truth) < off + 0.02


def test_certain_answers_are_as_wrong_as_their_calibration():
    truth = np.array([0, 1, 2, 0])
    assert calibration_error(np.eye(3)[truth], truth) == 0
    assert calibration_error(np.eye(3)[(truth + 1) % 3], truth) == 1
    assert calibration_error(np.eye(3)[[0, 1, 2, 1]], truth) == 0.25


def test_the_score_has_the_calibration_error_of_the_rows_that_were_judged():
    posteriors, labels, speakers = noisy_judge(4)
    found = score(posteriors, labels, speakers, FER2013)
    truth = np.array([FER2013.index(label) for label in labels])
    assert found.ece == calibration_error(posteriors, truth) > 0.1
    assert found.ece == pytest.approx(abs(0.9 - found.accuracy))
    assert found.to_json()["ece"] == round(found.ece, 4)
    assert set(found.intervals) == set(RATES)


def test_rows_that_were_not_judged_do_not_count():
    posteriors, labels, speakers = noisy_judge(4)
    expected = score(posteriors, labels, speakers, FER2013)
    blank = np.full((5, len(FER2013)), np.nan)
    blank[0, 1:] = 0.1  # one NaN is enough
    more = score(np.concatenate([blank, posteriors]), ["fear"] * 5 + labels, ["nobody"] * 5 + speakers, FER2013)
    assert more == expected


def test_nothing_judged_is_an_error():
    with pytest.raises(ValueError, match="nothing was judged"):
        score(np.full((2, 7), np.nan), ["sad", "sad"], ["a", "b"], FER2013)


def test_perfect_answers_score_one_with_no_spread():
    _, labels, speakers = noisy_judge(5)
    found = score(posteriors_for(labels, FER2013), labels, speakers, FER2013)
    assert (found.accuracy, found.macro_f1, found.uar) == (1, 1, 1)
    assert set(found.intervals.values()) == {(1.0, 1.0)}


def test_labels_that_were_shuffled_score_about_chance():
    posteriors, labels, speakers = noisy_judge(30, right=1.0)
    shuffled = np.random.default_rng(1).permutation(labels).tolist()
    found = score(posteriors, shuffled, speakers, FER2013)
    assert all(getattr(found, rate) == pytest.approx(1 / 7, abs=0.05) for rate in RATES)


@pytest.mark.parametrize("seed", range(5))
def test_intervals_contain_the_value(seed):
    found = score(*noisy_judge(8, seed=seed), FER2013, seed=seed)
    for rate in RATES:
        low, high = found.intervals[rate]
        assert 0 <= low < getattr(found, rate) < high <= 1


def test_intervals_shrink_with_the_square_root_of_the_number_of_speakers():
    def width(n_speakers):
        spans = [score(*noisy_judge(n_speakers, seed=i), FER2013).intervals["accuracy"] for i in range(5)]
        return np.mean([high - low for low, high in spans])

    assert width(10) / width(90) == pytest.approx(3, rel=0.4)


def test_intervals_are_over_speakers_and_not_over_clips():
    """A judge who is always right about half the speakers and never about the others."""
    labels = ["happy", "sad"] * 200
    speakers = np.repeat(list("abcd"), 100).tolist()
    wrong = ["sad", "happy"] * 100
    found = score(posteriors_for(labels[:200] + wrong, FER2013), labels, speakers, FER2013)
    low, high = found.intervals["accuracy"]
    assert found.accuracy == 0.5
    assert (low, high) == (0, 1)


def test_with_one_speaker_there_is_no_spread_to_see():
    posteriors, labels, speakers = noisy_judge(1)
    found = score(posteriors, labels, speakers, FER2013)
    assert found.intervals["accuracy"] == (found.accuracy, found.accuracy)


def test_the_same_seed_gives_the_same_intervals():
    judged = noisy_judge(6)
    assert score(*judged, FER2013, seed=3) == score(*judged, FER2013, seed=3)
    assert score(*judged, FER2013, seed=3).intervals != score(*judged, FER2013, seed=4).intervals


def test_scores_are_recorded_as_plain_json():
    import json

    found = score(*noisy_judge(3), FER2013)
    record = json.loads(json.dumps(found.to_json()))
    assert record["accuracy"] == pytest.approx(found.accuracy, abs=1e-4)
    assert record["classes"] == list(FER2013)
    assert sum(map(sum, record["confusion"])) == record["n"] == found.n


@settings(max_examples=40)
@given(st.lists(st.tuples(*[st.sampled_from(FER2013)] * 2), min_size=1, max_size=60))
def test_the_rates_of_each_class_equal_those_of_scikit_learn(pairs):
    truth, answers = (list(column) for column in zip(*pairs, strict=True))
    found = score(posteriors_for(answers, FER2013), truth, ["a"] * len(pairs), FER2013).per_class
    assert set(found) == {*truth, *answers}
    expected = precision_recall_fscore_support(truth, answers, labels=list(found), zero_division=0)
    for name, precision, recall, f1, support in zip(found, *expected, strict=True):
        each = found[name]
        assert each.support == support
        assert each.precision == (pytest.approx(precision) if name in answers else None)
        assert each.recall == (pytest.approx(recall) if support else None)
        assert each.f1 == (pytest.approx(f1) if support else None)


def test_the_curve_holds_every_answer_once_and_gives_the_error():
    posteriors, labels, speakers = noisy_judge(6)
    sure = np.random.default_rng(1).uniform(0.3, 1.0, len(labels))[:, np.newaxis]
    posteriors = sure * posteriors + (1 - sure) / len(FER2013)
    found = score(posteriors, labels, speakers, FER2013)
    assert sum(each.n for each in found.calibration) == found.n
    assert len(found.calibration) > 3
    for each in found.calibration:
        assert each.low <= each.confidence <= each.high
    by_hand = sum(each.n * abs(each.confidence - each.accuracy) for each in found.calibration) / found.n
    assert found.ece == pytest.approx(by_hand)
    assert sum(each.n * each.accuracy for each in found.calibration) / found.n == pytest.approx(found.accuracy)


class TestChance:
    def test_always_the_commonest_class_is_right_as_often_as_it_occurs(self):
        labels = ["sad"] * 5 + ["happy"] * 3
        found = majority(labels, list("abababab"), FER2013)
        assert found.accuracy == 5 / 8
        assert found.uar == 0.5

    def test_answers_that_know_nothing_score_what_permuted_labels_do(self):
        _, labels, speakers = noisy_judge(8)
        posteriors = np.random.default_rng(5).dirichlet(np.ones(7), len(labels))
        found = permuted(posteriors, labels, speakers, FER2013, seed=0)
        low, high = found.intervals["uar"]
        assert low < score(posteriors, labels, speakers, FER2013).uar < high
        assert found.mean["uar"] == pytest.approx(1 / 7, abs=0.01)
        assert 0.02 < found.p_value["uar"] < 0.98

    def test_answers_that_know_much_are_not_reached_by_chance(self):
        posteriors, labels, speakers = noisy_judge(8, right=0.6)
        found = permuted(posteriors, labels, speakers, FER2013, seed=0)
        assert found.p_value == dict.fromkeys(RATES, 1 / 1001)

    def test_labels_stay_with_their_speaker(self):
        """A judge who only knows who speaks is as good against labels dealt out among each speaker's own clips."""
        speakers = ["a"] * 50 + ["b"] * 50
        labels = (["sad"] * 40 + ["happy"] * 10) + (["happy"] * 40 + ["sad"] * 10)
        answers = ["sad" if who == "a" else "happy" for who in speakers]
        posteriors = posteriors_for(answers, FER2013)
        found = permuted(posteriors, labels, speakers, FER2013, seed=0)
        assert found.mean["accuracy"] == pytest.approx(score(posteriors, labels, speakers, FER2013).accuracy)
        assert found.p_value["accuracy"] == 1.0

    def test_answers_to_one_clip_keep_one_label(self):
        """Saying it three times is no more evidence: chance reaches it as often as when it is said once."""
        posteriors, labels, speakers = noisy_judge(3, clips=4, right=0.45)
        clips = np.arange(len(labels))
        once = permuted(posteriors, labels, speakers, FER2013, clips=clips, seed=0)
        thrice = permuted(
            np.tile(posteriors, (3, 1)), labels * 3, speakers * 3, FER2013, clips=np.tile(clips, 3), seed=0
        )
        assert thrice.n == 3 * once.n
        assert thrice.p_value == once.p_value
        assert thrice.intervals == {rate: pytest.approx(ends) for rate, ends in once.intervals.items()}

    def test_where_each_speaker_has_one_class_they_are_dealt_out_among_all(self):
        speakers = [f"s{i}" for i in range(40)]
        labels = ["sad", "happy"] * 20
        posteriors = posteriors_for(labels, FER2013)
        found = permuted(posteriors, labels, speakers, FER2013, seed=0)
        assert found.mean["accuracy"] == pytest.approx(0.5, abs=0.02)
        assert found.p_value["accuracy"] < 0.01

    def test_rows_that_were_not_judged_do_not_count(self):
        posteriors, labels, speakers = noisy_judge(4)
        posteriors[::2] = np.nan
        found = permuted(posteriors, labels, speakers, FER2013, seed=0)
        assert (found.n, found.n_speakers) == (len(labels) // 2, 4)


def example(label="sad", speaker="a", **traits):
    return Example(Path(f"{label}-{speaker}.wav"), label, speaker, traits)


class TestJudged:
    CLASSES = ("happy", "sad")

    def gather(self, voice, face, examples):
        said = [np.array(rows, np.float64) for rows in (voice, face)]
        either = np.where(np.isnan(said[0]), said[1], said[0])
        fused = np.where(np.isnan(said[0]) | np.isnan(said[1]), either, (said[0] + said[1]) / 2)
        rows = np.arange(len(examples))
        return Judged.gather(
            Answers(rows, Posteriors(*said, fused, np.full_like(fused, np.nan)), rows * 0), examples, self.CLASSES
        )

    def test_a_modality_that_nobody_has_is_not_scored(self):
        nothing = [[np.nan, np.nan]] * 2
        judged = self.gather([[0.9, 0.1], [0.2, 0.8]], nothing, [example("happy"), example("sad")])
        assert set(judged.scores()) == {"voice"}

    def test_clips_of_one_modality_are_in_the_fusion_and_not_where_both_are(self):
        nan = [np.nan, np.nan]
        judged = self.gather([[0.9, 0.1], [0.2, 0.8]], [nan, [0.4, 0.6]], [example("happy"), example("sad")])
        scores = judged.scores()
        assert {what: score.n for what, score in scores.items()} == {
            "voice": 2, "face": 1, "fusion": 2, "fusion where both": 1,
        }  # fmt: skip

    def test_where_all_have_both_it_is_said_once(self):
        judged = self.gather([[0.9, 0.1]] * 2, [[0.4, 0.6]] * 2, [example("happy"), example("sad")])
        assert set(judged.scores()) == {"voice", "face", "fusion"}

    def test_traits_part_the_clips_and_what_has_no_trait_is_in_no_part(self):
        examples = [
            example("happy", "a", sex="female", take="1"),
            example("sad", "b", sex="male", take="1"),
            example("sad", "c"),
        ]
        judged = self.gather([[0.9, 0.1]] * 3, [[np.nan] * 2] * 3, examples)
        groups = judged.groups()
        assert set(groups) == {"sex", "speaker"}  # of one value there are no parts
        assert {value: scores["voice"].accuracy for value, scores in groups["sex"].items()} == {
            "female": 1.0,
            "male": 0.0,
        }
        assert set(groups["speaker"]) == {"a", "b", "c"}

    def test_the_answers_are_laid_out_with_labels_and_a_gap_where_nothing_was_said(self):
        examples = [example("happy", "=1+1"), example("sad", "b")]
        judged = self.gather([[0.9, 0.1], [np.nan] * 2], [[np.nan] * 2] * 2, examples)
        first, second = judged.rows()
        assert list(first) == list(judged.columns())
        assert (first["label"], first["speaker"], first["emotion"], first["p_happy"]) == (
            "happy",
            "./=1+1",
            "happy",
            0.9,
        )
        assert (second["emotion"], second["p_happy"], second["voice_sad"]) == (None, None, None)
        assert judged.n_unanswered() == 1
