"""What mercli itself costs a file: files a second, and bytes of the parent, where the work on a file is none.

Tiny files are found, planned, given to real workers that only take their fingerprints, kept in a journal on disk
and written as a table. Beside it stands a loop of what cannot be left out: look at the file, read it, have the
disk confirm a line.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mercli import inputs, prediction, tables
from mercli.evidence import Evidence
from mercli.fingerprint import fingerprint
from mercli.journal import Journal
from mercli.result import Result
from mercli.setup import Setup, make_setup, open_bundle

COUNTS, TURNS, LEAST_RATE = (1_000, 10_000, 100_000), 3, 300
PROGRAM = "import sys, bench_bookkeeping; bench_bookkeeping.main(*sys.argv[1:])"

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much is held")


def look_only(path: Path, setup: Setup) -> tuple[str | None, Result]:
    del setup
    return fingerprint(path), Result("failed", Evidence(), error="nobody asked what is in it")


def be_ready(setup: Setup, first: bool) -> None:
    del setup, first


def main(folder: str, output: str, jobs: str) -> None:
    """Keep the books of a folder; print the seconds it took, those of the bare loop, and the peak in KiB."""
    prediction._predict_one, prediction._start = look_only, be_ready  # type: ignore[assignment]
    place, bundle = open_bundle()
    setup = make_setup(place, bundle, None)
    schema = tables.columns(bundle.classes)
    began = time.monotonic()
    found = inputs.find([folder])
    with Journal(Path(f"{output}.journal"), schema, overwrite=True) as rows:
        plan = prediction.plan(found, bundle, setup, rows)
        prediction.predict(plan.todo, bundle, setup, rows, jobs=int(jobs))
        tables.write(Path(output), rows.rows(item.name for item in found), schema)
    took_s = time.monotonic() - began
    line = Path(output).stat().st_size // len(found) * b"x"
    peak_kib = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    began = time.monotonic()
    with Path(f"{output}.bare").open("wb", buffering=0) as file:
        for item in found:
            item.path.stat()
            item.path.read_bytes()
            file.write(line)
            os.fsync(file.fileno())
    print(json.dumps([took_s, time.monotonic() - began, peak_kib]))


def keep_books(folder: Path) -> tuple[float, float, int]:
    command = [sys.executable, "-c", PROGRAM, str(folder), str(folder.with_suffix(".csv")), "2"]
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    ended = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, check=True, capture_output=True, text=True
    )
    took_s, bare_s, peak_kib = json.loads(ended.stdout)
    assert folder.with_suffix(".csv").read_text().count("\n") == 1 + int(folder.name)
    return took_s, bare_s, peak_kib


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    place = tmp_path_factory.mktemp("tiny")
    made = {count: place / f"{count}" for count in COUNTS}
    for count, folder in made.items():
        folder.mkdir()
        for i in range(count):
            (folder / f"{i:06}.wav").write_bytes(b"RIFF" + i.to_bytes(996, "little"))
    return made


def test_books_of_ten_thousand_files(benchmark, folders, capsys):
    turns = [keep_books(folders[10_000]) for _ in range(TURNS)]
    rate = statistics.median(10_000 / took for took, _, _ in turns)
    ratio = statistics.median(took / bare for took, bare, _ in turns)
    times = "; ".join(f"{took:.1f} s, bare {bare:.1f} s" for took, bare, _ in turns)
    said = f"10,000 tiny files: {rate:.0f} files/s, {ratio:.2f}x the time of the bare loop ({times})"
    benchmark.extra_info["bookkeeping"] = said
    with capsys.disabled():
        print(f"\n{said}, bar at least {LEAST_RATE} files/s: {'met' if rate >= LEAST_RATE else 'MISSED'}")
    benchmark.pedantic(keep_books, args=(folders[1_000],), rounds=1)


def test_memory_of_a_hundred_thousand_files(benchmark, folders, capsys):
    peaks = {count: keep_books(folder)[2] for count, folder in folders.items()}
    least, most = min(peaks), max(peaks)
    each = (peaks[most] - peaks[least]) * 1024 / (most - least)
    held = ", ".join(f"{peak / 1024:.0f} MB at {count:,}" for count, peak in peaks.items())
    said = f"the parent's peak: {held} files; {each:.0f} bytes a file"
    benchmark.extra_info["memory"] = said
    with capsys.disabled():
        print(f"\n{said}")
    benchmark.pedantic(keep_books, args=(folders[1_000],), rounds=1)
