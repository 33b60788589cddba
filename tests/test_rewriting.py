"""A video written again: every frame at its time, its sound, upright, in its colours."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mercli.annotation.recording import Clock, Ground
from mercli.annotation.rewriting import FORMATS, Rewritten, rewrite
from mercli.errors import MediaError
from mercli.media import Clip, Frame
from mercli.sample import write_video

Picture = NDArray[np.uint8]
Sent = list[tuple[float, bytes]]


class Plain:
    """Draws nothing: an even frame around the picture."""

    def __init__(self, ground: Ground) -> None:
        self.shape = (ground.height + ground.height % 2, ground.width + ground.width % 2)
        self.times_s: list[float] = []

    def draw(self, picture: Picture, time_s: float) -> Picture:
        self.times_s.append(time_s)
        height, width = picture.shape[:2]
        return np.pad(picture, ((0, self.shape[0] - height), (0, self.shape[1] - width), (0, 0)), "edge")


def rewritten(path: Path, suffix: str = ".mp4", **options: int) -> tuple[Path, Rewritten]:
    """Write a file again under a name that says nothing of its format, as a file is that is not whole yet."""
    part = path.with_name(f"{path.name}{suffix}.part")
    return part, rewrite(path, part, FORMATS[suffix], Plain, **options)


def pictures(path: Path) -> tuple[list[float], list[Picture]]:
    """Times since the file begins, and pictures, upright."""
    with av.open(str(path)) as container:
        begin_s = (container.start_time or 0) / av.time_base
        frames = [
            (frame.time - begin_s, np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90)))
            for frame in container.decode(video=0)
            if frame.time is not None
        ]
    return [time_s for time_s, _ in frames], [picture for _, picture in frames]


def sound_packets(path: Path) -> Sent:
    with av.open(str(path)) as container:
        begin_s = (container.start_time or 0) / av.time_base
        return [
            (float(packet.pts * packet.time_base) - begin_s, bytes(packet))
            for packet in container.demux(audio=0)
            if packet.size
        ]


def samples(path: Path) -> tuple[float, NDArray[np.float32]]:
    """When the sound begins, and the sound."""
    with Clip(path, picture=False) as clip:
        blocks = [piece.samples for piece in clip if not isinstance(piece, Frame)]
    with av.open(str(path)) as container:
        first = next(frame for frame in container.decode(audio=0))
        return first.time - (container.start_time or 0) / av.time_base, np.concatenate(blocks)


def lag_s(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """By how much a sound comes later in another."""
    n = 1 << (len(one) + len(other)).bit_length()
    across = np.fft.irfft(np.fft.rfft(other, n) * np.conj(np.fft.rfft(one, n)), n)
    at = int(np.argmax(across))
    return (at if at < n / 2 else at - n) / 16000


def write_at(path: Path, times_s: list[float], sound: NDArray[np.float32], sound_from_s: float = 0.0) -> Path:
    """Write pictures at any times, and sound that begins at another."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=1000)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = container.add_stream("aac", rate=16000, layout="mono")
        for i, time_s in enumerate(times_s):
            frame = av.VideoFrame.from_ndarray(np.full((120, 160), 10 * i % 256, np.uint8), format="gray")
            frame.pts, frame.time_base = round(1000 * time_s), Fraction(1, 1000)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        block = av.AudioFrame.from_ndarray(sound[np.newaxis], format="fltp", layout="mono")
        block.sample_rate, block.time_base = 16000, Fraction(1, 16000)
        block.pts = round(16000 * sound_from_s)
        container.mux(audio.encode(block))
        container.mux(audio.encode())
    return path


# Times


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_every_frame_is_there_at_its_time(mute_video: Path, tmp_path: Path, suffix: str) -> None:
    path = shutil.copy(mute_video, tmp_path)
    output, said = rewritten(Path(path), suffix)
    assert said.n_frames == 30
    assert pictures(output)[0] == pytest.approx(pictures(mute_video)[0], abs=0.00051)


def test_where_there_is_no_encoder_of_h264_it_is_mpeg_4(mute_video: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.part"
    rewrite(mute_video, output, replace(FORMATS[".mp4"], pictures=("mpeg4",)), Plain)
    with av.open(str(output)) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert pictures(output)[0] == pytest.approx(pictures(mute_video)[0], abs=1e-4)


def test_where_there_is_no_encoder_at_all_that_is_said(mute_video: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no encoder for it \\(none or no\\)"):
        rewrite(mute_video, tmp_path / "a.part", replace(FORMATS[".mp4"], pictures=("none", "no")), Plain)


def test_frames_that_come_at_any_times_keep_them(
    tmp_path: Path, speak: Callable[..., NDArray[np.float32]]
) -> None:
    rng = np.random.default_rng(0)
    times_s = np.cumsum(rng.uniform(0.01, 0.4, 30)).round(3).tolist()
    path = write_at(tmp_path / "a.mp4", times_s, speak(4.0))
    output, _ = rewritten(path)
    assert pictures(output)[0] == pictures(path)[0] == pytest.approx(times_s)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(("first_s", "sound_from_s"), [(0.0, 1.0), (1.0, 0.0), (7.0, 7.5)])
def test_what_begins_later_begins_later(
    tmp_path: Path,
    speak: Callable[..., NDArray[np.float32]],
    suffix: str,
    first_s: float,
    sound_from_s: float,
) -> None:
    path = write_at(tmp_path / f"a{suffix}", [first_s + i / 10 for i in range(20)], speak(2.0), sound_from_s)
    output, _ = rewritten(path)
    (begin_s, before), (new_begin_s, after) = samples(path), samples(output)
    # Where a file states what its coder put before the sound, and the other cannot, that is heard, too.
    later_s = new_begin_s + lag_s(before, after) - begin_s
    assert pictures(output)[0][0] - pictures(path)[0][0] == pytest.approx(later_s, abs=0.002)


def test_a_stream_that_begins_at_an_hour_begins_at_nought(
    tmp_path: Path, speak: Callable[..., NDArray[np.float32]]
) -> None:
    path = write_at(tmp_path / "a.ts", [3600 + i / 10 for i in range(20)], speak(2.0), 3600.0)
    output, _ = rewritten(path)
    assert pictures(output)[0] == pytest.approx(pictures(path)[0], abs=1e-4)


@given(
    stated=st.lists(st.none() | st.integers(-(2**40), 2**40), max_size=50),
    start_s=st.integers(-1000, 1000),
    step=st.integers(0, 1000),
)
def test_whatever_a_file_states_time_goes_on(stated: list[int | None], start_s: int, step: int) -> None:
    clock = Clock(Fraction(start_s), Fraction(1, 1000))
    placed = [clock.place(at, step) for at in stated]
    assert all(after > before for before, after in pairwise(placed))
    assert all(after - before <= 3_600_000 + 1000 for before, after in pairwise(placed))


def test_a_file_whose_clock_is_set_back_goes_on(tmp_path: Path, mute_video: Path) -> None:
    path = tmp_path / "twice.ts"
    path.write_bytes(b"".join(rewritten_ts(mute_video, tmp_path) for _ in range(2)))
    output, said = rewritten(path)
    times_s = pictures(output)[0]
    assert said.n_frames == len(times_s) >= 58
    assert np.diff(times_s).min() > 0
    assert np.diff(times_s).max() < 0.5


def rewritten_ts(path: Path, folder: Path) -> bytes:
    _, frames = pictures(path)
    return write_video(folder / "one.ts", [np.ascontiguousarray(frame) for frame in frames]).read_bytes()


# Sound


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_sound_that_the_format_takes_is_copied_packet_by_packet(
    talking_video: Path, tmp_path: Path, suffix: str
) -> None:
    output, said = rewritten(Path(shutil.copy(talking_video, tmp_path)), suffix)
    before, after = sound_packets(talking_video), sound_packets(output)
    assert [data for _, data in after] == [data for _, data in before]
    assert said.transcoded == ()
    offset_s = pictures(output)[0][0] - pictures(talking_video)[0][0]  # Matroska has no times below nought
    assert [time_s - offset_s for time_s, _ in after] == pytest.approx(
        [time_s for time_s, _ in before], abs=0.0011
    )


@pytest.mark.parametrize(
    ("name", "codec", "suffix"),
    [
        ("a.mov", "pcm_s16le", ".mp4"),
        ("a.mkv", "flac", ".mp4"),
        ("a.mkv", "libopus", ".mp4"),
        ("a.mpg", "mp2", ".mkv"),
        ("a.mp4", "aac", ".webm"),
    ],
)
def test_other_sound_is_coded_anew_and_stays_in_time(
    draw_frames, speak, tmp_path: Path, name: str, codec: str, suffix: str
) -> None:
    picture = "mpeg2video" if name.endswith("mpg") else None
    path = write_video(tmp_path / name, draw_frames(50), samples=speak(2.0), codec=picture, audio_codec=codec)
    output, said = rewritten(path, suffix)
    (begin_s, before), (new_begin_s, after) = samples(path), samples(output)
    assert len(said.transcoded) == 1
    frame_s = 1024 / 16000
    assert len(after) / 16000 == pytest.approx(len(before) / 16000, abs=2 * frame_s)
    offset_s = pictures(output)[0][0] - pictures(path)[0][0]
    assert new_begin_s + lag_s(before, after) - offset_s == pytest.approx(begin_s, abs=0.005)


def test_sound_with_a_hole_is_in_time_after_it(tmp_path: Path, speak) -> None:
    path = tmp_path / "hole.mkv"
    sound = speak(1.0)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        audio = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        for i in range(40):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((120, 160), np.uint8), format="gray")))
            if i in (0, 30):
                block = av.AudioFrame.from_ndarray(
                    (sound[np.newaxis] * 32767).astype(np.int16), format="s16", layout="mono"
                )
                block.sample_rate, block.time_base, block.pts = 16000, Fraction(1, 16000), i * 1600
                container.mux(audio.encode(block))
        container.mux(video.encode())
    output, _ = rewritten(path)
    _, after = samples(output)
    assert np.abs(after[int(1.2 * 16000) : int(2.8 * 16000)]).max() < 0.01
    assert lag_s(sound, after[2 * 16000 :]) == pytest.approx(1.0, abs=0.005)


def test_a_video_without_sound_stays_without(mute_video: Path, tmp_path: Path) -> None:
    output, _ = rewritten(Path(shutil.copy(mute_video, tmp_path)))
    with av.open(str(output)) as container:
        assert not container.streams.audio


def test_every_sound_of_a_file_is_kept(tmp_path: Path, speak) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        sounds = [container.add_stream(codec, rate=16000, layout="mono") for codec in ("aac", "flac")]
        sounds[1].metadata["language"] = "fre"
        for _ in range(20):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((120, 160), np.uint8), format="gray")))
        container.mux(video.encode())
        for stream, form in zip(sounds, ("fltp", "s16"), strict=True):
            block = (speak(2.0)[np.newaxis] * (32767 if form == "s16" else 1)).astype(
                np.int16 if form == "s16" else np.float32
            )
            frame = av.AudioFrame.from_ndarray(block, format=form, layout="mono")
            frame.sample_rate, frame.time_base, frame.pts = 16000, Fraction(1, 16000), 0
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
    output, said = rewritten(path)
    with av.open(str(output)) as container:
        assert [stream.codec_context.codec.canonical_name for stream in container.streams.audio] == ["aac", "aac"]
        assert container.streams.audio[1].language == "fre"
    assert said.transcoded == ("flac",)


# Pictures


@pytest.mark.parametrize(("turn", "rotation"), [(0, 0), (90, 1), (180, 2), (270, 3)])
def test_a_turned_picture_is_written_upright(tmp_path: Path, turn: int, rotation: int) -> None:
    corner = np.full((120, 160, 3), 60, np.uint8)
    corner[:40, :50] = (200, 40, 40)
    path = turned(write_video(tmp_path / "a.mp4", [corner] * 5), turn)
    output, _ = rewritten(path)
    _, (shown, *_) = pictures(path)
    with av.open(str(output)) as container:
        frame = next(container.decode(video=0))
        assert frame.rotation == 0
        written = frame.to_ndarray(format="rgb24")
    assert written.shape == shown.shape == ((160, 120, 3) if rotation % 2 else (120, 160, 3))
    assert np.abs(written.astype(int) - shown).mean() < 3


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


@pytest.mark.parametrize("turn", [0, 90])
def test_pixels_that_are_not_square_stay_so(tmp_path: Path, turn: int) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 160, 120, "yuv420p"
        video.codec_context.sample_aspect_ratio = Fraction(16, 11)
        for _ in range(5):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((120, 160), np.uint8), format="gray")))
        container.mux(video.encode())
    output, _ = rewritten(turned(path, turn))
    with av.open(str(output)) as container:
        assert container.streams.video[0].sample_aspect_ratio == (Fraction(11, 16) if turn else Fraction(16, 11))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (317, 239)])
def test_odd_and_tiny_pictures_are_written(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(
        tmp_path / "a.mkv", [np.full((size[1], size[0], 3), 200, np.uint8)] * 5, codec="ffv1", pix_fmt="yuv444p"
    )
    output, said = rewritten(path)
    assert said.n_frames == len(pictures(output)[0]) == 5


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv420p10le", "yuv444p", "yuvj420p"])
@pytest.mark.parametrize("size", [(160, 120), (1280, 720)])
def test_colours_stay(tmp_path: Path, pix_fmt: str, size: tuple[int, int]) -> None:
    rows = np.array([(200, 40, 40), (40, 160, 60), (40, 60, 200), (250, 250, 250), (5, 5, 5)], np.uint8)
    picture = np.repeat(rows, size[1] // 5, axis=0)[:, np.newaxis].repeat(size[0], axis=1)
    path = write_video(tmp_path / "a.mp4", [picture] * 3, pix_fmt=pix_fmt)
    kept: list[Picture] = []

    class Keeping(Plain):
        def draw(self, picture: Picture, time_s: float) -> Picture:
            kept.append(picture.copy())
            return super().draw(picture, time_s)

    output = path.with_suffix(".part")
    rewrite(path, output, FORMATS[".mp4"], Keeping)
    read: list[Picture] = []

    class Reading(Plain):
        def draw(self, picture: Picture, time_s: float) -> Picture:
            read.append(picture.copy())
            return super().draw(picture, time_s)

    rewrite(output, path.with_suffix(".again"), FORMATS[".mp4"], Reading)
    assert np.abs(kept[1].astype(int) - read[1]).mean() < 4


# What cannot be read


def test_of_a_file_that_is_cut_what_can_be_read_is_written(talking_video: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.mkv"
    whole, _ = rewritten(Path(shutil.copy(talking_video, tmp_path)), ".mkv")
    path.write_bytes(whole.read_bytes()[: int(0.6 * whole.stat().st_size)])
    output, said = rewritten(path)
    assert 0 < said.n_frames == len(pictures(output)[0]) < 30


def test_what_is_damaged_is_said(talking_video: Path, tmp_path: Path) -> None:
    data = bytearray(talking_video.read_bytes())
    begin = data.index(b"mdat") + 4
    rng = np.random.default_rng(0)
    for at in rng.integers(begin + 3000, begin + len(data) // 2, 300):
        data[at] ^= 0xFF
    path = tmp_path / "damaged.mp4"
    path.write_bytes(data)
    output, said = rewritten(path)
    assert said.damage
    assert said.n_frames == len(pictures(output)[0]) > 0


def test_a_sound_file_is_refused_with_what_to_do_instead(sound_only: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="`mercli plot`"):
        rewritten(Path(shutil.copy(sound_only, tmp_path)))


def test_a_picture_over_the_limit_is_refused(mute_video: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="over --max-pixels 1000"):
        rewritten(Path(shutil.copy(mute_video, tmp_path)), max_pixels=1000)
