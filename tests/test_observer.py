"""What is measured in a file, and what is said where something is missing."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mercli.bundle import Bundle
from mercli.errors import MediaError
from mercli.evidence import Evidence
from mercli.face.detect import Haar
from mercli.face.frames import FaceFrames
from mercli.face.pooling import STEPS
from mercli.fusion import JOINT
from mercli.observer import Observer
from mercli.sample import draw_portrait, write_audio, write_video
from mercli.setup import open_bundle
from mercli.voice.sets import default_spec, feature_set
from mercli.voice.spec import VoiceSpec

Picture = NDArray[np.uint8]
Observe = Callable[..., Evidence]


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return open_bundle()[1]


@pytest.fixture(scope="module")
def observe(bundle: Bundle) -> Observe:
    """``observe(path)`` looks at both modalities, ``observe(path, "face")`` at one."""

    def look(path: Path, *modalities: str) -> Evidence:
        return Observer(bundle, modalities or ("voice", "face"), Haar()).observe(path)

    return look


def whole(face: FaceFrames | None) -> list[NDArray[np.float64]]:
    """All that is known of the frames of a face."""
    assert face is not None
    return [np.asarray(getattr(face, part.name)) for part in fields(face) if part.name != "track"]


def same(one: FaceFrames | None, other: FaceFrames | None) -> bool:
    return all(map(np.array_equal, whole(one), whole(other)))


def mean_of(evidence: Evidence) -> NDArray[np.float64]:
    """What the frame network says on average."""
    assert evidence.face is not None
    return evidence.face.posteriors.mean(axis=0, dtype=np.float64)


def test_a_talking_face_has_a_voice_and_frames_and_nothing_missing(observe: Observe, talking_video: Path) -> None:
    seen = observe(talking_video)
    assert seen.voice is not None
    assert seen.face is not None
    assert np.isfinite(seen.voice).all()
    assert len(seen.face) == seen.n_face_frames
    for numbers in whole(seen.face):
        assert len(numbers) == len(seen.face)
        assert np.isfinite(numbers).all()
    assert (seen.missing, seen.damage) == ((), None)
    assert seen.duration_s == pytest.approx(1.2, abs=0.05)
    assert seen.n_frames is not None
    assert 11 <= seen.n_frames <= 14
    assert seen.n_face_frames == seen.n_frames


@pytest.mark.parametrize(
    ("kind", "has_voice", "has_face", "missing"),
    [
        ("mute_video", False, True, ("the file has no sound",)),
        ("silent_video", False, True, ("the sound is silent",)),
        ("faceless_video", True, False, ("no face in any frame",)),
        ("sound_only", True, False, ("the file has no picture",)),
        ("blank_video", False, False, ("the file has no sound", "no face in any frame")),
    ],
)
def test_each_missing_modality_is_named_and_the_other_is_measured(
    observe: Observe, request: pytest.FixtureRequest, kind: str, has_voice: bool, has_face: bool, missing: tuple
) -> None:
    seen = observe(request.getfixturevalue(kind))
    assert (seen.voice is not None, seen.face is not None) == (has_voice, has_face)
    assert seen.missing == missing
    assert seen.damage is None


def test_frames_are_counted_only_where_a_picture_was_looked_at(
    observe: Observe, talking_video: Path, faceless_video: Path, sound_only: Path
) -> None:
    assert (observe(sound_only).n_frames, observe(sound_only).n_face_frames) == (None, None)
    assert observe(talking_video, "voice").n_frames is None
    seen = observe(faceless_video)
    assert seen.n_frames
    assert seen.n_face_frames == 0


def test_a_modality_that_is_not_wanted_is_not_missed(
    observe: Observe, talking_video: Path, mute_video: Path, sound_only: Path
) -> None:
    assert observe(mute_video, "face").missing == ()
    assert observe(sound_only, "voice").missing == ()
    assert observe(talking_video, "voice").face is None
    assert observe(talking_video, "face").voice is None
    assert observe(mute_video, "voice").missing == ("the file has no sound",)
    assert observe(sound_only, "face").missing == ("the file has no picture",)


def test_each_modality_is_measured_alone_as_it_is_beside_the_other(
    observe: Observe, talking_video: Path, silent_video: Path
) -> None:
    both = observe(talking_video)
    assert np.array_equal(observe(talking_video, "voice").voice, both.voice)  # type: ignore[arg-type]
    assert same(observe(talking_video, "face").face, both.face)
    silent = observe(silent_video)
    assert silent.face is not None
    assert both.face is not None
    assert mean_of(silent) == pytest.approx(mean_of(both), abs=0.02)
    assert silent.face.boxes_px == pytest.approx(both.face.boxes_px, abs=2)
    assert silent.face.times_s == pytest.approx(both.face.times_s, abs=0.01)


@pytest.mark.parametrize("name", ["original-34", "mercli-1"])
def test_altered_copies_are_measured_when_asked_for_and_only_then(
    bundle: Bundle, name: str, sound_only: Path, silent_video: Path, talking_video: Path
) -> None:
    features = feature_set(default_spec(name))
    plain = Observer(bundle, ("voice",), None, voice=features)
    asked = Observer(bundle, ("voice",), None, voice=features, altered=True)
    seen, altered = plain.observe(sound_only), asked.observe(sound_only)
    assert seen.voice_altered is None
    assert altered.voice_altered is not None
    n_copies = {"original-34": 0, "mercli-1": 8}[name]
    assert altered.voice_altered.shape == (n_copies, len(features.clip_names()))
    assert altered.voice_altered.dtype == np.float32
    assert np.isfinite(altered.voice_altered).all()
    for copy in altered.voice_altered:
        assert not (np.abs(altered.voice - copy) < 1e-3).all(axis=1).any()  # type: ignore[operator]
    assert np.array_equal(altered.voice, seen.voice)  # type: ignore[arg-type]
    assert asked.observe(silent_video).voice_altered is None
    face = Observer(bundle, ("face",), Haar(), altered=True)
    assert face.observe(talking_video).voice_altered is None


@pytest.mark.parametrize("name", ["original-34", "mercli-1"])
def test_sequences_of_the_voice_are_measured_when_asked_for_and_only_then(
    bundle: Bundle, name: str, sound_only: Path, silent_video: Path, talking_video: Path
) -> None:
    features = feature_set(default_spec(name))
    plain = Observer(bundle, ("voice",), None, voice=features)
    asked = Observer(bundle, ("voice",), None, voice=features, sequences=True)
    seen, more = plain.observe(sound_only), asked.observe(sound_only)
    assert seen.voice_sequences is None
    assert more.voice_sequences is not None
    assert more.voice_sequences.shape == (1, STEPS * len(features.short_term_names()))
    assert more.voice_sequences.dtype == np.float32
    assert np.isfinite(more.voice_sequences).all()
    assert np.array_equal(more.voice, seen.voice)  # type: ignore[arg-type]
    assert asked.observe(silent_video).voice_sequences is None
    face = Observer(bundle, ("face",), Haar(), sequences=True)
    assert face.observe(talking_video).voice_sequences is None


def test_sequences_of_the_voice_are_measured_where_the_bundle_has_a_joint_network(
    bundle: Bundle, sound_only: Path
) -> None:
    assert bundle.fusion is not None
    joint = replace(bundle, fusion=replace(bundle.fusion, kind=JOINT))
    assert Observer(joint, ("voice",), None).observe(sound_only).voice_sequences is not None


def test_a_long_sound_has_a_sequence_every_ten_seconds(bundle: Bundle, tmp_path: Path, speak) -> None:
    path = write_audio(tmp_path / "a.wav", np.tile(speak(5.0), 5))
    seen = Observer(bundle, ("voice",), None, voice=feature_set(VoiceSpec()), sequences=True).observe(path)
    assert seen.voice_sequences is not None
    assert len(seen.voice_sequences) == 3


def test_one_clip_leaves_no_trace_in_the_next(
    bundle: Bundle, talking_video: Path, sound_only: Path, blank_video: Path
) -> None:
    observer = Observer(bundle, ("voice", "face"), Haar())
    first = observer.observe(talking_video)
    for path in (blank_video, sound_only, talking_video):
        last = observer.observe(path)
    assert same(first.face, last.face)
    assert np.array_equal(first.voice, last.voice)  # type: ignore[arg-type]
    assert first.n_face_frames == last.n_face_frames


def test_a_word_too_short_to_measure_is_missing(observe: Observe, tmp_path: Path) -> None:
    path = write_audio(tmp_path / "a.wav", 0.1 * np.ones(300))
    assert "the sound is shorter than 28 ms" in observe(path).missing


def test_faceless_frames_at_the_start_are_no_evidence(observe: Observe, tmp_path: Path, speak) -> None:
    def frames(n_black: int) -> Iterator[Picture]:
        yield from [np.zeros((240, 320), np.uint8)] * n_black
        yield from [draw_portrait(320, 240, head_px=125, expression="happy")] * 25

    one, other = (observe(write_video(tmp_path / f"{n}.mp4", frames(n), samples=speak(1.0))) for n in (0, 25))
    assert mean_of(one) == pytest.approx(mean_of(other), abs=0.05)
    assert one.face is not None
    assert other.face is not None
    assert other.face.times_s[0] == pytest.approx(one.face.times_s[0] + 1, abs=0.15)
    assert one.n_face_frames == one.n_frames
    assert other.n_face_frames == pytest.approx(one.n_face_frames, abs=1)
    assert other.n_frames == pytest.approx(2 * other.n_face_frames, abs=2)


def test_a_file_that_is_cut_short_is_measured_and_called_damaged(
    observe: Observe, tmp_path: Path, speak: Callable[..., NDArray[np.float32]]
) -> None:
    data = write_audio(tmp_path / "a.wav", speak(3.0)).read_bytes()
    (tmp_path / "b.wav").write_bytes(data[: len(data) // 2])
    seen = observe(tmp_path / "b.wav", "voice")
    assert seen.voice is not None
    assert seen.damage is not None
    assert seen.duration_s == pytest.approx(1.5, abs=0.05)


def test_sound_that_cannot_be_decoded_is_not_called_absent(
    observe: Observe,
    tmp_path: Path,
    draw_frames: Callable[..., list[Picture]],
    speak: Callable[..., NDArray[np.float32]],
) -> None:
    path = write_video(tmp_path / "a.mkv", draw_frames(10), samples=speak(0.4))
    path.write_bytes(path.read_bytes().replace(b"A_AAC", b"A_XYZ"))
    seen = observe(path)
    assert seen.missing == ("no sound could be decoded",)
    assert seen.damage is not None
    assert "no decoder" in seen.damage


def test_what_is_no_media_is_not_observed(observe: Observe, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("hello")
    with pytest.raises(MediaError):
        observe(tmp_path / "a.mp4")
