"""A page of 5,000 rows: seconds to make it as typed, its bytes, and how long sorting and filtering it take."""

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import made
import pytest
from story import Figure

from mercli import tables
from mercli.emotions import FER2013
from mercli.report.page import render
from mercli.report.results import Results

ROWS, TURNS = 5000, 5
MOST_S, MOST_BYTES, MOST_WAIT_MS = 5.0, 5_000_000, 1000.0

WAIT = """([selector, act, value]) => new Promise(done => {
  const began = performance.now();
  const element = document.querySelector(selector);
  const painted = () => requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  new MutationObserver((_, observer) => { observer.disconnect(); painted(); })
    .observe(document.querySelector("#clips tbody"), { childList: true });
  if (act === "click") element.click();
  else { element.value = value; element.dispatchEvent(new Event("input", { bubbles: true })); }
})"""
"""What a user waits for until the table is painted anew; a filter waits 80 ms for further keys first."""


@pytest.fixture(scope="module")
def made_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    rows = made.rows(ROWS)
    tables.write(folder / "out.csv", rows, tables.columns(FER2013))
    tables.write(folder / "seconds.csv", made.seconds(rows), tables.timeline_columns(FER2013))
    return folder


def make_page(folder: Path, *options: str) -> float:
    began = time.monotonic()
    command = [sys.executable, "-m", "mercli", "report", "out.csv", "-q", *options]
    subprocess.run(command, cwd=folder, check=True)
    return time.monotonic() - began


@pytest.mark.parametrize("options", [(), ("--timeline", "seconds.csv")], ids=["table", "with timelines"])
def test_making_a_page(benchmark: Any, ratios: Any, made_tables: Path, options: tuple[str, ...]) -> None:
    taken = [make_page(made_tables, *options) for _ in range(TURNS)]
    size = (made_tables / "out.html").stat().st_size
    what = f"a page of {ROWS:,} rows{' and their timelines' if options else ''}"
    note = f"{statistics.median(taken):.2f} s by the wall clock, {size:,} bytes"
    ratios.record(
        Figure(what, "mercli report", f"{MOST_S:g} s", tuple(t / MOST_S for t in taken), at_most=1.0, note=note),
        Figure(what, "its bytes", f"{MOST_BYTES:,}", (size / MOST_BYTES,), at_most=1.0),
    )
    benchmark.extra_info["report"] = f"{what}: {note}"
    results = Results("out.csv", FER2013, made.rows(ROWS))
    benchmark.pedantic(render, kwargs={"results": results}, rounds=3)


def test_using_a_page(benchmark: Any, ratios: Any, made_tables: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium to open a page in")
    make_page(made_tables)
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((made_tables / "out.html").as_uri())
        for what, acts in {
            "sort": [(f"#clips thead th:nth-child({i}) button", "click", "") for i in (1, 3, 4, 9, 4)],
            "filter": [("#search", "input", text) for text in ("clip-00", "", "zz", "clip-049", "")],
        }.items():
            waits = [page.evaluate(WAIT, list(act)) for act in acts]
            ratios.record(
                Figure(
                    f"a page of {ROWS:,} rows in Chromium",
                    what,
                    f"{MOST_WAIT_MS:g} ms",
                    tuple(wait / MOST_WAIT_MS for wait in waits),
                    at_most=1.0,
                    note=f"{statistics.median(waits):.0f} ms until it is painted",
                )
            )
        benchmark.pedantic(
            page.evaluate, args=(WAIT, ["#clips thead th:nth-child(1) button", "click", ""]), rounds=3
        )
        browser.close()
