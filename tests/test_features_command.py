"""`mercli features` as it is typed: the tables, what is said beside them, and how it ends."""

import csv
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from terminal import as_in_a_terminal

import mercli
from mercli.cli import app
from mercli.measurement import LEVELS
from mercli.sample import write_audio
from mercli.voice.sets import DEFAULT

ALONE = [sys.executable, "-m", "mercli", "features"]
FAULTS = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "faults"), os.environ.get("PYTHONPATH", "")]),
}
FIRST = {
    "short": ["file", "start_s", "end_s"],
    "mid": ["file", "start_s", "end_s"],
    "clip": ["file", "status", "error", "duration_s"],
}
MEASURED = ["=1+1.wav", "cut.wav", "talking.mp4", "voice.wav", "day 2/a, b.flac"]
LOST = {
    "broken.mp4": "not a media file that can be read",
    "mute.mp4": "the file has no sound",
    "silent.mp4": "the sound is silent",
}


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, str]]:
        return rows_of(self.out)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def alone(*arguments: object, **options: Any) -> Ran:
    """Run the command in a process of its own."""
    done = subprocess.run([*ALONE, *map(str, arguments)], capture_output=True, check=False, timeout=300, **options)
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def features(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """``features(argument, ...)`` runs the command in this process."""

    def run(*arguments: object) -> Ran:
        with pytest.raises(SystemExit) as ended:
            app(["features", *map(str, arguments)])
        out, err = capsys.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, out, err)

    return run


Features = Callable[..., Ran]


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory,
    talking_video: Path,
    silent_video: Path,
    mute_video: Path,
    sound_only: Path,
    speak: Callable[..., NDArray[np.float32]],
) -> Path:
    """Files with a voice, one of them cut short, and files without."""
    folder = tmp_path_factory.mktemp("features") / "my files"
    (folder / "day 2").mkdir(parents=True)
    for path in (talking_video, silent_video, mute_video, sound_only):
        shutil.copy(path, folder / path.name)
    shutil.copy(sound_only, folder / "=1+1.wav")
    write_audio(folder / "day 2" / "a, b.flac", speak(12.3, seed=2))
    (folder / "cut.wav").write_bytes(sound_only.read_bytes()[:20_000])
    (folder / "broken.mp4").write_text("no video")
    (folder / "notes.txt").write_text("no media")
    return folder


@pytest.fixture(scope="module")
def tables(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Ran]]:
    """A table of each level and format, the CSV ones by one worker, the others by two."""
    place = tmp_path_factory.mktemp("tables")
    made = {}
    for level in LEVELS:
        for ending, jobs in ((".csv", 1), (".parquet", 2)):
            output = place / f"{level}{ending}"
            arguments = [str(folder), "-o", str(output), "--level", level, "--set", "original-34", "-j", str(jobs)]
            out, err = io.StringIO(), io.StringIO()
            with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
                app(["features", *arguments])
            made[output.name] = (output, Ran(ended.value.code, out.getvalue(), err.getvalue()))
    assert sorted(path.name for path in place.iterdir()) == sorted(made)
    return made


def read(tables: dict[str, tuple[Path, Ran]], name: str) -> Any:
    """A table in Arrow's terms, whatever its format."""
    path, _ = tables[name]
    if path.suffix == ".parquet":
        return pq.read_table(path)
    rows = rows_of(path.read_text(encoding="utf-8"))
    schema = pq.read_schema(path.with_suffix(".parquet"))
    typed = {"string": str, "double": float, "float": lambda text: float(np.float32(text))}
    return pa.Table.from_pylist(
        [{f.name: typed[str(f.type)](row[f.name]) if row[f.name] else None for f in schema} for row in rows],
        schema,
    )


# The tables


@pytest.mark.parametrize("level", LEVELS)
def test_every_file_with_a_voice_has_the_rows_that_its_features_have(
    tables: dict[str, tuple[Path, Ran]], folder: Path, level: str
) -> None:
    table = read(tables, f"{level}.parquet")
    for name in MEASURED:
        expected = mercli.features(folder / name, set="original-34", level=level)
        shown = f"./{name}" if name[0] == "=" else name
        rows = table.filter(pa.compute.equal(table["file"], shown))
        assert rows.column_names == [*FIRST[level], *expected.names]
        values = np.stack([rows[column].to_numpy() for column in expected.names], axis=1)
        assert values.dtype == np.float32
        assert np.array_equal(values, expected.values)
        if level != "clip":
            times = np.stack([rows["start_s"].to_numpy(), rows["end_s"].to_numpy()], axis=1)
            assert np.array_equal(times, expected.times_s)


@pytest.mark.parametrize("level", LEVELS)
def test_csv_and_parquet_hold_the_same_to_the_last_bit(tables: dict[str, tuple[Path, Ran]], level: str) -> None:
    assert read(tables, f"{level}.csv").equals(read(tables, f"{level}.parquet"))


@pytest.mark.parametrize(("ending", "jobs"), [(".csv", 2), (".parquet", 1)])
def test_the_table_has_the_same_bytes_for_any_number_of_jobs(
    features: Features, tables: dict[str, tuple[Path, Ran]], folder: Path, tmp_path: Path, ending: str, jobs: int
) -> None:
    output = tmp_path / f"again{ending}"
    features(folder, "-o", output, "--level", "short", "--set", "original-34", "-j", jobs)
    assert output.read_bytes() == tables[f"short{ending}"][0].read_bytes()


def test_rows_stand_in_the_order_of_the_files_and_of_time(tables: dict[str, tuple[Path, Ran]]) -> None:
    rows = read(tables, "short.parquet").to_pylist()
    order = [f"./{name}" if name[0] == "=" else name for name in MEASURED]
    places = [(order.index(row["file"]), row["start_s"]) for row in rows]
    assert places == sorted(places)
    assert len(set(places)) == len(rows) > 300


def test_numbers_in_csv_are_as_short_as_they_can_be(tables: dict[str, tuple[Path, Ran]]) -> None:
    text = tables["short.csv"][0].read_bytes()
    assert b"\r" not in text
    assert text.endswith(b"\n")
    line = text.splitlines()[1].decode().split(",")
    assert line[:3] == ["./=1+1.wav", "0", "0.05"]
    assert max(map(len, line[3:])) <= len("-1.2345678e-12")
    assert text.count(b'"a, b.flac",') == 0
    assert text.count(b'"day 2/a, b.flac",') == 246


def test_at_clip_level_every_file_has_a_row_and_a_missing_value_is_empty(
    tables: dict[str, tuple[Path, Ran]],
) -> None:
    rows = {row["file"]: row for row in rows_of(tables["clip.csv"][0].read_text(encoding="utf-8"))}
    assert len(rows) == len(MEASURED) + len(LOST)
    for name, reason in LOST.items():
        row = rows[name]
        assert row["status"] == "failed"
        assert row["error"].startswith(reason)
        assert {column for column, cell in row.items() if cell} <= {"file", "status", "error", "duration_s"}
        assert row["duration_s"] == ("" if name == "broken.mp4" else "1.2")
    assert (rows["voice.wav"]["status"], rows["voice.wav"]["error"]) == ("ok", "")
    assert rows["day 2/a, b.flac"]["duration_s"] == "12.3"
    assert rows["cut.wav"]["status"] == "partial"
    assert rows["cut.wav"]["error"].startswith("the file ends early")
    assert rows["cut.wav"]["zcr_mean"] != ""


def test_at_the_other_levels_files_without_a_voice_have_no_rows_and_are_named(
    tables: dict[str, tuple[Path, Ran]],
) -> None:
    for level in ("short", "mid"):
        names = set(read(tables, f"{level}.csv")["file"].to_pylist())
        assert names.isdisjoint(LOST)
        assert len(names) == len(MEASURED)
        said = tables[f"{level}.csv"][1].err
        for name, reason in LOST.items():
            assert f"no features: {name}: {reason}" in said
        assert "measured as far as it can be read: cut.wav: the file ends early" in said


def test_files_without_features_make_it_end_with_1(tables: dict[str, tuple[Path, Ran]]) -> None:
    for output, ran in tables.values():
        assert (ran.code, ran.out) == (1, "")
        assert f"8 files: 4 ok, 1 partial, 3 failed; wrote {output}" in ran.err
        assert "Traceback" not in ran.err
    assert "8/8" in tables["clip.csv"][1].err
    assert "x real time" in tables["clip.csv"][1].err


def test_without_an_output_the_table_and_nothing_else_is_on_stdout(
    tables: dict[str, tuple[Path, Ran]], folder: Path
) -> None:
    ran = alone("my files", "--set", "original-34", cwd=folder.parent)
    assert ran.out.encode() == tables["clip.csv"][0].read_bytes()
    assert ran.err.count("no features: ") == 3


def test_a_run_where_all_is_well_ends_with_0_and_quiet_says_nothing(
    features: Features, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    output.write_text("")  # an empty file costs nobody anything
    assert features(folder / "voice.wav", "-q", "-o", output, "-j", 1) == (0, "", "")
    assert list(tmp_path.iterdir()) == [output]
    assert rows_of(output.read_text())[0]["file"] == str(folder / "voice.wav")


def test_the_set_is_the_default_one_unless_another_is_named(features: Features, sound_only: Path) -> None:
    ran = features(sound_only, "-q")
    assert tuple(ran.rows[0])[4:] == mercli.features(sound_only, set=DEFAULT).names
    help_ = " ".join(features("--help").out.replace("│", " ").split())
    assert f"The feature set. [default: ({DEFAULT})]" in help_


# What makes no sense


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["absent"], "no such file or folder: absent"),
        (["empty"], "no video or sound file in empty"),
        (["here", "--set", "mine"], "no feature set 'mine'; there is "),
        (["here", "--set", ""], "no feature set ''; there is "),
        (["here", "--level", "long"], "no level 'long'; there are short, mid, clip"),
        (["here", "-o", "out.jsonl"], "cannot tell the format of out.jsonl: end its name in .csv or .parquet"),
        (["here", "-o", "absent/out.csv"], "cannot write absent/out.csv"),
        (["here", "-o", "folder.csv"], "cannot write folder.csv: it is a folder"),
        (["here", "-o", "mine.csv"], "mine.csv is no table that `mercli features` wrote"),
        (["here", "-o", "mine.parquet"], "mine.parquet is no table that `mercli features` wrote"),
        (["take.csv", "-o", "take.csv"], "take.csv is no table that `mercli features` wrote"),
        (["empty.csv", "-o", "empty.csv"], "empty.csv is to be written, and is one of the files to read"),
        (["here", "--max-memory", "much"], "'much' is not an amount of memory"),
        (["here", "--timeout", "inf"], "--timeout inf is no number of seconds"),
    ],
)
def test_what_makes_no_sense_gets_one_sentence_and_2(
    features: Features,
    sound_only: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    sentence: str,
) -> None:
    for name in ("here", "empty", "folder.csv"):
        (tmp_path / name).mkdir()
    shutil.copy(sound_only, tmp_path / "here" / "a.wav")
    shutil.copy(sound_only, tmp_path / "take.csv")
    (tmp_path / "empty.csv").touch()
    for name in ("mine.csv", "mine.parquet"):
        (tmp_path / name).write_text("file,start_s,end_s,label\na.wav,0,1,happy\n")
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    ran = features(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"mercli: {sentence}")
    assert ran.err.count("\n") == 1
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_table_of_features_of_any_level_is_replaced_even_in_the_folder_that_is_read(
    features: Features, tables: dict[str, tuple[Path, Ran]], sound_only: Path, tmp_path: Path
) -> None:
    shutil.copy(sound_only, tmp_path / "a.wav")
    for ending in (".csv", ".parquet"):
        output = Path(shutil.copy(tables[f"mid{ending}"][0], tmp_path / f"table{ending}"))
        assert features(tmp_path, "-o", output, "-q").code == 0
    assert [row["file"] for row in rows_of((tmp_path / "table.csv").read_text())] == ["a.wav"]
    assert pq.read_table(tmp_path / "table.parquet")["file"].to_pylist() == ["a.wav"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.wav", "table.csv", "table.parquet"]


# Trouble


def test_a_worker_that_dies_or_takes_too_long_costs_its_file(sound_only: Path, tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    for name in ("a", "hang-b", "kill-c", "d"):
        shutil.copy(sound_only, tmp_path / "v" / f"{name}.wav")
    ran = alone("v", "--timeout", "6", "-j", "2", cwd=tmp_path, env=FAULTS)
    rows = {row["file"]: row for row in ran.rows}
    assert ran.code == 1
    assert list(rows) == ["a.wav", "d.wav", "hang-b.wav", "kill-c.wav"]
    assert [row["status"] for row in rows.values()] == ["ok", "ok", "timeout", "crashed"]
    assert rows["hang-b.wav"]["error"] == "it took longer than --timeout 6 s"
    assert set(list(rows["kill-c.wav"].values())[3:]) == {""}
    assert rows["a.wav"]["duration_s"] == "1.2"


def test_a_file_that_is_too_long_is_refused(features: Features, folder: Path) -> None:
    ran = features(folder / "day 2", "--level", "short", "--max-duration", "3")
    assert (ran.code, ran.rows) == (1, [])
    assert ran.out.startswith("file,start_s,end_s,")
    assert "no features: a, b.flac: it lasts 12.3 s, over --max-duration 3" in ran.err


def test_a_reader_that_leaves_early_gets_no_traceback(folder: Path) -> None:
    with subprocess.Popen(
        [*ALONE, str(folder), "--level", "short"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 1
    assert "mercli: the output was closed before all of it was written" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("ending", [pytest.param(".csv", marks=pytest.mark.long), ".parquet"])
def test_a_table_that_finds_no_room_ends_the_run_with_a_sentence_and_leaves_nothing(
    speak: Callable[..., NDArray[np.float32]], tmp_path: Path, ending: str
) -> None:
    resource = pytest.importorskip("resource")
    for i in range(4):
        write_audio(tmp_path / f"{i}.flac", speak(12.0, seed=i))
    before = sorted(tmp_path.iterdir())

    def little_room() -> None:  # for one file's part there is enough
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    out, options = tmp_path / f"out{ending}", ("--level", "short", "--set", "original-34")
    ran = alone(tmp_path, "-o", out, *options, preexec_fn=little_room)
    assert ran.code == 1
    assert ran.err.endswith(f"mercli: no room for the table in {tmp_path} (File too large)\n")
    assert "Traceback" not in ran.err
    assert "ignored" not in ran.err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Ctrl-C is another thing there")
@pytest.mark.parametrize("which", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.long)])
def test_a_request_to_end_leaves_no_table_and_no_process(sound_only: Path, tmp_path: Path, which: str) -> None:
    (tmp_path / "v").mkdir()
    (tmp_path / "out").mkdir()
    for i in range(1500):
        (tmp_path / "v" / f"{i:04}.wav").symlink_to(shutil.copy(sound_only, tmp_path / f"{i}.bin"))
    output = tmp_path / "out" / "out.csv"
    with subprocess.Popen(
        [*ALONE, str(tmp_path / "v"), "-o", str(output), "--level", "short", "-j", "2"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=as_in_a_terminal,  # noqa: PLW1509
    ) as process:
        try:
            end = time.monotonic() + 60
            while not any(
                path.stat().st_size > 20_000 for path in (tmp_path / "out").glob(".out.csv.*.part/table.csv")
            ):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.02)
            workers = psutil.Process(process.pid).children(recursive=True)
            os.killpg(process.pid, getattr(signal, which))
            time.sleep(0.05)
            process.send_signal(getattr(signal, which))  # and once more, by an impatient user
            _, said = process.communicate(timeout=30)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 130
    assert said.endswith("mercli: interrupted; nothing was written\n")
    assert "Traceback" not in said
    assert list((tmp_path / "out").iterdir()) == []
    assert workers
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert alive == []
