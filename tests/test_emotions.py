"""The vocabulary: one order, the words corpora use, and where calm goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercli import emotions


def test_the_seven_classes_stand_in_the_order_of_fer2013():
    assert emotions.FER2013 == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    assert (*emotions.FER2013, "calm") == emotions.ALL


@pytest.mark.parametrize("name", emotions.ALL)
def test_every_class_is_its_own_canonical_name(name):
    assert emotions.canonical(name) == emotions.canonical(f" {name.title()} ") == name


@pytest.mark.parametrize(
    ("word", "name"),
    [
        *[("anger", "angry"), ("disgusted", "disgust"), ("Fearful", "fear"), ("afraid", "fear"), ("joy", "happy")],
        *[("HAPPINESS", "happy"), ("sadness", "sad"), ("surprised", "surprise")],
    ],
)
def test_synonyms_stand_for_their_class(word, name):
    assert emotions.canonical(word) == name


@given(st.text())
def test_any_other_word_stands_for_no_class(word):
    assert emotions.canonical(word) in {*emotions.ALL, None}


@pytest.mark.parametrize("word", ["", "bored", "contempt", "happy sad", "happ"])
def test_an_unknown_word_stands_for_no_class(word):
    assert emotions.canonical(word) is None


def test_calm_counts_as_neutral_unless_it_is_a_class_of_its_own():
    assert emotions.within("calm", emotions.FER2013) == "neutral"
    assert emotions.within("calm", emotions.ALL) == "calm"
    assert emotions.within("calm", ["calm", "happy"]) == "calm"
    assert emotions.within("calm", ["happy", "sad"]) is None
    assert emotions.within("neutral", ["calm", "happy"]) is None


@given(st.lists(st.sampled_from(emotions.ALL)))
def test_ordering_keeps_each_class_once_and_in_the_one_order(labels):
    found = emotions.ordered(labels)
    assert set(found) == set(labels)
    assert sorted(found, key=emotions.ALL.index) == list(found)
    assert len(set(found)) == len(found)
