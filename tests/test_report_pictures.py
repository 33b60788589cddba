"""Thumbnails of faces: taken from the videos when they are asked for, and only then."""

import base64
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

from mercli import tables
from mercli.cli import app
from mercli.emotions import FER2013
from mercli.report import pictures
from mercli.report.results import Results, read_results
from mercli.sample import write_video

ALT = re.compile(
    r'<img src="data:image/jpeg;base64,([^"]+)" alt="Face in ([^"]+)" width="96" height="96" loading="lazy">'
)


class Made(NamedTuple):
    """Videos and the table that predict made of them."""

    videos: Path
    table: Path


@pytest.fixture(scope="module")
def predicted(
    tmp_path_factory: pytest.TempPathFactory, talking_video: Path, mute_video: Path, faceless_video: Path
) -> Made:
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "videos" / "day 2").mkdir(parents=True)
    for name, path in {
        "talking.mp4": talking_video,
        "day 2/mute.mp4": mute_video,
        "faceless.mp4": faceless_video,
    }.items():
        shutil.copy(path, folder / "videos" / name)
    arguments = [str(folder / "videos"), "-o", str(folder / "out.csv"), "--modalities", "face", "-j", "1", "-q"]
    with pytest.raises(SystemExit):
        app(["predict", *arguments])
    return Made(folder / "videos", folder / "out.csv")


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str], predicted: Made, tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """``report(argument, ...)`` gives the page and what is said on stderr."""

    def run(*arguments: object) -> tuple[str, str]:
        page = tmp_path / "out.html"
        with pytest.raises(SystemExit) as ended:
            app(["report", str(predicted.table), "-o", str(page), "-j", "1", *map(str, arguments)])
        assert not ended.value.code, capsys.readouterr().err
        return page.read_text(encoding="utf-8"), capsys.readouterr().err

    return run


def test_no_picture_is_in_a_page_unless_asked_for(report: Callable[..., tuple[str, str]]) -> None:
    page, _ = report()
    assert "<img" not in page
    assert "data:image" not in page
    assert "This page contains pictures of faces" not in page


def test_each_face_has_a_small_picture_with_a_text_and_the_page_says_so(
    report: Callable[..., tuple[str, str]], predicted: Made
) -> None:
    page, said = report("--thumbnails", predicted.videos)
    found = {name: data for data, name in ALT.findall(page)}
    assert set(found) == {"talking.mp4", "day 2/mute.mp4"}
    for data in found.values():
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_UNCHANGED)
        assert picture.shape == (96, 96)
        assert picture.std() > 20  # a drawn face, and no empty wall
    assert "This page contains pictures of faces" in page
    assert "2 pictures of faces; wrote" in said


def test_the_picture_shows_the_face(predicted: Made) -> None:
    seen = pictures.look(predicted.videos / "talking.mp4", pictures.Setup(96))
    (face,) = seen.faces.values()
    cascade = cv2.CascadeClassifier(f"{cv2.data.haarcascades}haarcascade_frontalface_default.xml")
    found = cascade.detectMultiScale(cv2.imdecode(np.frombuffer(face, np.uint8), cv2.IMREAD_GRAYSCALE), 1.05, 3)
    assert any(x < 48 < x + width and y < 48 < y + height and width > 40 for x, y, width, height in found)


def test_a_file_that_is_missing_changed_or_broken_costs_its_picture_only(
    predicted: Made, tmp_path: Path, draw_frames: Callable[..., list[np.ndarray]]
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    original = predicted.videos / "talking.mp4"
    for name in ("whole.mp4", "twin.mp4"):
        shutil.copy(original, videos / name)
    (videos / "broken.mp4").write_bytes(b"no video")
    (videos / "empty.mp4").touch()
    write_video(videos / "longer.mp4", draw_frames(75))
    row = next(row for row in read_results(predicted.table).rows if row["file"] == "talking.mp4")
    names = ["whole.mp4", "gone.mp4", "broken.mp4", "empty.mp4", "longer.mp4", "twin.mp4"]
    results = Results("out.csv", FER2013, [{**row, "file": name} for name in names])
    found = pictures.take(results, [str(videos)], jobs=1)
    assert {name for name, _ in found.found} == {"whole.mp4", "twin.mp4"}
    reasons = dict(found.missing)
    assert reasons.pop("the file is not there") == 1
    assert reasons.pop("the file has another duration than in the table") == 1
    assert sorted(reasons.values()) == [1, 1]
    assert all(why.startswith("the file cannot be read: ") for why in reasons)


def test_of_several_faces_each_row_has_the_picture_of_its_own(predicted: Made) -> None:
    seen = pictures.Seen({0: b"first", 4: b"other"}, 1.2)
    row = read_results(predicted.table).files[0]
    assert pictures._choose({**row, "face": 4, "duration_s": 1.2}, seen, is_alone=False) == b"other"
    assert (
        pictures._choose({**row, "face": 7, "duration_s": 1.2}, seen, is_alone=False)
        == "the face was not found again"
    )
    assert pictures._choose({**row, "face": 7, "duration_s": 1.2}, seen, is_alone=True) == b"first"


def test_a_file_over_a_limit_has_no_picture(report: Callable[..., tuple[str, str]], predicted: Made) -> None:
    page, _ = report("--thumbnails", predicted.videos, "--max-pixels", "10000")
    assert "<img" not in page
    assert "over --max-pixels 10000" in page


def test_many_pictures_are_small(predicted: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "_SIZES_PX", ((0, 96), (10, 64)))
    found = pictures.take(read_results(predicted.table), [str(predicted.videos)], jobs=1)
    (data, *_) = found.found.values()
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(data.partition(",")[2]), np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture.shape == (found.size_px, found.size_px) == (64, 64)


def test_a_folder_that_is_not_there_is_said_before_any_work(predicted: Made, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        app(
            [
                "report",
                str(predicted.table),
                "-o",
                str(tmp_path / "out.html"),
                "--thumbnails",
                str(tmp_path / "no"),
            ]
        )
    assert ended.value.code == 2
    assert "no such file or folder" in capsys.readouterr().err
    assert tables.is_table(predicted.table, tables.columns(()))
