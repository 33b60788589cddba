"""What reading a file promises: 16 kHz mono sound, about ten upright grey pictures a second, and no surprises."""

import os
import socket
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mercli.errors import MediaError
from mercli.formats import SUFFIXES
from mercli.media import Clip, Frame, Sound, _Container
from mercli.sample import draw_face, draw_portrait, write_audio, write_video

Samples = NDArray[np.float32]
Picture = NDArray[np.uint8]

TONE_HZ = 440.0


class Seen:
    """All that one pass over a file gives."""

    def __init__(self, path: Path, *, sound: bool = True, picture: bool = True) -> None:
        blocks: list[Samples] = [np.empty(0, np.float32)]
        self.frames: list[Frame] = []
        with Clip(path, sound=sound, picture=picture) as clip:
            for piece in clip:
                if isinstance(piece, Sound):
                    blocks.append(piece.samples)
                else:
                    self.frames.append(piece)
        assert all(block.dtype == np.float32 and block.ndim == 1 for block in blocks)
        assert all(frame.luma.dtype == np.uint8 and frame.luma.ndim == 2 for frame in self.frames)
        self.samples = np.concatenate(blocks)
        assert np.isfinite(self.samples).all()
        self.times_s = np.array([frame.time_s for frame in self.frames])
        self.has_sound, self.has_picture = clip.has_sound, clip.has_picture
        self.duration_s, self.damage = clip.duration_s, clip.damage


def tone(duration_s: float, rate_hz: int, *, hz: float = TONE_HZ) -> Samples:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(duration_s * rate_hz)) / rate_hz)).astype(np.float32)


def frequency_hz(samples: Samples, rate_hz: int = 16000) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 8 * len(samples)))
    return float(np.argmax(spectrum) * rate_hz / (8 * len(samples)))


def assert_is_the_tone(samples: Samples, duration_s: float, *, slack_s: float) -> None:
    assert len(samples) / 16000 == pytest.approx(duration_s, abs=slack_s)
    assert frequency_hz(samples) == pytest.approx(TONE_HZ, abs=1.0)
    middle = samples[len(samples) // 4 : -len(samples) // 4]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.1)


def encode(path: Path, pictures: list[Picture], *, fps: int, codec: str = "libx264", **options: str) -> Path:
    """Write pictures with options of the encoder's own, which write_video does not have."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = pictures[0].shape
        stream.pix_fmt = "yuv420p"
        if "aspect" in options:
            stream.codec_context.sample_aspect_ratio = Fraction(options.pop("aspect"))
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="gray")
            frame.pts, frame.time_base = index, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def ramp(width: int = 320, height: int = 240) -> Picture:
    return np.tile(np.linspace(0, 255, width).astype(np.uint8), (height, 1))


def copy(source: Path, target: Path, change: Callable[[bytearray], object]) -> Path:
    data = bytearray(source.read_bytes())
    change(data)
    target.write_bytes(data)
    return target


# Sound


@pytest.mark.parametrize("rate_hz", [8000, 11025, 16000, 44100, 48000])
@pytest.mark.parametrize(
    ("suffix", "subtype", "channels"),
    [
        (".wav", "PCM_U8", 1),
        (".wav", "PCM_16", 2),
        (".wav", "PCM_24", 6),
        (".wav", "FLOAT", 1),
        (".wav", "ULAW", 1),
        (".flac", "PCM_16", 2),
        (".ogg", "VORBIS", 1),
        (".aiff", "PCM_16", 1),
    ],
)
def test_any_sound_file_becomes_16_khz_mono(
    tmp_path: Path, rate_hz: int, suffix: str, subtype: str, channels: int
) -> None:
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, np.repeat(tone(0.8, rate_hz)[:, np.newaxis], channels, axis=1), rate_hz, subtype=subtype)
    seen = Seen(path)
    assert (seen.has_sound, seen.has_picture, seen.damage) == (True, False, None)
    assert seen.duration_s == pytest.approx(0.8, abs=0.001)
    assert_is_the_tone(seen.samples, 0.8, slack_s=0.002)


@pytest.mark.parametrize(
    ("suffix", "codec", "rate_hz", "channels"),
    [
        (".mp4", "aac", 48000, 2),
        (".m4a", "aac", 44100, 1),
        (".mkv", "libopus", 48000, 2),
        (".mp3", "libmp3lame", 22050, 1),
        (".mov", "pcm_s16le", 8000, 2),
        (".avi", "pcm_u8", 11025, 1),
        (".webm", "libopus", 48000, 1),
    ],
)
def test_the_sound_of_any_container_becomes_16_khz_mono(
    tmp_path: Path, suffix: str, codec: str, rate_hz: int, channels: int
) -> None:
    samples = tone(0.8, rate_hz) if channels == 1 else np.stack([tone(0.8, rate_hz)] * 2, axis=1)
    path = write_video(tmp_path / f"a{suffix}", None, samples=samples, sample_rate_hz=rate_hz, audio_codec=codec)
    seen = Seen(path)
    assert (seen.has_sound, seen.has_picture, seen.damage) == (True, False, None)
    # Lossy coders work in blocks of up to 2048 samples, and pad the last.
    assert_is_the_tone(seen.samples, 0.8, slack_s=2 * 2048 / rate_hz)


@pytest.mark.parametrize("channels", [1, 2, 6, 8, 9, 24])
@pytest.mark.parametrize("name", ["a.wav", "a.mov"])  # the content is WAV, read by libsndfile or by FFmpeg
def test_the_channels_are_mixed_to_their_mean(tmp_path: Path, channels: int, name: str) -> None:
    rng = np.random.default_rng(channels)
    samples = rng.uniform(-0.9, 0.9, (4000, channels)).astype(np.float32)
    soundfile.write(tmp_path / name, samples, 16000, format="WAV", subtype="FLOAT")
    assert Seen(tmp_path / name).samples == pytest.approx(samples.mean(axis=1), abs=1e-5)


def test_the_same_sound_reads_the_same_from_a_sound_file_and_from_a_video(tmp_path: Path) -> None:
    both = np.stack([tone(0.5, 48000), tone(0.5, 48000, hz=300)], axis=1)
    one = Seen(write_audio(tmp_path / "a.wav", both, sample_rate_hz=48000)).samples
    path = write_video(
        tmp_path / "a.mkv", [ramp()] * 5, samples=both, sample_rate_hz=48000, audio_codec="pcm_s16le"
    )
    other = Seen(path).samples
    assert len(one) == len(other) == 8000
    assert one == pytest.approx(other, abs=1e-4)


def test_a_block_of_sound_joins_the_next_without_a_click(tmp_path: Path) -> None:
    long = Seen(write_audio(tmp_path / "a.wav", tone(3.0, 44100), sample_rate_hz=44100)).samples
    exact = tone(3.0, 16000)[: len(long)]
    assert np.abs(long - exact)[100:-100].max() < 2e-3


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38, -1e20])
@pytest.mark.parametrize("rate_hz", [16000, 44100])
def test_samples_that_are_no_sound_become_silence(tmp_path: Path, bad: float, rate_hz: int) -> None:
    samples = tone(0.5, rate_hz)
    samples[1000:1010] = bad
    soundfile.write(tmp_path / "a.wav", samples, rate_hz, subtype="FLOAT")
    soundfile.write(tmp_path / "a.mov", samples, rate_hz, subtype="FLOAT", format="WAV")
    for name in ("a.wav", "a.mov"):
        seen = Seen(tmp_path / name)
        assert len(seen.samples) == pytest.approx(8000, abs=20)
        assert np.abs(seen.samples).max() < 0.6 + (name == "a.mov") * 0.1


@pytest.mark.parametrize("scale", [32768, 1e-3])
def test_sound_at_another_scale_keeps_it(tmp_path: Path, scale: float) -> None:
    soundfile.write(tmp_path / "a.wav", scale * tone(0.5, 16000), 16000, subtype="FLOAT")
    assert Seen(tmp_path / "a.wav").samples == pytest.approx(scale * tone(0.5, 16000), rel=1e-4)


@pytest.mark.parametrize("rate_hz", [1, 100, 50_000_000])
def test_an_absurd_sampling_rate_is_damage(tmp_path: Path, rate_hz: int) -> None:
    soundfile.write(tmp_path / "a.wav", tone(1.0, 16000), rate_hz)
    seen = Seen(tmp_path / "a.wav")
    assert len(seen.samples) == 0
    assert seen.damage is not None
    assert f"{rate_hz} Hz" in seen.damage


# Frames


@pytest.mark.parametrize("fps", [25, 30, 60])
@pytest.mark.parametrize("b_frames", [0, 3])
def test_about_ten_frames_a_second_are_picked(tmp_path: Path, fps: int, b_frames: int) -> None:
    pictures = [draw_portrait(160, 120, head_px=70, centre_px=(60 + i / fps, 60)) for i in range(2 * fps)]
    path = encode(tmp_path / "a.mp4", pictures, fps=fps, bf=str(b_frames))
    seen = Seen(path)
    assert 18 <= len(seen.frames) <= 23
    steps_s = np.diff(seen.times_s)
    assert steps_s.min() > 0.03
    assert steps_s.max() < 0.2
    assert (seen.times_s[0], seen.damage) == (0.0, None)


@pytest.mark.parametrize("b_frames", [0, 3])
def test_every_frame_of_a_slow_video_is_seen(tmp_path: Path, b_frames: int) -> None:
    path = encode(tmp_path / "a.mp4", [ramp()] * 10, fps=5, bf=str(b_frames))
    assert Seen(path).times_s == pytest.approx(np.arange(10) / 5)


def test_a_file_where_few_frames_are_referred_to_is_not_seen_as_a_slide_show(tmp_path: Path) -> None:
    x264 = "bframes=16:b-adapt=0:b-pyramid=none"
    path = encode(tmp_path / "a.mp4", [ramp()] * 100, fps=25, **{"x264-params": x264})
    steps_s = np.diff(Seen(path).times_s)
    assert len(steps_s) >= 30
    assert np.median(steps_s) == pytest.approx(0.1, abs=0.03)


def test_frames_that_nothing_refers_to_are_not_even_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []
    decode = av.Packet.decode

    class Counted:
        def __init__(self, packet: av.Packet) -> None:
            self.packet = packet

        def __getattr__(self, name: str) -> object:
            return getattr(self.packet, name)

        def decode(self) -> list[object]:
            frames = decode(self.packet)
            decoded.append(len(frames))
            return list(frames)

    packets = _Container._packets
    monkeypatch.setattr(_Container, "_packets", lambda self, streams: map(Counted, packets(self, streams)))
    path = encode(tmp_path / "a.mp4", [ramp()] * 60, fps=30, bf="3")
    assert len(Seen(path).frames) > 15
    assert sum(decoded) < 45
    decoded.clear()
    path = encode(tmp_path / "b.mp4", [ramp()] * 30, fps=15, bf="3")
    assert len(Seen(path).frames) > 15
    assert sum(decoded) == 30


def test_a_frame_shows_its_own_moment(tmp_path: Path) -> None:
    pictures = [np.full((64, 64), 2 * i, np.uint8) for i in range(100)]
    for path in (
        encode(tmp_path / "a.mp4", pictures, fps=25, bf="3"),
        write_video(tmp_path / "a.ts", pictures),
    ):
        for frame in Seen(path).frames:
            assert frame.luma.mean() / 2 == pytest.approx(25 * frame.time_s, abs=1.5)


def test_a_clock_that_is_set_back_midway_hides_no_frames(tmp_path: Path) -> None:
    part = write_video(tmp_path / "part.ts", [ramp()] * 50)
    twice = copy(part, tmp_path / "twice.ts", lambda data: data.extend(bytes(data)))
    assert len(Seen(twice).frames) == 2 * len(Seen(part).frames)


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [
        (".mp4", "h264", "yuv420p"),
        (".mp4", "h264", "yuvj420p"),
        (".mp4", "h264", "yuv420p10le"),
        (".mp4", "h264", "yuv422p"),
        (".mkv", "ffv1", "yuv422p10le"),
        (".mkv", "ffv1", "yuv444p"),
        (".mkv", "ffv1", "yuva420p"),
        (".mkv", "ffv1", "gray"),
        (".mkv", "ffv1", "gray16le"),
        (".mkv", "ffv1", "bgr0"),
        (".mkv", "libx264rgb", "rgb24"),
        (".mov", "qtrle", "rgb24"),
        (".mov", "rawvideo", "yuyv422"),
        (".avi", "rawvideo", "bgr24"),
        (".avi", "mjpeg", "yuvj420p"),
        (".webm", "libvpx-vp9", "yuv420p"),
    ],
)
def test_luma_is_what_was_drawn_in_any_pixel_format(tmp_path: Path, suffix: str, codec: str, pix_fmt: str) -> None:
    drawn = ramp(322)
    drawn[:120] = draw_portrait(322, 240, head_px=150)[:120]
    seen = Seen(write_video(tmp_path / f"a{suffix}", [drawn] * 3, codec=codec, pix_fmt=pix_fmt))
    assert seen.frames
    for frame in seen.frames:
        assert frame.luma.shape == (240, 322)
        assert np.abs(frame.luma.astype(float) - drawn).mean() < 1.5


def test_pixels_are_made_square(tmp_path: Path) -> None:
    disc = cv2.circle(np.zeros((120, 160), np.uint8), (80, 60), 40, 255, -1)
    squeezed = cv2.resize(disc, (80, 120), interpolation=cv2.INTER_AREA)
    (frame, *_) = Seen(encode(tmp_path / "a.mp4", [squeezed] * 3, fps=25, aspect="2")).frames
    assert frame.luma.shape == (120, 160)
    assert np.abs(frame.luma.astype(float) - disc).mean() < 3


@pytest.mark.parametrize("clockwise_deg", [0, 90, 180, 270])
def test_a_picture_is_turned_upright(tmp_path: Path, clockwise_deg: int) -> None:
    drawn = draw_portrait(160, 120, head_px=90)
    held = np.rot90(drawn, clockwise_deg // 90)  # a camera held askew writes it turned the other way
    path = write_video(tmp_path / "a.mp4", [np.ascontiguousarray(held)] * 3)

    def ask_for_turning(data: bytearray) -> None:
        # The matrix a b u, c d v, x y w of the track header: ISO 14496-12, 8.3.2.
        cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[clockwise_deg]
        matrix = [v << 16 for v in (cos, sin, 0, -sin, cos, 0, 0, 0)] + [1 << 30]
        start = data.index((1 << 16).to_bytes(4, "big"), data.index(b"tkhd") + 40)
        data[start : start + 36] = b"".join(v.to_bytes(4, "big", signed=True) for v in matrix)

    (frame, *_) = Seen(copy(path, tmp_path / "turned.mp4", ask_for_turning)).frames
    assert frame.luma.shape == (120, 160)
    assert np.abs(frame.luma.astype(float) - drawn).mean() < 3


def test_a_video_of_one_frame_has_one(tmp_path: Path) -> None:
    seen = Seen(write_video(tmp_path / "a.mp4", [ramp()]))
    assert (len(seen.frames), seen.damage) == (1, None)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_video_without_a_frame_gives_none(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.start_encoding()
    try:
        frames = Seen(path).frames
    except MediaError:
        return
    assert frames == []


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    song = write_video(tmp_path / "a.mp3", None, samples=tone(0.8, 16000), audio_codec="libmp3lame")
    cover = cv2.imencode(".jpg", draw_face(100))[1].tobytes()
    # An ID3v2.3 tag with one picture in it: encoding, type, the number for a front cover, no words.
    body = b"\0image/jpeg\0\3\0" + cover
    entry = b"APIC" + len(body).to_bytes(4, "big") + b"\0\0" + body
    size = bytes((len(entry) >> shift) & 127 for shift in (21, 14, 7, 0))
    path = copy(song, tmp_path / "b.mp3", lambda data: data.__setitem__(slice(0, 0), b"ID3\3\0\0" + size + entry))
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    seen = Seen(path)
    assert (seen.has_picture, seen.frames) == (False, [])
    assert_is_the_tone(seen.samples, 0.8, slack_s=0.15)


# What is asked for


def test_a_stream_that_is_not_wanted_is_not_read(talking_video: Path) -> None:
    assert not Seen(talking_video, sound=False).samples.size
    assert not Seen(talking_video, picture=False).frames
    nothing = Seen(talking_video, sound=False, picture=False)
    assert (nothing.frames, nothing.samples.size, nothing.damage) == ([], 0, None)


def test_the_duration_is_that_of_the_file(talking_video: Path, mute_video: Path, sound_only: Path) -> None:
    for path in (talking_video, mute_video, sound_only):
        assert Seen(path).duration_s == pytest.approx(1.2, abs=0.03)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_sound_track_shorter_than_the_picture_is_no_damage(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"a{suffix}", [ramp()] * 100, samples=tone(1.0, 16000))
    for wanted in ({}, {"picture": False}, {"sound": False}):
        seen = Seen(path, **wanted)
        assert seen.damage is None
        assert seen.duration_s == pytest.approx(4.0, abs=0.05)


def test_a_duration_that_is_stated_too_short_is_not_believed(talking_video: Path, tmp_path: Path) -> None:
    path = tmp_path / "short.mkv"
    with av.open(str(talking_video)) as source, av.open(str(path), "w") as target:
        streams = {stream: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream]
                target.mux(packet)
    content = path.read_bytes()
    place = content.index(b"\x44\x89\x88") + 3  # EBML: Duration, a double of eight bytes, in milliseconds
    path.write_bytes(content[:place] + struct.pack(">d", 300.0) + content[place + 8 :])
    with av.open(str(path)) as container:
        assert container.duration / av.time_base == pytest.approx(0.3)
    seen = Seen(path)
    assert seen.duration_s == pytest.approx(1.2, abs=0.1)
    assert len(seen.frames) >= 11


def test_a_duration_guessed_from_the_bit_rate_is_not_believed(tmp_path: Path) -> None:
    # Noise after silence: the first packets are small, so that FFmpeg takes the file for a longer one.
    noise = np.random.default_rng(0).normal(0, 0.2, 32000)
    whole = write_video(tmp_path / "a.m4a", None, samples=np.concatenate([np.zeros(64000), noise]))
    with av.open(str(whole)) as source, av.open(str(tmp_path / "a.aac"), "w", format="adts") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    with av.open(str(tmp_path / "a.aac")) as container:
        assert abs(container.duration / av.time_base - 6.0) > 1.0
    seen = Seen(tmp_path / "a.aac")
    assert seen.damage is None
    assert seen.duration_s == pytest.approx(6.0, abs=0.2)


# Names and places


@pytest.mark.parametrize(
    "name",
    ["scene2:take1", "http:x", "file:x", "pipe:0", "shot%03d", "-y", "ü 日本", "a\nb", "a?[b]*", b"caf\xe9"],
)
@pytest.mark.parametrize("kind", ["video", "sound"])
def test_a_name_is_only_a_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    mute_video: Path,
    sound_only: Path,
    name: str | bytes,
    kind: str,
) -> None:
    source = mute_video if kind == "video" else sound_only
    path = Path((os.fsdecode(name) if isinstance(name, bytes) else name) + source.suffix)
    monkeypatch.chdir(tmp_path)
    try:
        path.write_bytes(source.read_bytes())
    except (OSError, UnicodeError):
        pytest.skip("this file system has no such names")
    seen = Seen(path)
    assert (bool(seen.frames), seen.samples.size > 0) == (kind == "video", kind == "sound")


def test_a_wav_file_under_another_name_is_still_sound(tmp_path: Path, sound_only: Path) -> None:
    path = copy(sound_only, tmp_path / "a.mov", lambda _: None)
    assert np.array_equal(Seen(path).samples, Seen(sound_only).samples)


def test_a_video_under_the_name_of_a_sound_file_is_still_a_video(tmp_path: Path, talking_video: Path) -> None:
    seen = Seen(copy(talking_video, tmp_path / "a.wav", lambda _: None))
    assert seen.has_picture
    assert len(seen.frames) > 10


@pytest.mark.parametrize("name", ["a.mp4", "a.wav", "a.txt.mkv", "a"])
@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "the file is empty"), (b"hello\n" * 200, "not a media file"), (bytes(5000), "not a media file")],
)
def test_a_file_that_is_no_media_is_refused_with_a_reason(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError, match=said):
        Clip(tmp_path / name)


def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        Clip(tmp_path / "absent.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")  # opening it would wait for ever
    with pytest.raises(MediaError, match="not a regular file"):
        Clip(tmp_path / "pipe.mp4")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    with pytest.raises(MediaError):
        Clip(tmp_path / "loop.mp4")


@pytest.mark.parametrize(
    "text", ["#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n", "ffconcat version 1.0\nfile {}\n"]
)
def test_a_playlist_opens_no_connection(tmp_path: Path, text: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        path = tmp_path / ("list.m3u8" if "EXTM3U" in text else "list.mp4")
        path.write_text(text.format(address))
        try:
            seen = Seen(path)
        except MediaError:
            pass
        else:
            assert not seen.frames
        with pytest.raises(TimeoutError):
            server.accept()


def test_the_suffixes_of_a_walk_are_lower_case_with_a_dot() -> None:
    assert {".mp4", ".mov", ".mkv", ".webm", ".avi", ".wav", ".flac", ".mp3", ".m4a"} <= SUFFIXES
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in SUFFIXES)


# Damage


@pytest.fixture(scope="module")
def to_damage(
    media_folder: Path, draw_frames: Callable[..., list[Picture]], speak: Callable[..., Samples]
) -> dict[str, bytes]:
    """Files of two seconds, by suffix; .faststart.mp4 has its header in front."""
    pictures, voice = draw_frames(50), speak(2.0)
    folder = media_folder / "to-damage"
    folder.mkdir()
    made = {}
    usual_codecs = {".avi": ("mpeg4", "pcm_s16le", 16000), ".flv": ("flv", "aac", 44100)}
    for suffix in (".mp4", ".mkv", ".avi", ".webm", ".ts", ".flv"):
        codec, audio_codec, rate_hz = usual_codecs.get(suffix, (None, None, 16000))
        path = write_video(
            folder / f"a{suffix}",
            pictures,
            samples=voice,
            sample_rate_hz=rate_hz,
            codec=codec,
            audio_codec=audio_codec,
        )
        made[suffix] = path.read_bytes()
    for suffix in (".wav", ".flac", ".ogg"):
        made[suffix] = write_audio(folder / f"a{suffix}", voice).read_bytes()
    with (
        av.open(str(folder / "a.mp4")) as source,
        av.open(str(folder / "b.mp4"), "w", options={"movflags": "faststart"}) as target,
    ):
        streams = {stream.index: target.add_stream_from_template(stream) for stream in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                target.mux(packet)
    made[".faststart.mp4"] = (folder / "b.mp4").read_bytes()
    return made


def read_damaged(path: Path) -> str | None:
    """Read a file that may be damaged; give what is said of it."""
    try:
        seen = Seen(path)
    except MediaError as error:
        return str(error)
    assert len(seen.frames) <= 60
    assert len(seen.samples) < 16000 * 60
    return seen.damage


@pytest.mark.parametrize("share", [0.1, 0.4, 0.6])
@pytest.mark.parametrize("suffix", [".mp4", ".faststart.mp4", ".mkv", ".avi", ".wav", ".flac", ".ogg"])
def test_a_file_cut_short_is_called_so(
    tmp_path: Path, to_damage: dict[str, bytes], suffix: str, share: float
) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(to_damage[suffix][: int(share * len(to_damage[suffix]))])
    said = read_damaged(path)
    assert said is not None
    assert said.startswith(("damaged: ", "the file ends early: ", "not a "))


@pytest.mark.parametrize("suffix", [".faststart.mp4", ".mkv", ".avi", ".wav", ".flac"])
def test_what_stands_before_the_cut_is_read(tmp_path: Path, to_damage: dict[str, bytes], suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(to_damage[suffix][: int(0.6 * len(to_damage[suffix]))])
    seen = Seen(path)
    assert seen.duration_s is not None
    assert 0.6 < seen.duration_s < 1.9
    assert len(seen.samples) / 16000 == pytest.approx(seen.duration_s, abs=0.4)
    if suffix not in (".wav", ".flac"):
        assert len(seen.frames) / 10 == pytest.approx(seen.duration_s, abs=0.5)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0])
def test_a_wav_file_of_a_writer_that_could_not_go_back_is_whole(
    tmp_path: Path, sound_only: Path, size: int
) -> None:
    def forget_sizes(data: bytearray) -> None:
        data[4:8] = size.to_bytes(4, "little")
        start = data.index(b"data") + 4
        data[start : start + 4] = (size or 0xFFFFFFFF).to_bytes(4, "little")

    seen = Seen(copy(sound_only, tmp_path / "a.wav", forget_sizes))
    assert len(seen.samples) == pytest.approx(1.2 * 16000, abs=40)
    assert seen.damage is None


@pytest.mark.parametrize(
    ("codec", "lost", "kept"), [(b"A_AAC", "sound", "frames"), (b"V_MPEG4/ISO/AVC", "picture", "samples")]
)
def test_a_stream_that_nothing_decodes_costs_only_itself(
    tmp_path: Path, to_damage: dict[str, bytes], codec: bytes, lost: str, kept: str
) -> None:
    path = tmp_path / "a.mkv"
    path.write_bytes(to_damage[".mkv"].replace(codec, codec[:-1] + b"?"))
    seen = Seen(path)
    assert len(getattr(seen, kept)) > 10
    assert seen.damage is not None
    assert f"no decoder for its {lost}" in seen.damage
    assert Seen(path, sound=lost != "sound", picture=lost != "picture").damage is None


def test_a_damaged_middle_is_said_and_the_rest_is_read(tmp_path: Path, to_damage: dict[str, bytes]) -> None:
    data = bytearray(to_damage[".faststart.mp4"])
    middle = len(data) // 2
    data[middle : middle + 400] = np.random.default_rng(0).bytes(400)
    (tmp_path / "a.mp4").write_bytes(data)
    seen = Seen(tmp_path / "a.mp4")
    assert seen.damage is not None
    assert seen.damage.startswith("damaged: ")
    assert seen.times_s.max() > 1.7
    assert len(seen.samples) > 16000


def test_a_frame_the_decoder_patched_up_is_damage(tmp_path: Path, to_damage: dict[str, bytes]) -> None:
    whole, path = to_damage[".faststart.mp4"], tmp_path / "a.mp4"
    patched_up = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        data = bytearray(whole)
        place = rng.integers(len(whole) // 4, len(whole) - 20)
        data[place : place + 8] = rng.bytes(8)
        path.write_bytes(data)
        try:
            with av.open(str(path)) as container:
                container.streams.video[0].codec_context.skip_frame = "NONREF"
                only_patched = any(frame.is_corrupt for frame in container.decode(video=0))
        except av.error.FFmpegError:
            continue
        if only_patched:
            patched_up += 1
            assert (Seen(path, sound=False).damage or "").startswith("damaged: a frame is corrupt")
    assert patched_up


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut, flip, overwrite or drop some bytes."""
    mutant = bytearray(data)
    how = rng.integers(4)
    if how == 0:
        return bytes(mutant[: rng.integers(1, len(mutant))])
    if how == 1:
        for place in rng.integers(0, len(mutant), rng.integers(1, 30)):
            mutant[place] = rng.integers(256)
    elif how == 2:  # headers
        for place in rng.integers(0, min(700, len(mutant)), rng.integers(1, 8)):
            mutant[place] = rng.integers(256)
    else:
        start = rng.integers(len(mutant))
        stop = min(len(mutant), start + rng.integers(1, 3000))
        mutant[start:stop] = rng.bytes(stop - start) if rng.integers(2) else b""
    return bytes(mutant) or b"\0"


@settings(max_examples=200)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_mutant_of_a_file_does_more_than_fail_with_a_reason(
    tmp_path_factory: pytest.TempPathFactory, to_damage: dict[str, bytes], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    suffix = sorted(to_damage)[seed % len(to_damage)]
    path = tmp_path_factory.getbasetemp() / f"mutant{suffix}"
    path.write_bytes(mutate(to_damage[suffix], rng))
    said = read_damaged(path)
    assert said is None or said.startswith(("damaged: ", "the file ends early: ", "not a ", "neither sound nor "))


@pytest.mark.parametrize("layout", ["mono", "stereo", "6.1", "7.1"])
def test_any_number_of_channels_is_mixed_to_their_mean(layout: str, tmp_path: Path) -> None:
    """Decoders of AAC give planes of floats, a channel each."""
    path, rate = tmp_path / "sound.m4a", 48_000
    tone = np.sin(2 * np.pi * 440 * np.arange(rate) / rate).astype(np.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=rate, layout=layout)
        channels = np.stack([tone * 0.5 * (i == 0) for i in range(stream.layout.nb_channels)])
        frame = av.AudioFrame.from_ndarray(channels.reshape(1, -1, order="F"), format="flt", layout=layout)
        frame.sample_rate = rate
        resampler = av.AudioResampler(format="fltp", layout=layout, rate=rate, frame_size=1024)
        for part in (*resampler.resample(frame), None):
            container.mux(stream.encode(part))
    heard = Seen(path).samples[4000:12_000]
    loudness = np.median(np.abs(heard))  # what the coder adds is short
    assert loudness == pytest.approx(0.5 / np.sqrt(2) / len(channels), rel=0.1)
