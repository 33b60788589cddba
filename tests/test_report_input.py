"""What `mercli report` takes, what it refuses, and what it never overwrites."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import made
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mercli import tables
from mercli.cli import app
from mercli.emotions import FER2013
from mercli.errors import UsageError
from mercli.report import is_report, write_page
from mercli.report.evaluations import evaluation_of
from mercli.report.page import render
from mercli.report.reading import told
from mercli.report.results import read_results, read_timelines

SCHEMA, SECONDS = tables.columns(FER2013), tables.timeline_columns(FER2013)
ROWS = made.rows(60)


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    err: str


Report = Callable[..., Ran]


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Report:
    """``report(argument, ...)`` runs the command in this process."""

    def run(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as ended:
            app(["report", *map(str, arguments)])
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, capsys.readouterr().err)

    return run


def write_table(folder: Path, name: str = "out.csv", rows: list[tables.Row] = ROWS) -> Path:
    tables.write(folder / name, rows, SCHEMA)
    return folder / name


def changed(path: Path, old: str, new: str) -> Path:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


# What it takes


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_table_is_read_as_it_was_written_whatever_its_format(tmp_path: Path, ending: str) -> None:
    results = read_results(write_table(tmp_path, f"out.{ending}"))
    assert results.classes == FER2013
    assert results.rows == ROWS


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_timeline_is_read_as_it_was_written_whatever_its_format(tmp_path: Path, ending: str) -> None:
    seconds = made.seconds(ROWS)
    tables.write(tmp_path / f"seconds.{ending}", seconds, SECONDS)
    found = read_timelines(tmp_path / f"seconds.{ending}", read_results(write_table(tmp_path)))
    assert [row for rows in found.seconds.values() for row in rows] == seconds


def test_columns_that_a_profile_or_a_user_added_are_passed_over(tmp_path: Path) -> None:
    more = [{**row, "open_s": 0.25, "note": "mine"} for row in ROWS]
    tables.write(tmp_path / "out.csv", more, {**SCHEMA, "open_s": float, "note": str})
    assert read_results(tmp_path / "out.csv").rows == ROWS


def test_the_page_goes_beside_the_table_under_its_name(report: Report, tmp_path: Path) -> None:
    ran = report(write_table(tmp_path))
    assert ran.code == 0
    assert ran.err == f"60 files; wrote {tmp_path / 'out.html'}\n"
    assert is_report(tmp_path / "out.html")


def test_the_same_input_gives_the_same_page(report: Report, tmp_path: Path) -> None:
    table = write_table(tmp_path)
    for name in ("one.html", "two.html"):
        assert report(table, "-o", tmp_path / name).code == 0
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_an_evaluation_alone_makes_a_page_and_several_go_with_a_table(report: Report, tmp_path: Path) -> None:
    for i in range(2):
        said = made.evaluation_json(seed=i, corpus={"name": f"corpus {i}"})
        (tmp_path / f"eval{i}.json").write_text(json.dumps(said))
    assert report(tmp_path / "eval0.json").code == 0
    assert "Evaluation on <bdi>corpus 0</bdi>" in (tmp_path / "eval0.html").read_text(encoding="utf-8")
    one, other = tmp_path / "eval0.json", tmp_path / "eval1.json"
    assert report(write_table(tmp_path), "--evaluation", one, "--evaluation", other).code == 0
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert page.index('id="table"') < page.index("<bdi>corpus 0</bdi>") < page.index("<bdi>corpus 1</bdi>")


def test_a_page_can_be_made_of_what_evaluate_found_without_a_file(tmp_path: Path) -> None:
    write_page(tmp_path / "eval.html", evaluations=[made.evaluation_json()])
    assert is_report(tmp_path / "eval.html")


# What it refuses

REFUSED = {
    "not a table": ("a,b\n1,2\n", "not a table that `mercli predict` wrote"),
    "empty": ("", "the file is empty"),
    "without rows": (f"{','.join(SCHEMA)}\n", "the table has no rows"),
    "a column gone": (f"{','.join(name for name in SCHEMA if name != 'voice_p_sad')}\nx\n", "voice_p_sad"),
    "a class unknown": ("file,status,emotion,p_bored\n", "'bored' is no class"),
    "a timeline": (f"{','.join(SECONDS)}\n", "give it to --timeline"),
    "a column twice": (f"{','.join(SCHEMA)},file\n", "two columns named 'file'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_table_is_refused_in_words(report: Report, tmp_path: Path, what: str) -> None:
    text, sentence = REFUSED[what]
    (tmp_path / "out.csv").write_text(text)
    ran = report(tmp_path / "out.csv")
    assert ran.code == 2
    assert sentence in ran.err
    assert "out.csv" in ran.err
    assert not (tmp_path / "out.html").exists()


DAMAGED = {
    "a status": (",ok,", ",fine,", "row 2: its status is fine"),
    "a number": (f",{ROWS[1]['confidence']},", ",high,", "line 3, confidence: 'high' is no number"),
    "no finite number": (f",{ROWS[1]['confidence']},", ",nan,", "'nan' is no number of 0 or more"),
    "a probability": (f",{ROWS[1]['confidence']},", ",1.5,", "confidence is 1.5, and should be 0 to 1"),
    "a cell": ("clip-00001.mp4,", "clip-00001.mp4,,", "line 3 has 36 cells and not 35"),
    "an emotion": (f",{ROWS[1]['emotion']},", ",bored,", "its emotion, bored, is none of the table's classes"),
    "a quote": ("clip-00001.mp4", '"clip-00001.mp4', "the file is damaged or cut"),
    "a bundle": (f"{made.BUNDLE}\n", "\n", "row 1: it lacks its file or its bundle"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_table_is_refused_with_the_place(report: Report, tmp_path: Path, what: str) -> None:
    old, new, sentence = DAMAGED[what]
    ran = report(changed(write_table(tmp_path), old, new))
    assert (ran.code, sentence in ran.err) == (2, True), ran.err


def test_two_tables_in_one_file_are_refused(report: Report, tmp_path: Path) -> None:
    table = write_table(tmp_path)
    table.write_text(2 * table.read_text())
    assert "line 62 is a line of column names again" in report(table).err
    of_other_classes = [dict.fromkeys(tables.columns(["angry"]), 0)]
    tables.write(tmp_path / "out.jsonl", [ROWS[0], *of_other_classes], SCHEMA)
    assert "line 2 has other columns than the first" in report(tmp_path / "out.jsonl").err


def test_bytes_that_are_no_text_and_a_cut_parquet_file_are_refused(report: Report, tmp_path: Path) -> None:
    table = write_table(tmp_path)
    table.write_bytes(table.read_bytes().replace(b"clip-00001", b"clip-\xff0001"))
    assert "not UTF-8" in report(table).err
    parquet = write_table(tmp_path, "out.parquet")
    parquet.write_bytes(parquet.read_bytes()[:-100])
    assert "not a Parquet file that can be read" in report(parquet).err


def test_a_timeline_of_another_bundle_or_with_a_hole_is_refused(report: Report, tmp_path: Path) -> None:
    table, timeline = write_table(tmp_path), tmp_path / "seconds.csv"
    seconds = made.seconds(ROWS)
    tables.write(timeline, [*seconds[:1], *seconds[2:]], SECONDS)
    assert "the seconds of clip-00000.mp4 do not follow each other" in report(table, "--timeline", timeline).err
    fewer = FER2013[:-1]
    tables.write(timeline, [{name: row[name] for name in tables.timeline_columns(fewer)} for row in seconds],
                 tables.timeline_columns(fewer))  # fmt: skip
    assert "they are of different bundles" in report(table, "--timeline", timeline).err


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_was_done_to_a_table_it_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("any")
    table = write_table(folder, f"out.{data.draw(st.sampled_from(['csv', 'jsonl', 'parquet']))}", ROWS[:3])
    whole = table.read_bytes()
    at = data.draw(st.integers(0, len(whole)))
    gone = data.draw(st.integers(0, 40))
    table.write_bytes(whole[:at] + data.draw(st.binary(max_size=12)) + whole[at + gone :])
    try:
        assert read_results(table).rows
    except UsageError as error:
        said = str(error)
    else:
        return
    assert str(table) in said


@given(st.text())
def test_any_text_can_be_told_and_what_can_be_told_stays(text: str) -> None:
    said = told(text)
    said.encode("utf-8")
    assert told(said) == said


# Evaluations

BROKEN = {
    "no format": ({"format": "x"}, "not what `mercli evaluate` writes"),
    "a later version": ({"format_version": 2}, "of format version 2; this mercli reads 1"),
    "no scores": ({"scores": {}}, "scores holds no score"),
    "a rate": ({"scores": {"voice": {"accuracy": 7}}}, "scores.voice.accuracy is no number from 0 to 1"),
    "an interval": ({"scores": {"voice": {"intervals_95": {"uar": [1]}}}}, "intervals_95.uar is no interval"),
    "a matrix": ({"scores": {"voice": {"classes": ["sad"], "confusion": [[1, 2]]}}}, "no table of 1 x 1 counts"),
    "a group": ({"groups": {"sex": {"f": [1]}}}, "groups.sex.f is no object"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_damaged_evaluation_is_refused_with_the_place(report: Report, tmp_path: Path, what: str) -> None:
    changes, sentence = BROKEN[what]
    (tmp_path / "eval.json").write_text(json.dumps(made.evaluation_json(**changes)))
    ran = report(tmp_path / "eval.json")
    assert (ran.code, sentence in ran.err) == (2, True), ran.err


def test_an_evaluation_may_lack_all_but_one_score(tmp_path: Path) -> None:
    least = {"format": "mercli-evaluation", "format_version": 1, "scores": {"face": {"accuracy": 0.5}}}
    write_page(tmp_path / "eval.html", evaluations=[least])
    assert ">.500<" in (tmp_path / "eval.html").read_text(encoding="utf-8")


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=20)
@given(data=st.data())
def test_whatever_an_evaluation_holds_it_is_shown_or_refused(data: st.DataObject) -> None:
    said = made.evaluation_json()
    place, key = said, data.draw(st.sampled_from(sorted(said)))
    while isinstance(place[key], dict) and place[key] and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place)))
    place[key] = data.draw(anything)
    try:
        found = evaluation_of(said)
    except UsageError:
        return
    assert render(evaluations=[found]).endswith("</html>")


# What it never overwrites


def test_a_file_that_is_no_page_is_not_replaced_unless_asked(report: Report, tmp_path: Path) -> None:
    page = tmp_path / "mine.html"
    page.write_text("<!DOCTYPE html><p>mine")
    ran = report(write_table(tmp_path), "-o", page)
    assert ran.code == 2
    assert f"{page} is not a page of mercli's" in ran.err
    assert page.read_text() == "<!DOCTYPE html><p>mine"
    assert report(tmp_path / "out.csv", "-o", page, "--overwrite").code == 0
    assert report(tmp_path / "out.csv", "-o", page).code == 0  # it is one now


@pytest.mark.parametrize("option", ["input", "--timeline", "--evaluation"])
def test_an_input_is_never_replaced(report: Report, tmp_path: Path, option: str) -> None:
    table = write_table(tmp_path)
    link = tmp_path / "link.html"
    if option == "input":
        link.symlink_to(table)
        arguments: tuple[object, ...] = (table,)
    else:
        other = tmp_path / "other.json"
        shutil.copy(table, other)
        link.hardlink_to(other)
        arguments = (table, option, other)
    ran = report(*arguments, "-o", link, "--overwrite")
    assert (ran.code, "is an input" in ran.err) == (2, True), ran.err


def test_a_page_is_an_html_file(report: Report, tmp_path: Path) -> None:
    table = write_table(tmp_path)
    ran = report(table, "-o", table, "--overwrite")
    assert (ran.code, "end its name in .html" in ran.err) == (2, True)
    assert next(csv.reader(table.open())) == list(SCHEMA)


def test_a_timeline_does_not_go_with_an_evaluation_alone(report: Report, tmp_path: Path) -> None:
    (tmp_path / "eval.json").write_text(json.dumps(made.evaluation_json()))
    assert "go with a table" in report(tmp_path / "eval.json", "--timeline", tmp_path / "seconds.csv").err
