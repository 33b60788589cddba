"""The student system of benchmarks/original.py: what it looks at, and what its models do not know."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import original
import pytest
from sklearn.ensemble import RandomForestClassifier
from synthetic import THREE, onnx_model

from mercli.emotions import FER2013
from mercli.errors import UsageError
from mercli.sample import draw_portrait, write_video

SPEAKERS = tuple(f"speaker-{i}" for i in range(4))


@pytest.fixture(autouse=True)
def _small_forest(monkeypatch):
    monkeypatch.setattr(original, "RandomForestClassifier", lambda _, **how: RandomForestClassifier(30, **how))


@pytest.fixture(scope="module")
def session():
    return original.open_session()


@pytest.fixture
def network_of(tmp_path):
    """``network_of(shape)`` writes a network that says angry, against the others, by the mean of its input."""

    def write(shape):
        weights = np.zeros((8 * 8, len(FER2013)), np.float32)
        weights[:, 0] = 1 / 64
        path = tmp_path / "network.onnx"
        path.write_bytes(onnx_model(weights, output="said", shape_in=shape))
        return original.FaceNetwork(path)

    return write


def log_odds(posteriors):
    return np.log(posteriors[0] / posteriors[1])


def in_turn(*answers):
    """A network that gives these answers, one after the other."""
    left = iter(answers)
    return SimpleNamespace(posteriors=lambda _: np.array(next(left)), sha256="in turn")


def boxes(*found):
    """A cascade that finds these, and keeps how it was asked."""
    asked = []
    return SimpleNamespace(detectMultiScale=lambda *how: asked.append(how) or np.array(found), asked=asked)


# what is measured


def test_every_frame_is_looked_at(session, talking_video):
    found = original.find(talking_video, session.cascade, original.Clock())
    assert found.n_frames == 30
    assert 25 <= len(found.faces) <= 30


def test_the_cascade_sees_the_whole_frame_at_scale_1_3_with_5_neighbours(talking_video):
    cascade = boxes((0, 0, 50, 50))
    original.observe(talking_video, original.Session(cascade, in_turn(*np.tile(np.full(7, 1 / 7), (30, 1)))))
    assert {(frame.shape, *how) for frame, *how in cascade.asked} == {((240, 320), 1.3, 5)}


def test_the_largest_face_is_cropped(session):
    small, large = (draw_portrait(320, 240, head_px=head_px) for head_px in (70, 150))
    of_large = original.largest_face(large, session.cascade)
    assert len(session.cascade.detectMultiScale(np.hstack([small, large]), 1.3, 5)) == 2
    for row in ([small, large], [large, small]):
        assert abs(len(original.largest_face(np.hstack(row), session.cascade)) - len(of_large)) < 30
    assert len(original.largest_face(small, session.cascade)) < 0.7 * len(of_large)


def test_the_posteriors_of_the_frames_are_averaged(talking_video):
    happy, sad = np.eye(7)[[3, 4]]
    network = in_turn(*[happy] * 10, *[sad] * 20)
    evidence = original.observe(talking_video, original.Session(boxes((0, 0, 50, 50)), network))
    assert evidence.face == pytest.approx(happy / 3 + sad * 2 / 3)


def test_a_clip_without_a_face_has_a_voice_alone(session, faceless_video):
    evidence = original.observe(faceless_video, session)
    assert np.isnan(evidence.face).all()
    assert np.isfinite(evidence.voice).all()


def test_a_clip_without_sound_has_a_face_alone(session, mute_video):
    evidence = original.observe(mute_video, session)
    assert np.isnan(evidence.voice).all()
    assert evidence.face.sum() == pytest.approx(1)


def test_the_voice_is_described_by_windows_of_50_ms_over_seconds_averaged(speak):
    samples = speak(2.6).astype(np.float64)
    level = samples - samples.mean()
    energy = np.square((level / np.abs(level).max()).reshape(-1, 800)).mean(axis=1)
    seconds = [energy[:20], energy[20:40], energy[40:]]
    found = original.describe_sound(samples.astype(np.float32))
    # Energy is the second of 68 columns, whose means come first, and their deviations after them.
    assert found.shape == (136,)
    assert found[1] == pytest.approx(np.mean([each.mean() for each in seconds]), rel=1e-4)
    assert found[69] == pytest.approx(np.mean([each.std() for each in seconds]), rel=1e-4)


def test_a_sound_shorter_than_a_window_is_none(speak):
    assert np.isnan(original.describe_sound(speak(0.049))).all()


# networks


@pytest.mark.parametrize(
    ("shape", "grey", "taken"),
    [(("n", 1, 8, 8), 0, 0), (("n", 1, 8, 8), 10, 10), (("n", 8, 8, 1), 0, -1), (("n", 8, 8, 1), 255, 1)],
)
def test_a_network_gets_grey_in_the_range_that_goes_with_its_input(network_of, shape, grey, taken):
    said = network_of(shape).posteriors(np.full((30, 20), grey, np.uint8))
    assert log_odds(said) == pytest.approx(taken, abs=1e-4)


def test_a_network_that_takes_no_grey_faces_is_refused(network_of):
    with pytest.raises(UsageError, match=r"takes \['n', 8, 8\]"):
        network_of(("n", 8, 8))


# what is kept


def test_what_was_found_is_kept_by_the_content_of_the_clip(session, talking_video, tmp_path, monkeypatch):
    (first,) = original.find_all([talking_video], session.cascade, tmp_path / "cache")
    same, other = tmp_path / "same.mp4", tmp_path / "other.mp4"
    shutil.copy(talking_video, same)
    other.write_bytes(talking_video.read_bytes() + b"more")
    monkeypatch.setattr(original, "find", lambda *_: original.Found([], 7, first.voice))
    again, anew = original.find_all([same, other], session.cascade, tmp_path / "cache")
    assert [face.tolist() for face in again.faces] == [face.tolist() for face in first.faces]
    assert (again.n_frames, again.voice.tolist()) == (first.n_frames, first.voice.tolist())
    assert (anew.n_frames, anew.faces) == (7, [])


# what the models know


def clips(*, voice="shared", face="shared"):
    """Clips of three classes by four speakers, whose voice and face tell the class in a way that all speakers
    share, or that is each speaker's own, or not at all.
    """
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(3, 136))
    evidence, labels, speakers = [], [], []
    for speaker in SPEAKERS:
        tells = {"shared": shared, "own": rng.normal(size=(3, 136)), "none": np.zeros((3, 136))}[voice]
        for kind, label in enumerate(THREE):
            for _ in range(4):
                seen = rng.uniform(0.05, 0.07, 7) + 0.5 * (face == "shared") * np.eye(7)[FER2013.index(label)]
                heard = tells[kind] + 0.3 * rng.normal(size=136)
                evidence.append(original.Evidence(heard, seen / seen.sum()))
                labels.append(label)
                speakers.append(speaker)
    return evidence, labels, speakers


def accuracies(evidence, labels, speakers):
    said = original.judge_held_out(evidence, labels, speakers)
    truth = np.array(labels)
    return {name: np.mean(np.array(classes)[p.argmax(axis=1)] == truth) for name, (p, classes) in said.items()}


def test_what_speakers_share_is_learnt():
    found = accuracies(*clips(face="none"))
    assert found["voice"] > 0.9
    assert found["voice and face"] > 0.9


def test_a_speaker_is_judged_by_models_that_do_not_know_them():
    found = accuracies(*clips(voice="own", face="none"))
    assert found["voice"] < 0.6
    assert found["voice and face"] < 0.6


def test_the_forest_does_not_trust_a_voice_that_only_knows_its_own_speakers():
    found = accuracies(*clips(voice="own", face="shared"))
    assert found["voice and face"] > 0.9


def test_a_class_that_does_not_occur_is_left_out_of_the_second_score_of_the_face():
    evidence, labels, speakers = clips()
    disgusted = [each._replace(face=each.face / 2 + np.eye(7)[1] / 2) for each in evidence]
    found = accuracies(disgusted, labels, speakers)
    assert found["face"] == 0
    assert found["face, classes that occur"] == 1


def test_a_clip_is_not_judged_by_what_it_lacks():
    evidence, labels, speakers = clips()
    evidence[0] = evidence[0]._replace(face=np.full(7, np.nan))
    evidence[1] = evidence[1]._replace(voice=np.full(136, np.nan))
    said = original.judge_held_out(evidence, labels, speakers)
    unjudged = {name: np.flatnonzero(np.isnan(p).any(axis=1)).tolist() for name, (p, _) in said.items()}
    assert unjudged == {"voice": [1], "face": [0], "face, classes that occur": [0], "voice and face": [0, 1]}


def test_an_actor_whose_face_is_never_found_is_judged_by_the_voice_alone():
    evidence, labels, speakers = clips()
    evidence[:12] = [each._replace(face=np.full(7, np.nan)) for each in evidence[:12]]
    said = original.judge_held_out(evidence, labels, speakers)
    assert np.isfinite(said["voice"][0]).all()
    assert np.isnan(said["voice and face"][0]).any(axis=1).tolist() == [True] * 12 + [False] * 36


def test_three_speakers_are_too_few():
    evidence, labels, speakers = clips()
    with pytest.raises(UsageError, match="at least 4 actors"):
        original.judge_held_out(evidence[:36], labels[:36], speakers[:36])


# the command


def test_it_prints_scores_and_seconds_and_writes_the_same(draw_frames, speak, media_folder, tmp_path, capsys):
    for code, expression in (("01", "neutral"), ("03", "happy")):
        clip = media_folder / f"short-{expression}.mp4"
        write_video(clip, draw_frames(4, expression=expression), samples=speak(0.4))
        for actor in range(4):
            shutil.copy(clip, tmp_path / f"{actor:02d}-01-{code}_01.mp4")
    out = tmp_path / "scores.json"
    original.main(["--javanese", str(tmp_path), "--time", str(clip), "--json", str(out)])
    printed, written = capsys.readouterr().out, json.loads(out.read_text())
    assert (written["n_frames"], written["scores"]["voice"]["n_speakers"]) == (32, 4)
    for name, score in written["scores"].items():
        assert f"| {name} | 8 | 4 | {score['accuracy']:.3f} (" in printed
    assert list(written["cpu_s"]) == [*original.STAGES, "all"]
    assert 0 < sum(written["cpu_s"][stage] for stage in original.STAGES) <= written["cpu_s"]["all"]


def test_a_file_that_is_no_video_is_named(tmp_path):
    path = tmp_path / "text.mp4"
    path.write_text("no video")
    with pytest.raises(SystemExit, match=r"text\.mp4: "):
        original.main(["--time", str(path)])


def test_a_network_that_is_not_there_is_named(talking_video, tmp_path):
    with pytest.raises(SystemExit, match=r"none\.onnx"):
        original.main(["--network", str(tmp_path / "none.onnx"), "--time", str(talking_video)])
