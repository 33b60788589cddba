"""`mercli annotate` and `mercli plot` as they are typed: what they write, refuse and say."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mercli.annotation.drawing import COLOURS
from mercli.cli import app
from mercli.emotions import FER2013
from mercli.evidence import Evidence
from mercli.plotting import chart, in_steps, step_s
from mercli.plotting import write as write_plot
from mercli.result import Result, Timeline
from mercli.sample import write_video
from mercli.setup import make_setup, open_bundle
from mercli.viewing import view

FAULTS = {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "faults"), *sys.path])}


class Ran(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    err: str


def mercli(*words: object) -> Ran:
    done = CliRunner().invoke(app, [str(word) for word in words], prog_name="mercli")
    return Ran(done.exit_code, done.stderr)


def frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def turned(path: Path, clockwise_deg: int) -> Path:
    """Write into the track header how a player is to turn the picture."""
    data = bytearray(path.read_bytes())
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[clockwise_deg]
    # The matrix a b u, c d v, x y w of the track header: ISO 14496-12, 8.3.2.
    start = data.index(b"tkhd") + 4 + 40
    matrix = [v << 16 for v in (cos, sin, 0, -sin, cos, 0, 0, 0)] + [1 << 30]
    data[start : start + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in matrix)
    path.write_bytes(data)
    return path


def near(picture: np.ndarray, emotion: str) -> np.ndarray:
    """Where a picture has about the colour of an emotion: a coder changes it a little."""
    return np.abs(picture.astype(int) - COLOURS[emotion]).max(axis=2) < 40


@pytest.fixture(scope="module")
def annotated(talking_video: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    output = tmp_path_factory.mktemp("annotated") / "out.mp4"
    return output, mercli("annotate", talking_video, "-o", output)


# annotate


def test_a_video_is_written_with_all_its_frames(annotated: tuple[Path, Ran], talking_video: Path) -> None:
    output, ran = annotated
    assert ran.code == 0, ran.err
    assert re.search(r"^\w+ 0\.\d\d; wrote .*out\.mp4, 30 frames$", ran.err, re.M)
    before, after = frames(talking_video), frames(output)
    assert len(after) == len(before) == 30
    assert after[0].shape[1] == 320
    assert after[0].shape[0] > 240
    assert list(output.parent.iterdir()) == [output]


def test_the_box_is_where_the_face_was_found(annotated: tuple[Path, Ran], talking_video: Path) -> None:
    output, ran = annotated
    emotion = re.search(r"^(\w+) 0\.\d\d; wrote", ran.err, re.M)[1]
    seen = view(talking_video, make_setup(*open_bundle(), None, timeline=True))
    assert FER2013[int(np.argmax(seen.result.fused))] == emotion
    for i in (0, 13, 29):
        x, y, width, height = seen.face.at(i / 25)
        second = FER2013[int(np.argmax(seen.result.timeline.fused[int(i / 25)]))]
        picture = frames(output)[i][:240]
        for column in (round(x), round(x + width)):
            edge = near(picture[round(y) : round(y + height), column - 2 : column + 3], second)
            assert edge.any(axis=1).mean() > 0.8
        inside = slice(round(y) + 8, round(y + height) - 8), slice(round(x) + 8, round(x + width) - 8)
        before = frames(talking_video)[i]
        assert np.abs(picture[inside].astype(int) - before[inside]).mean() < 8


@pytest.mark.parametrize(
    ("aspect", "turn"),
    [
        *((Fraction(1), turn) for turn in (0, 90, 180, 270)),
        *((aspect, 90) for aspect in (Fraction(2), Fraction(1, 2))),
        *(
            pytest.param(aspect, turn, marks=pytest.mark.long)
            for aspect in (Fraction(2), Fraction(1, 2))
            for turn in (0, 180, 270)
        ),
    ],
)
def test_the_box_is_at_the_face_however_the_picture_is_stored(
    draw_frames, tmp_path: Path, turn: int, aspect: Fraction
) -> None:
    path = tmp_path / "in.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        drawn = [np.rot90(cv2.resize(frame, (640, 480)), turn // 90) for frame in draw_frames(5, drift_px=0)]
        height, width = drawn[0].shape[:2]
        video.width, video.height, video.pix_fmt = int(width / aspect), height, "yuv444p"
        video.codec_context.sample_aspect_ratio = aspect
        for frame in drawn:
            stored = cv2.resize(np.ascontiguousarray(frame), (video.width, video.height))
            form = "gray" if stored.ndim == 2 else "rgb24"
            container.mux(video.encode(av.VideoFrame.from_ndarray(stored, format=form)))
        container.mux(video.encode())
    ran = mercli("annotate", turned(path, turn), "-o", tmp_path / "a.mp4", "--modalities", "face", "-q")
    assert ran == (0, "")
    with av.open(str(tmp_path / "a.mp4")) as container:
        aspect = container.streams.video[0].sample_aspect_ratio
        shown = frames(tmp_path / "a.mp4")[0]
    # As a player shows it: 320 pixels wide, the face 125 high about (160, 110).
    wide = cv2.resize(shown, (int(shown.shape[1] * aspect), shown.shape[0]), interpolation=cv2.INTER_NEAREST)
    scale = 320 / wide.shape[1]
    picture = wide[: round(240 / scale)]
    found = np.zeros(picture.shape[:2], bool)
    for name in FER2013[:6]:
        found |= near(picture, name)
    # The edges of the box: rows and columns that have its colour along much of their length.
    columns = np.flatnonzero(found.sum(axis=0) * scale > 60) * scale
    rows = np.flatnonzero(found.sum(axis=1) * scale > 60) * scale
    assert (columns.min() + columns.max()) / 2 == pytest.approx(160, abs=12)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(110, abs=20)
    assert columns.max() - columns.min() == pytest.approx(rows.max() - rows.min(), abs=8)


def test_the_strip_says_what_predict_says(annotated: tuple[Path, Ran], talking_video: Path) -> None:
    output, _ = annotated
    strip = frames(output)[10][240:]
    said = view(talking_video, make_setup(*open_bundle(), None, timeline=True)).result.timeline.fused[0]
    amount = {name: near(strip, name).sum() for name in ("happy", "sad", "surprise", "fear")}
    best = max(amount, key=lambda name: said[FER2013.index(name)])
    assert max(amount, key=amount.get) == best


@pytest.mark.parametrize("fixture", ["mute_video", "faceless_video"])
def test_of_what_is_missing_there_is_a_note(request, tmp_path: Path, fixture: str) -> None:
    ran = mercli("annotate", request.getfixturevalue(fixture), "-o", tmp_path / "a.mkv")
    missing = "the file has no sound" if fixture == "mute_video" else "no face in any frame"
    assert ran.code == 0
    assert f"note: {missing}" in ran.err
    assert len(frames(tmp_path / "a.mkv")) == 30


def test_a_file_that_gives_no_answer_is_not_written(blank_video: Path, tmp_path: Path) -> None:
    ran = mercli("annotate", blank_video, "-o", tmp_path / "a.mp4")
    assert ran.code == 1
    assert "nothing can be said of it: the file has no sound; no face in any frame" in ran.err
    assert list(tmp_path.iterdir()) == []


def test_a_sound_file_is_for_plot(sound_only: Path, tmp_path: Path) -> None:
    ran = mercli("annotate", sound_only, "-o", tmp_path / "a.mp4")
    assert ran.code == 1
    assert "the file has no picture; `mercli plot`" in ran.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("command", "name"), [("annotate", "a.mp4"), ("plot", "a.png")])
def test_what_exists_is_replaced_only_when_asked(
    talking_video: Path, tmp_path: Path, command: str, name: str
) -> None:
    output = tmp_path / name
    output.write_text("mine")
    ran = mercli(command, talking_video, "-o", output, "--modalities", "face")
    assert (ran.code, output.read_text()) == (2, "mine")
    assert "exists; give it another name, or --overwrite" in ran.err
    assert mercli(command, talking_video, "-o", output, "--modalities", "face", "--overwrite", "-q") == (0, "")
    assert output.read_bytes() != b"mine"


@pytest.mark.parametrize("command", ["annotate", "plot"])
@pytest.mark.parametrize("link", [False, True])
def test_the_input_is_never_the_output(talking_video: Path, tmp_path: Path, command: str, link: bool) -> None:
    path = Path(shutil.copy(talking_video, tmp_path / ("a.mp4" if command == "annotate" else "a.png")))
    output = path
    if link:
        output = path.with_name(f"link{path.suffix}")
        output.symlink_to(path)
    before = path.read_bytes()
    ran = mercli(command, path, "-o", output, "--overwrite")
    assert ran.code == 2
    assert "is a file to read too" in ran.err
    assert path.read_bytes() == before


@pytest.mark.parametrize(("command", "endings"), [("annotate", ".mp4, .mkv"), ("plot", ".png or .svg")])
def test_another_ending_is_refused_before_anything_is_read(tmp_path: Path, command: str, endings: str) -> None:
    ran = mercli(command, "absent.mp4", "-o", tmp_path / "a.txt")
    assert ran.code == 2
    assert f"end its name in {endings}" in ran.err


@pytest.mark.parametrize(("command", "name"), [("annotate", "a.mp4"), ("plot", "a.png")])
def test_what_is_not_there_is_said_before_anything_starts(tmp_path: Path, command: str, name: str) -> None:
    for path, said in ((tmp_path / "in.mp4", "in.mp4 is not there"), (tmp_path, "is no file")):
        ran = mercli(command, path, "-o", tmp_path / name)
        assert ran.code == 2
        assert said in ran.err


@pytest.mark.parametrize(("command", "name"), [("annotate", "a.mp4"), ("plot", "a.png")])
@pytest.mark.parametrize("content", [b"", b"no media"])
def test_what_is_no_media_is_a_sentence(tmp_path: Path, command: str, name: str, content: bytes) -> None:
    path = tmp_path / "in.mp4"
    path.write_bytes(content)
    ran = mercli(command, path, "-o", tmp_path / name)
    assert ran.code == 1
    assert "in.mp4: " in ran.err
    assert "unforeseen" not in ran.err
    assert not (tmp_path / name).exists()


def test_a_file_that_is_cut_is_written_as_far_as_it_goes(draw_frames, speak, tmp_path: Path) -> None:
    path = write_video(tmp_path / "cut.mkv", draw_frames(60), samples=speak(2.4))
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    ran = mercli("annotate", path, "-o", tmp_path / "a.mp4")
    assert ran.code == 0
    assert "note: the file ends early" in ran.err
    assert 0 < len(frames(tmp_path / "a.mp4")) < 60


@pytest.mark.parametrize(
    ("command", "name"), [("annotate", "a.mp4"), pytest.param("plot", "a.png", marks=pytest.mark.long)]
)
@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("segfault", "segmentation fault"),
        pytest.param("kill", "killed", marks=pytest.mark.long),
        pytest.param("hang", "longer than --timeout 3 s", marks=pytest.mark.long),
    ],
)
def test_a_decoder_that_dies_or_hangs_is_a_sentence(
    talking_video: Path, tmp_path: Path, command: str, name: str, fault: str, said: str
) -> None:
    path = Path(shutil.copy(talking_video, tmp_path / f"{fault}-1.mp4"))
    timeout = "3" if fault == "hang" else "60"
    done = subprocess.run(
        [sys.executable, "-m", "mercli", command, str(path), "-o", str(tmp_path / name), "--timeout", timeout],
        capture_output=True,
        text=True,
        check=False,
        env=FAULTS,
    )
    assert done.returncode == 1
    assert f"mercli: {path}: " in done.stderr
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.long
def test_interrupted_it_leaves_nothing(draw_frames: Callable[..., list[np.ndarray]], tmp_path: Path) -> None:
    path = write_video(tmp_path / "in.mp4", draw_frames(400))
    command = [sys.executable, "-m", "mercli", "annotate", str(path), "-o", str(tmp_path / "a.mp4")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob(".a.mp4.*.part")) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; nothing was written" in said
    assert list(tmp_path.iterdir()) == [path]


# plot


def seconds(n: int, *, seed: int = 0, face: bool = True) -> Result:
    """A result of so many seconds."""
    rng = np.random.default_rng(seed)
    voice, seen = rng.dirichlet(np.ones(7), (2, n))
    seen[n // 3 : n // 2 + 1] = np.nan
    if not face:
        seen[:] = np.nan
    fused = np.where(np.isnan(seen), voice, (voice + seen) / 2)
    starts_s = np.arange(n, dtype=float)
    timeline = Timeline(starts_s, starts_s + 1, fused, voice, seen)
    error = None if face else "no face in any frame"
    return Result("ok", Evidence(), fused[0], voice[0], seen[0] if face else None, error, timeline=timeline)


@pytest.mark.parametrize("dark", [False, True])
def test_a_plot_is_drawn_of_a_video_and_of_a_sound(
    talking_video: Path, sound_only: Path, tmp_path: Path, dark: bool
) -> None:
    for path in (talking_video, sound_only):
        output = tmp_path / f"{path.stem}.png"
        ran = mercli("plot", path, "-o", output, *(["--dark"] if dark else []))
        assert ran.code == 0, ran.err
        with Image.open(output) as picture:
            assert (sum(picture.convert("RGB").getpixel((2, 2))) < 150) is dark
            assert picture.width >= 840


def test_a_plot_may_be_svg(talking_video: Path, tmp_path: Path) -> None:
    assert mercli("plot", talking_video, "-o", tmp_path / "a.SVG").code == 0
    assert (tmp_path / "a.SVG").read_text().startswith("<svg")


def test_a_plot_has_the_name_the_answer_and_what_is_missing() -> None:
    spec = chart("clip.mp4", seconds(5, face=False), FER2013)
    assert spec["title"]["text"] == "clip.mp4"
    answer, missing = spec["title"]["subtitle"]
    assert re.fullmatch(r"whole clip: \w+ \d+%, decided by the voice", answer)
    assert missing == "no face in any frame"
    assert {value["of"] for value in spec["data"]["values"]} == {"voice"}


def test_a_second_of_which_nothing_was_said_is_a_gap() -> None:
    values = chart("a", seconds(9), FER2013)["data"]["values"]
    assert {value["start_s"] for value in values if value["of"] == "face"} == {0, 1, 2, 5, 6, 7, 8}
    assert {value["start_s"] for value in values if value["of"] == "both"} == set(range(9))


@pytest.mark.parametrize("n", [1, 40, 400, 401, 3600, 86_400])
def test_an_hour_is_as_wide_as_a_few_minutes_and_its_columns_are_seen(n: int) -> None:
    spec = chart("a", seconds(n), FER2013)
    assert 400 <= spec["spec"]["width"] <= 1200
    columns = {value["start_s"] for value in spec["data"]["values"]}
    assert len(columns) <= 400
    assert spec["spec"]["width"] / len(columns) >= 3
    assert 1 <= len(spec["spec"]["encoding"]["x"]["axis"]["values"]) <= 20
    assert ("each column is the mean of" in " ".join(spec["title"]["subtitle"])) is (n > 400)


def test_a_column_is_the_mean_of_the_seconds_of_which_something_was_said() -> None:
    said = seconds(47).timeline
    assert said is not None
    steps = in_steps(said, 10)
    assert steps.starts_s.tolist() == [0, 10, 20, 30, 40]
    assert steps.ends_s.tolist() == [10, 20, 30, 40, 47]
    for of in ("fused", "voice", "face"):
        for i, part in enumerate(np.split(getattr(said, of), [10, 20, 30, 40])):
            there = part[~np.isnan(part).any(axis=1)]
            expected = there.mean(axis=0) if len(there) else np.full(7, np.nan)
            assert getattr(steps, of)[i] == pytest.approx(expected, nan_ok=True)
    assert step_s(47) == 1


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "a & b \"c\" 'd'",
        "line\nbreak\x1b[31m",
        "caf\udce9.mp4",
        "{datum.of}",
        "x" * 5000,
    ],
)
@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_hostile_name_is_only_text(tmp_path: Path, name: str, suffix: str) -> None:
    output = tmp_path / f"a{suffix}"
    write_plot(output, name, seconds(5), FER2013)
    if suffix == ".svg":
        drawn = output.read_text(encoding="utf-8")
        assert "<script" not in drawn
        assert "\x1b" not in drawn
    else:
        with Image.open(output) as picture:
            assert picture.width < 3500
