"""`mercli predict` as it is typed: the table, what is said beside it, and how it ends."""

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest

from mercli.cli import app
from mercli.emotions import FER2013
from mercli.errors import UsageError
from mercli.registry import cache_folder
from mercli.sample import draw_portrait, write_video
from mercli.setup import open_bundle
from mercli.tables import columns, timeline_columns

SCHEMA, SECONDS = columns(FER2013), timeline_columns(FER2013)
ALONE = [sys.executable, "-m", "mercli", "predict"]


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.out, newline="")))


Predict = Callable[..., Ran]


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> Ran:
    with pytest.raises(SystemExit) as ended:
        app(["predict", *map(str, arguments)])
    out, err = capsys.readouterr()
    code = ended.value.code
    return Ran(code if isinstance(code, int) else 0, out, err)


@pytest.fixture
def predict(capsys: pytest.CaptureFixture[str]) -> Predict:
    """``predict(argument, ...)`` runs the command in this process."""
    return lambda *arguments: run(capsys, *arguments)


@pytest.fixture(scope="module")
def videos(
    tmp_path_factory: pytest.TempPathFactory,
    talking_video: Path,
    silent_video: Path,
    mute_video: Path,
    faceless_video: Path,
    sound_only: Path,
    blank_video: Path,
) -> Path:
    """A folder with one file of each kind, two of them equal in name, and one that is no media."""
    folder = tmp_path_factory.mktemp("predict") / "my videos"
    (folder / "day 2").mkdir(parents=True)
    for name, path in {
        "blank.mp4": blank_video,
        "faceless.mp4": faceless_video,
        "mute.mp4": mute_video,
        "silent.mp4": silent_video,
        "talking.mp4": talking_video,
        "day 2/talking.mp4": talking_video,
        "voice.wav": sound_only,
    }.items():
        shutil.copy(path, folder / name)
    (folder / "broken.mp4").write_text("no video")
    (folder / "notes.txt").write_text("no media")
    return folder


@pytest.fixture(scope="module")
def said(videos: Path) -> Ran:
    """What the command, run alone in a process, says of the folder."""
    done = subprocess.run(
        [*ALONE, "my videos", "-j", "1"],
        cwd=videos.parent,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture(scope="module")
def cells(said: Ran) -> dict[str, dict[str, str]]:
    return {row["file"]: row for row in said.rows}


def numbers(row: dict[str, str], prefix: str) -> list[float]:
    return [float(row[f"{prefix}{name}"]) for name in FER2013]


def is_empty(row: dict[str, str], prefix: str) -> bool:
    return all(row[f"{prefix}{name}"] == "" for name in FER2013)


# The table


def test_there_is_one_row_a_file_named_relative_to_the_folder_in_a_stable_order(said: Ran) -> None:
    assert [row["file"] for row in said.rows] == [
        *("blank.mp4", "broken.mp4", "faceless.mp4", "mute.mp4", "silent.mp4", "talking.mp4", "voice.wav"),
        "day 2/talking.mp4",
    ]


def test_the_columns_are_those_promised_in_their_order(said: Ran) -> None:
    assert said.out.partition("\n")[0].split(",") == list(SCHEMA)


def test_without_an_output_the_table_and_nothing_else_is_on_stdout(said: Ran) -> None:
    assert said.out.startswith("file,status,emotion,")
    assert len(said.rows) == 8
    assert all(None not in row and None not in row.values() for row in said.rows)
    assert "8 files: 2 ok, 4 partial, 2 failed" in said.err


def test_a_file_with_voice_and_face_is_ok_and_rests_on_both(cells: dict[str, dict[str, str]]) -> None:
    row = cells["talking.mp4"]
    assert (row["status"], row["error"], row["face_coverage"]) == ("ok", "", "1.0")
    assert row["face"] != ""
    assert row["decided_by"] in ("voice", "face", "both")
    for prefix, named in (("p_", "emotion"), ("voice_p_", "voice_emotion"), ("face_p_", "face_emotion")):
        assert sum(numbers(row, prefix)) == pytest.approx(1.0, abs=1e-5)
        assert row[named] == FER2013[numbers(row, prefix).index(max(numbers(row, prefix)))]
    assert float(row["confidence"]) == max(numbers(row, "p_"))
    assert float(row["duration_s"]) == pytest.approx(1.2, abs=0.05)
    assert 10 <= int(row["n_frames"]) == int(row["n_face_frames"]) <= 14


def test_equal_files_give_equal_rows(cells: dict[str, dict[str, str]]) -> None:
    one, other = dict(cells["talking.mp4"]), dict(cells["day 2/talking.mp4"])
    assert one.pop("file") != other.pop("file")
    assert one == other


@pytest.mark.parametrize(
    ("name", "missing"), [("mute.mp4", "the file has no sound"), ("silent.mp4", "the sound is silent")]
)
def test_a_file_without_sound_rests_on_the_face(cells: dict[str, dict[str, str]], name: str, missing: str) -> None:
    row = cells[name]
    assert (row["status"], row["error"], row["voice_emotion"]) == ("partial", missing, "")
    assert is_empty(row, "voice_p_")
    assert numbers(row, "p_") == numbers(row, "face_p_")
    assert row["emotion"] == row["face_emotion"] != ""
    assert row["decided_by"] == "face"


@pytest.mark.parametrize(
    ("name", "missing"), [("faceless.mp4", "no face in any frame"), ("voice.wav", "the file has no picture")]
)
def test_a_file_without_a_face_rests_on_the_voice(
    cells: dict[str, dict[str, str]], name: str, missing: str
) -> None:
    row = cells[name]
    assert (row["status"], row["error"], row["face_emotion"]) == ("partial", missing, "")
    assert is_empty(row, "face_p_")
    assert numbers(row, "p_") == numbers(row, "voice_p_")
    assert row["emotion"] == row["voice_emotion"] != ""
    assert (row["decided_by"], row["face"]) == ("voice", "")


def test_frames_are_counted_where_there_are_any_and_empty_where_not(cells: dict[str, dict[str, str]]) -> None:
    assert [cells["voice.wav"][name] for name in ("n_frames", "n_face_frames", "face_coverage")] == [""] * 3
    row = cells["faceless.mp4"]
    assert int(row["n_frames"]) > 9
    assert (row["n_face_frames"], row["face_coverage"]) == ("0", "0.0")


def test_a_file_with_neither_voice_nor_face_fails_with_a_reason_and_no_emotion(
    cells: dict[str, dict[str, str]],
) -> None:
    row = cells["blank.mp4"]
    assert row["status"] == "failed"
    assert row["error"] == "the file has no sound; no face in any frame"
    assert row["emotion"] == row["confidence"] == row["decided_by"] == row["face"] == ""
    assert is_empty(row, "p_")
    assert row["duration_s"] == "1.2"


def test_a_file_that_is_no_media_fails_with_a_reason_and_nothing_else(cells: dict[str, dict[str, str]]) -> None:
    row = cells["broken.mp4"]
    assert row["error"].startswith("not a media file that can be read")
    assert {name for name, cell in row.items() if cell} == {"file", "status", "error", "bundle"}


def test_every_row_names_the_bundle(said: Ran) -> None:
    assert {row["bundle"] for row in said.rows} == {open_bundle()[1].label}


def test_the_table_has_the_same_bytes_for_any_number_of_jobs(
    predict: Predict, videos: Path, said: Ran, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    assert predict(videos, "-o", output, "-j", 2).code == 1
    assert output.read_bytes() == said.out.encode()


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_the_other_formats_hold_the_same_values(
    predict: Predict, videos: Path, said: Ran, tmp_path: Path, ending: str
) -> None:
    output = tmp_path / f"out{ending}"
    predict(videos, "-o", output, "-j", 1)
    rows: list[dict[str, Any]]
    if ending == ".parquet":
        rows = pq.read_table(output).to_pylist()
    else:
        rows = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [list(row) for row in rows] == [list(SCHEMA)] * 8
    for row, cells in zip(rows, said.rows, strict=True):
        assert row == {name: SCHEMA[name](cell) if cell else None for name, cell in cells.items()}


@pytest.mark.parametrize(("wanted", "other"), [("voice", "face"), ("face", "voice")])
def test_one_modality_alone_is_whole_where_it_is_there(
    predict: Predict, videos: Path, cells: dict[str, dict[str, str]], wanted: str, other: str
) -> None:
    rows = {row["file"]: row for row in predict(videos, "--modalities", wanted, "-j", 1).rows}
    row = rows["talking.mp4"]
    assert (row["status"], row[f"{other}_emotion"]) == ("ok", "")
    assert is_empty(row, f"{other}_p_")
    assert numbers(row, "p_") == numbers(row, f"{wanted}_p_")
    assert numbers(row, f"{wanted}_p_") == numbers(cells["talking.mp4"], f"{wanted}_p_")
    assert row["n_frames"] == ("" if wanted == "voice" else cells["talking.mp4"]["n_frames"])
    alone = "voice.wav" if wanted == "voice" else "mute.mp4"
    assert (rows[alone]["status"], rows[alone]["error"]) == ("ok", "")
    lacking = "mute.mp4" if wanted == "voice" else "voice.wav"
    assert rows[lacking]["status"] == "failed"


@pytest.mark.parametrize("jobs", [1, 2])
def test_where_there_is_one_face_a_row_a_face_is_a_row_a_file(
    predict: Predict, videos: Path, said: Ran, jobs: int
) -> None:
    ran = predict(videos, "--faces", "all", "-j", jobs)
    assert (ran.code, ran.out) == (said.code, said.out)


def test_every_face_has_a_row_and_the_main_speaker_s_is_as_without_the_others(
    predict: Predict, speak: Any, tmp_path: Path
) -> None:
    near, far = (draw_portrait(240, 240, head_px=head_px, centre_px=(120, 120)) for head_px in (150, 110))
    write_video(tmp_path / "two.mp4", [np.hstack((near, far))] * 30, samples=speak(1.2))
    (alone,) = predict(tmp_path / "two.mp4", "--timeline", tmp_path / "main.csv").rows
    ran = predict(tmp_path / "two.mp4", "--faces", "all", "--timeline", tmp_path / "all.csv")
    main, other = ran.rows
    assert main == alone
    assert main["file"] == other["file"]
    assert main["status"] == other["status"] == "ok"
    assert main["face"] != other["face"] != ""
    assert (other["decided_by"], other["voice_emotion"], other["error"]) == ("face", "", "")
    assert numbers(other, "p_") == numbers(other, "face_p_")
    assert is_empty(other, "voice_p_")
    assert other["n_face_frames"] == other["n_frames"] == main["n_frames"]
    assert "1 file: 1 ok" in ran.err
    assert (tmp_path / "all.csv").read_bytes() == (tmp_path / "main.csv").read_bytes()


# The timeline


@pytest.fixture(scope="module")
def long_videos(tmp_path_factory: pytest.TempPathFactory, draw_frames: Any, speak: Any, videos: Path) -> Path:
    """A folder of longer clips: in one, voice and face come and go."""
    folder = tmp_path_factory.mktemp("timeline") / "v"
    folder.mkdir()
    samples = speak(4.4)
    samples[: 2 * 16000] = 0
    room = np.zeros((240, 320), np.uint8)
    frames = [*draw_frames(25), *[room] * 50, *draw_frames(35)]
    write_video(folder / "comes and goes.mp4", frames, samples=samples)
    for name in ("broken.mp4", "talking.mp4", "voice.wav"):
        shutil.copy(videos / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def over_time(long_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The timeline of the folder, written by the command alone in a process, without a table in a file."""
    path = tmp_path_factory.mktemp("timeline") / "over time.csv"
    command = [*ALONE, str(long_videos), "--timeline", str(path), "-j", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.endswith(f"wrote {path}\n")
    assert [row["file"] for row in Ran(1, done.stdout, "").rows] == sorted(
        entry.name for entry in long_videos.iterdir()
    )
    assert sorted(entry.name for entry in path.parent.iterdir()) == [path.name]
    return path


def seconds_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_timeline_has_a_row_a_second_of_each_file_that_could_be_read(over_time: Path) -> None:
    rows = seconds_of(over_time)
    assert list(rows[0]) == list(SECONDS)
    by_file: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        by_file.setdefault(row["file"], []).append((float(row["start_s"]), float(row["end_s"])))
    assert list(by_file) == ["comes and goes.mp4", "talking.mp4", "voice.wav"]
    for times, duration_s in zip(by_file.values(), (4.4, 1.2, 1.2), strict=True):
        assert [start for start, _ in times] == list(range(len(times)))
        assert [end for _, end in times[:-1]] == list(range(1, len(times)))
        assert times[-1][1] == pytest.approx(duration_s, abs=0.05)


def test_a_second_is_judged_by_what_is_there_in_it(over_time: Path) -> None:
    rows = [row for row in seconds_of(over_time) if row["file"] == "comes and goes.mp4"]
    there = [tuple(not is_empty(row, prefix) for prefix in ("p_", "voice_", "face_")) for row in rows]
    face, voice, nothing, both = (
        (True, False, True),
        (True, True, False),
        (False, False, False),
        (True, True, True),
    )
    assert there == [face, nothing, voice, both, both]
    for row, what in zip(rows, there, strict=True):
        for prefix, is_there in zip(("p_", "voice_", "face_"), what, strict=True):
            assert not is_there or sum(numbers(row, prefix)) == pytest.approx(1.0, abs=1e-5)
    assert numbers(rows[0], "p_") == numbers(rows[0], "face_")
    assert numbers(rows[2], "p_") == numbers(rows[2], "voice_")


def test_a_second_that_is_the_whole_clip_is_judged_as_the_clip_is(
    predict: Predict, speak: Any, draw_frames: Any, tmp_path: Path
) -> None:
    write_video(tmp_path / "a.mkv", draw_frames(24), samples=speak(0.96), audio_codec="pcm_s16le", codec="mpeg4")
    (row,) = predict(tmp_path / "a.mkv", "--timeline", tmp_path / "t.csv").rows
    (second,) = seconds_of(tmp_path / "t.csv")
    assert row["status"] == "ok"
    for of, prefix in (("p_", "p_"), ("voice_p_", "voice_"), ("face_p_", "face_")):
        assert numbers(row, of) == pytest.approx(numbers(second, prefix), abs=2e-6)


def test_a_timeline_has_the_same_bytes_for_any_number_of_jobs_and_changes_no_row(
    predict: Predict, long_videos: Path, over_time: Path, tmp_path: Path
) -> None:
    path = tmp_path / "t.csv"
    ran = predict(long_videos, "-o", tmp_path / "out.csv", "--timeline", path, "-j", 2)
    assert f"wrote {tmp_path / 'out.csv'} and {path}" in ran.err
    assert path.read_bytes() == over_time.read_bytes()
    assert (tmp_path / "out.csv").read_bytes() == predict(long_videos).out.encode()


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_the_other_formats_hold_the_same_seconds(
    predict: Predict, long_videos: Path, over_time: Path, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"t{ending}"
    predict(long_videos, "-q", "--timeline", path)
    if ending == ".parquet":
        rows = pq.read_table(path).to_pylist()
    else:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    expected = [
        {name: SECONDS[name](cell) if cell else None for name, cell in row.items()}
        for row in seconds_of(over_time)
    ]
    assert rows == expected


def test_a_run_that_goes_on_writes_the_timeline_of_what_was_done_too(
    predict: Predict, long_videos: Path, over_time: Path, tmp_path: Path
) -> None:
    output, path = tmp_path / "out.csv", tmp_path / "t.csv"
    run = (long_videos, "-o", output, "--timeline", path, "-j", 1)
    predict(*run)
    lines = (tmp_path / "out.csv.journal").read_bytes().splitlines(keepends=True)
    (tmp_path / "out.csv.journal").write_bytes(b"".join(lines[:3]))  # as if it had been killed after two files
    path.unlink()
    assert "continuing: 2 of 4 files done already" in predict(*run).err
    assert path.read_bytes() == over_time.read_bytes()
    assert "continuing: 4 of 4 files done already" in predict(*run).err
    assert path.read_bytes() == over_time.read_bytes()


def test_a_journal_without_the_timeline_or_the_faces_asked_for_is_done_anew(
    predict: Predict, talking_video: Path, tmp_path: Path
) -> None:
    run = (talking_video, "-o", tmp_path / "out.csv")
    predict(*run)
    for options in (("--timeline", tmp_path / "t.csv"), ("--faces", "all"), ("--faces", "main")):
        assert "0 new files, 1 changed or to be tried again" in predict(*run, *options).err
    assert len(seconds_of(tmp_path / "t.csv")) == 2
    assert "continuing: 1 of 1 file" in predict(*run).err


@pytest.mark.parametrize(
    "name",
    ["ratings.csv", *(pytest.param(f"ratings.{each}", marks=pytest.mark.long) for each in ("jsonl", "parquet"))],
)
def test_a_file_that_is_not_a_timeline_of_mercli_s_is_not_replaced(
    predict: Predict, sound_only: Path, tmp_path: Path, name: str
) -> None:
    mine = tmp_path / name
    predict(sound_only, "-o", mine)  # a table of mercli's is no timeline either
    before = mine.read_bytes()
    ran = predict(sound_only, "--timeline", mine)
    assert (ran.code, ran.out, mine.read_bytes()) == (2, "", before)
    assert "is not a timeline of mercli's" in ran.err
    assert predict(sound_only, "--timeline", mine, "--overwrite").code == 0
    assert mine.read_bytes() != before
    assert predict(sound_only, "--timeline", mine).code == 0


@pytest.mark.parametrize("kind", ["name", "way", "link", "hard link"])
def test_a_timeline_that_is_the_output_is_refused(
    predict: Predict, sound_only: Path, tmp_path: Path, kind: str
) -> None:
    output = tmp_path / "out.csv"
    predict(sound_only, "-o", output)
    before = output.read_bytes()
    other = tmp_path / "other.csv"
    (tmp_path / "sub").mkdir()
    match kind:
        case "name":
            other = output
        case "way":
            other = tmp_path / "sub" / ".." / "out.csv"
        case "link":
            other.symlink_to(output)
        case "hard link":
            other.hardlink_to(output)
    for options in ((), ("--overwrite",)):
        ran = predict(sound_only, "-o", output, "--timeline", other, *options)
        assert (ran.code, output.read_bytes()) == (2, before)
        assert "is the file of -o too" in ran.err


def test_a_timeline_that_is_the_journal_is_refused(predict: Predict, sound_only: Path, tmp_path: Path) -> None:
    output, link = tmp_path / "out.csv", tmp_path / "link.csv"
    link.symlink_to("out.csv.journal")
    for options in ((), ("--overwrite",)):
        ran = predict(sound_only, "-o", output, "--timeline", link, *options)
        assert ran.code == 2
        assert "is the journal of -o" in ran.err
        assert not output.exists()


def test_a_timeline_that_is_an_input_is_refused(predict: Predict, sound_only: Path, tmp_path: Path) -> None:
    recording = Path(shutil.copy(sound_only, tmp_path / "take.csv"))
    before = recording.read_bytes()
    ran = predict(recording, "--timeline", recording, "--overwrite")
    assert (ran.code, recording.read_bytes()) == (2, before)
    assert "is one of the files to read" in ran.err


def test_a_timeline_that_finds_no_place_in_the_end_is_written_by_the_next_run(
    predict: Predict, sound_only: Path, tmp_path: Path
) -> None:
    (tmp_path / "t").mkdir()
    run = (sound_only, "-o", tmp_path / "out.csv", "--timeline", tmp_path / "t" / "t.csv")
    replaced = "mercli.tables.replaced_file"
    with pytest.MonkeyPatch.context() as patch:

        def refuse(path: Path, option: str) -> None:
            raise UsageError(f"cannot write {path}: gone; choose another place with {option}")

        patch.setattr(replaced, refuse)
        ran = predict(*run)
    assert ran.code == 1
    assert "choose another place with --timeline; 1 of 1 file done and kept in" in ran.err
    assert list((tmp_path / "t").iterdir()) == []
    assert "continuing: 1 of 1 file" in predict(*run).err
    assert len(seconds_of(tmp_path / "t" / "t.csv")) == 2


# Files and names


def test_files_folders_and_patterns_may_be_mixed_and_each_file_is_read_once(
    predict: Predict, videos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(videos)
    ran = predict("voice.wav", "t*.mp4", "day 2", "./voice.wav", "talking.mp4", "-j", 1)
    assert [row["file"] for row in ran.rows] == ["voice.wav", "talking.mp4", "day 2/talking.mp4"]


def test_a_name_that_begins_with_a_dash_comes_after_two(
    predict: Predict, sound_only: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(sound_only, tmp_path / "-o.wav")
    monkeypatch.chdir(tmp_path)
    ran = predict("-j", 1, "--", "-o.wav")
    assert (ran.code, [row["file"] for row in ran.rows]) == (0, ["./-o.wav"])


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".parquet"])
def test_odd_names_go_through_to_the_table(
    predict: Predict, sound_only: Path, tmp_path: Path, ending: str
) -> None:
    names = ["ü 日本.wav", "two\nlines.wav", 'a,"b".wav', "=1+1.wav"]
    (tmp_path / "v").mkdir()
    for name in names:
        shutil.copy(sound_only, tmp_path / "v" / name)
    output = tmp_path / f"out{ending}"
    assert predict(tmp_path / "v", "-o", output, "--modalities", "voice", "-j", 1).code == 0
    if ending == ".parquet":
        written = pq.read_table(output)["file"].to_pylist()
    elif ending == ".jsonl":
        written = [json.loads(line)["file"] for line in output.read_text(encoding="utf-8").splitlines()]
    else:
        with output.open(encoding="utf-8", newline="") as file:
            written = [row["file"] for row in csv.DictReader(file)]
    # A spreadsheet would run the one that begins with a sign; with its folder in front it is still the same file.
    assert written == [f"./{name}" if name[0] == "=" else name for name in sorted(names)]


def test_names_that_are_no_text_do_not_cost_the_table(sound_only: Path, tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    try:
        shutil.copy(sound_only, os.fsencode(tmp_path / "v") + b"/caf\xe9.wav")
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    done = subprocess.run(
        [*map(os.fsencode, ALONE), b"v", b"v/caf\xe9.wav"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [row["file"] for row in Ran(0, done.stdout.decode(), "").rows] == [r"caf\xe9.wav"]
    done = subprocess.run([*map(os.fsencode, ALONE), b"\xff\xfe"], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"mercli: no such file or folder: ")


# What is said, and how it ends


def test_a_run_where_all_is_well_ends_with_0(predict: Predict, talking_video: Path, tmp_path: Path) -> None:
    ran = predict(talking_video, "-o", tmp_path / "out.csv")
    assert (ran.code, ran.out) == (0, "")
    assert "1 file: 1 ok; wrote" in ran.err
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out.csv", "out.csv.journal"]


def test_a_partial_answer_is_an_answer(predict: Predict, mute_video: Path) -> None:
    assert predict(mute_video).code == 0


def test_a_run_with_a_failed_file_ends_with_1(said: Ran, predict: Predict, videos: Path, tmp_path: Path) -> None:
    assert said.code == 1
    assert "Traceback" not in said.err
    ran = predict(videos / "broken.mp4", "-o", tmp_path / "out.csv")
    assert (ran.code, (tmp_path / "out.csv").exists()) == (1, True)


def test_quiet_says_nothing(predict: Predict, videos: Path, tmp_path: Path) -> None:
    ran = predict(videos, "-q", "-j", 1, "-o", tmp_path / "out.csv")
    assert (ran.code, ran.out, ran.err) == (1, "", "")
    ran = predict(videos / "voice.wav", "--quiet")
    assert (ran.code, len(ran.rows), ran.err) == (0, 1, "")


def test_the_progress_tells_files_failures_and_speed(said: Ran) -> None:
    assert "8/8" in said.err
    assert "2 failed" in said.err
    assert "x real time" in said.err


def test_an_old_table_is_replaced_by_the_new(predict: Predict, sound_only: Path, tmp_path: Path) -> None:
    (tmp_path / "out.csv").write_text("file,status,emotion,confidence\nold.wav,ok,sad,1.0\n")
    predict(sound_only, "-o", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().startswith("file,status")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["absent"], "no such file or folder: absent"),
        (["here", "absent/*.mp4"], "no such file or folder: absent/*.mp4"),
        (["empty"], "no video or sound file in empty"),
        (["here", "-o", "out.xlsx"], "cannot tell the format of out.xlsx"),
        (["here", "-o", "out"], "cannot tell the format of out"),
        (["here", "-o", "absent/out.csv"], "cannot write absent/out.csv"),
        (["here", "-o", "folder.csv"], "cannot write folder.csv: it is a folder"),
        (["here", "-o", "here/a.wav/out.csv"], "cannot write here/a.wav/out.csv"),
        (["here", "--modalities", "smell"], "no modality 'smell'; there are voice, face and words"),
        (["here", "--modalities", "voice,smell"], "no modality 'smell'"),
        (["here", "--modalities", ","], "no modality given"),
        (["here", "--face-detector", "retina"], "no face detector 'retina'"),
        (["here", "--face-detector", "here/a.wav"], "here/a.wav is not a YuNet face detector"),
        (["here", "--bundle", "absent"], "no bundle 'absent'"),
        (["here", "--bundle", "here"], "bundle here"),
        (["here", "--bundle", ""], "--bundle is empty"),
        (["here", "--bundle", "n" * 5000], "bundle nnn"),
        (["here", "--max-memory", "much"], "'much' is not an amount of memory"),
        (["here", "--max-duration", "inf"], "--max-duration inf is no number of seconds"),
        (["here", "--faces", "both"], "no --faces both; there are main and all"),
        (["here", "--faces", "all", "--modalities", "voice"], "--faces all is for the face"),
        (["here", "--timeline", "out.xlsx"], "cannot tell the format of out.xlsx"),
        (["here", "--timeline", "absent/t.csv"], "cannot write absent/t.csv"),
        (["here", "--timeline", "folder.csv"], "cannot write folder.csv: it is a folder; give --timeline"),
        (["here", "-o", "t.csv", "--timeline", "./t.csv"], "--timeline t.csv is the file of -o too"),
        (["here", "--timeout", "inf"], "--timeout inf is no number of seconds"),
    ],
)
def test_what_makes_no_sense_gets_one_sentence_and_2(
    predict: Predict,
    sound_only: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    sentence: str,
) -> None:
    for name in ("here", "empty", "folder.csv"):
        (tmp_path / name).mkdir()
    shutil.copy(sound_only, tmp_path / "here" / "a.wav")
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    ran = predict(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith(f"mercli: {sentence}")
    assert ran.err.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("arguments", [[], ["-j", "0", "."], ["-j", "two", "."], ["--no-such-option", "."]])
def test_options_that_do_not_exist_end_with_2_and_the_usage(predict: Predict, arguments: list[str]) -> None:
    ran = predict(*arguments)
    assert ran.code == 2
    assert "Usage:" in ran.out + ran.err
    assert "Traceback" not in ran.err


def test_bad_usage_shows_no_traceback_from_the_shell_either(tmp_path: Path) -> None:
    done = subprocess.run([*ALONE, "absent"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "mercli: no such file or folder: absent\n"


def test_a_reader_that_leaves_early_gets_no_traceback(videos: Path) -> None:
    with subprocess.Popen(
        [*ALONE, str(videos), "-j", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


def test_an_output_that_is_an_input_is_refused(predict: Predict, sound_only: Path, tmp_path: Path) -> None:
    recording = Path(shutil.copy(sound_only, tmp_path / "take.csv"))
    before = recording.read_bytes()
    assert predict(recording, "-o", recording).code == 2
    assert recording.read_bytes() == before


def test_nor_is_one_where_a_run_that_came_to_nothing_left_its_journal(
    predict: Predict, sound_only: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "ratings.csv"
    assert predict(sound_only, "-o", mine, "--backend", "dask").code == 2
    assert mine.with_name("ratings.csv.journal").exists()
    mine.write_text("file,my rating\na.mp4,5\n")
    assert predict(sound_only, "-o", mine).code == 2
    assert mine.read_text() == "file,my rating\na.mp4,5\n"


@pytest.mark.parametrize("name", ["ratings.csv", "ratings.jsonl", "ratings.parquet"])
def test_a_file_that_is_not_a_table_of_mercli_s_is_not_replaced(
    predict: Predict, sound_only: Path, tmp_path: Path, name: str
) -> None:
    mine = tmp_path / name
    mine.write_text("file,my rating\na.mp4,5\n")
    ran = predict(sound_only, "-o", mine)
    assert ran.code == 2
    assert "is not a table of mercli's" in ran.err
    assert mine.read_text() == "file,my rating\na.mp4,5\n"
    assert list(tmp_path.iterdir()) == [mine]
    assert predict(sound_only, "-o", mine, "--overwrite").code == 0
    (tmp_path / f"{name}.journal").unlink()
    assert predict(sound_only, "-o", mine).code == 0  # a table of its own it does replace


def test_the_first_files_without_an_answer_are_named(predict: Predict, tmp_path: Path) -> None:
    for i in range(7):
        (tmp_path / f"{i}.mp4").write_text("no video")
    ran = predict(tmp_path, "-j", 1)
    named = [line for line in ran.err.splitlines() if line.startswith("no answer: ")]
    assert len(named) == 6
    assert named[0].startswith("no answer: 0.mp4: not a media file")
    assert named[5] == "no answer: 2 more; the column error says why"


def test_nothing_is_reported_to_anyone(talking_video: Path, tmp_path: Path) -> None:
    # Where ONNX Runtime is left to itself, it keeps what it will report to its makers in the user's cache folder.
    home = {
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": "",
        "MERCLI_CACHE": str(tmp_path / "cache"),
        "NUMBA_CACHE_DIR": str(cache_folder() / "kernels"),  # what is compiled already need not be again
    }
    (tmp_path / "home").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ORT_")} | home
    subprocess.run([*ALONE, str(talking_video), "-q"], env=environment, check=True, capture_output=True)
    assert list((tmp_path / "home").rglob("*")) == []


# Ctrl-C

# The command, with word on stderr as soon as the first file is done: then the workers are at work.
WATCHED = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background of a shell it would be ignored
from mercli import progress
advance = progress.Display.advance
def tell(*args, **kwargs):
    advance(*args, **kwargs)
    print("one is done", file=sys.stderr, flush=True)
progress.Display.advance = tell
from mercli.cli import main
main()
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Ctrl-C is another thing there")
@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_without_an_output_ends_with_130(talking_video: Path, tmp_path: Path, jobs: int) -> None:
    (tmp_path / "v").mkdir()
    for i in range(150):
        (tmp_path / "v" / f"{i:03}.mp4").symlink_to(shutil.copy(talking_video, tmp_path / f"{i}.bin"))
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHED, "predict", str(tmp_path / "v"), "-j", str(jobs)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "one is done" in line:
                break
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
        out, err = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert (process.returncode, out) == (130, "")
    assert err.endswith("mercli: interrupted; nothing was kept. With -o FILE a run can be continued\n")
    assert "Traceback" not in err
    assert "Warning" not in err
