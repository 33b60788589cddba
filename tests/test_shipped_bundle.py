"""The bundle in the wheel: what it promises, whatever it was trained to answer."""

import csv
import re
import subprocess
import sys

import numpy as np
import pytest
import soundfile

import mercli_models
from mercli.card import MEANING
from mercli.cli import app
from mercli.emotions import FER2013
from mercli.judge import Judge
from mercli.sample import synthesise_voice
from mercli.setup import open_bundle

MEGABYTE = 10**6


@pytest.fixture(scope="module")
def bundle():
    return open_bundle()[1]


@pytest.fixture(scope="module")
def card(bundle):
    return bundle.card


def test_its_hashes_are_right_and_its_parts_fit_together(bundle):
    Judge(bundle)
    assert bundle.name == mercli_models.DEFAULT


def test_it_knows_the_classes_of_fer2013_in_their_order(bundle):
    assert bundle.classes == FER2013


def test_it_has_voice_face_words_and_fusion(bundle):
    assert bundle.modalities == ("voice", "face", "words")
    assert bundle.face.model is not None
    assert bundle.fusion is not None


def test_its_files_together_stay_under_20_megabytes():
    sizes = [path.stat().st_size for path in mercli_models.path().rglob("*")]
    assert 0 < sum(sizes) < 20 * MEGABYTE


def test_it_records_the_speakers_it_was_trained_on(bundle):
    speakers = bundle.training["speakers"]
    assert len(speakers) == len(set(speakers)) > 10
    assert bundle.training["clips"] > len(speakers)


@pytest.mark.parametrize("corpus", ["RAVDESS", "Javanese", "FER2013"])
def test_its_card_names_the_data_and_their_terms(card, corpus):
    data = card.partition("## Data")[2].partition("##")[0]
    assert corpus in data
    assert "CC BY-NC-SA 4.0" in data
    assert "without a licence" in data
    assert "research and other non-commercial use" in data


def test_its_card_says_in_plain_words_what_the_numbers_mean(card):
    assert MEANING in card


@pytest.mark.parametrize("modality", ["voice", "face", "fusion"])
def test_its_card_has_the_recorded_numbers_with_their_speakers(bundle, card, modality):
    scores = {what: found for what, found in bundle.training["scores"].items() if what.startswith(modality)}
    assert scores
    for what, found in scores.items():
        (line,) = [line for line in card.splitlines() if line.startswith(f"| {what} |")]
        cells = [cell.strip() for cell in line.split("|")[2:-1]]
        intervals = found["intervals_95"]
        assert set(intervals) == {"accuracy", "macro_f1", "uar"}
        assert cells[:2] == [str(found["n"]), str(found["n_speakers"])]
        for cell, rate in zip(cells[2:], ("accuracy", "macro_f1", "uar", "ece"), strict=True):
            recorded = [found[rate], *(intervals[rate] if rate in intervals and found["n_speakers"] > 1 else [])]
            assert [float(number) for number in re.findall(r"[\d.]+", cell)] == pytest.approx(recorded, abs=6e-4)


def test_its_card_says_that_no_speaker_is_on_both_sides_and_how_to_make_it_again(card):
    assert "no speaker in two of them" in card
    assert "python models/training/make_bundle.py" in card.partition("## How it was made")[2]


def test_predict_uses_it_when_no_bundle_is_named(bundle, sound_only):
    command = [sys.executable, "-m", "mercli", "predict", sound_only, "-j", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    (row,) = csv.DictReader(done.stdout.splitlines())
    assert row["bundle"] == bundle.label
    assert row["emotion"] in FER2013
    assert [name for name in row if name.startswith("p_")] == [f"p_{name}" for name in FER2013]


@pytest.mark.parametrize("expression", ["sad", "angry"])
def test_the_loudness_of_a_recording_does_not_change_what_predict_says(tmp_path, capsys, expression):
    voice = synthesise_voice(2.0, sample_rate_hz=16000, expression=expression, seed=3)
    for name, decibels in (("quiet", -20), ("plain", 0), ("loud", 20)):
        samples = voice * (0.09 / np.abs(voice).max()) * 10 ** (decibels / 20)
        soundfile.write(tmp_path / f"{name}.wav", samples, 16000, subtype="PCM_24")
    with pytest.raises(SystemExit) as ended:
        app(["predict", str(tmp_path), "-j", "1", "-q"])
    assert not ended.value.code
    rows = {row["file"]: row for row in csv.DictReader(capsys.readouterr().out.splitlines())}
    assert set(rows) == {"quiet.wav", "plain.wav", "loud.wav"}
    plain = rows["plain.wav"]
    for row in rows.values():
        assert row["emotion"] == plain["emotion"] != ""
        for name in FER2013:
            assert float(row[f"p_{name}"]) == pytest.approx(float(plain[f"p_{name}"]), abs=0.02)
