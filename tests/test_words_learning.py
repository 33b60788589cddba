"""A classifier of texts is learnt from a table, by groups left out, and written as ONNX."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression

from mercli.classifiers import to_onnx
from mercli.classifiers.calibrated import Calibrated
from mercli.errors import CorpusError
from mercli.inference import Classifier, Network
from mercli.words import learning, model
from mercli.words.learning import fit_temperature, learn_words, marks, scores, weighting
from mercli.words.spec import WordsSpec
from mercli.words.vector import vectors

RECIPE = Path(__file__).parents[1] / "models" / "training" / "words.py"
OPENINGS = ("well", "look", "you see", "my friend", "so", "oh", "and then", "today")
SAYINGS = {
    "angry": ("get out of my kitchen!", "how dare you touch that!", "I hate this stupid boat!"),
    "happy": ("what a lovely cake", "we won the whole race", "I love this sunny garden"),
    "neutral": ("the train leaves at nine", "put it on the shelf", "it is the second door"),
}


def table(n=8):
    """Give texts, labels and groups: every saying after each of some openings, which are the groups."""
    rows = [
        (f"{opening}, {saying}", label, opening)
        for opening in OPENINGS[:n]
        for label, sayings in SAYINGS.items()
        for saying in sayings
    ]
    return tuple(list(column) for column in zip(*rows, strict=True))


@pytest.fixture(scope="module")
def learnt():
    return learn_words(*table(), seed=0)


def judged(learnt, texts):
    trained, spec, _ = learnt
    network = Classifier(trained.onnx, trained.classes, trained.classes, spec.n_features, "a model of words")
    return network.posteriors(vectors(texts, spec))


def test_what_was_learnt_is_found_in_other_texts(learnt):
    said = judged(learnt, ["I hate you, get out!", "such a lovely garden", "the second train on the shelf"])
    assert [learnt[0].classes[best] for best in said.argmax(axis=1)] == ["angry", "happy", "neutral"]


def test_the_classes_are_sorted_and_the_prior_is_theirs(learnt):
    trained, spec, _ = learnt
    assert trained.classes == ("angry", "happy", "neutral")
    assert spec.prior == pytest.approx([1 / 3] * 3)
    assert WordsSpec.from_json(spec.to_json()) == spec


def test_an_empty_text_is_judged_without_failing(learnt):
    assert judged(learnt, [""]).sum() == pytest.approx(1)


def test_the_model_is_small_and_keeps_its_weights_with_16_bits(learnt):
    content = learnt[0].onnx
    assert len(content) < 2.5e6
    large = [each for each in onnx.load_from_string(content).graph.initializer if np.prod(each.dims) > 1000]
    assert {each.data_type for each in large} == {onnx.TensorProto.FLOAT16}


def test_the_record_says_how_it_was_found_and_is_json(learnt):
    record = json.loads(json.dumps(learnt[2]))
    assert record["n_texts"] == 72
    assert record["n_groups"] == 8
    assert len(record["compared_weighted_f1"]) == len(learning.GRID)
    best = max(each["weighted_f1"] for each in record["compared_weighted_f1"])
    assert record["held_out"]["weighted_f1"] == best > 0.9


def test_the_same_table_gives_the_same_model(learnt):
    assert learn_words(*table(), seed=0)[0].onnx == learnt[0].onnx


def tf_idf(X):
    """The same by scikit-learn: halves of length 1."""
    return np.hstack([TfidfTransformer().fit_transform(csr_array(half)).toarray() for half in model.halves(X)])


def test_with_ngrams_that_are_all_as_free_it_is_the_regression_of_scikit_learn(monkeypatch):
    monkeypatch.setattr(model, "telling", lambda X, kind: np.ones((X.shape[1], kind.max() + 1)))
    texts, labels, _ = table()
    X, labels = marks(texts, WordsSpec(prior=())), np.array(labels)
    weights = np.linspace(0.5, 1.5, len(labels))
    said = model.fit(X, labels, 1.0, weights).scores(X)
    peer = LogisticRegression(C=1.0, max_iter=1000, tol=1e-6).fit(tf_idf(X), labels, sample_weight=weights)
    assert said - said.mean(axis=1, keepdims=True) == pytest.approx(peer.decision_function(tf_idf(X)), abs=0.05)


def test_what_is_likelier_in_a_class_tells_of_it():
    X = csr_array(np.array([[1, 0, 1], [1, 0, 0], [0, 1, 1], [0, 1, 0]]))
    told = model.telling(X, np.array([0, 0, 1, 1]))
    within, beyond = np.array([3, 1, 2]) / 6, np.array([1, 3, 2]) / 6  # each seen once more
    assert told == pytest.approx(np.abs(np.log(within / beyond))[:, np.newaxis] * np.ones((1, 2)))
    assert told[2] == pytest.approx(0)


def test_texts_that_are_the_same_in_all_classes_tell_nothing():
    texts, labels, groups = (
        ["so", "and then", "well"] * 8,
        ["happy"] * 12 + ["sad"] * 12,
        [str(i) for i in range(24)],
    )
    made = learn_words(texts, labels, groups, seed=0)
    assert judged(made, ["so", "and then"]) == pytest.approx(np.full((2, 2), 0.5), abs=1e-3)


def test_ngrams_that_tell_more_are_shrunk_less(monkeypatch):
    texts, labels, _ = table()
    X, labels = marks(texts, WordsSpec(prior=())), np.array(labels)
    freer = model.fit(X, labels, 0.1, np.ones(len(labels)))
    monkeypatch.setattr(model, "telling", lambda X, kind: np.ones((X.shape[1], kind.max() + 1)))
    alike = model.fit(X, labels, 0.1, np.ones(len(labels)))
    hate = vectors(["hate"], WordsSpec(prior=()))[0] > 0
    angry = list(freer.classes_).index("angry")
    assert freer.weights[hate, angry].sum() > 1.2 * alike.weights[hate, angry].sum()


def test_the_onnx_form_answers_alike_to_the_fifth_digit():
    texts, labels, _ = table()
    X = marks(texts, WordsSpec(prior=()))
    estimator = Calibrated(model.fit(X, np.array(labels), 5.0, np.ones(len(labels))), 0.5, {})
    said = Network(to_onnx(estimator), "a model of words").run(
        X.toarray().astype(np.float32), {"probabilities": 3}
    )
    assert said[0] == pytest.approx(estimator.predict_proba(X), abs=1e-5)


def test_two_classes_are_learnt_as_well():
    texts, labels, groups = (np.array(column) for column in table())
    some = labels != "neutral"
    made = learn_words(texts[some].tolist(), labels[some].tolist(), groups[some].tolist(), seed=0)
    assert judged(made, ["I hate you!"]).argmax() == 0
    assert judged(made, ["a lovely garden"]).argmax() == 1


def test_groups_are_left_out_whole():
    """What a group's texts share says their class, and nothing else does: nobody else can know it."""
    groups = [f"g{number}" for number in range(12) for _ in range(4)]
    texts = [f"{group} speaks" for group in groups]
    labels = [("angry", "happy")[number % 2] for number in range(12) for _ in range(4)]
    _, _, record = learn_words(texts, labels, groups, seed=0)
    assert record["held_out"]["accuracy"] < 0.7


@pytest.mark.parametrize("groups", [["a"] * 9, ["a"] * 6 + ["b"] * 3])
def test_texts_of_too_few_groups_are_left_out_one_by_one(groups):
    texts, labels, _ = table(1)
    order = np.argsort(labels, kind="stable")
    made = learn_words([texts[i] for i in order], [labels[i] for i in order], groups, seed=0)
    assert made[2]["n_texts"] == 9


def test_texts_that_say_nothing_and_classes_of_one_text_are_left_out():
    texts, labels, groups = table()
    made = learn_words([*texts, " ", "eek, a mouse"], [*labels, "happy", "fear"], [*groups, "x", "x"], seed=0)
    assert made[0].classes == ("angry", "happy", "neutral")
    assert made[2]["n_texts"] == 72


@pytest.mark.parametrize(
    ("texts", "labels"),
    [([], []), (["a", "b"], ["happy", "sad"]), (["a", "b"], ["sad", "sad"]), (["", "", "a", "b"], [*"xxyy"])],
)
def test_too_little_is_refused_in_a_sentence(texts, labels):
    with pytest.raises(CorpusError, match="two classes with two texts each"):
        learn_words(texts, labels, labels, seed=0)


@given(st.lists(st.integers(1, 50), min_size=2, max_size=7), st.floats(0, 1))
def test_weights_make_the_prior_that_is_recorded(counts, evenness):
    kind = np.repeat(np.arange(len(counts)), counts)
    weights, prior = weighting(kind, evenness)
    assert weights.mean() == pytest.approx(1)
    assert np.bincount(kind, weights) / len(kind) == pytest.approx(prior)
    assert prior.max() / prior.min() == pytest.approx((max(counts) / min(counts)) ** (1 - evenness))


def test_scores_too_sure_of_themselves_are_cooled():
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=3000)
    fair = rng.normal(size=(3000, 3)) + np.eye(3)[truth]  # such scores are log posteriors
    assert fit_temperature(fair, truth, np.ones(3000)) == pytest.approx(1, rel=0.1)
    assert fit_temperature(3 * fair, truth, np.ones(3000)) == pytest.approx(3, rel=0.1)


def test_scores_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, f1_score

    rng = np.random.default_rng(1)
    said, kind = rng.random((50, 3)), rng.integers(3, size=50)
    best = said.argmax(axis=1)
    assert scores(said, kind, np.array(["a", "b", "c"])) == pytest.approx(
        {
            "accuracy": accuracy_score(kind, best),
            "weighted_f1": f1_score(kind, best, average="weighted"),
            "macro_f1": f1_score(kind, best, average="macro"),
        },
        abs=1e-4,
    )


def write_meld(path, texts, labels, groups):
    with path.open("w", encoding="utf-8", newline="") as lines:
        rows = csv.writer(lines)
        rows.writerow(["Utterance", "Emotion", "Dialogue_ID"])
        rows.writerows(zip(texts, labels, groups, strict=True))


def test_the_recipe_writes_a_model_and_what_it_scored(tmp_path):
    texts, labels, groups = table()
    names = {"angry": "anger", "happy": "joy", "neutral": "neutral"}
    labels = [names[label] for label in labels]
    write_meld(tmp_path / "train.csv", texts[:45], labels[:45], groups[:45])
    write_meld(tmp_path / "test.csv", texts[45:], labels[45:], groups[45:])
    subprocess.run(
        [sys.executable, RECIPE, "--train", "train.csv", "--test", "test.csv", "--out", "made"],
        cwd=tmp_path,
        check=True,
    )
    said = json.loads((tmp_path / "made" / "words.json").read_text(encoding="utf-8"))
    spec = WordsSpec.from_json(said["spec"])
    content = (tmp_path / "made" / "words.onnx").read_bytes()
    network = Classifier(content, said["classes"], said["classes"], spec.n_features, "a model of words")
    best = network.posteriors(vectors(texts[45:], spec)).argmax(axis=1)
    right = [names[said["classes"][each]] == label for each, label in zip(best, labels[45:], strict=True)]
    assert said["test"]["accuracy"] == pytest.approx(np.mean(right), abs=1e-4)
    assert np.trace(said["test"]["confusion"]) == sum(right)
    assert said["test"]["n_dialogues"] == 3
