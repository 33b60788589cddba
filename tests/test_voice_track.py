"""What counts as no voice, and a sound that comes piece by piece."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mercli.errors import MissingModality
from mercli.voice.spec import VoiceSpec
from mercli.voice.track import SILENCE_DB, VoiceTrack, voice_views

Samples = NDArray[np.float32]
SPEC = VoiceSpec()


@pytest.fixture(scope="module")
def voice(speak: Callable[..., Samples]) -> Samples:
    return speak(2.5)


@pytest.mark.parametrize("samples", [np.zeros(16000), np.full(16000, 0.4), 1e-5 * np.ones(16000)])
def test_silence_holds_no_voice_whatever_its_offset(samples: NDArray[np.float64]) -> None:
    with pytest.raises(MissingModality, match="the sound is silent"):
        voice_views(samples.astype(np.float32), SPEC)


def test_the_silence_threshold_is_where_it_is_said_to_be(voice: Samples) -> None:
    windows = voice[: len(voice) // 800 * 800].reshape(-1, 800)
    loudest = np.sqrt(np.square(windows).mean(axis=1).max())
    at_threshold = voice * (10 ** (SILENCE_DB / 20) / loudest)
    voice_views((1.3 * at_threshold).astype(np.float32), SPEC)
    with pytest.raises(MissingModality, match="silent"):
        voice_views((0.7 * at_threshold).astype(np.float32), SPEC)


def test_one_sound_in_a_silent_clip_is_a_voice(voice: Samples) -> None:
    samples = np.zeros(48000, np.float32)
    samples[20000:24000] = voice[8000:12000]
    assert np.isfinite(voice_views(samples, SPEC)).all()


@pytest.mark.parametrize("n", [1, 799])
def test_less_than_one_window_is_no_voice(voice: Samples, n: int) -> None:
    with pytest.raises(MissingModality, match="shorter than 50 ms"):
        voice_views(voice[4000 : 4000 + n], SPEC)


def test_no_sample_at_all_is_no_sound() -> None:
    with pytest.raises(MissingModality, match="no sound could be decoded"):
        voice_views(np.empty(0, np.float32), SPEC)


@pytest.mark.parametrize("n", [800, 801, 1599, 15999, 16001])
def test_any_length_from_one_window_on_gives_a_vector(voice: Samples, n: int) -> None:
    assert np.isfinite(voice_views(voice[4000 : 4000 + n], SPEC)).all()


def test_what_lies_between_the_last_whole_window_of_a_block_and_the_next_is_heard(voice: Samples) -> None:
    samples = np.zeros(48000, np.float32)
    samples[24800:25000] = voice[8000:8200]  # loudness is measured in windows of 800, here in blocks of 1000
    with VoiceTrack(SPEC, block_samples=8000) as track:
        track.add(samples)
        assert track.sound().n_samples == 48000
    with VoiceTrack(SPEC, block_samples=8000) as track:
        track.add(0 * samples)
        with pytest.raises(MissingModality, match="silent"):
            track.sound()


NO_ROOM = """
import os, resource, numpy as np
from pathlib import Path
from mercli.errors import MercliError
from mercli.voice.spec import VoiceSpec
from mercli.voice.track import VoiceTrack

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
before = len(os.listdir("/dev/fd"))
for n in (1_500, 200_000):  # it shows only when the last is written out; it shows at once
    try:
        with VoiceTrack(VoiceSpec(), spool_bytes=1) as track:
            track.add(np.full(24_000, 0.5, np.float32))
            track.add(np.full(n, 0.5, np.float32))
            track.views()
    except MercliError as error:
        print(error)
    assert len(os.listdir("/dev/fd")) == before
"""


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="there is no limit on a file's size to be had")
def test_a_sound_that_finds_no_room_is_an_error_that_leaves_nothing_open() -> None:
    done = subprocess.run([sys.executable, "-c", NO_ROOM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout == "no room for its sound in the temporary folder (File too large)\n" * 2


def test_a_track_that_is_left_by_an_error_keeps_nothing_open(voice: Samples) -> None:
    def fail() -> None:
        with track:
            track.add(voice)
            raise RuntimeError

    track = VoiceTrack(SPEC, spool_bytes=1)
    with pytest.raises(RuntimeError):
        fail()
    with pytest.raises(ValueError, match="closed"):
        track.add(voice)
