"""``mercli corpus check``: what would spoil a result is found before anything is trained."""

import json
import shutil
from itertools import product

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from mercli import cli
from mercli.sample import synthesise_voice, write_audio

RATE_HZ = 16000


def check(*words):
    done = CliRunner().invoke(cli.app, ["corpus", "check", *map(str, words), "-q"], env={"COLUMNS": "200"})
    assert "Traceback" not in done.output
    return done.exit_code, done.output


def voice(seed):
    return synthesise_voice(0.6, sample_rate_hz=RATE_HZ, expression="happy", seed=seed)


@pytest.fixture
def corpus(tmp_path):
    """Two speakers, two classes, two takes each, with a manifest that says their split."""
    folder = tmp_path / "radio"
    folder.mkdir()
    lines = ["file,label,speaker,split,sex"]
    for i, (speaker, label, _) in enumerate(product(("ann", "bob"), ("happy", "sad"), range(2))):
        write_audio(folder / f"{i}.wav", voice(i), sample_rate_hz=RATE_HZ)
        lines.append(f"{i}.wav,{label},{speaker},{'train' if speaker == 'ann' else 'test'},")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return folder


def edit(folder, old, new):
    text = (folder / "manifest.csv").read_text()
    assert old in text
    (folder / "manifest.csv").write_text(text.replace(old, new))


def findings(folder, tmp_path, code):
    kept = tmp_path / "found.json"
    assert check(folder, "--json", kept, "--overwrite")[0] == code
    return json.loads(kept.read_text())


def test_a_sound_corpus_is_counted_and_nothing_is_wrong(corpus, tmp_path):
    code, said = check(corpus)
    assert code == 0
    assert "radio: 8 files, 2 speakers, 0.1 minutes" in said
    assert "nothing found that would spoil a result" in said
    found = findings(corpus, tmp_path, 0)
    assert found["classes"] == {"happy": 4, "sad": 4}
    assert found["speakers"] == {"ann": {"happy": 2, "sad": 2}, "bob": {"happy": 2, "sad": 2}}
    assert found["traits"] == {"split": {"train": 4, "test": 4}}
    assert found["duration_s"] == pytest.approx(8 * 0.6, abs=0.05)
    assert found["problems"] == []


def test_the_same_bytes_are_found_and_it_is_said_across_what(corpus, tmp_path):
    shutil.copy(corpus / "0.wav", corpus / "6.wav")
    (found,) = findings(corpus, tmp_path, 1)["duplicates"]
    assert found["same"] == "bytes"
    assert [name.rsplit("/", 1)[1] for name in found["files"]] == ["0.wav", "6.wav"]
    assert found["across"] == ["speakers", "labels", "splits"]
    assert "recordings that stand more than once: 1" in check(corpus)[1]


def test_the_same_sound_in_another_form_is_found(corpus, tmp_path):
    samples, rate = soundfile.read(corpus / "0.wav", dtype="int16")
    soundfile.write(corpus / "1.flac", samples, rate, subtype="PCM_16")
    edit(corpus, "1.wav", "1.flac")
    (found,) = findings(corpus, tmp_path, 1)["duplicates"]
    assert (found["same"], found["across"]) == ("sound", [])


def test_silent_files_are_named_and_are_no_duplicates_by_their_sound(corpus, tmp_path):
    for name, seconds in (("0.wav", 0.6), ("2.wav", 0.6)):
        soundfile.write(corpus / name, np.zeros(round(seconds * RATE_HZ), np.int16), RATE_HZ)
    (corpus / "2.wav").write_bytes((corpus / "2.wav").read_bytes() + b"\0")
    found = findings(corpus, tmp_path, 0)
    assert len(found["silent"]) == 2
    assert found["duplicates"] == []


def test_unreadable_and_damaged_files_are_named_with_their_reason(corpus, tmp_path):
    (corpus / "3.wav").write_bytes(b"no sound at all" * 50)
    whole = (corpus / "4.wav").read_bytes()
    (corpus / "4.wav").write_bytes(whole[: len(whole) // 2])
    found = findings(corpus, tmp_path, 1)
    assert [name.rsplit("/", 1)[1] for name in found["unreadable"]] == ["3.wav"]
    assert [name.rsplit("/", 1)[1] for name in found["damaged"]] == ["4.wav"]
    assert found["problems"] == ["files that cannot be read: 1"]


def test_a_speaker_on_both_sides_of_a_split_is_named(corpus, tmp_path):
    edit(corpus, "7.wav,sad,bob,test", "7.wav,sad,bob,train")
    assert findings(corpus, tmp_path, 1)["speakers_on_both_sides"] == {"bob": ["test", "train"]}
    assert "on both sides: bob (test, train)" in check(corpus)[1]


def test_what_is_no_fault_is_noted(corpus, tmp_path):
    edit(corpus, "0.wav,happy,ann", "0.wav,fear,cid")
    notes = findings(corpus, tmp_path, 0)["notes"]
    assert "1 speaker of one class only, such as cid" in notes
    assert "one example only of fear" in notes


def test_a_file_that_is_there_is_not_replaced_unless_asked(corpus, tmp_path):
    kept = tmp_path / "mine.json"
    kept.write_text("mine")
    code, said = check(corpus, "--json", kept)
    assert (code, kept.read_text()) == (2, "mine")
    assert "--overwrite" in said
    code, said = check(
        corpus, "--json", corpus / "manifest.csv", "--manifest", corpus / "manifest.csv", "--overwrite"
    )
    assert code == 2
    assert (corpus / "manifest.csv").read_text().startswith("file,label")


def test_no_recording_is_ever_replaced(corpus):
    before = (corpus / "0.wav").read_bytes()
    code, said = check(corpus, "--json", corpus / "0.wav", "--overwrite")
    assert (code, (corpus / "0.wav").read_bytes()) == (2, before)
    assert "is a file to read" in said


@pytest.mark.parametrize("file", ["0.wav", "manifest.csv"])
def test_no_file_of_the_corpus_is_ever_replaced(corpus, file):
    before = (corpus / file).read_bytes()
    assert check(corpus, "--json", corpus / file, "--overwrite")[0] == 2
    assert (corpus / file).read_bytes() == before


def test_a_link_to_nothing_and_a_pipe_have_their_reason(corpus, tmp_path):
    for name in ("0.wav", "1.wav"):
        (corpus / name).unlink()
    (tmp_path / "gone.wav").touch()
    (corpus / "0.wav").symlink_to(tmp_path / "gone.wav")
    shutil.copy(corpus / "2.wav", corpus / "1.wav")
    found = findings(corpus, tmp_path, 1)
    assert all("unforeseen" not in reason for reason in found["unreadable"].values())


def test_names_that_look_like_markup_are_shown_as_they_are(corpus):
    edit(corpus, ",ann,", ",[red]ann[/],")
    assert "[red]ann[/]" in check(corpus)[1]


@pytest.mark.data
@pytest.mark.long
def test_the_two_files_of_ravdess_that_are_one_are_found(shared_data, tmp_path):
    found = findings(shared_data / "ravdess-speech", tmp_path, 1)
    assert found["files"] == 1140
    (pair,) = found["duplicates"]
    assert all("Actor_07" in name for name in pair["files"])
