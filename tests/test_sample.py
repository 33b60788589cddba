"""What sample media promise: faces a detector finds, voices of the pitch asked for, files as described."""

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import combinations
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from mercli.emotions import FER2013
from mercli.errors import UsageError
from mercli.sample import (
    draw_face,
    draw_portrait,
    synthesise_voice,
    write_audio,
    write_sample_videos,
    write_video,
)

CASCADES = ("haarcascade_frontalface_default.xml", "haarcascade_frontalface_alt2.xml")


@cache
def detector(cascade: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(cv2.data.haarcascades + cascade)


def faces(picture: NDArray[np.uint8], cascade: str = CASCADES[0]) -> list[NDArray[np.int32]]:
    """Find faces in a picture scaled down to 320 px across; boxes (x, y, w, h) in its own pixels."""
    scale = min(1.0, 320 / picture.shape[1])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    boxes = detector(cascade).detectMultiScale(small, 1.1, 5, minSize=(30, 30))
    return [np.round(box / scale) for box in boxes]


def read_pictures(path: Path) -> list[NDArray[np.uint8]]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]


def read_sound(path: Path) -> NDArray[np.float32]:
    """Read sound as [channels, n]."""
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def pitches_hz(samples: NDArray[np.float32], sample_rate_hz: int) -> NDArray[np.float64]:
    """Track pitch by the first high peak of the autocorrelation of 40 ms frames, where there is sound."""
    size = round(0.04 * sample_rate_hz)
    window = np.hanning(size)
    bias = np.fft.irfft(np.abs(np.fft.rfft(window, 2 * size)) ** 2)[:size]
    found = []
    for start in range(0, len(samples) - size, size // 2):
        frame = samples[start : start + size]
        if np.sqrt(np.mean(frame**2)) < 0.05:
            continue
        power = np.abs(np.fft.rfft(frame * window, 2 * size)) ** 2
        likeness = np.fft.irfft(power)[: size * 2 // 3] / bias[: size * 2 // 3]
        inner = likeness[1:-1]
        peak = (inner > likeness[:-2]) & (inner >= likeness[2:]) & (inner > 0.8 * likeness[0])
        if peak.any():
            found.append(sample_rate_hz / (1 + int(np.argmax(peak))))
    return np.array(found)


@pytest.fixture(scope="module")
def samples_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media") / "made" / "on the way"
    write_sample_videos(folder)
    return folder


# Faces


@pytest.mark.parametrize("cascade", CASCADES)
@pytest.mark.parametrize("expression", FER2013)
def test_each_expression_is_taken_for_one_face_at_any_size(expression: str, cascade: str) -> None:
    for size_px in (80, 120, 200, 400):
        assert len(faces(draw_face(size_px, expression=expression), cascade)) == 1, size_px


@pytest.mark.parametrize("head_px", [80, 140, 220])
def test_a_face_is_found_where_it_was_drawn(head_px: int) -> None:
    for x, y in ((90, 110), (160, 120), (225, 130)):
        picture = draw_portrait(320, 240, head_px=head_px, centre_px=(x, y), tilt_deg=5, mouth_open=0.7)
        ((left, top, width, height),) = faces(picture)
        assert np.hypot(left + width / 2 - x, top + height / 2 - y) < 0.12 * head_px
        assert 0.75 * head_px < width < 1.0 * head_px


def test_a_wall_without_a_head_has_no_face() -> None:
    assert faces(draw_portrait(320, 240, head_px=150, centre_px=(160, 2000))) == []


def test_two_expressions_differ_by_more_than_a_trace() -> None:
    small = {name: draw_face(48, expression=name).astype(float) for name in FER2013}
    for one, other in combinations(FER2013, 2):
        assert np.abs(small[one] - small[other]).max() > 20, (one, other)


def test_strength_goes_from_neutral_to_the_whole_expression() -> None:
    neutral, whole = draw_face(120), draw_face(120, expression="surprise")
    half = draw_face(120, expression="surprise", strength=0.5)
    assert np.array_equal(draw_face(120, expression="surprise", strength=0.0), neutral)
    assert np.array_equal(draw_face(120, expression="surprise", strength=1.0), whole)
    assert not np.array_equal(half, neutral)
    assert not np.array_equal(half, whole)


def test_an_open_mouth_darkens_the_mouth_and_closed_eyes_leave_it_alone() -> None:
    shut, talking, asleep = draw_face(300), draw_face(300, mouth_open=1.0), draw_face(300, eyes_open=0.0)
    mouth, eyes = np.s_[205:245, 130:170], np.s_[115:150, 95:205]
    assert talking[mouth].mean() < shut[mouth].mean() - 15
    assert np.array_equal(talking[eyes], shut[eyes])
    assert np.array_equal(asleep[mouth], shut[mouth])
    assert np.sum(asleep[eyes] < 60) < 0.5 * np.sum(shut[eyes] < 60)


def test_the_body_goes_on_to_the_foot_of_a_tall_picture() -> None:
    wall = draw_portrait(200, 900, head_px=60, centre_px=(100, 5000))
    person = draw_portrait(200, 900, head_px=60, centre_px=(100, 60))
    assert np.abs(person[-1, 100].astype(int) - wall[-1, 100]) > 10
    assert np.array_equal(person[:, 0], wall[:, 0])


@pytest.mark.parametrize("draw", [lambda: draw_face(0), lambda: draw_portrait(9, 9, head_px=-1)])
def test_a_picture_without_a_size_is_refused(draw: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="above 0"):
        draw()


def test_an_unknown_expression_is_refused_with_those_known() -> None:
    with pytest.raises(ValueError, match=r"smug.*angry.*neutral"):
        draw_face(100, expression="smug")
    with pytest.raises(ValueError, match=r"smug.*angry.*neutral"):
        synthesise_voice(1.0, expression="smug")


# Voices


@pytest.mark.parametrize("sample_rate_hz", [8000, 16000, 48000])
@pytest.mark.parametrize("pitch_hz", [90.0, 145.0, 260.0])
def test_a_voice_has_the_pitch_asked_for(pitch_hz: float, sample_rate_hz: int) -> None:
    voice = synthesise_voice(2.0, sample_rate_hz=sample_rate_hz, pitch_hz=pitch_hz)
    assert np.median(pitches_hz(voice, sample_rate_hz)) == pytest.approx(pitch_hz, rel=0.03)


@pytest.mark.parametrize("duration_s", [0.01, 0.33, 2.5])
@pytest.mark.parametrize("sample_rate_hz", [11025, 16000, 44100])
def test_a_voice_has_the_length_and_the_peak_promised(duration_s: float, sample_rate_hz: int) -> None:
    voice = synthesise_voice(duration_s, sample_rate_hz=sample_rate_hz)
    assert voice.dtype == np.float32
    assert voice.shape == (round(duration_s * sample_rate_hz),)
    assert np.abs(voice).max() == pytest.approx(0.5)


def test_a_voice_pauses_and_moves_between_vowels() -> None:
    voice = synthesise_voice(4.0)
    level = np.sqrt(np.mean(voice.reshape(-1, 320) ** 2, axis=1))  # 20 ms
    assert np.mean(level < 0.005) > 0.03
    assert np.mean(level > 0.05) > 0.5
    spectra = np.abs(np.fft.rfft(voice.reshape(-1, 640) * np.hanning(640), axis=1))[level[::2] > 0.05]
    loudest_hz = np.argmax(spectra, axis=1) * 25
    assert np.percentile(loudest_hz, 90) > 1.7 * np.percentile(loudest_hz, 10)


def test_happy_is_higher_and_wider_than_sad() -> None:
    high, low = (pitches_hz(synthesise_voice(3.0, expression=name), 16000) for name in ("happy", "sad"))
    assert np.median(high) > 1.4 * np.median(low)
    assert np.std(np.log2(high)) > 2 * np.std(np.log2(low))


def test_angry_is_brighter_than_sad_at_the_same_pitch() -> None:
    bright = {}
    for expression in ("angry", "sad"):
        voices = [synthesise_voice(2.0, expression=expression, pitch_hz=150, seed=seed) for seed in range(4)]
        power = np.mean([np.abs(np.fft.rfft(voice)) ** 2 for voice in voices], axis=0)  # a bin is 0.5 Hz
        bright[expression] = power[2 * 1000 : 2 * 4000].sum() / power[: 2 * 1000].sum()
    assert bright["angry"] > 1.5 * bright["sad"]


def test_a_seed_makes_the_same_voice_again_and_another_seed_another() -> None:
    voice = synthesise_voice(0.5, seed=3)
    assert np.array_equal(voice, synthesise_voice(0.5, seed=3))
    assert not np.array_equal(voice, synthesise_voice(0.5, seed=4))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"duration_s": 0.0}, "lasts"),
        ({"duration_s": float("nan")}, "lasts"),
        ({"duration_s": -1.0}, "lasts"),
        ({"duration_s": 1.0, "sample_rate_hz": 4000}, "8000"),
        ({"duration_s": 1.0, "pitch_hz": 20.0}, "50 to 600"),
    ],
)
def test_an_impossible_voice_is_refused(asked: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        synthesise_voice(**asked)


# Files


def test_a_video_reads_back_as_it_was_asked_for(tmp_path: Path) -> None:
    frames = [np.full((120, 160), 20 + 10 * i, np.uint8) for i in range(20)]
    sound = synthesise_voice(1.0, sample_rate_hz=48000, pitch_hz=200)
    path = write_video(tmp_path / "a.mp4", iter(frames), fps=20, samples=sound, sample_rate_hz=48000)
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert container.duration / 1e6 == pytest.approx(1.0, abs=0.03)
        assert (video.frames, video.average_rate, video.width, video.height) == (20, 20, 160, 120)
        assert video.codec_context.name in ("h264", "mpeg4")
        assert video.pix_fmt == "yuv420p"
        assert (audio.codec_context.name, audio.rate, audio.layout.name) == ("aac", 48000, "mono")
    pictures = read_pictures(path)
    assert len(pictures) == 20
    for picture, frame in zip(pictures, frames, strict=True):
        assert abs(float(picture.mean()) - frame[0, 0]) < 3
    back = read_sound(path)[0][: len(sound)]
    # The sound lies where it was put, to the sample.
    assert np.corrcoef(back, sound)[0, 1] > 0.98


def test_frames_keep_their_times_at_a_broken_rate(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    path = write_video(tmp_path / "a.mkv", [draw_face(64)] * 7, fps=rate)
    with av.open(str(path)) as container:
        times_s = [frame.time for frame in container.decode(video=0)]
    assert times_s == pytest.approx([i / float(rate) for i in range(7)], abs=1e-3)


@pytest.mark.parametrize("suffix", [".mp4", ".MOV", ".mkv", ".avi", ".webm", ".ts"])
def test_every_usual_container_holds_frames_and_stereo(tmp_path: Path, suffix: str) -> None:
    left = synthesise_voice(0.5, sample_rate_hz=48000)
    both = np.stack([left, np.zeros_like(left)], axis=1)
    path = write_video(tmp_path / f"a{suffix}", [draw_face(64)] * 12, samples=both, sample_rate_hz=48000)
    assert len(read_pictures(path)) == 12
    back = read_sound(path)
    assert back.dtype == np.float32
    assert back.shape[0] == 2
    assert np.abs(back[0]).max() > 10 * np.abs(back[1]).max()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_sound_alone_and_pictures_alone_have_one_stream(tmp_path: Path) -> None:
    voice = write_video(tmp_path / "a.m4a", None, samples=synthesise_voice(0.5))
    silent = write_video(tmp_path / "a.mp4", [draw_face(64)] * 3)
    for path, kind in ((voice, "audio"), (silent, "video")):
        with av.open(str(path)) as container:
            assert [stream.type for stream in container.streams] == [kind]


def test_a_colour_frame_keeps_red_red(tmp_path: Path) -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[..., 0] = 200
    with av.open(str(write_video(tmp_path / "a.mp4", [red] * 3))) as container:
        colour = next(container.decode(video=0)).to_ndarray(format="rgb24").mean(axis=(0, 1))
    assert colour == pytest.approx([200, 0, 0], abs=12)


def test_codec_and_pixel_format_are_those_asked_for(tmp_path: Path) -> None:
    odd = [np.full((63, 65), 90, np.uint8)] * 3
    with av.open(str(write_video(tmp_path / "a.mp4", odd, codec="mpeg4"))) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    with av.open(str(write_video(tmp_path / "b.mkv", odd, codec="ffv1", pix_fmt="gray"))) as container:
        assert container.streams.video[0].pix_fmt == "gray"
        assert np.array_equal(next(container.decode(video=0)).to_ndarray(), odd[0])


GREY = np.zeros((64, 64), np.uint8)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"frames": None}, "nothing to write"),
        ({"frames": []}, "no frames"),
        ({"frames": [GREY], "fps": 0}, "above 0"),
        ({"frames": [GREY], "samples": [0.0], "sample_rate_hz": 0}, "above 0"),
        ({"frames": [GREY, GREY[:32]]}, "frame 1 is 64x32 px"),
        ({"frames": [GREY.astype(np.float32)]}, "uint8"),
        ({"frames": [np.zeros((64, 64, 4), np.uint8)]}, "uint8"),
        ({"frames": [GREY[:33]], "codec": "libx264"}, "even sizes"),
        ({"frames": [GREY], "codec": "betamax"}, "no encoder 'betamax'"),
        ({"frames": [GREY], "samples": np.zeros((9, 3))}, "shape"),
        ({"frames": [GREY], "samples": []}, "shape"),
    ],
)
def test_an_impossible_video_is_refused_and_leaves_nothing(
    tmp_path: Path, asked: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        write_video(tmp_path / "a.mp4", **asked)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.nonsense", "a"])
def test_an_unknown_container_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"try \.mp4"):
        write_video(tmp_path / name, [GREY])


def test_a_failed_write_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [GREY] * 3)
    before = path.read_bytes()
    # Enough frames for the encoder to have given some of them to the file.
    with pytest.raises(ValueError, match="frame 60"):
        write_video(path, [*[GREY] * 60, GREY[:32]])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("suffix", "tolerance"), [(".wav", 1e-4), (".FLAC", 1e-4), (".ogg", 0.2)])
def test_sound_files_read_back(tmp_path: Path, suffix: str, tolerance: float) -> None:
    voice = synthesise_voice(0.5)
    back, rate_hz = soundfile.read(write_audio(tmp_path / f"a{suffix}", voice, sample_rate_hz=16000))
    assert rate_hz == 16000
    assert back == pytest.approx(voice, abs=tolerance)


def test_an_impossible_sound_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.wav"):
        write_audio(tmp_path / "a.mp3", [0.0], sample_rate_hz=16000)
    with pytest.raises(ValueError, match="above 0"):
        write_audio(tmp_path / "a.wav", [0.0], sample_rate_hz=0)
    with pytest.raises(ValueError, match="shape"):
        write_audio(tmp_path / "a.wav", np.zeros((2, 2, 2)), sample_rate_hz=16000)
    assert list(tmp_path.iterdir()) == []


# The sample folder


def test_the_samples_are_two_talking_faces_and_a_voice(samples_folder: Path) -> None:
    names = sorted(path.name for path in samples_folder.iterdir())
    assert names == ["angry-voice.wav", "happy.mp4", "sad.mp4"]
    assert soundfile.info(samples_folder / "angry-voice.wav").duration == pytest.approx(2.2)
    for name in ("happy", "sad"):
        with av.open(str(samples_folder / f"{name}.mp4")) as container:
            assert container.duration / 1e6 == pytest.approx(2.2, abs=0.05)
            assert container.streams.video[0].average_rate == 25
            assert container.streams.audio[0].rate == 16000


@pytest.mark.parametrize("cascade", CASCADES)
@pytest.mark.parametrize("name", ["happy.mp4", "sad.mp4"])
def test_a_face_is_found_in_nearly_every_sample_frame(samples_folder: Path, name: str, cascade: str) -> None:
    pictures = read_pictures(samples_folder / name)
    assert len(pictures) == 55
    assert np.mean([len(faces(picture, cascade)) == 1 for picture in pictures]) >= 0.95


def test_a_sample_face_moves_its_mouth_with_its_voice(samples_folder: Path) -> None:
    pictures = np.stack(read_pictures(samples_folder / "happy.mp4")).astype(float)
    sound = read_sound(samples_folder / "happy.mp4")[0][: 55 * 640]
    level = np.sqrt(np.mean(sound.reshape(55, 640) ** 2, axis=1))
    # The inside of the mouth is the darkest thing about the lower face.
    dark = np.sum(pictures[:, 195:265, 190:290] < 60, axis=(1, 2))
    assert np.corrcoef(level[10:], dark[10:])[0, 1] > 0.7


def test_samples_are_the_same_each_time(samples_folder: Path, tmp_path: Path) -> None:
    for path in write_sample_videos(tmp_path):
        assert path.read_bytes() == (samples_folder / path.name).read_bytes()


def test_samples_into_a_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(UsageError, match="taken"):
        write_sample_videos(tmp_path / "taken")
