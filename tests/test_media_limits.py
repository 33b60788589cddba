"""What a file may ask for: so long, so large, and no more, whatever its header says."""

import struct
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from mercli.errors import MediaError
from mercli.face.detect import Haar
from mercli.media import Clip, Frame, Sound
from mercli.observer import Observer
from mercli.sample import write_audio, write_video
from mercli.setup import open_bundle

Picture = NDArray[np.uint8]

SMALL, LARGE = (320, 240), (640, 480)
BETWEEN = 200_000  # pixels: more than the small picture has and fewer than the large


def pictures(size: tuple[int, int], n: int = 20) -> list[Picture]:
    width, height = size
    ramp = np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))
    return [np.roll(ramp, 5 * i, axis=1) for i in range(n)]


def read(path: Path, **limits: float | None) -> tuple[Clip, list[Frame], int]:
    """Read all of a file: the clip, its frames, and how many samples there were."""
    frames, n_samples = [], 0
    with Clip(path, **limits) as clip:  # type: ignore[arg-type]
        for piece in clip:
            if isinstance(piece, Sound):
                n_samples += len(piece.samples)
            else:
                frames.append(piece)
    return clip, frames, n_samples


def remux(source: Path, target: Path, times: Callable[[int], int] = lambda pts: pts) -> Path:
    """Copy the packets of a file's first stream, at other times."""
    with av.open(str(source)) as one, av.open(str(target), "w") as other:
        stream = other.add_stream_from_template(one.streams[0])
        for packet in one.demux(one.streams[0]):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = times(packet.pts), times(packet.dts), stream
                other.mux(packet)
    return target


# Length


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".wav", ".flac", ".ogg", ".mp3"])
def test_a_file_that_states_a_longer_duration_is_refused_when_it_is_opened(
    tmp_path: Path, speak: Callable[..., NDArray[np.float32]], suffix: str
) -> None:
    write = write_audio if suffix in (".wav", ".flac", ".ogg") else write_video
    more = {} if write is write_audio else {"frames": None}
    how = {"audio_codec": "libmp3lame"} if suffix == ".mp3" else {}
    path = write(tmp_path / f"a{suffix}", samples=speak(4.0), **more, **how)
    with pytest.raises(MediaError, match=r"^it lasts 4(\.\d)? s, over --max-duration 3$"):
        Clip(path, max_duration_s=3)
    clip, _, n_samples = read(path, max_duration_s=4)
    assert (clip.damage, n_samples) == (None, pytest.approx(64000, abs=2500))


def test_a_refused_file_is_closed(talking_video: Path, sound_only: Path) -> None:
    before = len(list(Path("/dev/fd").iterdir()))
    for path in (talking_video, sound_only):
        with pytest.raises(MediaError):
            Clip(path, max_duration_s=0.5)
    assert len(list(Path("/dev/fd").iterdir())) == before


def states_nothing(folder: Path, speak: Callable[..., NDArray[np.float32]]) -> Path:
    """ADTS: its duration is guessed."""
    whole = write_video(folder / "whole.m4a", None, samples=speak(6.0))
    return remux(whole, folder / "a.aac")


def states_less(folder: Path, speak: Callable[..., NDArray[np.float32]]) -> Path:
    path = write_video(folder / "whole.mkv", pictures(SMALL, 150), samples=speak(6.0))
    data = bytearray(path.read_bytes())
    place = data.index(b"\x44\x89\x88") + 3  # Duration, an 8-byte float in milliseconds
    assert struct.unpack(">d", data[place : place + 8])[0] == pytest.approx(6000, abs=100)
    data[place : place + 8] = struct.pack(">d", 1000.0)
    (folder / "a.mkv").write_bytes(data)
    return folder / "a.mkv"


def forgot_its_length(folder: Path, speak: Callable[..., NDArray[np.float32]]) -> Path:
    path = write_audio(folder / "a.flac", speak(6.0))
    data = bytearray(path.read_bytes())
    data[21] &= 0xF0  # the 36 bits of STREAMINFO that count the samples
    data[22:26] = bytes(4)
    path.write_bytes(data)
    return path


def sets_its_clock_back(folder: Path, _: Callable[..., NDArray[np.float32]]) -> Path:
    part = write_video(folder / "part.ts", pictures(SMALL, 25)).read_bytes()
    (folder / "a.ts").write_bytes(part * 6)
    return folder / "a.ts"


def sets_the_clock_of_its_sound_back(folder: Path, speak: Callable[..., NDArray[np.float32]]) -> Path:
    part = write_video(folder / "part.ts", None, samples=speak(1.0)).read_bytes()
    (folder / "a.ts").write_bytes(part * 6)
    return folder / "a.ts"


@pytest.mark.parametrize(
    "make",
    [
        states_nothing,
        states_less,
        forgot_its_length,
        sets_its_clock_back,
        sets_the_clock_of_its_sound_back,
    ],
)
def test_a_file_that_does_not_say_how_long_it_is_is_refused_once_it_was_read_so_far(
    tmp_path: Path, speak: Callable[..., NDArray[np.float32]], make: Callable[..., Path]
) -> None:
    path = make(tmp_path, speak)
    with Clip(path, max_duration_s=3) as clip:
        read_s = 0.0

        def read_on() -> None:
            nonlocal read_s
            for piece in clip:
                read_s += len(piece.samples) / 16000 if isinstance(piece, Sound) else 0.0

        with pytest.raises(MediaError, match=r"^it lasts at least 3\.\d s, over --max-duration 3$"):
            read_on()
    assert read_s < 3.5
    read(path, max_duration_s=6.5)


def test_what_a_coder_adds_is_not_too_long(tmp_path: Path, speak: Callable[..., NDArray[np.float32]]) -> None:
    for suffix in (".m4a", ".mp3", ".mkv"):
        codec = {".mp3": "libmp3lame", ".mkv": "libopus"}.get(suffix)
        path = write_video(tmp_path / f"a{suffix}", None, samples=speak(2.0), audio_codec=codec)
        assert read(path, max_duration_s=2.0)[2] >= 31000


# Pictures


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [
        (".mp4", "libx264", "yuv420p"),
        (".ts", "libx264", "yuv420p"),
        (".webm", "libvpx", "yuv420p"),
        (".webm", "libvpx-vp9", "yuv420p"),
        (".avi", "mjpeg", "yuvj420p"),
        (".avi", "mpeg4", "yuv420p"),
        (".mkv", "ffv1", "yuv420p"),
        (".avi", "rawvideo", "bgr24"),
        (".gif", "gif", "rgb8"),
        (".mov", "png", "rgb24"),
        (".mpg", "mpeg2video", "yuv420p"),
    ],
)
def test_pictures_of_too_many_pixels_are_not_decoded(
    tmp_path: Path, suffix: str, codec: str, pix_fmt: str
) -> None:
    path = write_video(tmp_path / f"a{suffix}", pictures(LARGE), codec=codec, pix_fmt=pix_fmt)
    clip, frames, _ = read(path, max_pixels=BETWEEN)
    assert clip.has_picture
    assert (frames, clip.damage) == ([], None)
    assert clip.refusal == "a picture of 640 x 480 pixels is over --max-pixels 200000"
    clip, frames, _ = read(path, max_pixels=640 * 480)
    assert len(frames) >= 7
    assert (clip.refusal, clip.damage) == (None, None)


def test_the_size_of_a_picture_is_that_of_its_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", pictures((322, 240)), pix_fmt="yuv420p")
    assert read(path, max_pixels=322 * 240 - 1)[0].refusal
    assert len(read(path, max_pixels=384 * 240)[1]) >= 7


@pytest.fixture(scope="module")
def observer() -> Observer:
    return Observer(open_bundle()[1], ("voice", "face"), Haar(), max_duration_s=60, max_pixels=BETWEEN)


def test_the_sound_beside_a_refused_picture_is_used(
    tmp_path: Path, observer: Observer, speak: Callable[..., NDArray[np.float32]]
) -> None:
    path = write_video(tmp_path / "a.mp4", pictures(LARGE, 40), samples=speak(1.6))
    seen = observer.observe(path)
    assert seen.voice is not None
    assert (seen.face, seen.n_frames, seen.damage) == (None, None, None)
    assert seen.missing == ("a picture of 640 x 480 pixels is over --max-pixels 200000",)
    assert seen.duration_s == pytest.approx(1.6, abs=0.1)


def test_an_observer_refuses_a_file_that_is_too_long(sound_only: Path) -> None:
    with pytest.raises(MediaError, match=r"it lasts 1\.2 s, over --max-duration 1"):
        Observer(open_bundle()[1], ("voice",), None, max_duration_s=1).observe(sound_only)


@pytest.mark.parametrize(("suffix", "codec"), [(".ts", "libx264"), (".mjpeg", "mjpeg"), (".mpeg", "mpeg1video")])
def test_a_picture_that_grows_over_the_limit_is_decoded_until_then(
    tmp_path: Path, suffix: str, codec: str
) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    parts = [
        write_video(tmp_path / f"{w}{suffix}", pictures((w, h), 50), codec=codec, pix_fmt=pix_fmt).read_bytes()
        for w, h in (SMALL, LARGE, SMALL)
    ]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"".join(parts))
    clip, frames, _ = read(path, max_pixels=BETWEEN)
    assert {frame.luma.shape for frame in frames} == {(240, 320)}
    assert len(frames) >= 30
    assert clip.refusal is None
    assert clip.damage is not None
    assert "over --max-pixels 200000" in clip.damage
    assert {frame.luma.shape for frame in read(path)[1]} == {(240, 320), (480, 640)}


BOMB = """
import sys
from pathlib import Path
from mercli.errors import MediaError
from mercli.media import Clip

def held_mib():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1024

before = held_mib()
try:
    with Clip(Path(sys.argv[1]), max_pixels=40_000_000) as clip:
        print(sum(1 for _ in clip), clip.refusal or clip.damage)
except MediaError as error:
    print(0, error)
assert held_mib() - before < 60, held_mib() - before
"""


def gif_bomb(folder: Path) -> Path:
    path = write_video(folder / "a.gif", pictures(SMALL, 3), codec="gif", pix_fmt="rgb8")
    data = bytearray(path.read_bytes())
    struct.pack_into("<HH", data, 6, 60000, 60000)
    path.write_bytes(data)
    return path


def mjpeg_bomb(folder: Path) -> Path:
    path = write_video(folder / "a.avi", pictures(SMALL, 3), codec="mjpeg", pix_fmt="yuvj420p")
    data = bytearray(path.read_bytes())
    place = -1
    while (place := data.find(b"\xff\xc0\x00\x11\x08", place + 1)) >= 0:
        struct.pack_into(">HH", data, place + 5, 20000, 20000)
    path.write_bytes(data)
    return path


def flat_picture(folder: Path) -> Path:
    """Really decodable, from a few hundred kilobytes to 432 MB."""
    path = folder / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 12000, 12000, "gray"
        frame = av.VideoFrame.from_ndarray(np.zeros((12000, 12000), np.uint8), format="gray")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much is held")
@pytest.mark.parametrize(
    ("make", "said"), [(gif_bomb, "60000 x 60000"), (mjpeg_bomb, "damaged: "), (flat_picture, "12000")]
)
def test_a_small_file_that_claims_a_huge_picture_costs_no_memory(
    tmp_path: Path, make: Callable[[Path], Path], said: str
) -> None:
    command = [sys.executable, "-c", BOMB, str(make(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0 ")
    assert said in done.stdout


# Channels


@pytest.mark.parametrize(("channels", "n_samples"), [(64, 1600), (65, 0), (600, 0), (65535, 0)])
def test_absurdly_many_channels_are_damage(tmp_path: Path, channels: int, n_samples: int) -> None:
    path = tmp_path / "a.mov"  # read by FFmpeg
    soundfile.write(path, np.full((1600, 1), 0.5, np.float32), 16000, format="WAV", subtype="PCM_16")
    data = bytearray(path.read_bytes())
    start = data.index(b"data") + 8
    struct.pack_into("<H", data, data.index(b"fmt ") + 10, channels)
    struct.pack_into(
        "<IH", data, data.index(b"fmt ") + 16, min(2 * 16000 * channels, 2**32 - 1), (2 * channels) & 65535
    )
    sound = data[start:] * min(channels, 600)
    struct.pack_into("<I", data, start - 4, len(sound))
    path.write_bytes(data[:start] + sound)
    clip, _, n_read = read(path)
    assert n_read == n_samples
    assert (clip.damage is None) == (n_samples > 0)
