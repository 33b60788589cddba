"""Many files: the long ones first, rows in their order, one death one file, and a parent that does not grow."""

import csv
import json
import os
import signal
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercli import batch, inputs, prediction, tables
from mercli.evidence import Evidence
from mercli.fingerprint import fingerprint
from mercli.journal import Journal, Origin
from mercli.result import Result
from mercli.sample import write_audio
from mercli.schedule import long_first
from mercli.setup import Setup, make_setup, open_bundle
from mercli.worker import Lost

# The order in which files are given out.


def write_sizes(folder: Path, sizes: list[int]) -> list[Path]:
    paths = [folder / f"{i:04}.wav" for i in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        path.write_bytes(bytes(size))
    return paths


@pytest.fixture(scope="module")
def sized(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[int]], list[Path]]:
    return lambda sizes: write_sizes(tmp_path_factory.mktemp("sized"), sizes)


def name_of(path: Path) -> str:
    return path.name


def test_long_files_are_given_out_first_and_the_others_as_they_come(tmp_path: Path) -> None:
    paths = write_sizes(tmp_path, [10, 50_000, 20, 90_000, 10])
    assert [index for index, _ in batch.run(name_of, paths, jobs=1)] == [3, 1, 0, 2, 4]


@given(sizes=st.lists(st.integers(0, 3000), max_size=30), jobs=st.integers(1, 8))
def test_every_file_has_one_place_and_none_of_the_last_is_long(
    sized: Callable[[list[int]], list[Path]], sizes: list[int], jobs: int
) -> None:
    order = long_first(sized(sizes), jobs)
    assert sorted(order) == list(range(len(sizes)))
    share = sum(sizes) / jobs
    n_long = sum(size > share / 100 for size in sizes)
    first, last = order[:n_long], order[n_long:]
    assert [sizes[place] for place in first] == sorted(sizes, reverse=True)[:n_long]
    assert last == sorted(last)


def test_what_cannot_be_looked_at_keeps_its_place(tmp_path: Path) -> None:
    (here,) = write_sizes(tmp_path, [100])
    paths = [tmp_path / "gone.wav", Path("x" * 5000), Path("nul\0.wav"), here]
    assert long_first(paths, 2) == [3, 0, 1, 2]


def test_rows_keep_the_order_of_the_input_though_the_longest_file_is_done_first(
    tmp_path: Path, speak: Callable[..., Any]
) -> None:
    folder, output = tmp_path / "sounds", tmp_path / "out.csv"
    folder.mkdir()
    for name, duration_s in {"a": 0.5, "b": 0.6, "c": 2.0, "d": 1.2}.items():
        write_audio(folder / f"{name}.wav", speak(duration_s))
    command = [sys.executable, "-m", "mercli", "predict", str(folder), "-o", str(output), "-j", "1", "-q"]
    subprocess.run(command, check=True, timeout=300)
    lines = output.with_name("out.csv.journal").read_text(encoding="utf-8").splitlines()[1:]
    assert [json.loads(line)["file"] for line in lines] == ["c.wav", "d.wav", "b.wav", "a.wav"]
    with output.open(encoding="utf-8", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["a.wav", "b.wav", "c.wav", "d.wav"]


# A dead worker among files that take next to no time.


def note_a_try(path: Path) -> str:
    with path.with_suffix(".tries").open("a") as file:
        file.write(f"{os.getpid()}\n")
    if path.stem.startswith("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def tries(paths: list[Path]) -> Counter[str]:
    notes = {path.name: path.with_suffix(".tries") for path in paths}
    return Counter({name: note.read_text().count("\n") for name, note in notes.items() if note.exists()})


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.long), 2])
def test_a_worker_that_dies_among_tiny_files_costs_the_file_it_was_at(tmp_path: Path, jobs: int) -> None:
    paths = [tmp_path / f"{'kill' if i in (50, 51, 99) else 'tiny'}-{i}.wav" for i in range(150)]
    told = [(paths[index], result) for index, result in batch.run(note_a_try, paths, jobs=jobs)]
    assert sorted(path for path, _ in told) == sorted(paths)
    lost = [path.name for path, result in told if isinstance(result, Lost)]
    assert sorted(lost) == ["kill-50.wav", "kill-51.wav", "kill-99.wav"]
    assert all(result == path.name for path, result in told if path.name not in lost)
    assert tries(paths) == {path.name: 2 if path.name in lost else 1 for path in paths}


def test_workers_that_something_kills_among_tiny_files_cost_at_most_one_more_try_each(tmp_path: Path) -> None:
    paths = [tmp_path / f"tiny-{i}.wav" for i in range(400)]
    told, killed = [], 0
    for index, result in batch.run(note_a_try, paths, jobs=2):
        told.append((index, result))
        if len(told) % 100 == 50:
            os.kill(int(paths[index].with_suffix(".tries").read_text().split()[-1]), signal.SIGKILL)
            killed += 1
    assert sorted(told) == [(index, path.name) for index, path in enumerate(paths)]
    assert killed == 4
    assert sum(tries(paths).values()) <= len(paths) + killed


# What the parent holds.


def with_journal(paths: list[Path], journal: Path) -> Iterator[int]:
    """The files that this process has open, after each that is done and kept."""
    with Journal(journal, ("status",), overwrite=True) as rows:
        for index, _ in batch.run(name_of, paths, jobs=2):
            rows.append(paths[index].name, Origin(None, ""), [{"status": "ok"}])
            yield len(os.listdir("/proc/self/fd"))  # noqa: PTH208


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux tells which files are open")
def test_the_parent_s_open_files_do_not_grow_with_the_number_of_files(tmp_path: Path) -> None:
    few, many = (
        max(with_journal([tmp_path / f"{i}.wav" for i in range(n)], tmp_path / "journal")) for n in (40, 800)
    )
    assert many <= few + 2  # of a worker that is just starting


def look_only(path: Path, setup: Setup) -> tuple[str | None, Result]:
    del setup
    return fingerprint(path), Result("failed", Evidence(), error="nobody asked what is in it")


def be_ready(setup: Setup, first: bool) -> None:
    del setup, first


def test_the_parent_holds_some_hundred_bytes_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prediction, "_predict_one", look_only)
    monkeypatch.setattr(prediction, "_start", be_ready)
    place, bundle = open_bundle()
    setup = make_setup(place, bundle, ["voice"])
    schema = tables.columns(bundle.classes)
    peaks = {}
    for n in (200, 1200):
        (tmp_path / f"{n}").mkdir()
        write_sizes(tmp_path / f"{n}", [100] * n)
        tracemalloc.start()
        try:
            found = inputs.find([str(tmp_path / f"{n}")])
            with Journal(None, schema) as rows:
                plan = prediction.plan(found, bundle, setup, rows)
                prediction.predict(plan.todo, bundle, setup, rows, jobs=2)
                tables.write(tmp_path / "out.csv", rows.rows(item.name for item in found), schema)
            peaks[n] = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    a_file = (peaks[1200] - peaks[200]) / 1000
    assert a_file < 1500, f"{a_file:.0f} bytes"
    assert (tmp_path / "out.csv").read_text().count("\n") == 1201
