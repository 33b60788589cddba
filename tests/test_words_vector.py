"""Texts become vectors of hashed n-grams, alike on every machine."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercli.words.spec import WordsSpec
from mercli.words.vector import tokens, vectors

SPEC = WordsSpec(prior=(0.5, 0.5), n_features=1 << 12)
ANY_TEXT = st.text(st.characters(), max_size=200)  # lone surrogates and controls as well


@given(st.lists(ANY_TEXT, max_size=4))
def test_any_text_gives_marks_of_the_size_asked_for(texts):
    found = vectors(texts, SPEC)
    assert found.shape == (len(texts), SPEC.n_features)
    assert found.dtype == np.float32
    assert np.isin(found, (0, 1)).all()


@given(ANY_TEXT, ANY_TEXT)
def test_a_text_is_read_alike_alone_and_beside_others(first, second):
    assert np.array_equal(vectors([first, second], SPEC)[1], vectors([second], SPEC)[0])


@given(ANY_TEXT)
def test_a_text_has_features_where_it_has_tokens(text):
    assert vectors([text], SPEC).any() == bool(tokens(text))


@given(ANY_TEXT)
def test_no_token_of_a_text_looks_like_one_that_mercli_adds(text):
    added = {"<long>", "<capitals>", "<more>"}
    assert not any(set("<> ") & set(token) for token in tokens(text) if token not in added)


@pytest.mark.parametrize("text", ["", " \t\n", "\u200b", "\u266a \u266a", "___", ".", ",;:"])
def test_a_text_without_a_word_or_a_mark_gives_zeros(text):
    assert not vectors([text], SPEC).any()


@pytest.mark.parametrize(
    ("odd", "plain"),
    [
        ("It\u2019s over", "It's over"),
        ("It\x92s over", "It's over"),
        ("\u2018So\u2019 \u201cwhat\u201d", "'So' \"what\""),
        ("\x93Wait\x94 \x85", '"Wait" ...'),
        ("no\u2014never", "no--never"),
        ("well\u2026", "well..."),
        ("\uff37\uff28\uff39\uff01", "WHY!"),
        ("cafe\u0301", "caf\u00e9"),
        ("soft\u00adly", "softly"),
    ],
)
def test_signs_that_mean_the_same_count_as_the_same(odd, plain):
    assert tokens(odd) == tokens(plain)


def test_words_are_small_and_keep_their_apostrophes():
    assert tokens("I'm HERE, y'know 'cause") == ["i'm", "here", "<capitals>", "y'know", "cause"]


def test_a_word_drawn_out_is_the_same_word_however_long():
    assert tokens("nooo") == tokens("noooooooo") == ["noo", "<long>"]
    assert tokens("1000 1111") == ["1000", "1111"]


def test_marks_are_told_apart():
    assert tokens("a? a! a!? a?! a!!! a.. a -- a") == [
        *("a", "?"),
        *("a", "!"),
        *("a", "?!", "<more>"),
        *("a", "?!", "<more>"),
        *("a", "!", "<more>"),
        *("a", "..."),
        *("a", "---"),
        "a",
    ]


def test_the_order_of_words_counts():
    assert not np.array_equal(*vectors(["you hate me", "me hate you"], SPEC))


def test_repeating_a_word_adds_only_its_pair():
    once, twice, thrice = vectors(["go", "go go", "go go go"], SPEC)
    assert (once <= twice).all()
    assert twice.sum() == once.sum() + 1
    assert np.array_equal(twice, thrice)


def test_words_and_letters_have_a_half_each():
    words, letters = np.split(vectors(["go"], SPEC)[0], 2)
    assert words.sum() == 3  # go, and the start and the end with it
    assert letters.sum() == 6  # " g", "go", "o ", " go", "go ", " go "


def test_another_process_gives_the_same_vectors():
    code = (
        "from mercli.words.vector import indices; from mercli.words.spec import WordsSpec;"
        "print(indices('Oh no!', WordsSpec(prior=(1.0,), n_features=64)))"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert said == {"[13, 14, 19, 26, 29, 31, 34, 35, 40, 48, 50, 52, 56, 57, 61, 63]\n"}


def test_a_specification_is_read_back_as_it_was_written():
    spec = WordsSpec((0.25, 0.75), 1 << 14, (1, 3), (2, 4), "de")
    assert WordsSpec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_features": 0},
        {"n_features": 7},
        {"n_features": 1 << 21},
        {"n_features": True},
        {"n_features": 64.0},
        {"word_ngrams": [2, 1]},
        {"word_ngrams": [0, 1]},
        {"char_ngrams": [1, 90]},
        {"char_ngrams": [1]},
        {"char_ngrams": "12"},
        {"char_ngrams": 3},
        {"language": "english"},
        {"language": "EN"},
        {"language": None},
        {"prior": [0.5, 0.4]},
        {"prior": [1.5, -0.5]},
        {"prior": [float("nan"), 0.5]},
        {"prior": "11"},
        {"prior": []},
        {"prior": 1.0},
    ],
)
def test_a_specification_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WordsSpec.from_json({**SPEC.to_json(), **wrong})


def test_a_specification_with_what_is_not_known_is_refused():
    with pytest.raises(TypeError, match="stop_words"):
        WordsSpec.from_json({**SPEC.to_json(), "stop_words": []})
