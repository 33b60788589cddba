"""Where the face is, what a network sees of it, and what a clip's face becomes."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper
from synthetic import FACE_PX, front_end

from mercli.errors import BundleError, UsageError
from mercli.face.box import Box, crop
from mercli.face.choice import HAAR
from mercli.face.detect import Haar, open_detector
from mercli.face.spec import FaceSpec
from mercli.face.track import FaceNetwork
from mercli.picture import Picture
from mercli.sample import draw_portrait

Luma = NDArray[np.uint8]

sides = st.floats(1, 300)
places = st.floats(-500, 500)
boxes = st.builds(Box, places, places, sides, sides)


def portrait(x: float, y: float = 110, *, head_px: float = 125, **pose: float) -> Luma:
    return draw_portrait(320, 240, head_px=head_px, centre_px=(x, y), **pose)


def wall() -> Luma:
    return portrait(160, 10_000)


def miss_px(box: Box | None, x: float, y: float = 110) -> float:
    """How far the middle of a box is from where the head was drawn."""
    assert box is not None
    return float(np.hypot(box.x + box.width / 2 - x, box.y + box.height / 2 - y))


# Boxes


@given(boxes, boxes)
def test_overlap_is_a_share_and_the_same_both_ways(one: Box, other: Box) -> None:
    assert 0.0 <= one.overlap(other) <= 1.0 + 1e-9
    assert one.overlap(other) == pytest.approx(other.overlap(one))
    assert one.overlap(one) == pytest.approx(1.0)


def test_overlap_is_intersection_over_union() -> None:
    assert Box(0, 0, 4, 4).overlap(Box(2, 2, 4, 4)) == pytest.approx(4 / 28)
    assert Box(0, 0, 4, 4).overlap(Box(4, 0, 4, 4)) == 0.0
    assert Box(0, 0, 4, 4).overlap(Box(1, 1, 2, 2)) == pytest.approx(4 / 16)


def test_a_box_between_two_is_on_the_way() -> None:
    one, other = Box(0, 0, 10, 20), Box(10, 20, 30, 40)
    assert one.between(other, 0.0) == one
    assert one.between(other, 1.0) == other
    assert one.between(other, 0.25) == Box(2.5, 5, 15, 25)


# Crops


def test_a_crop_is_the_square_about_the_middle_of_the_box() -> None:
    picture = np.arange(100 * 100, dtype=np.uint32).reshape(100, 100).astype(np.uint8)
    assert np.array_equal(crop(picture, Box(30, 20, 10, 20), margin=1.0, size_px=20), picture[20:40, 25:45])
    assert np.array_equal(crop(picture, Box(30, 20, 20, 20), margin=0.5, size_px=10), picture[25:35, 35:45])


def test_beyond_the_picture_a_crop_repeats_its_edge() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 80), dtype=np.uint8)
    padded = np.pad(picture, 50, mode="edge")
    for x, y in ((-10, -10), (70, 50), (-10, 50), (70, -10), (-40, 20), (20, 75)):
        there = crop(picture, Box(x, y, 20, 20), margin=1.0, size_px=20)
        assert np.array_equal(there, padded[y + 50 : y + 70, x + 50 : x + 70])


@given(boxes, st.floats(0.1, 3.0), st.integers(1, 96))
def test_a_crop_has_the_size_asked_for_wherever_the_box_is(box: Box, margin: float, size_px: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)
    there = crop(picture, box, margin=margin, size_px=size_px)
    assert there.shape == (size_px, size_px)
    assert there.dtype == np.uint8


def test_a_crop_of_a_turned_or_read_only_picture_works() -> None:
    picture = portrait(160)
    turned = np.rot90(np.rot90(picture), 3)
    turned.flags.writeable = False
    box = Box(100, 50, 120, 120)
    assert np.array_equal(crop(turned, box, margin=0.9, size_px=48), crop(picture, box, margin=0.9, size_px=48))


# Detectors


def test_the_default_detector_is_haar_and_needs_no_file() -> None:
    assert isinstance(open_detector(HAAR), Haar)


def test_haar_finds_a_drawn_face_and_none_on_a_wall() -> None:
    (found,) = Haar().detect(Picture(portrait(150)), 24)
    assert miss_px(found.box, 150) < 12
    assert 0.6 * 125 < found.box.side < 1.1 * 125
    assert (found.eyes, found.roll_deg) == (None, 0)
    assert Haar().detect(Picture(wall()), 24) == []


@pytest.mark.parametrize("name", ["YUNET", "no/such/file.onnx", "", ".", os.devnull])
def test_an_unknown_detector_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(UsageError, match=r"haar, yunet or .*YuNet"):
        open_detector(name)


@pytest.mark.parametrize("content", [b"", b"no network", bytes(10_000)])
def test_a_file_that_is_no_yunet_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(UsageError, match="not a YuNet"):
        open_detector(str(tmp_path / "a.onnx"))


def test_a_pipe_is_no_detector_and_is_not_waited_on(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.onnx")
    with pytest.raises(UsageError, match=r"haar, yunet or .*YuNet"):
        open_detector(str(tmp_path / "a.onnx"))


def test_a_detector_too_large_to_be_one_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.onnx").open("wb") as file:
        file.truncate(1 << 40)  # a hole, on most file systems
    with pytest.raises(UsageError, match=r"a.onnx is not a YuNet face detector: it is over 64 MB"):
        open_detector(str(tmp_path / "a.onnx"))


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000])
def test_a_detector_of_a_name_that_is_too_long_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=r"cannot read the face detector .*: File name too long"):
        open_detector(name)


def test_opencv_adds_nothing_to_the_sentence_about_a_bad_detector(tmp_path: Path) -> None:
    nodes = [helper.make_node("Frobnicate", ["x"], ["y"]), helper.make_node("Conv", ["y", "y"], ["z"])]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 320, 320]) for name in ("x", "z")]
    model = helper.make_model(helper.make_graph(nodes, "graph", ends[:1], ends[1:]))
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    said = []
    for call in ("from mercli.face.detect import YuNet as read", "from cv2.dnn import readNetFromONNX as read"):
        code = f"{call}\ntry: read({{}}('a.onnx'))\nexcept Exception as error: print(type(error).__name__)"
        kind = "__import__('pathlib').Path" if "YuNet" in call else "str"
        command = [sys.executable, "-c", code.format(kind)]
        said.append(subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True))
    assert (said[0].stdout, said[0].stderr) == ("UsageError\n", "")
    assert "[ERROR" in said[1].stderr  # what OpenCV has to say


def test_opencv_may_speak_again_afterwards(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no network")
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    try:
        with pytest.raises(UsageError):
            open_detector(str(tmp_path / "a.onnx"))
        assert cv2.utils.logging.getLogLevel() == cv2.utils.logging.LOG_LEVEL_ERROR
    finally:
        cv2.utils.logging.setLogLevel(before)


# The network


def network_of(after: str) -> FaceNetwork:
    """The untrained network, with another operation at its end."""
    face = front_end().face
    assert face is not None
    model = ModelProto.FromString(face.network)
    model.graph.node[-1].op_type = after
    return FaceNetwork(model.SerializeToString(), face.spec)


CROPS = np.random.default_rng(0).integers(0, 256, (5, FACE_PX, FACE_PX), dtype=np.uint8)


def test_a_network_scores_each_crop_whatever_is_scored_with_it() -> None:
    network = network_of("Softmax")
    said, _ = network.look(CROPS)
    assert said.shape == (5, 7)
    assert said.sum(axis=1) == pytest.approx(1, abs=1e-6)
    for i in range(5):
        assert network.look(CROPS[i : i + 1])[0][0] == pytest.approx(said[i], abs=1e-6)


@pytest.mark.parametrize("after", ["Log", "Neg", "Identity"])
def test_what_are_no_probabilities_of_a_face_is_no_answer(after: str) -> None:
    with pytest.raises(BundleError, match="the face network gave a clip no probabilities"):
        network_of(after).look(CROPS)


def test_a_network_that_gives_another_number_of_rows_is_refused() -> None:
    face = front_end().face
    assert face is not None
    model = ModelProto.FromString(face.network)
    model.graph.node[-1].output[0] = "all"
    model.graph.node.append(helper.make_node("ReduceMax", ["all", "axis"], ["posteriors"], keepdims=1))
    model.graph.initializer.append(helper.make_tensor("axis", TensorProto.INT64, [1], [0]))
    network = FaceNetwork(model.SerializeToString(), face.spec)
    network.look(CROPS[:1])
    with pytest.raises(BundleError, match=r"gave \[1, 7\] values for a batch of 5; \[5, 7\] were expected"):
        network.look(CROPS)


@pytest.mark.parametrize("side", [FACE_PX - 1, FACE_PX + 1])
def test_a_network_that_cannot_be_run_says_so_in_one_line(side: int) -> None:
    with pytest.raises(BundleError, match="the face network cannot be run: ") as caught:
        network_of("Softmax").look(np.zeros((1, side, side), np.uint8))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "data",
    [
        {"classes": []},
        {"classes": "hapy"},
        {"classes": {"happy": 1, "sad": 2}},
        {"classes": ["happy", "happy"]},
        {"classes": ["happy", 1]},
        {"classes": ["happy"], "input_px": 7},
        {"classes": ["happy"], "input_px": 1025},
        {"classes": ["happy"], "input_px": True},
        {"classes": ["happy"], "input_px": 48.0},
        {"classes": ["happy"], "detector": None},
        {"classes": ["happy"], "extra": 1},
    ],
)
def test_a_specification_that_makes_no_sense_is_refused(data: dict[str, object]) -> None:
    with pytest.raises((ValueError, TypeError)):
        FaceSpec.from_json(data)


def test_a_specification_is_read_as_it_was_written() -> None:
    spec = FaceSpec(("angry", "bored"), 64, "yunet")
    assert FaceSpec.from_json(spec.to_json()) == spec


# Embeddings


def embedding_network(size: int, *, after: str = "Identity") -> bytes:
    """The network of the synthetic front end, and sums of pixels as its second output."""
    assert front_end().face is not None
    model = ModelProto.FromString(front_end().face.network)  # type: ignore[union-attr]
    weights = np.arange(FACE_PX**2 * size, dtype=np.float32).reshape(FACE_PX**2, size) / FACE_PX**4
    model.graph.initializer.append(helper.make_tensor("look", TensorProto.FLOAT, weights.shape, weights.ravel()))
    model.graph.node.append(helper.make_node("MatMul", ["flat", "look"], ["seen"]))
    model.graph.node.append(helper.make_node(after, ["seen"], ["embedding"]))
    model.graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", size]))
    content: bytes = model.SerializeToString()
    return content


def with_embedding(size: int) -> FaceSpec:
    assert front_end().face is not None
    return replace(front_end().face.spec, embedding_size=size)  # type: ignore[union-attr]


def test_a_network_gives_an_embedding_of_each_crop() -> None:
    plain = network_of("Softmax").look(CROPS)
    posteriors, embeddings = FaceNetwork(embedding_network(3), with_embedding(3)).look(CROPS)
    assert plain[1].shape == (5, 0)
    assert np.allclose(posteriors, plain[0], atol=1e-6)
    weights = np.arange(FACE_PX**2 * 3).reshape(-1, 3) / FACE_PX**4
    assert embeddings == pytest.approx(CROPS.reshape(5, -1) @ weights, rel=1e-4)


@pytest.mark.parametrize("size", [2, 4])
def test_an_embedding_of_another_size_than_the_specification_says_is_refused(size: int) -> None:
    with pytest.raises(BundleError, match=f"7 values of posteriors and {size} values of embedding; it is another"):
        FaceNetwork(embedding_network(3), with_embedding(size))


def test_an_embedding_that_is_not_finite_is_no_answer() -> None:
    network = FaceNetwork(embedding_network(3, after="Log"), with_embedding(3))
    with pytest.raises(BundleError, match="the face network gave an embedding that is not finite"):
        network.look(0 * CROPS)
