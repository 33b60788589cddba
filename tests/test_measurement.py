"""`mercli.features`: the features of a sound by name, as arrays."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

import mercli
from mercli.errors import MediaError, MissingModality, UsageError
from mercli.measurement import LEVELS, set_names
from mercli.sample import write_audio
from mercli.voice import sets
from mercli.voice.spans import mid_term_spans_s, short_term_spans_s
from mercli.voice.spec import VoiceSpec
from mercli.voice.track import voice_views
from mercli_kernels import deltas, mid_term_statistics, short_term_features

Samples = NDArray[np.float32]
SPEC = VoiceSpec(feature_set="original-34")


@pytest.fixture(scope="module")
def voice(speak: Callable[..., Samples]) -> Samples:
    return speak(2.53)


@pytest.fixture(scope="module")
def recording(media_folder: Path, voice: Samples) -> Path:
    return write_audio(media_folder / "recording.wav", voice)


def by_kernels(samples: Samples, level: str) -> NDArray[Any]:
    """What the kernels themselves say of a sound that lies in memory as one."""
    features = short_term_features(samples, sample_rate_hz=16000, window_s=0.05, hop_s=0.05)
    short = np.concatenate([features, deltas(features)], axis=1)
    mid = mid_term_statistics(short, window_frames=20, hop_frames=20)
    return {"short": short, "mid": mid, "clip": mid.mean(axis=0)[np.newaxis]}[level]


@pytest.mark.parametrize("level", LEVELS)
def test_a_file_has_the_features_that_the_kernels_give_for_its_samples(recording: Path, level: str) -> None:
    samples, _ = soundfile.read(recording, dtype="float32")
    measured = mercli.features(recording, set="original-34", level=level)
    assert np.array_equal(measured.values, by_kernels(samples, level).astype(np.float32))
    assert measured.values.dtype == np.float32
    assert measured.times_s.dtype == np.float64
    assert measured.damage is None


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", set_names())
def test_names_values_and_times_of_every_set_fit_together(voice: Samples, name: str, level: str) -> None:
    measured = mercli.features(voice, set=name, level=level)
    n, n_names = measured.values.shape
    assert len(measured.names) == len(set(measured.names)) == n_names
    assert measured.times_s.shape == (n, 2)
    begin, end = measured.times_s.T
    assert begin[0] == 0
    assert (begin < end).all()
    assert (end <= len(voice) / 16000).all()
    assert end[-1] > len(voice) / 16000 - 0.2
    assert (np.diff(begin) > 0).all()
    assert not {"file", "status", "error", "duration_s", "start_s", "end_s"} & set(measured.names)


@pytest.mark.parametrize("name", set_names())
def test_a_clip_s_features_are_the_first_view_that_a_classifier_is_asked_about(voice: Samples, name: str) -> None:
    views = voice_views(voice, sets.default_spec(name))
    assert len(views) == {"original-34": 1, "mercli-1": 3}[name]
    assert np.array_equal(mercli.features(voice, set=name).values, views[:1])


def test_the_names_are_the_set_s(voice: Samples) -> None:
    names = {level: mercli.features(voice, set="original-34", level=level).names for level in LEVELS}
    assert names["short"][:2] == ("zcr", "energy")
    assert names["short"][34] == "delta_zcr"
    assert (
        names["mid"]
        == names["clip"]
        == (*(f"{n}_mean" for n in names["short"]), *(f"{n}_std" for n in names["short"]))
    )


def test_the_times_are_those_of_the_windows_and_the_last_mid_term_window_is_short(voice: Samples) -> None:
    short = mercli.features(voice, set="original-34", level="short").times_s
    assert short.tolist() == [[i / 20, (i + 1) / 20] for i in range(50)]
    assert mercli.features(voice, set="original-34", level="mid").times_s.tolist() == [[0, 1], [1, 2], [2, 2.5]]
    assert mercli.features(voice, set="original-34", level="clip").times_s.tolist() == [[0, 2.53]]


def test_windows_that_overlap_have_times_that_do() -> None:
    spec = VoiceSpec(window_s=0.05, hop_s=0.02, mid_window_s=0.1, mid_hop_s=0.06)
    assert (
        short_term_spans_s(spec, 2079, 0, 9).tolist() == [[0, 0.05], [0.02, 0.07], [0.04, 0.09], [0.06, 0.11]][:4]
    )
    # Windows of 5, a new one every 3, over 4.
    assert mid_term_spans_s(spec, 2079, 0, 9).tolist() == [[0, 0.11], [0.06, 0.11]]
    assert mid_term_spans_s(spec, 2079, 1, 9).tolist() == [[0.06, 0.11]]


def test_a_time_is_the_number_nearest_to_it() -> None:
    times = short_term_spans_s(VoiceSpec(hop_s=0.01, window_s=0.025), 160_000, 0, 10_000)
    assert times[:, 0].tolist() == [float(f"{i / 100:.2f}") for i in range(len(times))]


def test_samples_and_their_file_have_the_same_features_at_any_rate(media_folder: Path, voice: Samples) -> None:
    for rate in (16000, 44100, 8000):
        path = media_folder / f"{rate}.wav"
        soundfile.write(path, voice, rate, subtype="FLOAT")
        for samples in (voice, voice.astype(np.float64)):
            assert np.array_equal(
                mercli.features(samples, sample_rate_hz=rate).values, mercli.features(path).values
            )


def test_a_path_may_be_text(recording: Path) -> None:
    assert np.array_equal(mercli.features(str(recording)).values, mercli.features(recording).values)


def test_a_video_has_the_features_of_its_sound(talking_video: Path) -> None:
    assert len(mercli.features(talking_video, level="mid", set="original-34").values) == 2


def test_a_damaged_file_says_so(media_folder: Path, recording: Path) -> None:
    cut = media_folder / "cut.wav"
    cut.write_bytes(recording.read_bytes()[:40_000])
    measured = mercli.features(cut)
    assert measured.damage is not None
    assert measured.damage.startswith("the file ends early: 1.2 s were read")
    assert measured.times_s[0, 1] == pytest.approx(1.25, abs=0.01)


def test_what_holds_no_voice_is_named_with_its_reason(
    media_folder: Path, mute_video: Path, silent_video: Path
) -> None:
    (media_folder / "broken.wav").write_text("no sound")
    with pytest.raises(MediaError, match=r"broken\.wav: not a media file that can be read"):
        mercli.features(media_folder / "broken.wav")
    with pytest.raises(MediaError, match="absent: no such file"):
        mercli.features("absent")
    with pytest.raises(MissingModality, match=r"mute\.mp4: the file has no sound"):
        mercli.features(mute_video)
    with pytest.raises(MissingModality, match=r"silent\.mp4: the sound is silent"):
        mercli.features(silent_video)
    with pytest.raises(MissingModality, match="the sound is shorter than"):
        mercli.features(np.ones(100, np.float32))
    with pytest.raises(MissingModality, match="no sound"):
        mercli.features(np.ones(0, np.float32))


def test_a_set_or_a_level_that_does_not_exist_is_named_with_those_that_do(voice: Samples) -> None:
    with pytest.raises(UsageError, match=r"no feature set 'mine'; there is .*original-34"):
        mercli.features(voice, set="mine")
    with pytest.raises(UsageError, match="no level 'long'; there are short, mid, clip"):
        mercli.features(voice, level="long")


@pytest.mark.parametrize(
    ("samples", "rate", "sentence"),
    [
        (np.ones((16000, 2), np.float32), 16000, r"one channel, shape \(n,\); found shape \(16000, 2\)"),
        (np.ones(16000, np.int16), 16000, "float32 or float64, full scale 1; found int16"),
        (np.full(16000, np.nan), 16000, "finite"),
        (np.full(16000, 1e200), 16000, "no larger than float32 holds"),
        (np.ones(16000), 10, "its sampling rate is 10 Hz"),
    ],
)
def test_samples_that_are_none_are_refused(samples: NDArray[Any], rate: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        mercli.features(samples, sample_rate_hz=rate)


def test_a_set_that_needs_more_than_its_name_is_not_among_those_to_choose_from(
    voice: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    def needy(spec: VoiceSpec) -> sets.FeatureSet:
        raise ValueError(f"{spec.feature_set} needs a network")

    monkeypatch.setattr(sets, "_SETS", {**sets._SETS, "needy": needy})
    monkeypatch.setattr(sets, "NAMES", (*sets.NAMES, "needy"))
    assert "needy" not in set_names()
    with pytest.raises(UsageError, match="no feature set 'needy'; there is "):
        mercli.features(voice, set="needy")
    assert sets.DEFAULT in set_names()


GROW = """
import sys
from pathlib import Path
from mercli import extraction
from mercli.inputs import Input

folder, ending, path, times = sys.argv[1:]
setup = extraction.Setup("original-34", "short", ending, folder)
table_path = Path(folder, "table" + ending)
with extraction._opened(table_path, extraction.layout("original-34", "short"), setup) as table:
    for _ in range(int(times)):
        outcome = extraction._measure_file(Path(path), setup)
        assert outcome.status == "ok", outcome
        extraction._add(table, Input(Path(path), "a"), outcome, setup)
print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]), table_path.stat().st_size)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells how much is held")
@pytest.mark.parametrize("ending", [pytest.param(".csv", marks=pytest.mark.long), ".parquet"])
def test_memory_grows_neither_with_the_length_of_a_file_nor_with_their_number(
    tmp_path: Path, speak: Callable[..., Samples], ending: str
) -> None:
    ten_s = speak(10.0)
    peaks, sizes = [], []
    for n, times in ((12, 1), (120, 2)):
        path = write_audio(tmp_path / f"{n}.wav", np.tile(ten_s, n))
        command = [sys.executable, "-c", GROW, str(tmp_path), ending, str(path), str(times)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        peak_kib, size = map(int, done.stdout.split())
        peaks.append(peak_kib)
        sizes.append(size)
    assert sizes[1] > 10 * sizes[0]
    assert peaks[1] < 1.2 * peaks[0], f"{peaks[0] / 1024:.0f} MB, then {peaks[1] / 1024:.0f}"
