"""Words that are heard: what is refused, how a long sound is cut, and a model that says words of its own."""

import csv
import importlib.util
import shutil
from dataclasses import replace

import numpy as np
import pytest
from utterances import srt, words_part
from whisper import WORDS, write_whisper

import mercli
from mercli import bundle as bundles
from mercli.cli import app
from mercli.errors import UsageError
from mercli.formats import SAMPLE_RATE_HZ
from mercli.words import recognition
from mercli.words.recognition import NEEDED, Hearing, Recogniser, check, quietest

runs_whisper = pytest.mark.skipif(
    importlib.util.find_spec("faster_whisper") is None, reason="faster-whisper is not installed"
)


@pytest.fixture
def hollow(tmp_path):
    """A folder that looks like a model's."""
    folder = tmp_path / "hollow"
    folder.mkdir()
    for name in NEEDED:
        (folder / name).write_text("{}")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_whisper(tmp_path_factory.mktemp("models") / "random")


# What is refused


@pytest.mark.parametrize("absent", NEEDED)
def test_a_folder_without_what_a_model_needs_is_refused(hollow, absent):
    """Without its tokenizer faster-whisper would download one."""
    (hollow / absent).unlink()
    with pytest.raises(UsageError, match=f"holds no {absent}"):
        check(hollow)


def test_a_file_and_a_folder_that_is_not_there_are_refused(hollow, tmp_path):
    for path in (hollow / "model.bin", tmp_path / "gone"):
        with pytest.raises(UsageError, match="is no folder of a Whisper model"):
            check(path)


def test_without_faster_whisper_it_is_said_how_to_get_it(hollow, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"needs faster-whisper; get it by: pip install 'mercli\[speech\]'"):
        check(hollow)


@runs_whisper
def test_what_is_no_model_is_refused_before_any_file_is_read(hollow, sound_only, tmp_path, capsys, bundle):
    with pytest.raises(UsageError, match="the model cannot be opened"):
        Recogniser(hollow, "en")
    words = ["--bundle", bundle, "--transcribe", hollow, "-o", tmp_path / "out.csv"]
    with pytest.raises(SystemExit) as ended:
        app(["predict", str(sound_only), *map(str, words)])
    assert ended.value.code == 2
    assert "the model cannot be opened" in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out.csv").exists()


# How a long sound is cut


class Heard:
    """Says how many samples it was given, and when in them something was said."""

    def __init__(self):
        self.lengths = []

    def hear(self, samples):
        self.lengths.append(len(samples))
        return [(0.5, 1.5, f"part {len(self.lengths)}")]


def hear(samples, blocks):
    heard = Heard()
    hearing = Hearing(heard)
    for block in np.array_split(samples, blocks):
        hearing.add(block)
    return heard.lengths, hearing.words()


def test_a_long_sound_is_cut_where_it_is_quiet_and_nothing_is_lost(monkeypatch):
    monkeypatch.setattr(recognition, "_STRETCH_S", 20)
    samples = np.random.default_rng(0).normal(size=45 * SAMPLE_RATE_HZ).astype(np.float32)
    for start_s in (17.0, 33.0):
        samples[round(start_s * SAMPLE_RATE_HZ) :][: SAMPLE_RATE_HZ // 5] = 0
    lengths, said = hear(samples, 70)
    assert sum(lengths) == len(samples)
    ends_s = np.cumsum(lengths) / SAMPLE_RATE_HZ
    assert ends_s[0] == pytest.approx(17.1, abs=0.11)
    assert ends_s[1] == pytest.approx(33.1, abs=0.11)
    assert said is not None
    assert said.texts == ("part 1", "part 2", "part 3")
    assert said.starts_s == pytest.approx((0.5, ends_s[0] + 0.5, ends_s[1] + 0.5))
    assert said.ends_s == pytest.approx((1.5, ends_s[0] + 1.5, ends_s[1] + 1.5))


@pytest.mark.parametrize("blocks", [1, 2, 999])
def test_the_blocks_in_which_a_sound_comes_make_no_difference(monkeypatch, blocks):
    monkeypatch.setattr(recognition, "_STRETCH_S", 5)
    samples = np.random.default_rng(0).normal(size=17 * SAMPLE_RATE_HZ).astype(np.float32)
    assert hear(samples, blocks) == hear(samples, 13)


def test_no_sound_has_no_words():
    assert Hearing(Heard()).words() is None


@pytest.mark.parametrize("n", [1, 100, 1600, 1601, 400_000])
def test_a_cut_lies_within_the_sound_and_leaves_something_before_it(n):
    assert 0 < quietest(np.ones(n, np.float32)) <= n


# A model


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "with-words"
    bundles.save(replace(mercli.load_bundle(), name="with-words", words=words_part()), folder)
    return folder


@runs_whisper
def test_a_model_says_the_same_each_time(model):
    recogniser = Recogniser(model, "en")
    samples = np.random.default_rng(0).normal(scale=0.1, size=3 * SAMPLE_RATE_HZ).astype(np.float32)
    once, again = recogniser.hear(samples), recogniser.hear(samples)
    assert once == again
    assert once
    assert {word for _, _, text in once for word in text.split()} <= set(WORDS)


@runs_whisper
def test_words_are_heard_where_there_is_no_transcript(
    model, bundle, tmp_path, talking_video, sound_only, mute_video, capsys
):
    clips = tmp_path / "clips"
    clips.mkdir()
    for name, path in (("told.mp4", talking_video), ("heard.wav", sound_only), ("mute.mp4", mute_video)):
        shutil.copy(path, clips / name)
    (clips / "told.srt").write_text(srt([(0, 1, "what a wonderful lovely day")]))
    words = ["predict", clips, "--bundle", bundle, "--transcribe", model, "-o", tmp_path / "out.csv", "-j", "1"]
    with pytest.raises(SystemExit) as ended:
        app(list(map(str, words)))
    assert ended.value.code == 0, capsys.readouterr().err
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert (rows["told.mp4"]["words_emotion"], rows["told.mp4"]["n_words"]) == ("happy", "5")
    assert (rows["heard.wav"]["words_emotion"], rows["heard.wav"]["error"]) == ("sad", "the file has no picture")
    assert int(rows["heard.wav"]["n_words"]) > 0
    assert (rows["mute.mp4"]["words_emotion"], rows["mute.mp4"]["n_words"]) == ("", "")
    assert rows["mute.mp4"]["error"].endswith("no words were heard in it")
    with pytest.raises(SystemExit):
        app(list(map(str, words)))
    assert "3 of 3 files done already" in " ".join(capsys.readouterr().err.split())


@runs_whisper
def test_a_voice_that_is_not_looked_at_is_still_listened_to(model, bundle, sound_only):
    said = mercli.predict(sound_only, bundle=bundle, modalities="words", transcribe=model, jobs=1)[0]
    assert (said.decided_by, said.words_emotion, said.voice_probabilities) == ("words", "sad", None)
