"""What words add to voice and face: the rule, the part of a bundle, and what is told of it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from synthetic import THREE, clouds, small_bundle
from utterances import SAID, words_part

from mercli import bundle as bundles
from mercli.bundle import HEAVIEST_WORDS, MANIFEST, Bundle, Model
from mercli.emotions import FER2013
from mercli.errors import BundleError
from mercli.evidence import Evidence
from mercli.files import sha256
from mercli.fusion import join_words
from mercli.judge import Judge
from mercli.moments import moments
from mercli.result import Result, likeliest
from mercli.soundness import check_sound
from mercli.words import reader
from mercli.words.cues import Words
from mercli.words.reader import Reader

EVIDENCE = clouds().evidence[0]
SAD = "i lost everything and cry alone tonight"


def said(*texts: str) -> Words:
    return Words(tuple(map(float, range(len(texts)))), tuple(i + 0.5 for i in range(len(texts))), texts)


def with_words(**changes) -> Bundle:
    return replace(small_bundle(), words=replace(words_part(), **changes))


def posteriors(n: int = 3, least: float = 0.0):
    """Posteriors over a few classes."""
    parts = st.lists(st.floats(least + 1e-3, 1), min_size=n, max_size=n)
    return parts.map(lambda given: np.array(given) / sum(given))


# How they are joined


def test_words_join_by_bayes_rule():
    beside, words, prior = np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.3, 0.4]), np.array([0.6, 0.3, 0.1])
    expected = beside * words / prior
    assert np.allclose(join_words(beside, words, prior, 1.0), expected / expected.sum())


def test_words_that_say_what_is_usual_change_nothing():
    beside, prior = np.array([0.5, 0.3, 0.2]), np.array([0.6, 0.3, 0.1])
    assert np.allclose(join_words(beside, prior, prior, 1.0), beside)


def test_no_words_rule_a_class_out_alone():
    beside, even = np.array([0.98, 0.01, 0.01]), np.full(3, 1 / 3)
    joined = join_words(beside, np.array([0.0, 0.5, 0.5]), even, 1.0)
    assert joined is not None
    assert likeliest(joined) == 0
    assert joined[0] < beside[0]


def test_of_a_class_that_they_do_not_know_words_say_nothing():
    """Where the others are as usual, it stays as likely as it was."""
    beside, prior = np.array([0.5, 0.3, 0.2]), np.array([0.75, 0.25, 0.0])
    assert np.allclose(join_words(beside, prior, prior, 1.0), beside)
    joined = join_words(beside, np.array([0.25, 0.75, 0.0]), prior, 1.0)
    assert joined is not None
    assert joined[1] / beside[1] > joined[2] / beside[2] > joined[0] / beside[0]


@given(beside=posteriors(), words=posteriors(), prior=posteriors(), weight=st.floats(0, HEAVIEST_WORDS))
def test_what_is_joined_is_a_posterior(beside, words, prior, weight):
    joined = join_words(beside, words, prior, weight)
    assert joined is not None
    assert joined.sum() == pytest.approx(1)
    assert (joined >= 0).all()


@given(beside=posteriors(), words=posteriors(), prior=posteriors())
def test_words_without_weight_say_nothing(beside, words, prior):
    assert np.allclose(join_words(beside, words, prior, 0.0), beside)


def test_what_is_missing_is_not_joined():
    one, even = np.array([0.7, 0.3]), np.array([0.5, 0.5])
    assert join_words(one, None, even, 1.0) is one
    assert join_words(None, one, even, 1.0) is one
    assert join_words(None, None, even, 1.0) is None


# What a bundle says by them


def test_each_class_has_its_words():
    judge = Judge(replace(with_words(), classes=FER2013, voice=None, face=None, fusion=None))
    for label, words in SAID.items():
        result = judge.judge(Evidence(words=said(words)))
        assert result.words is not None
        assert FER2013[likeliest(result.words)] == label
        assert np.array_equal(result.words, result.fused)


def test_words_join_what_voice_and_face_say():
    bundle = with_words()
    plain, result = Judge(small_bundle()).judge(EVIDENCE), Judge(bundle).judge(replace(EVIDENCE, words=said(SAD)))
    reading = Reader(words_part(), THREE)
    expected = join_words(plain.fused, reading.posterior(said(SAD)), reading.prior, 1.0)
    assert np.allclose(result.fused, expected)
    assert np.array_equal(result.voice, plain.voice)
    assert np.array_equal(result.face, plain.face)
    assert THREE[likeliest(result.words)] == "sad"


@pytest.mark.parametrize("lacking", ["voice", "face"])
def test_words_join_what_is_there(lacking):
    judge, reading = Judge(with_words()), Reader(words_part(), THREE)
    result = judge.judge(replace(EVIDENCE, **{lacking: None}, words=said(SAD)))
    alone = result.face if lacking == "voice" else result.voice
    assert np.allclose(result.fused, join_words(alone, result.words, reading.prior, 1.0))


def test_without_words_nothing_changes():
    plain, result = Judge(small_bundle()).judge(EVIDENCE), Judge(with_words()).judge(EVIDENCE)
    assert np.array_equal(result.fused, plain.fused)
    assert result.words is None


def test_words_that_are_not_looked_at_are_not_judged():
    result = Judge(with_words(), ("voice", "face")).judge(replace(EVIDENCE, words=said(SAD)))
    assert result.words is None
    assert np.array_equal(result.fused, Judge(small_bundle()).judge(EVIDENCE).fused)


def test_classes_that_only_the_words_know_are_left_out():
    """The part knows four classes, the bundle three of them."""
    four, three = Reader(words_part(), tuple(SAID)), Reader(words_part(), THREE)
    all_, some = four.posterior(said(SAD)), three.posterior(said(SAD))
    assert all_ is not None
    assert some is not None
    kept = all_[[list(SAID).index(name) for name in THREE]]
    assert np.allclose(some, kept / kept.sum())
    assert np.allclose(three.prior, 1 / 3)


def test_a_long_text_is_judged_in_parts(monkeypatch):
    part = words_part()
    short = Reader(part, THREE)
    halves = [short.posterior(said(SAID[label])) for label in ("sad", "happy")]
    assert halves[0] is not None
    assert halves[1] is not None
    monkeypatch.setattr(reader, "_LONGEST", len(SAID["sad"]))
    whole = Reader(part, THREE).posterior(said(SAID["sad"], SAID["happy"][: len(SAID["sad"])]))
    assert whole is not None
    assert whole[1] == pytest.approx((halves[0][1] + halves[1][1]) / 2, abs=0.1)


def test_a_short_rest_of_a_long_text_has_a_short_say(monkeypatch):
    part = words_part()
    sad = " ".join([SAID["sad"]] * 20)
    whole = Reader(part, THREE).posterior(said(sad))
    assert whole is not None
    monkeypatch.setattr(reader, "_LONGEST", len(sad))
    for rest in (" .", f" {SAID['happy'][:15]}"):
        with_rest = Reader(part, THREE).posterior(said(sad + rest))
        assert with_rest == pytest.approx(whole, abs=0.02)


def test_a_text_is_judged_once_however_many_seconds_have_it(monkeypatch):
    text_reader = Reader(words_part(), THREE)
    judged = []
    vectors = reader.vectors
    monkeypatch.setattr(reader, "vectors", lambda *what: judged.append(what) or vectors(*what))
    first = [text_reader.posterior(said(SAID["sad"])) for _ in range(5)]
    second = text_reader.posterior(said(SAID["happy"]))
    assert len(judged) == 2
    assert np.array_equal(first[0], first[4])
    assert not np.array_equal(first[0], second)


def test_a_face_that_is_not_the_main_one_has_no_words():
    assert EVIDENCE.face is not None
    result = Judge(with_words()).judge(replace(EVIDENCE, words=said(SAD), n_words=7, other_faces=(EVIDENCE.face,)))
    (other,) = result.others
    assert other.words is None
    assert other.evidence.n_words is None
    assert np.array_equal(other.fused, other.face)


# Second by second


def test_a_second_has_the_cues_in_it_and_around_it():
    words = Words((0.2, 2.0, 6.5), (0.8, 3.5, 6.6), ("a", "b", "c"))
    seconds = [moment.evidence.words for moment in moments(Evidence(duration_s=8.0, words=words), None)]
    texts = [None if each is None else " ".join(each.texts) for each in seconds]
    assert texts == ["a", None, "b", "b", None, None, "c", None]
    near = Words((0.2, 1.5), (0.8, 1.9), ("a", "b"))
    first, second = moments(Evidence(duration_s=2.0, words=near), None)
    assert first.evidence.words == second.evidence.words == near


def test_a_text_without_times_is_said_in_every_second():
    words = Words((0.0,), (float("inf"),), (SAD,))
    judge = Judge(with_words(), ("voice", "words"))
    timeline = judge.over_time(moments(Evidence(duration_s=2.5, words=words), None))
    assert timeline.words is not None
    assert timeline.words.shape == (3, 3)
    assert np.allclose(timeline.words, timeline.words[0])
    assert np.array_equal(timeline.words, timeline.fused)
    assert np.isnan(timeline.voice).all()


def test_without_a_part_for_words_a_timeline_has_none():
    assert Judge(small_bundle()).over_time(moments(Evidence(duration_s=1.0), None)).words is None


# Which modality decided


@pytest.mark.parametrize(
    ("voice", "face", "words", "decided_by"),
    [
        ([0.8, 0.2], [0.7, 0.3], [0.6, 0.4], "all"),
        ([0.4, 0.6], [0.4, 0.6], [0.4, 0.6], "all"),
        ([0.8, 0.2], [0.3, 0.7], [0.6, 0.4], "voice"),
        ([0.3, 0.7], [0.6, 0.4], [0.2, 0.8], "face"),
        ([0.3, 0.7], [0.6, 0.4], [0.9, 0.1], "words"),
        ([0.8, 0.2], None, [0.6, 0.4], "both"),
        ([0.3, 0.7], None, [0.6, 0.4], "words"),
        (None, [0.6, 0.4], [0.3, 0.7], "face"),
        (None, None, [0.6, 0.4], "words"),
    ],
)
def test_what_decided_is_what_finds_the_answer_likeliest_or_all_that_agree(voice, face, words, decided_by):
    voice, face, words = (None if each is None else np.array(each) for each in (voice, face, words))
    result = Result("ok", Evidence(), np.array([0.9, 0.1]), voice, face, words=words)
    assert result.decided_by == decided_by


def test_words_without_weight_decide_nothing_unless_they_are_alone():
    judge = Judge(with_words(weight=0.0))
    plain = Judge(small_bundle()).judge(EVIDENCE)
    agreeing = said(SAID[THREE[likeliest(plain.fused)]])
    result = judge.judge(replace(EVIDENCE, words=agreeing))
    assert result.words is not None
    assert np.allclose(result.fused, plain.fused)
    assert result.decided_by == plain.decided_by
    assert Judge(with_words()).judge(replace(EVIDENCE, words=agreeing)).decided_by in ("all", "words")
    assert judge.judge(Evidence(words=said(SAD))).decided_by == "words"


# On disk


@pytest.fixture
def folder(tmp_path):
    bundles.save(with_words(weight=0.75), tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_bundle_with_words_is_read_as_it_was_written(folder):
    bundle = bundles.load(folder)
    assert bundle.words == replace(words_part(), weight=0.75)
    assert bundle.modalities == ("voice", "face", "words")
    assert (folder / "words.onnx").is_file()
    check_sound(bundle)


def test_a_bundle_without_words_says_nothing_of_them(tmp_path):
    bundles.save(small_bundle(), tmp_path / "b")
    assert "words" not in json.loads((tmp_path / "b" / MANIFEST).read_text())
    assert bundles.load(tmp_path / "b").words is None


def spoil(folder, change):
    """Change the manifest of a bundle, and make its digest anew."""
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest["words"])
    del manifest["digest"]
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    manifest["digest"] = sha256(text.encode())
    (folder / MANIFEST).write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    "change",
    [
        lambda words: words.update(weight=-0.1),
        lambda words: words.update(weight=HEAVIEST_WORDS + 1),
        lambda words: words.update(weight=True),
        lambda words: words.update(weight="1"),
        lambda words: words.pop("weight"),
        lambda words: words["spec"].update(prior=[0.5, 0.5]),
        lambda words: words["spec"].update(prior=[2.0, -1.0, 0.0, 0.0]),
        lambda words: words["spec"].update(prior=None),
        lambda words: words["spec"].update(language="../.."),
        lambda words: words["model"].update(classes=["angry", "happy", "bored", "sad"]),
        lambda words: words["model"].update(classes=["angry", "fear", "disgust", "calm"]),
        lambda words: words["model"].update(classes=["angry", "angry", "happy", "sad"]),
        lambda words: words["model"].update(file="gone.onnx"),
        lambda words: words.pop("spec"),
        lambda words: words.update(model=[]),
    ],
)
def test_words_that_are_not_understood_are_refused(folder, change):
    spoil(folder, change)
    with pytest.raises(BundleError, match="is not understood"):
        bundles.load(folder)


def test_a_model_of_other_vectors_is_refused_before_any_file_is_read():
    part = words_part()
    other = replace(part, model=Model(small_bundle().voice.model.onnx, part.model.classes))  # type: ignore[union-attr]
    with pytest.raises(BundleError, match="the words model"):
        check_sound(replace(small_bundle(), words=other))


def test_a_model_that_was_changed_on_disk_is_refused(folder):
    shutil.copy(folder / "voice.onnx", folder / "words.onnx")
    with pytest.raises(BundleError, match=r"words\.onnx has"):
        bundles.load(folder)
