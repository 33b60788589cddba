"""From the frames of a face to a vector: what each number says, whatever the frames and their times are."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from mercli.emotions import FER2013
from mercli.face.frames import FaceFrames
from mercli.face.pooling import STEPS, STRETCH_S, pool, stretches, vector_names
from mercli.face.spec import MEAN, POOLINGS, RECURRENT, STATS, FaceSpec

SPEC = FaceSpec(FER2013, embedding_size=2)
FEW = FaceSpec(("happy", "sad"), embedding_size=0)  # no neutral
PLACE = ("x", "y", "size")


def spec_of(pooling: str, spec: FaceSpec = SPEC) -> FaceSpec:
    return replace(spec, pooling=pooling)


def random_frames(n: int, *, spec: FaceSpec = SPEC, step_s: float = 0.1, seed: int = 0) -> FaceFrames:
    rng = np.random.default_rng(seed)
    corner, side = rng.uniform(0, 20, (n, 2)), rng.uniform(90, 110, (n, 2))
    return FaceFrames(
        step_s * np.arange(n),
        np.concatenate((corner, side), axis=1).astype(np.float32),
        rng.dirichlet(np.ones(len(spec.classes)), n).astype(np.float32),
        rng.normal(size=(n, spec.embedding_size)).astype(np.float32),
    )


def told(frames: FaceFrames, spec: FaceSpec) -> dict[str, float]:
    """The numbers of the only stretch, by name."""
    (vector,) = pool(frames, spec)
    return dict(zip(vector_names(spec), vector.tolist(), strict=True))


@st.composite
def any_frames(draw: st.DrawFn, times_up_to: float = 1e15) -> tuple[FaceFrames, FaceSpec]:
    """Frames at any times, set back and leaping ahead, at any place, and how to pool them."""
    spec = draw(st.sampled_from([SPEC, FEW]))
    spec = replace(spec, pooling=draw(st.sampled_from(POOLINGS)))
    n = draw(st.integers(1, 40))
    numbers = st.floats(-1e5, 1e5, width=32)
    frames = FaceFrames(
        draw(hnp.arrays(np.float64, n, elements=st.floats(-times_up_to, times_up_to) | st.floats(0, 40))),
        draw(hnp.arrays(np.float32, (n, 4), elements=numbers)),
        draw(hnp.arrays(np.float32, (n, len(spec.classes)), elements=st.floats(0, 1, width=32))),
        draw(hnp.arrays(np.float32, (n, spec.embedding_size), elements=numbers)),
    )
    return frames, spec


# Names


@pytest.mark.parametrize("spec", [SPEC, FEW])
def test_pooled_by_mean_the_names_are_the_classes(spec: FaceSpec) -> None:
    assert vector_names(spec_of(MEAN, spec)) == spec.classes


def test_pooled_by_statistics_the_names_are_those_of_contour_and_statistic() -> None:
    expected = {f"{c}_{s}" for c in FER2013 for s in ("mean", "std", "p25", "p75", "top", "slope", "raised")}
    expected |= {f"look_{i}_{s}" for i in range(2) for s in ("mean", "std", "change")}
    expected |= {f"{p}_{s}" for p in PLACE for s in ("std", "change")}
    names = vector_names(spec_of(STATS))
    assert len(names) == len(expected) == 7 * 7 + 2 * 3 + 3 * 2
    assert set(names) == expected


def test_without_a_neutral_class_nothing_is_told_over_it() -> None:
    names = vector_names(spec_of(STATS, FEW))
    assert len(names) == 2 * 6 + 3 * 2
    assert not [name for name in names if "raised" in name or "look" in name]


def test_for_a_recurrent_network_the_names_are_the_contours_time_after_time() -> None:
    names = vector_names(spec_of(RECURRENT))
    assert len(set(names)) == len(names) == STEPS * (7 + 2 + 3)
    contours = [*FER2013, "look_0", "look_1", *PLACE]
    assert list(names[:12]) == [f"{name}_0" for name in contours]
    assert list(names[-12:]) == [f"{name}_{STEPS - 1}" for name in contours]


# Any frames


@settings(max_examples=200)
@given(any_frames())
def test_every_stretch_is_as_many_finite_numbers_as_there_are_names(case: tuple[FaceFrames, FaceSpec]) -> None:
    frames, spec = case
    vectors = pool(frames, spec)
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(stretches(frames)), len(vector_names(spec)))
    assert np.isfinite(vectors).all()


@settings(max_examples=200)
@given(any_frames())
def test_stretches_hold_all_frames_once_in_their_order(case: tuple[FaceFrames, FaceSpec]) -> None:
    frames, _ = case
    parts = stretches(frames)
    assert all(len(part) for part in parts)
    for field in fields(frames):
        if field.name not in ("times_s", "track"):
            joined = np.concatenate([getattr(part, field.name) for part in parts])
            assert np.array_equal(joined, getattr(frames, field.name))
    times_s = np.concatenate([part.times_s for part in parts])
    assert np.array_equal(times_s, np.maximum.accumulate(frames.times_s))


@settings(max_examples=200)
@given(any_frames(times_up_to=1e4))
def test_no_stretch_is_longer_than_ten_seconds(case: tuple[FaceFrames, FaceSpec]) -> None:
    for part in stretches(case[0]):
        assert part.times_s[-1] - part.times_s[0] <= STRETCH_S + 1e-9


@pytest.mark.parametrize(("span_s", "count"), [(0.0, 1), (9.9, 1), (10.0, 1), (10.1, 2), (20.0, 2), (34.0, 4)])
def test_a_clip_is_divided_into_as_few_equal_stretches_as_that_takes(span_s: float, count: int) -> None:
    frames = replace(random_frames(400), times_s=np.linspace(3, 3 + span_s, 400))
    parts = stretches(frames)
    assert len(parts) == count
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_a_stretch_without_a_face_is_left_out() -> None:
    frames = random_frames(40)
    parts = stretches(replace(frames, times_s=frames.times_s + np.where(np.arange(40) < 20, 0, 60)))
    assert [len(part) for part in parts] == [20, 20]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_each_stretch_is_told_as_though_it_were_a_clip_of_its_own(pooling: str) -> None:
    frames, spec = random_frames(150, step_s=0.2), spec_of(pooling)
    vectors = pool(frames, spec)
    assert len(vectors) == 3
    for vector, part in zip(vectors, stretches(frames), strict=True):
        assert np.array_equal(vector, pool(part, spec)[0])


@pytest.mark.parametrize("pooling", POOLINGS)
def test_when_a_clip_begins_makes_no_difference(pooling: str) -> None:
    frames, spec = random_frames(60), spec_of(pooling)
    later = replace(frames, times_s=frames.times_s + 1024)
    assert pool(later, spec) == pytest.approx(pool(frames, spec), abs=1e-5)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_clock_that_is_set_back_stands_still_until_it_is_caught_up_with(pooling: str) -> None:
    frames, spec = random_frames(12), spec_of(pooling)
    back, still = frames.times_s.copy(), frames.times_s.copy()
    back[5:8] = [-7, 0.1, 0.3]
    still[5:8] = still[4]
    assert np.array_equal(pool(replace(frames, times_s=back), spec), pool(replace(frames, times_s=still), spec))


# Mean


def test_the_mean_is_that_of_the_posteriors() -> None:
    frames = random_frames(50)
    (vector,) = pool(frames, spec_of(MEAN))
    assert vector == pytest.approx(frames.posteriors.mean(axis=0), abs=1e-6)


@pytest.mark.parametrize("pooling", [MEAN, STATS])
def test_the_order_of_frames_tells_in_slopes_and_changes_only(pooling: str) -> None:
    frames, spec = random_frames(41), spec_of(pooling)
    shuffled = frames.take(np.random.default_rng(1).permutation(41))
    one, other = told(frames, spec), told(replace(shuffled, times_s=frames.times_s), spec)
    for name, value in one.items():
        if name.endswith(("_slope", "_change")):
            assert value != pytest.approx(other[name], rel=1e-3)
        else:
            assert value == pytest.approx(other[name], abs=1e-5), name


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_order_of_equal_frames_does_not_matter(pooling: str) -> None:
    once = random_frames(6)
    twice = once.take(np.repeat(np.arange(6), 2))
    turned = once.take(np.repeat(np.arange(6), 2)[[1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10]])
    assert np.array_equal(pool(twice, spec_of(pooling)), pool(turned, spec_of(pooling)))


# Statistics


def logs(frames: FaceFrames) -> NDArray[np.float64]:
    return np.log(np.maximum(frames.posteriors.astype(np.float64), 1e-3))


def test_the_statistics_of_a_class_are_those_of_its_log_probability() -> None:
    frames = random_frames(40)
    found = told(frames, spec_of(STATS))
    rows = logs(frames)
    ordered = np.sort(rows, axis=0)
    most_neutral = np.argsort(-frames.posteriors[:, FER2013.index("neutral")])[:10]
    for i, name in enumerate(FER2013):
        assert found[f"{name}_mean"] == pytest.approx(rows[:, i].mean(), abs=1e-5)
        assert found[f"{name}_std"] == pytest.approx(rows[:, i].std(), abs=1e-5)
        assert found[f"{name}_top"] == pytest.approx(ordered[30:, i].mean(), abs=1e-5)
        # Of 40 the 25th percentile is at place 9.75, the 75th at 29.25.
        assert found[f"{name}_p25"] == pytest.approx(0.25 * ordered[9, i] + 0.75 * ordered[10, i], abs=1e-5)
        assert found[f"{name}_p75"] == pytest.approx(0.75 * ordered[29, i] + 0.25 * ordered[30, i], abs=1e-5)
        raised = rows[:, i].mean() - rows[most_neutral, i].mean()
        assert found[f"{name}_raised"] == pytest.approx(raised, abs=1e-5)


def test_a_probability_under_a_thousandth_counts_as_one() -> None:
    frames = random_frames(8)
    less = replace(
        frames, posteriors=np.where(frames.posteriors < 0.1, 1e-3, frames.posteriors).astype(np.float32)
    )
    none = replace(frames, posteriors=np.where(frames.posteriors < 0.1, 0, frames.posteriors).astype(np.float32))
    for pooling in (STATS, RECURRENT):
        assert pool(none, spec_of(pooling)) == pytest.approx(pool(less, spec_of(pooling)), abs=1e-6)


def test_the_slope_is_by_how_much_a_class_grows_from_one_end_to_the_other() -> None:
    n = 60
    frames = random_frames(n)
    happy = np.geomspace(0.01, 0.64, n)
    posteriors = np.full((n, 7), 0.05)
    posteriors[:, FER2013.index("happy")] = happy
    for times_s in (frames.times_s, 1.5 * frames.times_s):
        found = told(replace(frames, posteriors=posteriors.astype(np.float32), times_s=times_s), spec_of(STATS))
        assert found["happy_slope"] == pytest.approx(np.log(64), rel=1e-4)
        assert found["sad_slope"] == pytest.approx(0, abs=1e-6)


def test_the_change_is_what_a_value_moves_by_in_a_second() -> None:
    n = 21
    frames = random_frames(n)
    there_and_back = np.where(np.arange(n) % 2, 0.3, 0.0)
    look = np.stack((there_and_back, np.full(n, 4.0)), axis=1).astype(np.float32)
    found = told(replace(frames, embeddings=look), spec_of(STATS))
    assert found["look_0_change"] == pytest.approx(3, rel=1e-5)  # 0.3 in a tenth of a second
    assert (found["look_1_mean"], found["look_1_std"], found["look_1_change"]) == (4, 0, 0)
    assert found["look_0_mean"] == pytest.approx(10 * 0.3 / 21, rel=1e-5)


def test_two_frames_at_one_time_have_moved_in_a_fiftieth_of_a_second() -> None:
    frames = replace(random_frames(2), times_s=np.zeros(2), embeddings=np.array([[0, 0], [1, 0]], np.float32))
    assert told(frames, spec_of(STATS))["look_0_change"] == pytest.approx(50)


@pytest.mark.parametrize("spec", [SPEC, FEW])
def test_one_frame_has_no_deviation_change_or_slope_and_is_raised_over_nothing(spec: FaceSpec) -> None:
    frames = random_frames(1, spec=spec)
    found = told(frames, spec_of(STATS, spec))
    still = {
        name: value for name, value in found.items() if name.endswith(("_std", "_change", "_slope", "_raised"))
    }
    assert set(still.values()) == {0.0}
    for name, value in zip(spec.classes, logs(frames)[0], strict=True):
        for statistic in ("mean", "p25", "p75", "top"):
            assert found[f"{name}_{statistic}"] == pytest.approx(value, abs=1e-6)


@given(st.integers(1, 80), st.floats(0.01, 1.0))
@settings(max_examples=50)
def test_a_face_that_always_looks_the_same_is_not_raised_over_itself(n: int, step_s: float) -> None:
    frames = random_frames(n, step_s=step_s).take(np.zeros(n, int))
    for vector in pool(replace(frames, times_s=step_s * np.arange(n)), spec_of(STATS)):
        found = dict(zip(vector_names(spec_of(STATS)), vector, strict=True))
        for name in FER2013:
            assert found[f"{name}_raised"] == pytest.approx(0, abs=1e-6)


def test_what_is_raised_is_told_from_the_clip_s_own_neutral_face() -> None:
    """A face that always looks a little sad, and happy three quarters of the time."""
    classes = ("happy", "neutral", "sad")
    posteriors = np.array([[0.1, 0.6, 0.3]] + [[0.5, 0.2, 0.3]] * 3, np.float32)
    spec = FaceSpec(classes, pooling=STATS)
    frames = replace(random_frames(4, spec=spec), posteriors=posteriors)
    found = told(frames, spec)
    assert found["happy_raised"] == pytest.approx(0.75 * np.log(5), abs=1e-5)
    assert found["sad_raised"] == pytest.approx(0, abs=1e-6)
    assert found["neutral_raised"] == pytest.approx(-0.75 * np.log(3), abs=1e-5)


# Place


@pytest.mark.parametrize("pooling", [STATS, RECURRENT])
def test_where_the_face_is_tells_in_the_columns_of_the_place_only(pooling: str) -> None:
    frames, spec = random_frames(30), spec_of(pooling)
    moved = frames.boxes_px.copy()
    moved[20:, 0] += 40
    one, other = told(frames, spec), told(replace(frames, boxes_px=moved), spec)
    differing = {name for name in one if one[name] != other[name]}
    assert differing
    assert {name.split("_")[0] for name in differing} == {"x"}


@pytest.mark.parametrize("pooling", [STATS, RECURRENT])
@pytest.mark.parametrize("factor", [0.5, 2.0, 8.0])
def test_another_place_or_size_of_the_picture_makes_no_difference(pooling: str, factor: float) -> None:
    frames, spec = random_frames(30), spec_of(pooling)
    elsewhere = replace(frames, boxes_px=factor * (frames.boxes_px + np.array([64, 32, 0, 0], np.float32)))
    assert pool(elsewhere, spec) == pytest.approx(pool(frames, spec), abs=1e-4)


def test_the_place_is_told_in_sides_of_the_face() -> None:
    boxes = np.tile(np.array([10, 10, 50, 80], np.float32), (10, 1))
    boxes[5:, 0] += 40  # half a side
    boxes[5:, 1] += 16  # a fifth
    found = told(replace(random_frames(10), boxes_px=boxes), spec_of(STATS))
    assert found["x_std"] == pytest.approx(0.25, rel=1e-5)
    assert found["y_std"] == pytest.approx(0.1, rel=1e-5)
    assert found["size_std"] == 0
    assert found["x_change"] == pytest.approx(0.5 / 0.1 / 9, rel=1e-5)  # one step of nine


# Sequences


@pytest.mark.parametrize("apart_s", [5e-324, 1e-311, 1e-200, 1e-9])
def test_frames_that_are_next_to_no_time_apart_are_a_sequence_of_numbers(apart_s: float) -> None:
    for times_s in ([0, apart_s], [0, apart_s, 1]):
        frames = replace(random_frames(len(times_s)), times_s=np.array(times_s))
        assert np.isfinite(pool(frames, spec_of(RECURRENT))).all()


def sequence(frames: FaceFrames) -> NDArray[np.float64]:
    (vector,) = pool(frames, spec_of(RECURRENT))
    return vector.reshape(STEPS, -1).astype(np.float64)


def test_a_sequence_runs_from_the_first_frame_to_the_last() -> None:
    frames = random_frames(17)
    rows = sequence(frames)
    for step, frame in ((0, 0), (-1, -1)):
        assert rows[step, :7] == pytest.approx(logs(frames)[frame], abs=1e-6)
        assert rows[step, 7:9] == pytest.approx(frames.embeddings[frame], abs=1e-6)


def test_between_frames_a_sequence_is_interpolated_in_time() -> None:
    """Three frames, of which the second is late: the contour bends there."""
    frames = replace(random_frames(3), times_s=np.array([0.0, 2.0, 2.3]))
    frames = replace(frames, embeddings=np.array([[0, 1], [2, 1], [5, 1]], np.float32))
    t = np.linspace(0, 2.3, STEPS)
    expected = np.where(t <= 2, t, 2 + 10 * (t - 2))
    rows = sequence(frames)
    assert rows[:, 7] == pytest.approx(expected, abs=1e-5)
    assert (rows[:, 8] == 1).all()


def test_as_many_frames_as_steps_are_the_sequence() -> None:
    frames = random_frames(STEPS)
    rows = sequence(frames)
    assert rows[:, :7] == pytest.approx(logs(frames), abs=1e-5)
    assert rows[:, 7:9] == pytest.approx(frames.embeddings, abs=1e-5)


def test_one_frame_is_a_sequence_that_stands_still() -> None:
    rows = sequence(random_frames(1))
    assert (rows == rows[0]).all()
    assert (rows[:, 9:] == 0).all()


@given(n=st.integers(2, 60), seed=st.integers(0, 9))
@settings(max_examples=40)
def test_a_sequence_stays_between_what_was_seen(n: int, seed: int) -> None:
    frames = random_frames(n, seed=seed)
    rows = sequence(replace(frames, times_s=frames.times_s * 9 / frames.times_s[-1]))
    assert (rows[:, 7:9] >= frames.embeddings.min(axis=0) - 1e-5).all()
    assert (rows[:, 7:9] <= frames.embeddings.max(axis=0) + 1e-5).all()
