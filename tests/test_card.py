"""A model card says what a bundle is, what it learnt from and how far its numbers can be trusted."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic import THREE, small_bundle

from mercli.card import MEANING, confusion_table, score_table, write_card
from mercli.evaluation import score


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    labels, speakers = rng.choice(THREE, 60).tolist(), rng.choice(list("abcde"), 60).tolist()
    return {what: score(rng.dirichlet(np.ones(3), 60), labels, speakers, THREE) for what in ("voice", "fusion")}


@pytest.fixture(scope="module")
def card(scores):
    return write_card(
        small_bundle(),
        data="Ten clips, CC BY 4.0.",
        protocol="Folds with no speaker in two of them.",
        scores=scores,
        command="mercli fit corpus -o small",
    )


def cells(markdown):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.strip().splitlines()]


def test_it_names_the_bundle_its_classes_and_modalities(card):
    assert card.startswith("# small\n")
    assert "Classes: angry, happy, sad. Modalities: voice, face." in card


def test_it_says_in_plain_words_what_the_answers_mean(card):
    assert MEANING in card
    assert "do not show what a person felt" in " ".join(MEANING.split())
    assert "not fit for decisions about people" in " ".join(MEANING.split())


@pytest.mark.parametrize(
    "part", ["Ten clips, CC BY 4.0.", "Folds with no speaker", "```\nmercli fit corpus -o small\n```"]
)
def test_it_has_the_data_the_protocol_and_the_command(card, part):
    assert part in card


def test_every_score_stands_with_its_clips_speakers_and_interval(card, scores):
    assert score_table(scores) in card
    head, rule, *rows = cells(score_table(scores))
    assert head == ["", "clips", "speakers", "accuracy", "macro-F1", "UAR", "ECE"]
    assert set(map(len, (head, rule, *rows))) == {7}
    for row, (what, found) in zip(rows, scores.items(), strict=True):
        low, high = found.intervals["accuracy"]
        assert row[:4] == [what, "60", "5", f"{found.accuracy:.3f} ({low:.3f} to {high:.3f})"]
        assert row[6] == f"{found.ece:.3f}"


def test_of_one_speaker_no_interval_is_claimed(scores):
    alone = {"voice": replace(scores["voice"], n_speakers=1)}
    assert cells(score_table(alone))[-1][3] == f"{alone['voice'].accuracy:.3f}"


def test_every_confusion_stands_with_the_classes_in_order(card, scores):
    for what, found in scores.items():
        assert f"### {what}: confusion\n\n{confusion_table(found)}" in card
        head, rule, *rows = cells(confusion_table(found))
        assert head[1:] == [row[0] for row in rows] == list(THREE)
        assert len(rule) == len(THREE) + 1
        assert [[int(cell) for cell in row[1:]] for row in rows] == [list(counts) for counts in found.confusion]


def test_tables_stand_apart_from_the_text_around_them(card):
    lines = card.splitlines()
    for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
        if line.startswith("|"):
            assert before == "" or before.startswith("|")
            assert after == "" or after.startswith("|")
