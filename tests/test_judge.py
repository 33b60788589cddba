"""What a bundle says of the evidence from one file, and what it says when part of it is missing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from onnx import TensorProto, helper, numpy_helper
from synthetic import N_VOICE, THREE, classifier, clouds, frames_of, front_end, small_bundle

from mercli.bundle import Bundle, FacePart, FusionPart, Model, VoicePart
from mercli.emotions import ALL, FER2013
from mercli.errors import BundleError
from mercli.evidence import Evidence
from mercli.face.frames import FaceFrames
from mercli.face.pooling import STEPS, pool
from mercli.face.spec import RECURRENT, FaceSpec
from mercli.fusion import JOINT, fuse, fusion_vector, joint_vectors
from mercli.inference import Classifier, to_posteriors
from mercli.judge import Judge, layout_of
from mercli.moments import Moment
from mercli.result import Result, likeliest
from mercli.voice.spec import VoiceSpec

EVIDENCE = clouds().evidence[0]


@pytest.fixture(scope="module")
def bundle():
    return small_bundle()


@pytest.fixture(scope="module")
def judge(bundle):
    return Judge(bundle)


def vectors(shape):
    numbers = st.floats(-1e6, 1e6, width=32)
    return st.none() | hnp.arrays(np.float32, shape, elements=numbers)


def faces():
    """Frames of a face, whatever their times, places and posteriors are."""
    numbers = st.floats(-1e6, 1e6, width=32)

    def of(n):
        return st.builds(
            FaceFrames,
            hnp.arrays(np.float64, n, elements=numbers),
            hnp.arrays(np.float32, (n, 4), elements=numbers),
            hnp.arrays(np.float32, (n, len(FER2013)), elements=numbers),
            st.just(np.empty((n, 0), np.float32)),
        )

    return st.none() | st.integers(1, 8).flatmap(of)


@given(voice=vectors((1, N_VOICE)) | vectors((3, N_VOICE)), face=faces())
def test_posteriors_sum_to_one_whatever_was_measured(judge, voice, face):
    result = judge.judge(Evidence(voice=voice, face=face))
    for posterior, seen in (
        (result.voice, voice is not None),
        (result.face, face is not None),
        (result.fused, voice is not None or face is not None),
    ):
        assert (posterior is not None) == seen
        if posterior is not None:
            assert posterior.shape == (len(THREE),)
            assert posterior.sum() == pytest.approx(1, abs=1e-12)
            assert posterior.min() >= 0


def test_with_both_modalities_the_fusion_model_answers(judge, bundle):
    result = judge.judge(EVIDENCE)
    model = Classifier(bundle.fusion.model.onnx, bundle.fusion.model.classes, bundle.classes, 6, "fusion")
    expected = model.posteriors(fusion_vector(result.voice, result.face)[np.newaxis])[0]
    assert np.array_equal(result.fused, expected)
    assert not np.allclose(result.fused, (result.voice + result.face) / 2)


def test_the_answers_to_the_views_of_a_voice_are_averaged(judge):
    table = clouds(modalities=["voice"])
    one, other = (clip.voice for clip in table.evidence[3:5])
    answers = [judge.judge(Evidence(voice=voice)).voice for voice in (one, other)]
    assert not np.allclose(*answers)
    both = judge.judge(Evidence(voice=np.concatenate((one, other))))
    assert np.allclose(both.voice, np.mean(answers, axis=0), rtol=1e-6)
    assert np.array_equal(both.fused, both.voice)


def test_altered_copies_of_a_sound_do_not_change_what_is_said_of_it(judge):
    altered = replace(EVIDENCE, voice_altered=-EVIDENCE.voice)
    assert np.array_equal(judge.judge(altered).fused, judge.judge(EVIDENCE).fused)


def test_without_a_fusion_model_the_two_are_averaged(bundle):
    result = Judge(replace(bundle, fusion=None)).judge(EVIDENCE)
    assert np.allclose(result.fused, (result.voice + result.face) / 2)


@pytest.mark.parametrize(("missing", "left"), [("face", "voice"), ("voice", "face")])
def test_a_missing_modality_leaves_exactly_the_answer_of_the_other(judge, missing, left):
    whole = judge.judge(EVIDENCE)
    result = judge.judge(replace(EVIDENCE, **{missing: None}, missing=("something is missing",)))
    assert getattr(result, missing) is None
    assert np.array_equal(result.fused, getattr(result, left))
    assert np.array_equal(result.fused, getattr(whole, left))
    assert (result.status, result.error) == ("partial", "something is missing")


def test_with_neither_modality_the_file_failed_and_every_reason_is_said(judge):
    result = judge.judge(Evidence(missing=("the sound is silent", "no face in any frame")))
    assert result.status == "failed"
    assert result.fused is result.voice is result.face is None
    assert result.error == "the sound is silent; no face in any frame"


def test_a_whole_file_is_ok_and_a_damaged_one_partial(judge):
    assert (judge.judge(EVIDENCE).status, judge.judge(EVIDENCE).error) == ("ok", None)
    damaged = judge.judge(replace(EVIDENCE, damage="the file ends early"))
    assert (damaged.status, damaged.error) == ("partial", "the file ends early")
    assert np.array_equal(damaged.fused, judge.judge(EVIDENCE).fused)


def test_without_a_clip_model_the_frames_posteriors_are_averaged():
    bundle = front_end()
    rows = np.random.default_rng(0).dirichlet(np.ones(7), 9).astype(np.float32)
    result = Judge(bundle).judge(Evidence(face=frames_of(rows)))
    assert np.allclose(result.face, rows.mean(axis=0), atol=1e-7)
    assert np.array_equal(result.fused, result.face)
    assert result.fused.sum() == pytest.approx(1, abs=1e-12)


def test_the_network_s_classes_are_put_into_the_order_of_the_bundle():
    shuffled = ("neutral", "sad", "happy")
    network = front_end().face.network
    bundle = Bundle("b", ALL, face=FacePart(FaceSpec(shuffled, 16), network))
    result = Judge(bundle).judge(Evidence(face=frames_of(np.array([[0.5, 0.3, 0.2]] * 3, np.float32))))
    assert dict(zip(ALL, result.face.round(6), strict=True)) == {
        **dict.fromkeys(ALL, 0.0),
        "neutral": 0.5,
        "sad": 0.3,
        "happy": 0.2,
    }


def test_a_class_that_a_model_does_not_know_gets_nothing():
    bundle = Bundle("b", FER2013, VoicePart(VoiceSpec(), classifier(N_VOICE, ("sad", "happy"))))
    posterior = Judge(bundle).judge(Evidence(voice=np.ones((1, N_VOICE), np.float32))).fused
    known = [FER2013.index("happy"), FER2013.index("sad")]
    assert posterior[known].sum() == pytest.approx(1)
    assert np.delete(posterior, known).max() == 0


def test_what_rounding_left_below_zero_counts_as_zero():
    rounded = to_posteriors(np.array([[-3.6e-7, 1.0000004], [0.25, 0.75]], np.float32), "a forest")
    assert rounded.tolist() == [[0, 1], [0.25, 0.75]]


@pytest.mark.parametrize("values", [[-0.1, 1.1], [np.nan, 1], [0, 0], [np.inf, 1], [-1e-7, 0]])
def test_what_are_no_probabilities_is_refused(values):
    with pytest.raises(BundleError, match="the model gave a clip no probabilities"):
        to_posteriors(np.array([[0.5, 0.5], values], np.float32), "the model")


@pytest.mark.parametrize(("columns", "times", "shape"), [(3, 2, r"\[6, 3\]"), (5, 1, r"\[3, 5\]")])
def test_a_classifier_that_gives_another_number_of_answers_than_it_says_is_refused(columns, times, shape):
    nodes = [
        helper.make_node("Compress", ["x", "which"], ["y"], axis=1),
        helper.make_node("Softmax", ["y"], ["z"]),
        helper.make_node("Concat", ["z"] * times, ["probabilities"], axis=0),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
        for name, width in (("x", 8), ("probabilities", 3))
    ]
    which = numpy_helper.from_array(np.arange(8) < columns, "which")
    graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], [which])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    said = Classifier(model.SerializeToString(), THREE, THREE, 8, "the model")
    with pytest.raises(BundleError, match=f"the model gave {shape} values for a batch of 3"):
        said.posteriors(np.zeros((3, 8), np.float32))


def test_frames_scored_with_nothing_but_zeros_give_no_answer():
    with pytest.raises(BundleError, match="the face network gave a clip no probabilities"):
        Judge(front_end()).judge(Evidence(face=frames_of(np.zeros((2, 7), np.float32))))


@pytest.mark.parametrize("modality", ["voice", "face"])
def test_a_modality_that_the_bundle_does_not_know_is_not_judged(bundle, modality):
    result = Judge(replace(bundle, **{modality: None}, fusion=None)).judge(EVIDENCE)
    other = {"voice": "face", "face": "voice"}[modality]
    assert getattr(result, modality) is None
    assert np.array_equal(result.fused, getattr(result, other))


def test_fusing_takes_the_voice_first():
    voice, face = np.array([0.9, 0.1]), np.array([0.2, 0.8])
    assert np.allclose(fusion_vector(voice, face), np.log([0.9, 0.1, 0.2, 0.8]))
    assert fusion_vector(np.stack([voice] * 3), np.stack([face] * 3)).shape == (3, 4)


def test_fusing_nothing_gives_nothing():
    assert fuse(None, None, None) is None


# Which modality decided


@st.composite
def posteriors(draw, n=3):
    """Posteriors over a few classes; tenths, so that some are equal."""
    cuts = sorted(draw(st.lists(st.integers(0, 10), min_size=n - 1, max_size=n - 1)))
    return np.diff([0, *cuts, 10]) / 10


@given(voice=st.none() | posteriors(), face=st.none() | posteriors(), fused=posteriors())
def test_the_modality_that_decided_is_the_one_that_finds_the_answer_likelier(voice, face, fused):
    answer = likeliest(fused)
    decided_by = Result("ok", Evidence(), fused, voice, face).decided_by
    if voice is None or face is None:
        assert decided_by == ("face" if voice is None else "voice")
    elif likeliest(voice) == likeliest(face) == answer:
        assert decided_by == "both"
    else:
        by = {True: "voice", False: "face"}
        assert decided_by == ("both" if voice[answer] == face[answer] else by[voice[answer] > face[answer]])


@given(voice=posteriors(), face=posteriors(), fused=posteriors())
def test_voice_and_face_are_treated_alike(voice, face, fused):
    other = {"voice": "face", "face": "voice", "both": "both"}
    one_way = Result("ok", Evidence(), fused, voice, face).decided_by
    assert Result("ok", Evidence(), fused, face, voice).decided_by == other[one_way]


@given(likely=posteriors(), apart=st.floats(-4e-7, 4e-7))
def test_what_is_told_alike_decides_alike(likely, apart):
    """Digits beyond those of the table depend on the machine: they decide nothing."""
    other = np.clip(likely + np.array([apart, -apart, 0]), 0, 1)
    assert likeliest(other) == likeliest(likely)
    assert Result("ok", Evidence(), likely, likely, other).decided_by == "both"


def test_where_there_is_no_answer_nothing_decided():
    assert Result("failed", Evidence()).decided_by is None


# Other faces


def faces(n):
    rng = np.random.default_rng(n)
    return tuple(
        replace(frames_of(rng.dirichlet(np.ones(7), 4 + i).astype(np.float32)), track=i + 1) for i in range(n)
    )


@pytest.mark.parametrize("damage", [None, "the file ends early"])
def test_another_face_is_judged_as_if_it_were_alone_without_the_voice(judge, damage):
    evidence = replace(
        EVIDENCE, duration_s=2.0, n_frames=20, n_face_frames=6, missing=("x",), damage=damage, other_faces=faces(2)
    )
    result = judge.judge(evidence)
    assert [other.evidence.face.track for other in result.others] == [1, 2]
    for face, other in zip(evidence.other_faces, result.others, strict=True):
        alone = judge.judge(Evidence(face=face))
        assert np.array_equal(other.face, alone.face)
        assert np.array_equal(other.fused, alone.fused)
        assert (other.voice, other.decided_by) == (None, "face")
        # The voice is not missing: it is somebody else's.
        assert (other.status, other.error) == ("partial" if damage else "ok", damage)
        assert (other.evidence.duration_s, other.evidence.n_frames) == (2.0, 20)
        assert other.evidence.n_face_frames == len(face)
        assert other.others == ()


def test_other_faces_do_not_change_what_is_said_of_the_main_one(judge):
    result, alone = judge.judge(replace(EVIDENCE, other_faces=faces(3))), judge.judge(EVIDENCE)
    for name in ("fused", "voice", "face"):
        assert np.array_equal(getattr(result, name), getattr(alone, name))
    assert (result.status, result.error) == (alone.status, alone.error)
    assert len(result.others) == 3


# Second by second


def test_a_second_is_judged_as_a_clip_is(judge):
    evidence = [
        *clouds().evidence[:3],
        replace(EVIDENCE, voice=None),
        replace(EVIDENCE, face=None),
        Evidence(),
    ]
    seconds = [Moment(float(i), min(i + 1, 5.5), part) for i, part in enumerate(evidence)]
    timeline = judge.over_time(seconds)
    assert timeline.starts_s.tolist() == [0, 1, 2, 3, 4, 5]
    assert timeline.ends_s.tolist() == [1, 2, 3, 4, 5, 5.5]
    for i, part in enumerate(evidence):
        result = judge.judge(part)
        for name in ("fused", "voice", "face"):
            said, expected = getattr(timeline, name)[i], getattr(result, name)
            assert np.isnan(said).all() if expected is None else np.array_equal(said, expected)


def test_a_clip_without_a_second_has_an_empty_timeline(judge):
    timeline = judge.over_time([])
    assert (len(timeline.starts_s), len(timeline.ends_s)) == (0, 0)
    assert timeline.fused.shape == timeline.voice.shape == timeline.face.shape == (0, len(THREE))


def test_no_modality_rules_a_class_out_when_it_is_fused():
    for nothing in (0.0, 1e-9, 0.03):
        vector = fusion_vector(np.array([nothing, 1.0]), np.array([0.5, 0.5]))
        assert np.allclose(vector, [np.log(0.03), 0, np.log(0.5), np.log(0.5)])
        assert vector.dtype == np.float32


# Stretches


def test_the_answers_to_the_stretches_of_a_long_face_are_averaged(judge):
    rows = np.random.default_rng(1).dirichlet(np.ones(7), 40).astype(np.float32)
    whole = frames_of(rows, step_s=0.5)  # 19.5 s
    halves = [whole.take(slice(0, 20)), whole.take(slice(20, 40))]
    answers = [judge.judge(Evidence(face=half)).face for half in halves]
    assert not np.allclose(*answers)
    assert np.allclose(judge.judge(Evidence(face=whole)).face, np.mean(answers, axis=0), atol=1e-6)


# A joint network is asked about sequences, and about a modality that is missing too


@pytest.fixture(scope="module")
def joint(bundle):
    layout = layout_of(bundle)
    return replace(bundle, fusion=FusionPart(JOINT, classifier(layout.n_features, THREE)))


def sequences(n, layout, seed=0):
    rows = np.random.default_rng(seed).normal(size=(n, layout.steps * layout.voice))
    return (0.1 * rows).astype(np.float32)


def test_a_joint_vector_is_the_voice_the_face_and_whether_they_are_there(joint):
    layout = layout_of(joint)
    assert (layout.steps, layout.voice, layout.face) == (STEPS, 2 * 34, 7 + 3)
    voice, face = sequences(2, layout), np.ones((1, STEPS * layout.face), np.float32)
    both, only = joint_vectors(voice, face, layout)
    assert np.array_equal(both, np.concatenate([voice[0], face[0], [1, 1]]))
    assert np.array_equal(only, np.concatenate([voice[1], 0 * face[0], [1, 0]]))
    assert np.array_equal(joint_vectors(None, face, layout), [[*0 * voice[0], *face[0], 0, 1]])
    assert joint_vectors(None, None, layout).shape == (0, layout.n_features)
    *parts, flags = layout.split(np.stack([both, only]))
    assert np.array_equal(parts[0][1].ravel(), voice[1])
    assert np.array_equal(parts[1][0].ravel(), face[0])
    assert flags.tolist() == [[1, 1], [1, 0]]


@pytest.mark.parametrize("missing", [(), ("voice",), ("face",)], ids=["nothing", "voice", "face"])
def test_a_joint_network_answers_by_the_mean_over_stretches_whatever_is_missing(joint, missing):
    layout = layout_of(joint)
    face = frames_of(np.random.default_rng(2).dirichlet(np.ones(7), 30).astype(np.float32))
    clip = replace(EVIDENCE, face=face, voice_sequences=sequences(3, layout))
    for modality in missing:
        gone = {"voice": ("voice", "voice_sequences"), "face": ("face",)}[modality]
        clip = replace(clip, **dict.fromkeys(gone))
    result = Judge(joint).judge(clip)
    pooled = None if clip.face is None else pool(clip.face, replace(joint.face.spec, pooling=RECURRENT))
    rows = joint_vectors(clip.voice_sequences, pooled, layout)
    model = Classifier(joint.fusion.model.onnx, THREE, THREE, layout.n_features, "fusion")
    assert len(rows) == {(): 3, ("voice",): 1, ("face",): 3}[missing]
    assert np.allclose(result.fused, model.posteriors(rows).mean(axis=0), atol=1e-12)
    for modality in missing:
        assert getattr(result, modality) is None
    for left in {"voice", "face"} - set(missing):
        assert not np.allclose(result.fused, getattr(result, left))


def test_a_joint_network_gives_no_answer_where_both_are_missing(joint):
    result = Judge(joint).judge(Evidence(missing=("the file has no sound", "no face in any frame")))
    assert (result.status, result.fused) == ("failed", None)


def test_a_joint_network_hears_no_voice_with_another_face_than_the_main_one(joint):
    clip = replace(EVIDENCE, voice_sequences=sequences(2, layout_of(joint)), other_faces=faces(1))
    (other,) = Judge(joint).judge(clip).others
    assert np.array_equal(other.fused, Judge(joint).judge(Evidence(face=clip.other_faces[0])).fused)


def test_a_classifier_of_what_is_not_looked_at_is_not_opened(bundle):
    broken = replace(bundle.face, model=Model(b"no model", bundle.classes))
    assert set(broken.spec.classes) - set(bundle.classes)  # which only a clip model can stand for
    heard = Judge(replace(bundle, face=broken), ("voice",))
    assert heard.judge(EVIDENCE).voice is not None
    with pytest.raises(BundleError, match="the face model"):
        Judge(replace(bundle, face=broken))
