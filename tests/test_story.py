"""The races of the benchmarks, and their table: what it says of a ratio, and where it is written."""

import math

import pytest
from races import REAL_TIME, Cost, Ratios
from story import BEGIN, END, Figure, story, table, write_story

FAST = Figure("a clip", "predict", "decoding", (2.0, 3.0, 40.0), wall=(2.5,), at_least=2)
DEAR = Figure("a clip", "predict", "decoding", (0.5, 0.7, 1.5), at_most=0.6)


@pytest.mark.parametrize(
    ("bar", "met"),
    [({"at_least": 3}, True), ({"at_least": 3.1}, False), ({"at_most": 3}, True), ({"at_most": 2}, False)],
)
def test_the_median_is_held_against_the_bar(bar, met):
    figure = Figure("a clip", "predict", "decoding", (1.0, 3.0, 9.0), **bar)
    assert figure.met == met
    assert figure.verdict == ("met" if met else "MISSED")


def test_a_figure_without_a_bar_is_met_and_says_nothing_of_it():
    for bar in ({}, {"at_most": math.inf}):
        figure = Figure("a clip", "predict", "decoding", (2.0,), **bar)
        assert (figure.met, figure.bar, figure.verdict) == (True, "", "")


def test_a_line_says_who_is_faster():
    assert str(FAST) == "predict is 3.00x as fast as decoding (2.00 to 40.0), bar at least 2x: met"
    assert str(DEAR) == "predict takes 0.70x what decoding takes (0.50 to 1.50), bar at most 0.6x: MISSED"


def test_the_table_has_a_row_a_figure_and_columns_that_line_up():
    head, line, *rows = table([FAST, DEAR]).splitlines()
    assert len({len(row) for row in (head, line, *rows)}) == 1
    assert [cell.strip() for cell in rows[0].strip("|").split("|")] == [
        *("a clip", "predict", "decoding", "3.00x as fast (2.00 to 40.0)", "2.50x", "at least 2x", "met")
    ]
    assert "takes 0.70x (0.50 to 1.50)" in rows[1]


def test_the_story_names_the_machine_and_what_did_not_run():
    text = story([FAST], ["fer is not installed"])
    assert "Python 3." in text.splitlines()[0]
    assert "onnxruntime" in text.splitlines()[0]
    assert "- fer is not installed" in text.splitlines()


def test_a_marked_block_is_replaced_and_the_page_around_it_stays(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n\n{BEGIN}{END}\n\nafter\n", encoding="utf-8")
    for text in ("one\n", "two\n"):
        write_story(page, text)
    assert page.read_text(encoding="utf-8") == f"before\n\n{BEGIN}\ntwo\n\n{END}\n\nafter\n"


def test_another_file_holds_the_story_alone(tmp_path):
    write_story(tmp_path / "table.md", "one\n")
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == "one\n"


def test_a_race_compares_the_first_with_each_of_the_others():
    recorded: list[Figure] = []
    contenders = {"predict": 2.0, "decoding": 1.0, REAL_TIME: 8.0}
    dear, fast = Ratios(recorded).race(
        "a clip", contenders, turns=3, at_most={"decoding": 3}, at_least={REAL_TIME: 5}
    )
    assert (dear.other, dear.ratios, dear.met) == ("decoding", (2.0,) * 3, True)
    assert (fast.other, fast.ratios, fast.met) == (REAL_TIME, (4.0,) * 3, False)
    assert recorded == [dear, fast]


def test_a_race_over_clips_has_a_ratio_a_clip():
    turns = iter((9.0, 8.0, 1.0, 2.0))  # the first, which is slow, is a run before the clock starts
    clips = {
        "one": {"predict": 1.0, "decoding": lambda: Cost(next(turns), 0.5)},
        "two": {"predict": 1.0, "decoding": 3.0},
    }
    (figure,) = Ratios([]).race_over("clips", clips, turns=3)
    assert figure.ratios == (2.0, 3.0)
    assert figure.wall == (0.5, 3.0)


def test_what_is_called_is_timed():
    def work() -> None:
        sum(range(200_000))

    (figure,) = Ratios([]).race("work", {"once": work, "never": 0.0}, turns=2)
    assert figure.ratios == (0.0, 0.0)


def test_a_bar_for_one_who_does_not_race_is_refused():
    with pytest.raises(ValueError, match="nobody"):
        Ratios([]).race("a clip", {"predict": 1.0, "decoding": 2.0}, at_least={"nobody": 2})
