"""Files as cameras and broken-off downloads leave them: what is there is read, what is lacking is said."""

import os
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mercli.errors import MediaError
from mercli.media import Clip, Frame, Sound
from mercli.sample import write_audio, write_video

Samples = NDArray[np.float32]
Picture = NDArray[np.uint8]
Speak = Callable[..., Samples]


class Seen:
    """All that one pass over a file gives."""

    def __init__(self, path: Path) -> None:
        pieces: list[Sound | Frame] = []
        with Clip(path) as clip:
            pieces.extend(clip)
        self.frames = [piece for piece in pieces if isinstance(piece, Frame)]
        self.times_s = np.array([frame.time_s for frame in self.frames])
        self.sound_s = sum(len(piece.samples) for piece in pieces if isinstance(piece, Sound)) / 16000
        self.duration_s, self.damage = clip.duration_s, clip.damage


def grey(level: int, size: tuple[int, int] = (160, 120)) -> Picture:
    return np.full(size[::-1], level, np.uint8)


def write_at(path: Path, times_s: list[float], sound: Samples, sound_from_s: float = 0.0) -> Path:
    """Write a picture at each of these times, and sound from another."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=1000)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream("aac", rate=16000, layout="mono")
        for time_s in times_s:
            picture = av.VideoFrame.from_ndarray(grey(int(20 * time_s) % 256), format="gray")
            picture.pts, picture.time_base = round(1000 * time_s), Fraction(1, 1000)
            container.mux(video.encode(picture))
        container.mux(video.encode())
        frame = av.AudioFrame.from_ndarray(sound[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base = 16000, Fraction(1, 16000)
        frame.pts = round(16000 * sound_from_s)
        container.mux(audio.encode(frame))
        container.mux(audio.encode())
    return path


def change(path: Path, edit: Callable[[bytearray], object]) -> Path:
    data = bytearray(path.read_bytes())
    edit(data)
    path.write_bytes(data)
    return path


def cut(path: Path, share: float) -> Path:
    return change(path, lambda data: data.__delitem__(slice(int(share * len(data)), None)))


# Clocks


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_that_starts_late_is_sound_without_a_gap_before_it(
    tmp_path: Path, speak: Speak, suffix: str
) -> None:
    times_s = [i / 10 for i in range(50)]
    seen = Seen(write_at(tmp_path / f"a{suffix}", times_s, speak(3.0), sound_from_s=2.0))
    assert seen.sound_s == pytest.approx(3.0, abs=0.15)
    assert seen.times_s == pytest.approx(times_s, abs=0.07)
    assert (seen.duration_s, seen.damage) == (pytest.approx(5.0, abs=0.15), None)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_frames_at_uneven_times_have_their_own(tmp_path: Path, speak: Speak, suffix: str) -> None:
    rng = np.random.default_rng(0)
    first_s = np.cumsum(rng.uniform(0.01, 0.2, 30)).round(3).tolist()
    last_s = (first_s[-1] + 10 + np.cumsum(rng.uniform(0.01, 0.2, 30)).round(3)).tolist()  # nothing moves for 10 s
    seen = Seen(write_at(tmp_path / f"a{suffix}", [0.0, *first_s, *last_s], speak(1.0)))
    written_s = np.array([0.0, *first_s, *last_s])
    for frame in seen.frames:
        assert np.abs(written_s - frame.time_s).min() < 0.002
        assert frame.luma.mean() == pytest.approx(min(20 * frame.time_s, 255) % 256, abs=4) or frame.time_s > 12
    assert np.diff(seen.times_s).max() == pytest.approx(last_s[0] - first_s[-1], abs=0.3)
    assert len(seen.frames) >= 0.6 * 10 * (first_s[-1] + last_s[-1] - last_s[0])
    assert seen.damage is None
    assert seen.duration_s == pytest.approx(last_s[-1], abs=0.3)


@pytest.mark.parametrize(("suffix", "codec"), [(".ts", "libx264"), (".mpeg", "mpeg1video"), (".mjpeg", "mjpeg")])
def test_a_picture_that_changes_its_size_midway_is_seen_before_and_after(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    sizes = ((160, 120), (320, 240), (176, 144))
    parts = [
        write_video(tmp_path / f"{w}{suffix}", [grey(90, (w, h))] * 50, codec=codec, pix_fmt=pix_fmt).read_bytes()
        for w, h in sizes
    ]
    (tmp_path / f"a{suffix}").write_bytes(b"".join(parts))
    seen = Seen(tmp_path / f"a{suffix}")
    shapes = [frame.luma.shape for frame in seen.frames]
    assert [shapes.count((h, w)) > 10 for w, h in sizes] == [True] * 3
    assert all(abs(frame.luma.mean() - 90) < 4 for frame in seen.frames)
    assert seen.damage is None


# Words


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".mp3"])
def test_a_title_that_is_not_utf_8_is_no_hindrance(tmp_path: Path, speak: Speak, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    codec = "libmp3lame" if suffix in (".avi", ".mp3") else "aac"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Cafe au lait QQQQ"
        stream = container.add_stream(codec, rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(speak(1.0)[np.newaxis], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 16000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert b"QQQQ" in path.read_bytes()
    change(path, lambda data: data.__setitem__(slice(None), data.replace(b"QQQQ", b"caf\xe9")))
    seen = Seen(path)
    assert seen.sound_s == pytest.approx(1.0, abs=0.15)
    assert seen.damage is None


# Ends


def set_wav_sizes(data: bytearray, *, riff: int | None = None, samples: int | None = None) -> None:
    place = data.index(b"data") + 4
    if riff is not None:
        struct.pack_into("<I", data, 4, riff)
    if samples is not None:
        struct.pack_into("<I", data, place, samples)


@pytest.mark.parametrize("name", ["a.wav", "a.mov"])  # read by libsndfile, and by FFmpeg
@pytest.mark.parametrize(
    "sizes",
    [{"samples": 0}, {"samples": 0, "riff": 0}, {"samples": 10**6}, {"samples": 2**32 - 1, "riff": 2**32 - 1}],
)
def test_a_wav_file_whose_sizes_were_never_written_is_read_whole(
    tmp_path: Path, speak: Speak, sizes: dict[str, int], name: str
) -> None:
    path = write_audio(tmp_path / "whole.wav", speak(3.0)).rename(tmp_path / name)
    seen = Seen(change(path, lambda data: set_wav_sizes(data, **sizes)))
    assert seen.sound_s == pytest.approx(3.0, abs=0.01)
    assert (seen.duration_s, seen.damage) == (pytest.approx(3.0, abs=0.01), None)


def test_a_wav_file_without_a_sample_has_none(tmp_path: Path, speak: Speak) -> None:
    path = write_audio(tmp_path / "a.wav", speak(1.0))

    def empty(data: bytearray) -> None:
        del data[data.index(b"data") + 8 :]
        set_wav_sizes(data, riff=len(data) - 8, samples=0)

    seen = Seen(change(path, empty))
    assert (seen.sound_s, seen.damage) == (0.0, None)


@pytest.mark.parametrize("share", [0.3, 0.501, 0.9])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_a_sound_file_cut_short_is_read_so_far_and_called_damaged(
    tmp_path: Path, speak: Speak, suffix: str, share: float
) -> None:
    path = tmp_path / f"a{suffix}"
    if suffix == ".mp3":
        write_video(path, None, samples=speak(12.0), audio_codec="libmp3lame")
    else:
        write_audio(path, speak(12.0))
    assert Seen(path).damage is None
    seen = Seen(cut(path, share))
    assert seen.sound_s == pytest.approx(12 * share, abs=2.0)
    assert seen.duration_s == pytest.approx(seen.sound_s, abs=0.3)
    assert seen.damage is not None
    assert f"{seen.sound_s:.1f} s were read" in seen.damage


def test_an_ogg_file_that_is_cut_between_two_pages_is_called_damaged(tmp_path: Path, speak: Speak) -> None:
    path = write_audio(tmp_path / "a.ogg", speak(12.0))
    seen = Seen(change(path, lambda data: data.__delitem__(slice(data.rindex(b"OggS"), None))))
    assert 5 < seen.sound_s < 12
    assert seen.damage == f"the file ends early: {seen.sound_s:.1f} s were read"


def test_a_flac_file_that_counts_no_samples_is_read_whole(tmp_path: Path, speak: Speak) -> None:
    def forget(data: bytearray) -> None:
        data[21] &= 0xF0  # the 36 bits of STREAMINFO that count the samples
        data[22:26] = bytes(4)

    seen = Seen(change(write_audio(tmp_path / "a.flac", speak(3.0)), forget))
    assert (seen.sound_s, seen.damage) == (pytest.approx(3.0, abs=0.01), None)
    assert seen.duration_s == pytest.approx(3.0, abs=0.01)


def test_damage_in_many_packets_is_said_once_and_counted(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 120, 160), np.uint8)
    path = write_video(tmp_path / "a.avi", noise, codec="mjpeg", pix_fmt="yuvj420p")

    def spoil(data: bytearray) -> None:
        place = -1
        while (place := data.find(b"\xff\xd8\xff", place + 1)) >= 0:
            data[place : place + 700] = bytes(700)

    damage = Seen(change(path, spoil)).damage
    assert damage is not None
    assert "cannot be decoded" in damage
    assert "(and 99 more)" in damage
    assert len(damage) < 200


# Places


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"^is a folder that cannot be read$"):
        Clip(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="nothing is kept from this user")
def test_a_folder_that_may_not_be_looked_into_is_said_to_be_one(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o000)
    with pytest.raises(MediaError, match=r"^is a folder that cannot be read \(Permission denied\)$"):
        Clip(folder)
