"""A clip second by second: what is measured in each, and where there is nothing."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from synthetic import frames_of

from mercli.errors import MissingModality
from mercli.evidence import Evidence
from mercli.face.frames import FaceFrames
from mercli.moments import CONTEXT_S, LONGEST_S, moments
from mercli.voice.sets import default_spec, feature_set
from mercli.voice.spec import MERCLI_1
from mercli.voice.spool import Spool
from mercli.voice.track import VoiceTrack

RATE = 16_000
TIMES = st.lists(st.floats(-1, 8), min_size=1, max_size=40, unique=True).map(sorted)


def seen_at(times_s: list[float]) -> FaceFrames:
    """Frames of a face at these times, whose posteriors number them."""
    numbers = np.arange(len(times_s), dtype=np.float32)[:, np.newaxis]
    return replace(frames_of(numbers), times_s=np.array(times_s), track=3)


@pytest.fixture
def track() -> Callable[..., VoiceTrack]:
    def fill(samples: NDArray[np.float32], name: str = "original-34") -> VoiceTrack:
        voice = VoiceTrack(default_spec(name))
        voice.add(samples)
        return voice

    return fill


def of_voice(voice: VoiceTrack, duration_s: float) -> list[NDArray[np.float32] | None]:
    evidence = Evidence(voice=voice.views(), duration_s=duration_s)
    return [moment.evidence.voice for moment in moments(evidence, voice)]


@given(duration_s=st.none() | st.floats(0, 500))
def test_the_seconds_follow_each_other_from_0_to_the_duration(duration_s: float | None) -> None:
    found = list(moments(Evidence(duration_s=duration_s), None))
    told = round(duration_s or 0.0, 3)
    assert len(found) == math.ceil(told)
    assert [moment.start_s for moment in found] == list(range(len(found)))
    assert [moment.end_s for moment in found[:-1]] == list(range(1, len(found)))
    assert not found or found[-1].end_s == told > found[-1].start_s
    assert all(moment.evidence == Evidence() for moment in found)


@pytest.mark.parametrize("duration_s", [1e9, 1e300])
def test_a_clock_that_went_wrong_does_not_make_seconds_without_end(duration_s: float) -> None:
    assert sum(1 for _ in moments(Evidence(duration_s=duration_s), None)) == LONGEST_S == 24 * 60 * 60


@given(times_s=TIMES, duration_s=st.floats(0.1, 6))
def test_each_frame_is_in_one_second_and_in_the_context_of_its_neighbours(
    times_s: list[float], duration_s: float
) -> None:
    face = seen_at(times_s)
    found = list(moments(Evidence(face=face, duration_s=duration_s), None))
    last = len(found) - 1
    own = np.clip(np.floor(times_s), 0, last)
    for i, moment in enumerate(found):
        seen = moment.evidence.face
        assert (seen is not None) == (i in own)
        if seen is None:
            continue
        low, high = i - CONTEXT_S, min(i + 1, duration_s) + CONTEXT_S
        expected = [
            number
            for number, time_s in enumerate(times_s)
            if (time_s >= low or i == 0) and (time_s < high or i == last)
        ]
        assert seen.posteriors[:, 0].tolist() == expected
        assert seen.track == face.track


@pytest.mark.parametrize("name", ["original-34", "mercli-1"])
def test_the_voice_of_a_second_is_measured_with_a_second_on_each_side(
    track: Callable[..., VoiceTrack], speak: Callable[..., NDArray[np.float32]], name: str
) -> None:
    samples = speak(4.5)
    with track(samples, name) as voice:
        parts = of_voice(voice, 4.5)
        level = voice.sound().level
    assert len(parts) == 5
    for i, part in enumerate(parts):
        with Spool() as around:
            around.write(samples[max(0, i - 1) * RATE : (i + 2) * RATE])
            around._level = level
            assert np.array_equal(part, feature_set(default_spec(name)).views(around))  # type: ignore[arg-type]


def test_a_second_is_heard_at_the_level_of_the_whole_clip(
    track: Callable[..., VoiceTrack], speak: Callable[..., NDArray[np.float32]]
) -> None:
    loud = speak(6.0)
    loud[-RATE] = 0.99
    quiet = loud.copy()
    quiet[: 3 * RATE] *= np.float32(0.1)
    energy = feature_set(default_spec("original-34")).clip_names().index("energy_mean")
    with track(quiet) as one, track(loud) as other:
        (first, *_), (first_loud, *_) = of_voice(one, 6.0), of_voice(other, 6.0)
    assert first is not None
    assert first_loud is not None
    assert first[0, energy] == pytest.approx(0.01 * first_loud[0, energy], rel=0.1)


@pytest.mark.parametrize("name", ["original-34", "mercli-1"])
def test_a_silent_second_has_no_voice_though_its_neighbours_do(
    track: Callable[..., VoiceTrack], speak: Callable[..., NDArray[np.float32]], name: str
) -> None:
    samples = speak(4.0)
    samples[RATE : 2 * RATE] = 0
    with track(samples, name) as voice:
        assert [part is not None for part in of_voice(voice, 4.0)] == [True, False, True, True]


def test_a_last_second_too_short_to_measure_has_no_voice(
    track: Callable[..., VoiceTrack], speak: Callable[..., NDArray[np.float32]]
) -> None:
    with track(speak(2.02), "mercli-1") as voice:
        assert [part is not None for part in of_voice(voice, 2.02)] == [True, True, False]


def test_sound_that_ends_before_the_picture_leaves_seconds_without_a_voice(
    track: Callable[..., VoiceTrack], speak: Callable[..., NDArray[np.float32]]
) -> None:
    with track(speak(1.5)) as voice:
        assert [part is not None for part in of_voice(voice, 4.0)] == [True, True, False, False]


def test_a_clip_that_has_no_voice_has_none_in_any_second(
    track: Callable[..., VoiceTrack], speak: Callable[..., NDArray[np.float32]]
) -> None:
    with track(speak(2.0)) as voice:
        found = moments(Evidence(duration_s=2.0, missing=("the sound is silent",)), voice)
        assert [moment.evidence.voice for moment in found] == [None, None]


def test_a_part_without_a_voice_says_what_is_wrong_with_it(track: Callable[..., VoiceTrack]) -> None:
    samples = np.concatenate((np.zeros(RATE), 0.5 * np.sin(np.arange(RATE)))).astype(np.float32)
    with track(samples, MERCLI_1.feature_set) as voice:
        with pytest.raises(MissingModality, match="the sound is silent"):
            voice.views_around(0.0, 1.0, 1.0)
        with pytest.raises(MissingModality, match="shorter than 28 ms"):
            voice.views_around(1.99, 2.5, 1.0)
