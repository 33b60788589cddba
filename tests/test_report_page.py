"""The page of `mercli report` in a real browser: what it shows, how it is used, and what it never does."""

import base64
import csv
import json
import math
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import made
import numpy as np
import pytest

from mercli import tables
from mercli.charts.theme import DARK, LIGHT
from mercli.cli import app
from mercli.emotions import FER2013
from mercli.report import write_page
from mercli.report.results import Results, Timelines, read_results, read_timelines
from mercli.report.seconds import MISSING, SCALE, STEPS, pack
from mercli.tables import Row

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
Axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is absent").Axe

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open a page in")

SCHEMA, SECONDS = tables.columns(FER2013), tables.timeline_columns(FER2013)
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
HOSTILE = [
    "<script>document.title='owned'</script>.mp4",
    '"><img src=x onerror="document.title=\'owned\'">.mp4',
    "</script><script>document.title='owned'</script>.mp4",
    "'};document.title='owned';//{{7*7}}${7*7}]]>--><!--.mp4",
    "line\nfeed\tand \x01 control.mp4",
    '=HYPERLINK("http://127.0.0.1/","x").mp4',
    "\u202egnp.exe \u05e9\u05dc\u05d5\u05dd.mp4",
    "lone \ud800 surrogate.mp4",
    "&lt;b&gt;&amp;.mp4",
    f"{'very-long-' * 400}name.mp4",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


class Opened:
    """A page in the browser, and what it asked for and complained of."""

    def __init__(self, page: Any, path: Path) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(path.as_uri())
        self.asked.remove(path.as_uri())

    def shown(self, column: int) -> list[str]:
        """The texts of a column, of the rows that are shown."""
        return self.page.evaluate(
            """column => [...document.querySelectorAll("#clips > tbody > tr:not(.panel):not([hidden])")].map(row =>
               (row.cells[column].querySelector(".name") ?? row.cells[column]).textContent)""",
            column,
        )

    def exact(self, column: int) -> list[float | None]:
        """The numbers of a column, of the rows that are shown."""
        return self.page.evaluate(
            """column => [...document.querySelectorAll("#clips > tbody > tr:not(.panel):not([hidden])")].map(row =>
               row.cells[column].dataset.v === undefined ? null : Number(row.cells[column].dataset.v))""",
            column,
        )

    def open_clip(self, name: str) -> Any:
        """Open the panel of a clip."""
        self.page.get_by_role("button", name=name, exact=True).click()
        return self.page.locator("tr.panel").first

    def overflow(self) -> int:
        return int(
            self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        )


Open = Callable[..., Opened]


@pytest.fixture
def show(browser: Any) -> Iterator[Open]:
    """``show(path, ...)`` opens a page; what it asked for and complained of is checked in the end."""
    contexts: list[Any] = []
    opened: list[Opened] = []

    def go(path: Path, viewport: dict[str, int] = WIDE, **options: Any) -> Opened:
        contexts.append(browser.new_context(viewport=viewport, **options))
        contexts[-1].set_default_timeout(60_000)
        opened.append(Opened(contexts[-1].new_page(), path))
        return opened[-1]

    yield go
    for one in opened:
        assert (one.said, one.asked) == ([], [])
    for context in contexts:
        context.close()


ROWS = made.rows(60)
TIMELINE = made.seconds(ROWS)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "out.csv"
    tables.write(path, ROWS, SCHEMA)
    return path


@pytest.fixture(scope="module")
def page(table: Path) -> Path:
    """A page with all there is but pictures."""
    results = read_results(table)
    tables.write(table.with_name("seconds.csv"), TIMELINE, SECONDS)
    timelines = read_timelines(table.with_name("seconds.csv"), results)
    said = made.evaluation_json(seen_speakers=["01"], warnings=["few clips of fear"])
    write_page(table.with_suffix(".html"), results=results, timelines=timelines, evaluations=[said])
    return table.with_suffix(".html")


def cells(table: Path, name: str) -> list[str]:
    with table.open(encoding="utf-8", newline="") as file:
        return [row[name] for row in csv.DictReader(file)]


# What it shows

FILE, STATUS, EMOTION, CONFIDENCE, DECIDED, VOICE, FACE, COVERAGE, DURATION, ERROR = range(10)
TEXTS = {FILE: "file", STATUS: "status", EMOTION: "emotion", DECIDED: "decided_by", VOICE: "voice_emotion",
         FACE: "face_emotion", ERROR: "error"}  # fmt: skip
NUMBERS = {CONFIDENCE: ("confidence", 2), COVERAGE: ("face_coverage", 2), DURATION: ("duration_s", 1)}


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_every_cell_of_the_table_is_on_the_page(show: Open, page: Path, table: Path, scripts: bool) -> None:
    opened = show(page, java_script_enabled=scripts)
    for column, name in TEXTS.items():
        assert opened.shown(column) == cells(table, name)
    for column, (name, decimals) in NUMBERS.items():
        exact = [float(cell) if cell else None for cell in cells(table, name)]
        assert opened.exact(column) == exact
        assert opened.shown(column) == ["" if value is None else f"{value:.{decimals}f}" for value in exact]


def test_without_scripts_there_are_the_table_the_charts_and_the_text_and_no_controls(
    show: Open, page: Path
) -> None:
    opened = show(page, java_script_enabled=False).page
    assert opened.locator("#clips tbody tr").count() == 60
    assert opened.locator("figure svg").count() > 8
    assert opened.get_by_text("are not fit for decisions about people").is_visible()
    assert opened.get_by_text("Without scripts the table cannot be sorted").is_visible()
    assert not opened.locator("#filters").is_visible()
    assert opened.locator("#clips button").count() == 0


def test_a_clip_tells_the_probability_of_every_class_as_the_table_has_it(
    show: Open, page: Path, table: Path
) -> None:
    opened = show(page)
    panel = opened.open_clip("clip-00001.mp4")
    told = panel.locator("table tbody tr").evaluate_all(
        "rows => rows.map(r => [...r.cells].map(c => c.textContent))"
    )
    for name, *said in told:
        expected = [cells(table, f"{prefix}_{name}")[1] for prefix in ("p", "voice_p", "face_p")]
        assert list(map(float, said)) == list(map(float, expected))
    assert [name for name, *_ in told] == list(FER2013)
    opened.open_clip("clip-00001.mp4")
    assert opened.page.locator("tr.panel").count() == 0


def test_the_overview_counts_files(show: Open, page: Path, table: Path) -> None:
    opened = show(page).page
    statuses, emotions = cells(table, "status"), cells(table, "emotion")
    for status in set(statuses):
        line = opened.locator(".tile dl > div", has_text=re.compile(rf"^{status}")).inner_text().split()
        assert int(line[1]) == statuses.count(status)
    said = opened.get_by_role("img", name="files by emotion").get_attribute("aria-label")
    assert said == "Bar chart, files by emotion: " + ", ".join(
        f"{name} {emotions.count(name)}" for name in FER2013
    )
    (reason,) = opened.locator("h3", has_text="without an answer").locator("+ ul li").all_inner_texts()
    assert " ".join(reason.split()) == "1 not a media file that can be read (Invalid data)"


def test_several_faces_of_a_file_have_a_row_each_and_count_as_one_file(show: Open, tmp_path: Path) -> None:
    rows = [ROWS[1], {**ROWS[2], "file": ROWS[1]["file"], "face": 3}, ROWS[3]]
    results = Results("out.csv", FER2013, rows)
    timelines = Timelines("s.csv", FER2013, {str(ROWS[1]["file"]): made.seconds(rows[:1])})
    write_page(tmp_path / "out.html", results=results, timelines=timelines)
    opened = show(tmp_path / "out.html").page
    assert opened.locator("#clips tbody th small").all_inner_texts() == ["face 0", "face 3"]
    assert opened.locator(".tile h3").first.inner_text() == "2 files"
    opened.locator("button.name").nth(1).click()
    assert "main face, and not of this one" in opened.locator("tr.panel").inner_text()


def test_rows_of_several_bundles_are_said_not_to_compare(show: Open, tmp_path: Path) -> None:
    rows = [ROWS[1], {**ROWS[2], "bundle": "other@000000000000"}]
    write_page(tmp_path / "out.html", results=Results("out.csv", FER2013, rows))
    opened = show(tmp_path / "out.html")
    assert opened.page.get_by_text("should not be compared").is_visible()
    assert "other@000000000000" in opened.open_clip(str(ROWS[2]["file"])).inner_text()


# Sorting and filtering


def test_numbers_are_sorted_as_numbers_and_missing_ones_are_last_both_ways(show: Open, page: Path) -> None:
    opened = show(page)
    head = opened.page.locator("#clips thead th").nth(DURATION)
    before = [value for value in opened.exact(DURATION) if value is not None]
    for order, reverse in (("ascending", False), ("descending", True), ("ascending", False)):
        head.get_by_role("button").click()
        assert head.get_attribute("aria-sort") == order
        assert opened.exact(DURATION) == [*sorted(before, reverse=reverse), None]
    assert opened.page.locator("#clips th[aria-sort]").count() == 1


def test_texts_are_sorted_and_equal_ones_keep_their_order(show: Open, page: Path, table: Path) -> None:
    opened = show(page)
    opened.page.get_by_role("button", name="Emotion").click()
    rows = list(zip(cells(table, "emotion"), cells(table, "file"), strict=True))
    expected = [
        *sorted((row for row in rows if row[0]), key=lambda row: row[0]),
        *(row for row in rows if not row[0]),
    ]
    assert list(zip(opened.shown(EMOTION), opened.shown(FILE), strict=True)) == expected


def test_a_column_is_sorted_from_the_keyboard(show: Open, page: Path) -> None:
    opened = show(page)
    button = opened.page.get_by_role("button", name="Confidence")
    opened.page.locator("#least").focus()
    for _ in range(20):
        opened.page.keyboard.press("Tab")
        if button.evaluate("element => element === document.activeElement"):
            break
    opened.page.keyboard.press("Enter")
    values = [value for value in opened.exact(CONFIDENCE) if value is not None]
    assert values == sorted(values)
    assert button.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"


def test_an_open_clip_stays_below_its_row_when_the_table_is_sorted(show: Open, page: Path) -> None:
    opened = show(page)
    opened.open_clip("clip-00003.mp4")
    opened.page.get_by_role("button", name="Duration").click()
    above = "panel => panel.previousElementSibling.querySelector('.name').textContent"
    assert opened.page.locator("tr.panel").evaluate(above) == "clip-00003.mp4"


FILTERS = {
    "a name": (("#search", "00017"), lambda row: "00017" in row["file"]),
    "an error, in capitals": (("#search", "INVALID DATA"), lambda row: "Invalid data" in (row["error"] or "")),
    "a status": (("#status", "partial"), lambda row: row["status"] == "partial"),
    "an emotion": (("#emotion", "sad"), lambda row: row["emotion"] == "sad"),
    "who decided": (("#decided_by", "face"), lambda row: row["decided_by"] == "face"),
    "a confidence": (("#least", "0.6"), lambda row: (row["confidence"] or 0) >= 0.6),
    "nothing fits": (("#search", "no such file"), lambda _: False),
}


@pytest.mark.parametrize("what", FILTERS)
def test_a_filter_shows_the_rows_that_fit_and_says_how_many(show: Open, page: Path, what: str) -> None:
    (control, value), fits = FILTERS[what]
    opened = show(page)
    assert opened.page.locator("#count").inner_text() == "60 of 60 rows are shown."
    if control in ("#search", "#least"):
        opened.page.fill(control, value)
    else:
        opened.page.select_option(control, value)
    expected = [row["file"] for row in ROWS if fits(row)]
    playwright.expect(opened.page.locator("#count")).to_have_text(f"{len(expected)} of 60 rows are shown.")
    assert opened.shown(FILE) == expected
    assert opened.page.locator("#count").get_attribute("aria-live") == "polite"
    opened.page.get_by_role("button", name="Show all").click()
    playwright.expect(opened.page.locator("#count")).to_have_text("60 of 60 rows are shown.")


@pytest.mark.long
def test_five_thousand_rows_are_sorted_and_filtered_in_a_page_under_five_megabytes(
    show: Open, tmp_path: Path
) -> None:
    rows = made.rows(5000)
    write_page(tmp_path / "out.html", results=Results("out.csv", FER2013, rows))
    assert (tmp_path / "out.html").stat().st_size < 5_000_000
    opened = show(tmp_path / "out.html")
    opened.page.get_by_role("button", name="Confidence").click()
    values = opened.exact(CONFIDENCE)
    expected = sorted(row["confidence"] for row in rows if row["confidence"] is not None)
    assert values == expected[:200]
    opened.page.fill("#search", "clip-00")
    playwright.expect(opened.page.locator("#count")).to_have_text("1,000 of 5,000 rows are shown.")
    assert set(opened.shown(FILE)) <= {f"clip-{i:05}.mp4" for i in range(1000)}


def test_rows_beyond_the_first_come_as_they_are_scrolled_to_asked_for_or_printed(
    show: Open, tmp_path: Path
) -> None:
    rows = made.rows(1000)
    write_page(tmp_path / "out.html", results=Results("out.csv", FER2013, rows))
    opened = show(tmp_path / "out.html")
    names = [row["file"] for row in rows]
    assert opened.shown(FILE) == names[:200]
    opened.page.locator(".scroll").evaluate("region => region.scrollTo(0, 1e6)")
    playwright.expect(opened.page.locator("#clips > tbody > tr").nth(399)).to_be_attached()
    opened.page.get_by_role("button", name="Emotion").click()
    assert len(opened.shown(FILE)) == 200
    assert "(800 are left)" in opened.page.locator("#more").text_content()
    opened.page.locator("#more").evaluate("button => button.click()")
    assert len(opened.shown(FILE)) >= 400
    opened.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert sorted(opened.shown(FILE)) == names
    assert not opened.page.locator("#more").is_visible()


# Timelines


def likeliest(rows: Sequence[Row], prefix: str) -> list[str]:
    said = [[row[f"{prefix}_{name}"] for name in FER2013] for row in rows]
    return ["nothing" if None in line else FER2013[int(np.argmax(line))] for line in said]


def test_a_clip_is_drawn_second_by_second_and_told_in_words(show: Open, page: Path) -> None:
    name = "clip-00001.mp4"
    rows = [row for row in TIMELINE if row["file"] == name]
    panel = show(page).open_clip(name)
    panel.locator(".chart svg").wait_for()
    codes = [
        round(float(row[f"{prefix}_{emotion}"]) * SCALE)
        for row in rows
        for prefix in ("p", "voice", "face")
        for emotion in FER2013
        if row[f"{prefix}_{emotion}"] is not None
    ]
    assert panel.locator(".chart svg .mark-rect path").count() == sum(code > 0 for code in codes)
    assert {"both", "voice", "face", *FER2013} <= set(panel.locator(".chart svg text").all_text_contents())
    playwright.expect(panel.locator(".chart [role], .chart [aria-label]")).to_have_count(0)  # it is one image
    assert panel.get_by_role("img", name=f"Timeline of {name}").count() == 1
    for line, prefix in zip(panel.locator(".spans dd").all_inner_texts(), ("p", "voice", "face"), strict=True):
        told: list[str] = []
        for span in line.split(", "):
            start, end, emotion = re.fullmatch(r"([\d.]+)\W([\d.]+) s (\w+)", span).groups()
            told += [emotion] * math.ceil(float(end) - float(start))
        assert told == likeliest(rows, prefix)


def test_a_drawn_timeline_takes_the_colours_of_the_page(show: Open, page: Path) -> None:
    opened = show(page)
    panel = opened.open_clip("clip-00001.mp4")
    text = panel.locator(".chart svg .role-axis-label text").first
    text.wait_for()
    for scheme, palette in (("light", LIGHT), ("dark", DARK), ("light", LIGHT)):
        opened.page.emulate_media(color_scheme=scheme)
        ink = [int(palette.ink[i : i + 2], 16) for i in (1, 3, 5)]
        assert text.evaluate("element => getComputedStyle(element).fill") == f"rgb({ink[0]}, {ink[1]}, {ink[2]})"


def test_on_a_phone_the_filters_are_as_wide_as_the_window(show: Open, page: Path) -> None:
    opened = show(page, NARROW).page
    assert opened.locator("#search").bounding_box()["width"] > 340
    assert opened.locator("#status").bounding_box()["y"] == opened.locator("#emotion").bounding_box()["y"]


def test_a_timeline_fits_a_window_that_is_made_smaller(show: Open, page: Path) -> None:
    opened = show(page)
    panel = opened.open_clip("clip-00001.mp4")
    panel.locator(".chart svg").wait_for()
    opened.page.set_viewport_size(NARROW)
    playwright.expect(panel.locator(".chart svg")).to_have_attribute("width", re.compile(r"^[23]\d\d$"))
    assert opened.overflow() == 0


def test_packed_seconds_hold_the_likeliest_class_and_probabilities_to_a_fifth_of_a_hundredth() -> None:
    rows = [row for row in TIMELINE if row["file"] == "clip-00001.mp4"]
    said = unpacked(pack(rows, FER2013))
    for step, row in zip(said, rows, strict=True):
        for (first, *codes), prefix in zip(step, ("p", "voice", "face"), strict=True):
            exact = [row[f"{prefix}_{name}"] for name in FER2013]
            if exact[0] is None:
                assert {first, *codes} == {MISSING}
            else:
                assert first == int(np.argmax(exact))
                assert np.array(codes) / SCALE == pytest.approx(exact, abs=0.002 + 1e-9)


def test_an_hour_is_told_in_few_steps_that_are_means() -> None:
    hour = made.seconds([{"file": "hour.mp4", "duration_s": 3600.0}])
    packed = pack(hour, FER2013)
    said = unpacked(packed)
    assert (packed["step"], len(said)) == (12, STEPS)
    mean = np.mean([[row[f"p_{name}"] for name in FER2013] for row in hour[12:24]], axis=0)
    assert said[1, 0, 1:] / SCALE == pytest.approx(mean, abs=0.002 + 1e-9)
    seen = [[row[f"face_{name}"] for name in FER2013] for row in hour[12:24] if row["face_sad"] is not None]
    assert said[1, 2, 1:] / SCALE == pytest.approx(np.mean(seen, axis=0), abs=0.002 + 1e-9)


def unpacked(packed: dict[str, Any]) -> Any:
    return np.frombuffer(base64.b64decode(packed["bytes"]), np.uint8).reshape(-1, 3, 1 + len(FER2013))


def test_a_timeline_of_other_files_is_said_to_be_of_others(show: Open, tmp_path: Path) -> None:
    results = Results("out.csv", FER2013, ROWS[:3])
    others = {f"other {i}.mp4": made.seconds(ROWS[1:2]) for i in range(7)}
    known = {str(row["file"]): made.seconds([row]) for row in ROWS[:2]}
    write_page(tmp_path / "out.html", results=results, timelines=Timelines("s.csv", FER2013, {**known, **others}))
    opened = show(tmp_path / "out.html")
    said = " ".join(opened.page.locator("p.warning").inner_text().split())
    assert (
        "The timelines in s.csv do not match this table. It has 7 files that the table lacks: other 0.mp4," in said
    )
    assert "other 4.mp4 and 2 more. It has no seconds of 1 file of the table: clip-00002.mp4." in said
    assert "There is no timeline of this file." in opened.open_clip("clip-00002.mp4").inner_text()


def test_a_page_holds_the_script_that_draws_only_where_it_draws(tmp_path: Path) -> None:
    write_page(tmp_path / "out.html", results=Results("out.csv", FER2013, ROWS))
    write_page(tmp_path / "eval.html", evaluations=[made.evaluation_json()])
    assert (tmp_path / "out.html").stat().st_size < 150_000
    assert "<script" not in (tmp_path / "eval.html").read_text(encoding="utf-8")


# Evaluations


def test_an_evaluation_says_first_what_lessens_its_numbers(show: Open, page: Path) -> None:
    opened = show(page).page
    warning = opened.locator(".warning", has=opened.get_by_role("heading", name="Read this first"))
    assert "trained on 1 of these speakers (01)" in " ".join(warning.inner_text().split())
    assert "few clips of fear" in warning.inner_text()
    first = opened.locator("section[aria-labelledby^=evaluation] > *").nth(1)
    assert first.evaluate("element => element.className") == "warning"


def test_the_scores_of_an_evaluation_are_on_the_page(show: Open, page: Path) -> None:
    opened = show(page).page
    said = made.evaluation_json()
    lines = opened.get_by_role("region", name="Scores on").locator("tbody tr").all_inner_texts()
    shown = {line.split("\t")[0].strip(): line.split("\t")[1:] for line in lines}
    for name, score in said["scores"].items():
        n, speakers, accuracy, *_, ece = shown[name]
        low, high = score["intervals_95"]["accuracy"]
        assert (int(n), int(speakers)) == (score["n"], score["n_speakers"])
        told = [float(number) for number in re.findall(r"\.\d+", accuracy)]
        assert told == pytest.approx([score["accuracy"], low, high], abs=6e-4)
        assert float(ece) == pytest.approx(score["ece"], abs=6e-4)
        assert f"{name}, majority class" in shown
    assert shown["voice, published"][2] == ".368"
    counts = (
        opened.locator("details", has_text="confusion matrix of fusion")
        .locator("tbody tr")
        .evaluate_all("rows => rows.map(row => [...row.querySelectorAll('td')].map(c => Number(c.textContent)))")
    )
    assert counts == said["scores"]["fusion"]["confusion"]
    drawn = opened.get_by_role("img", name="Confusion matrix of fusion").locator(".mark-text.role-mark text")
    assert list(map(int, drawn.all_text_contents())) == [n for row in counts for n in row]


def test_of_one_speaker_no_interval_is_shown(show: Open, page: Path) -> None:
    rows = show(page).page.get_by_role("region", name="Scores by speaker").locator("tbody tr")
    assert rows.count() == 15
    assert rows.locator(".interval").count() == 0


def test_groups_that_are_empty_have_no_part(show: Open, page: Path) -> None:
    titles = show(page).page.locator("section h3").all_inner_texts()
    assert [title for title in titles if title.startswith("By ")] == ["By intensity", "By speaker"]


# What it never does


def test_hostile_cells_stay_text(show: Open, tmp_path: Path) -> None:
    rows = [{**ROWS[1], "file": name, "error": name, "bundle": name} for name in HOSTILE]
    path = tmp_path / "out.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(SystemExit) as ended:
        app(["report", str(path), "-q"])
    assert not ended.value.code
    opened = show(tmp_path / "out.html", NARROW)
    expected = [name.replace("\x01", "\\x01").replace("\ud800", "\\ud800") for name in HOSTILE]
    assert opened.shown(FILE) == expected
    assert opened.shown(ERROR) == expected
    for name in opened.page.locator("button.name").all():
        name.evaluate("button => button.click()")
    assert opened.page.locator("tr.panel dd").nth(0).inner_text() == expected[0]
    assert opened.page.locator("#clips img, #clips script").count() == 0
    assert opened.page.title() == "mercli report: out.jsonl"
    assert opened.overflow() == 0


@pytest.mark.long
def test_hostile_evaluations_stay_text(show: Open, tmp_path: Path) -> None:
    said = [
        {
            **{key: made.evaluation_json()[key] for key in ("format", "format_version")},
            "corpus": {"name": text, text: text},
            "protocol": {"name": text, "text": text},
            **{"command": text, "bundle": text, "warnings": [text], "seen_speakers": [text]},
            "scores": {text: {"accuracy": 0.5, "classes": [text], "confusion": [[3]], "per_class": {text: {}}}},
            "groups": {text: {text: {text: {"accuracy": 0.5}}}},
            "baselines": {text: {text: {"accuracy": 0.5}}},
        }
        for text in HOSTILE
    ]
    write_page(tmp_path / "eval.html", evaluations=said)
    opened = show(tmp_path / "eval.html", NARROW)
    assert opened.page.title().startswith("mercli report: evaluation on ")
    assert opened.page.locator("script, main img").count() == 0
    assert opened.page.locator("main > section").count() == len(HOSTILE)
    assert opened.overflow() == 0


def test_a_page_asks_for_nothing_and_forbids_it(show: Open, page: Path) -> None:
    opened = show(page)
    opened.open_clip("clip-00001.mp4").locator(".chart svg").wait_for()
    policy = opened.page.locator("meta[http-equiv=Content-Security-Policy]").get_attribute("content")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "unsafe" not in policy
    with pytest.raises(playwright.Error, match="Failed to fetch"):
        opened.page.evaluate("fetch('http://127.0.0.1:9/')")
    assert any("violates the following Content Security Policy" in said for said in opened.said)
    assert opened.asked in ([], ["http://127.0.0.1:9/"])
    opened.said.clear()
    opened.asked.clear()


# For everyone


@pytest.mark.parametrize(
    ("viewport", "scheme"),
    [
        (WIDE, "light"),
        (NARROW, "dark"),
        pytest.param(WIDE, "dark", marks=pytest.mark.long),
        pytest.param(NARROW, "light", marks=pytest.mark.long),
    ],
    ids=["1280-light", "390-dark", "1280-dark", "390-light"],
)
def test_no_serious_barrier_is_found_and_nothing_overflows(
    show: Open, page: Path, scheme: str, viewport: dict[str, int]
) -> None:
    opened = show(page, viewport, color_scheme=scheme)
    opened.open_clip("clip-00001.mp4").locator(".chart svg").wait_for()
    for details in opened.page.locator("summary").all():
        details.click()
    found = Axe().run(opened.page).response["violations"]
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found if v["impact"] in ("serious", "critical")] == []
    assert opened.overflow() == 0


def test_headings_are_in_order_and_the_first_stop_skips_to_the_content(show: Open, page: Path) -> None:
    opened = show(page).page
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.textContent") == "Skip to the content"
    opened.keyboard.press("Enter")
    assert opened.evaluate("document.activeElement.id") == "content"
    levels = [
        int(name[1]) for name in opened.locator("h1, h2, h3, h4").evaluate_all("all => all.map(h => h.tagName)")
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_a_printed_page_has_the_rows_that_are_shown_and_no_controls(show: Open, page: Path) -> None:
    opened = show(page, color_scheme="dark")
    opened.page.select_option("#status", "partial")
    playwright.expect(opened.page.locator("#count")).to_have_text(re.compile("^[1-9] of 60"))
    opened.page.emulate_media(media="print")
    assert not opened.page.locator("#filters").is_visible()
    region = opened.page.locator(".scroll").first
    assert region.evaluate("element => element.scrollHeight - element.clientHeight") == 0
    assert len(opened.shown(FILE)) < 10
    assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
