"""What is drawn on a frame: bars as long as probabilities, a box where the face is, text that fits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mercli.annotation.drawing import COLOURS, GROUND, LEAST_WIDTH, Strip, draw_face, length, letter_px
from mercli.annotation.overlay import Overlay
from mercli.annotation.recording import Ground
from mercli.emotions import ALL, FER2013
from mercli.evidence import Evidence
from mercli.face.path import SHORT_GAP_S, FacePath
from mercli.result import Result, Timeline
from mercli.view import View

HAPPY = FER2013.index("happy")


def posterior(top: int = HAPPY, p: float = 0.7) -> np.ndarray:
    row = np.full(7, (1 - p) / 6)
    row[top] = p
    return row


def view(fused: np.ndarray, voice: np.ndarray, face: np.ndarray, path: FacePath | None = None) -> View:
    """A clip of which these are the seconds."""
    starts_s = np.arange(len(fused), dtype=float)
    timeline = Timeline(starts_s, starts_s + 1, fused, voice, face)
    return View(Result("ok", Evidence(), fused[0], voice[0], face[0], timeline=timeline), path or FacePath())


def both(*rows: np.ndarray, path: FacePath | None = None) -> View:
    return view(np.array(rows), np.array(rows), np.array(rows), path)


# The strip


@given(
    weights=st.lists(st.floats(0.0, 1.0), min_size=8, max_size=8).filter(any),
    n_classes=st.integers(2, 8),
    width=st.integers(LEAST_WIDTH, 2500),
    shorter=st.integers(1, 2500),
)
def test_each_bar_is_as_long_as_its_probability(weights, n_classes, width, shorter):
    classes = ALL[:n_classes]
    said = np.array(weights[:n_classes]) + 1e-9
    said /= said.sum()
    strip = Strip(classes, width, letter_px(width, shorter))
    drawn = strip.draw(said, "above", "below")
    assert drawn.shape == (strip.height, width, 3)
    for bar, name, p in zip(strip.bars, classes, said, strict=True):
        assert 0 <= bar.left < bar.right < width
        assert 0 <= bar.top < bar.bottom < strip.height
        row = drawn[(bar.top + bar.bottom) // 2, bar.left : bar.right]
        filled = (row == COLOURS[name]).all(axis=1)
        assert filled.sum() == length(bar, p)
        assert filled[: length(bar, p)].all()
        assert abs(filled.mean() - p) <= 0.5 / (bar.right - bar.left) + 1e-9


def test_bars_and_names_do_not_overlap():
    strip = Strip(ALL, 640, 12)
    blank = strip.draw(None, "", "")
    for bar in strip.bars:
        around = blank[bar.top : bar.bottom, max(0, bar.left - 2) : bar.left]
        assert (around == GROUND).all()
    places = {(bar.left, bar.top) for bar in strip.bars}
    assert len(places) == len(ALL)


def test_the_likeliest_class_is_marked_by_more_than_its_colour():
    strip = Strip(FER2013, 640, 12)
    bar = strip.bars[HAPPY]
    rims = [
        strip.draw(posterior(top), "", "")[bar.top - 1, bar.left : bar.right].astype(int).sum()
        for top in (HAPPY, 0)
    ]
    assert rims[0] > rims[1]


def test_text_that_is_too_long_is_made_to_fit():
    strip = Strip(FER2013, LEAST_WIDTH, 12)
    drawn = strip.draw(posterior(), "whole clip: a very long answer indeed " * 2, "")
    assert (drawn[:, -3:] == GROUND).all()


# The box


def test_the_box_is_drawn_where_the_face_is_and_nothing_else_is_touched():
    ground = np.full((240, 320, 3), 128, np.uint8)
    drawn = ground.copy()
    draw_face(drawn, (100, 80, 60, 70), "happy", None)
    changed = np.argwhere((drawn != ground).any(axis=2))
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert np.abs(np.array([left, top, right, bottom]) - [100, 80, 160, 150]).max() <= 4
    assert (drawn[90:140, 110:150] == 128).all()
    assert (drawn[80, 100:161] == COLOURS["happy"]).all()


@pytest.mark.parametrize("ground", [0, 255, COLOURS["happy"]])
def test_the_box_is_seen_on_any_ground(ground):
    picture = np.full((240, 320, 3), ground, np.uint8)
    draw_face(picture, (100, 80, 60, 70), "happy", None)
    across = picture[110, 90:110].astype(int).sum(axis=1)
    assert np.ptp(across) > 200


@given(
    box=st.tuples(*[st.floats(-500, 500)] * 2, *[st.floats(0, 500)] * 2),
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    aspect=st.sampled_from([0.5, 1.0, 16 / 11]),
)
def test_any_box_can_be_drawn_on_any_picture(box, width, height, aspect):
    picture = np.full((height, width, 3), 128, np.uint8)
    draw_face(picture, box, "sad", "sad 50%", aspect=aspect)


@pytest.mark.parametrize("y", [0, 60, 200])
def test_a_label_lies_within_the_picture(y):
    picture = np.full((240, 320, 3), 128, np.uint8)
    draw_face(picture, (290, y, 60, 40), "surprise", "surprise 100%")
    stripes = np.argwhere((picture == COLOURS["surprise"]).all(axis=2))
    assert stripes[:, 1].min() < 230  # moved to the left, so that all of it is seen


def test_in_pixels_that_are_not_square_the_box_is_squeezed_as_the_picture_is():
    picture = np.full((240, 160, 3), 128, np.uint8)
    draw_face(picture, (100, 80, 60, 70), "happy", None, aspect=2.0)
    columns = np.argwhere((picture == COLOURS["happy"]).all(axis=2))[:, 1]
    assert abs(columns.min() - 50) <= 1
    assert abs(columns.max() - 80) <= 1


# Where the face is in frames that were not looked at


@given(
    times_s=st.lists(st.floats(0, 60), min_size=1, max_size=30, unique=True).map(sorted),
    at_s=st.floats(-1, 61),
    data=st.data(),
)
def test_a_face_is_between_its_sights_or_nowhere(times_s, at_s, data):
    boxes = np.array(
        data.draw(
            st.lists(st.tuples(*[st.floats(0, 900, width=32)] * 4), min_size=len(times_s), max_size=len(times_s))
        ),
        np.float32,
    )
    path = FacePath(np.array(times_s), boxes)
    for time_s, box in zip(times_s, boxes, strict=True):
        assert path.at(time_s) == pytest.approx(tuple(box), abs=1e-3)
    found = path.at(at_s)
    if min(abs(np.array(times_s) - at_s)) > SHORT_GAP_S:
        assert found is None
    elif found is not None:
        assert (boxes.min(axis=0) - 1e-3 <= found).all()
        assert (boxes.max(axis=0) + 1e-3 >= found).all()


def test_a_face_that_was_lost_has_no_box_until_it_is_back():
    path = FacePath(np.array([0.0, 0.1, 3.0, 3.1]), np.array([[0, 0, 9, 9]] * 4, np.float32))
    assert [path.at(t) is not None for t in (0.05, 0.15, 1.0, 2.0, 2.95, 3.05, 3.5)] == [
        True,
        True,
        False,
        False,
        True,
        True,
        False,
    ]


def test_a_file_without_a_face_has_no_box():
    assert FacePath().at(0.0) is None


# The whole frame


@pytest.mark.parametrize(("width", "height"), [(1, 1), (317, 239), (320, 240), (2, 900), (1920, 2)])
@pytest.mark.parametrize("aspect", [1.0, 0.5, 16 / 11])
def test_the_picture_stays_as_it_is_above_a_strip_and_sizes_are_even(width, height, aspect):
    overlay = Overlay(both(posterior()), FER2013, Ground(width, height, aspect))
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    whole = overlay.draw(picture.copy(), 0.5)
    assert whole.shape == (*overlay.shape, 3)
    assert overlay.shape[0] % 2 == overlay.shape[1] % 2 == 0
    left = (overlay.shape[1] - width) // 4 * 2
    assert (whole[:height, left : left + width] == picture).all()
    assert overlay.shape[0] > height


def test_a_second_shows_what_was_said_of_it():
    overlay = Overlay(both(posterior(0, 0.9), posterior(4, 0.9)), FER2013, Ground(320, 240))
    blank = np.zeros((240, 320, 3), np.uint8)
    drawn = [overlay.draw(blank.copy(), time_s) for time_s in (-0.1, 0.99, 1.0, 5.0)]
    amount = [[(frame == COLOURS[name]).all(axis=2).sum() for name in ("angry", "sad")] for frame in drawn]
    assert [angry > sad for angry, sad in amount] == [True, True, False, False]


def test_of_a_second_without_voice_and_face_no_bar_is_drawn():
    nothing = np.full(7, np.nan)
    overlay = Overlay(both(posterior(), nothing), FER2013, Ground(320, 240))
    drawn = overlay.draw(np.zeros((240, 320, 3), np.uint8), 1.5)
    assert not any((drawn == colour).all(axis=2).any() for colour in COLOURS.values())


def test_a_picture_that_changes_its_size_is_brought_to_that_of_the_first():
    path = FacePath(np.array([0.0]), np.array([[64, 48, 64, 96]], np.float32))
    overlay = Overlay(both(posterior(), path=path), FER2013, Ground(320, 240))
    small = overlay.draw(np.full((120, 160, 3), 128, np.uint8), 0.0)
    assert small.shape == (*overlay.shape, 3)
    columns = np.argwhere((small[150] == COLOURS["happy"]).all(axis=1))
    assert abs(columns.min() - 128) <= 2  # twice as far to the right as in the small one


def test_a_clip_of_which_nothing_is_known_cannot_be_drawn():
    with pytest.raises(ValueError, match="nothing was said"):
        Overlay(View(Result("failed", Evidence())), FER2013, Ground(320, 240))
