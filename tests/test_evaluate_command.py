"""``mercli evaluate``: a labelled corpus in, honest numbers out."""

import csv
import json
import re
import shutil
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from typer.testing import CliRunner

from mercli import bundle as bundles
from mercli import cli, files
from mercli.emotions import FER2013
from mercli.errors import UsageError
from mercli.sample import draw_portrait, synthesise_voice, write_audio, write_video

RATE_HZ = 16000
CODES = {"neutral": 1, "happy": 3, "sad": 4, "angry": 5, "fear": 6}
THREE = ("angry", "happy", "sad")
SET = ("--voice-set", "original-34")


def mercli(*words, code=0):
    done = CliRunner().invoke(cli.app, [str(word) for word in words], env={"COLUMNS": "160"})
    assert "Traceback" not in done.output
    assert done.exit_code == code, done.output
    return done


def evaluate(*words, code=0):
    done = mercli("evaluate", *words, code=code)
    return " ".join(done.output.split())


def numbers(tmp_path, *words):
    """What an evaluation writes for programs."""
    kept = tmp_path / "numbers.json"
    mercli("evaluate", *words, "--json", kept, "--overwrite", "-q")
    return json.loads(kept.read_text(encoding="utf-8"))


def say(label, speaker, take=1):
    return synthesise_voice(0.7, sample_rate_hz=RATE_HZ, expression=label, seed=10 * speaker + take)


def name(label, speaker, take, kind="03", intensity=1):
    return f"{kind}-01-{CODES[label]:02d}-{intensity:02d}-01-{take:02d}-{speaker:02d}"


@pytest.fixture(scope="module")
def radio(tmp_path_factory):
    """Sound only: speakers 1 to 6 x 3 classes x 2 takes, the second of strong intensity."""
    folder = tmp_path_factory.mktemp("corpora") / "radio"
    folder.mkdir()
    for label, speaker, take in product(THREE, range(1, 7), (1, 2)):
        path = folder / f"{name(label, speaker, take, intensity=take)}.wav"
        write_audio(path, say(label, speaker, take), sample_rate_hz=RATE_HZ)
    return folder


@pytest.fixture(scope="module")
def bundle(radio):
    """Fitted on speakers 1 to 4."""
    lines = ["file,label,speaker"]
    for path in sorted(radio.iterdir()):
        speaker = path.stem[-2:]
        if int(speaker) <= 4:
            lines.append(f"{path.name},{THREE[['05', '03', '04'].index(path.stem[6:8])]},ravdess-{speaker}")
    manifest = radio.parent / "some.csv"
    manifest.write_text("\n".join(lines))
    output = radio.parent / "bundle"
    mercli("fit", radio, "--manifest", manifest, "-o", output, *SET, "-q")
    return output


@pytest.fixture(scope="module")
def theatre(tmp_path_factory):
    """Face and voice: 4 speakers x 5 classes; one file that is no video."""
    folder = tmp_path_factory.mktemp("theatre") / "theatre"
    folder.mkdir()
    for label in CODES:
        frames = [
            draw_portrait(160, 120, head_px=80, centre_px=(80 + i, 60), expression=label, mouth_open=i / 4)
            for i in range(4)
        ]
        for speaker in range(1, 5):
            lit = [np.clip(frame * (0.8 + 0.08 * speaker), 0, 255).astype(np.uint8) for frame in frames]
            for take in (1, 2):
                path = folder / f"{name(label, speaker, take, '01')}.mp4"
                write_video(path, lit, fps=5, samples=say(label, speaker, take), sample_rate_hz=RATE_HZ)
    (folder / f"{name('sad', 4, 3, '01')}.mp4").write_bytes(b"no video" * 99)
    return folder


class TestBundles:
    def test_on_speakers_it_was_fitted_on_it_is_not_tested(self, radio, bundle, tmp_path):
        kept = tmp_path / "n.json"
        said = evaluate(radio, "--bundle", bundle, "--json", kept, code=2)
        assert (
            "was fitted on ravdess-01, ravdess-02, ravdess-03, ravdess-04 of radio, by name or by a recording"
            in said
        )
        assert "--leave-out-seen" in said
        assert "--allow-seen" in said
        assert not kept.exists()

    def test_where_that_is_allowed_every_output_says_so_first(self, radio, bundle, tmp_path):
        kept, text = tmp_path / "n.json", tmp_path / "n.md"
        said = evaluate(radio, "--bundle", bundle, "--allow-seen", "--json", kept, "--markdown", text, "-q")
        some = "ravdess-01, ravdess-02, ravdess-03, ravdess-04"
        warning = f"SEEN SPEAKERS: the bundle was fitted on speakers that are tested ({some})"
        assert warning in said.partition("Scores")[0]
        found = json.loads(kept.read_text())
        assert found["seen_speakers"] == [f"ravdess-0{n}" for n in range(1, 5)]
        assert found["warnings"][0].startswith(warning)
        assert warning in text.read_text().partition("## Scores")[0]

    def test_the_others_can_be_tested_alone(self, radio, bundle, tmp_path):
        found = numbers(tmp_path, radio, "--bundle", bundle, "--leave-out-seen")
        assert found["seen_speakers"] == []
        assert "4 speakers that the bundle was fitted on left out." in found["warnings"]
        assert set(found["groups"]["speaker"]) == {"ravdess-05", "ravdess-06"}
        assert found["scores"]["voice"]["n"] == 12
        assert found["bundle"] == bundles.load(bundle).label

    def test_a_speaker_is_known_by_a_recording_too_whatever_the_names(self, radio, bundle, tmp_path):
        shutil.copy(radio / f"{name('sad', 2, 1)}.wav", tmp_path / "a.wav")
        lines = ["file,label,speaker", "a.wav,sad,zoe"]
        for label, file in (("happy", "b.wav"), ("angry", "c.wav")):
            write_audio(tmp_path / file, say(label, 77), sample_rate_hz=RATE_HZ)
            lines.append(f"{file},{label},{'zoe' if label == 'happy' else 'max'}")
        (tmp_path / "manifest.csv").write_text("\n".join(lines))
        said = evaluate(tmp_path, "--bundle", bundle, code=2)
        assert "was fitted on zoe of" in said
        found = numbers(tmp_path, tmp_path, "--bundle", bundle, "--leave-out-seen")
        assert set(found["groups"]["speaker"]) == {"max"}
        assert (
            "No speaker is among the 4 that it was fitted on, by name or by a recording."
            in found["protocol"]["text"]
        )

    def test_where_nobody_is_left_that_is_said(self, radio, bundle, tmp_path):
        (tmp_path / "some").mkdir()
        for path in radio.glob("*-01.wav"):
            (tmp_path / "some" / path.name).symlink_to(path)
        said = evaluate(tmp_path / "some", "--bundle", bundle, "--leave-out-seen", code=2)
        assert "nobody is left to test" in said

    def test_the_numbers_are_those_of_what_predict_answers(self, radio, bundle, tmp_path):
        answers, table = tmp_path / "answers.csv", tmp_path / "predicted.csv"
        found = numbers(tmp_path, radio, "--bundle", bundle, "--leave-out-seen", "--answers", answers)
        mercli("predict", radio, "--bundle", bundle, "-o", table, "-q")
        with table.open(encoding="utf-8") as file:
            predicted = {row["file"]: row for row in csv.DictReader(file)}
        with answers.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 12
        for row in rows:
            said = predicted[row["file"].rsplit("/", 1)[1]]
            assert row["emotion"] == said["emotion"]
            assert [row[f"p_{c}"] for c in THREE] == [said[f"p_{c}"] for c in THREE]
        right = [row["emotion"] == row["label"] for row in rows]
        assert found["scores"]["voice"]["accuracy"] == pytest.approx(np.mean(right), abs=1e-4)

    def test_classes_that_the_bundle_does_not_know_are_refused_or_left_out(self, radio, bundle, theatre, tmp_path):
        assert "knows no fear" in evaluate(radio, "--bundle", bundle, "--classes", "fear", code=2)
        found = numbers(tmp_path, theatre, "--bundle", bundle, "--allow-seen")
        assert "16 files of other classes left out." in found["warnings"]

    @pytest.mark.parametrize("option", [SET, ("--fusion", "forest"), ("--draws", "3"), ("--base", "x")])
    def test_options_of_training_are_for_protocols(self, radio, bundle, option):
        assert f"{option[0]} is for training" in evaluate(radio, "--bundle", bundle, *option, code=2)


class TestProtocols:
    @pytest.mark.parametrize(("protocol", "n"), [("folds", 36), ("loso", 36), ("2/2/2", 12)])
    def test_each_judges_speakers_that_are_not_in_training(self, radio, protocol, n, tmp_path):
        found = numbers(tmp_path, radio, "--protocol", protocol, *SET)
        assert found["protocol"]["name"] == protocol
        assert found["bundle"] is None
        assert found["scores"]["voice"]["n"] == n

    def test_folds_score_what_fit_scores(self, radio, tmp_path):
        mercli("fit", radio, "-o", tmp_path / "b", *SET, "-q")
        fitted = bundles.load(tmp_path / "b").training["scores"]
        assert numbers(tmp_path, radio, "--protocol", "folds", *SET)["scores"] == fitted

    def test_the_split_scores_what_fit_scores(self, radio, tmp_path):
        mercli("fit", radio, "-o", tmp_path / "b", *SET, "--split", "2/2/2", "--seed", "3", "-q")
        fitted = bundles.load(tmp_path / "b").training["scores"]
        assert numbers(tmp_path, radio, "--protocol", "2/2/2", "--seed", "3", *SET)["scores"] == fitted

    def test_parts_and_chance_are_beside_the_scores(self, radio, tmp_path):
        found = numbers(tmp_path, radio, "--protocol", "folds", *SET)
        groups = found["groups"]
        assert set(groups) == {"sex", "intensity", "speaker"}
        assert set(groups["intensity"]) == {"normal", "strong"}
        assert sum(part["voice"]["n"] for part in groups["speaker"].values()) == 36
        chance = found["baselines"]
        assert chance["majority class"]["voice"]["accuracy"] == pytest.approx(1 / 3, abs=1e-3)
        assert chance["permuted labels"]["voice"]["accuracy"] == pytest.approx(1 / 3, abs=0.05)
        assert 0 < chance["permuted labels"]["voice"]["p_value"]["uar"] <= 1
        score = found["scores"]["voice"]
        assert sum(each["support"] for each in score["per_class"].values()) == 36
        assert sum(each["n"] for each in score["calibration"]) == 36

    def test_the_same_command_gives_the_same_bytes(self, radio, tmp_path):
        words = ("evaluate", radio, "--protocol", "2/2/2", "--draws", "2", *SET, "-q", "--json")
        texts = []
        for jobs in ("1", "2"):
            mercli(*words, tmp_path / "n.json", "--overwrite", "-j", jobs)
            found = json.loads((tmp_path / "n.json").read_text())
            texts.append(json.dumps({**found, "command": ""}))
        assert texts[0] == texts[1]

    @pytest.mark.parametrize("option", [("--bundle", "x"), ("--allow-seen",), ("--leave-out-seen",)])
    def test_options_of_bundles_do_not_go_with_protocols(self, radio, option):
        assert f"{option[0]} is for a fitted bundle" in evaluate(radio, "--protocol", "folds", *option, code=2)

    def test_too_few_speakers_are_said_before_anything_is_read(self, radio):
        said = evaluate(radio, "--protocol", "8/12/4", code=2)
        assert "6 speakers, but the protocol 8/12/4 asks for 24" in said
        assert "measure" not in said


@pytest.fixture(scope="module")
def found(theatre, tmp_path_factory):
    """What the original's protocol says, its numbers, and where its files are."""
    folder = tmp_path_factory.mktemp("original")
    words = [theatre, "--protocol", "original", "--draws", "2", "--json", folder / "n.json"]
    said = evaluate(*words, "--markdown", folder / "n.md", "--pca", folder / "p.svg", "-q")
    return said, json.loads((folder / "n.json").read_text()), folder


class TestOriginal:
    def test_its_figures_stand_beside_what_was_published(self, found):
        said, kept, folder = found
        assert kept["published"]["fusion"] == {"accuracy": 0.443, "macro_f1": 0.41}
        table = said.partition("Beside the original")[2].partition("by class")[0]
        for what in ("voice", "face", "fusion"):
            assert f"{kept['scores'][what]['accuracy']:.3f}" in table
        for figure in ("0.368", "0.374", "0.237", "0.233", "0.443", "0.410"):
            assert figure in table
            assert figure in (folder / "n.md").read_text()

    def test_of_fewer_actors_it_takes_fewer_and_says_so(self, found):
        assert "The original had 24 actors, here are 4: 2/1/1 in place of 8/12/4." in found[1]["warnings"]

    def test_the_features_are_ranked_and_the_published_one_has_its_place(self, found):
        said, kept, _ = found
        features = kept["features"]
        assert features["set"] == "original-34"
        assert len(features["ranking"]) == 136
        place = [each["name"] for each in features["ranking"]].index("mfcc_3_std") + 1
        assert f"mfcc_3_std, which is number {place} of 136 by F here" in said
        assert all(each["importance"] is not None for each in features["ranking"])
        assert len(features["pca"]["points"]) == len(features["pca"]["labels"]) == 40

    def test_the_picture_has_a_plane_for_each_pair_of_dimensions(self, found):
        drawn = (found[2] / "p.svg").read_text()
        shares = found[1]["features"]["pca"]["explained"]
        for i in range(3):
            assert f"dimension {i + 1} ({shares[i]:.0%} of variance)" in drawn
        assert drawn.startswith("<svg")

    def test_files_of_no_use_are_named(self, found):
        assert any("1 file of no use left out" in each for each in found[1]["warnings"])

    def test_the_face_alone_can_be_tested(self, theatre, tmp_path):
        words = ("--protocol", "original", "--draws", "1", "--modalities", "face")
        found = numbers(tmp_path, theatre, *words)
        assert set(found["scores"]) == {"face"}
        assert found["features"] is None

    def test_its_recipe_is_fixed(self, theatre):
        said = evaluate(theatre, "--protocol", "original", "--voice-classifier", "lda", code=2)
        assert "--voice-classifier does not go with --protocol original" in said


class TestOutputs:
    def test_markdown_holds_every_number_of_the_tables(self, radio, tmp_path):
        text, kept = tmp_path / "n.md", tmp_path / "n.json"
        mercli("evaluate", radio, "--protocol", "folds", *SET, "--json", kept, "--markdown", text, "-q")
        page, found = text.read_text(), json.loads(kept.read_text())
        score = found["scores"]["voice"]
        low, high = score["intervals_95"]["uar"]
        assert f"{score['uar']:.3f} ({low:.3f} to {high:.3f})" in page
        for label, counts in zip(score["classes"], score["confusion"], strict=True):
            assert f"| {label} | {' | '.join(map(str, counts))} |" in page
        for title in ("Scores", "What chance would score", "By sex", "By speaker", "voice: calibration"):
            assert f"## {title}\n" in page
        widths = [len(line.split("|")) for line in page.splitlines() if line.startswith("|")]
        assert all(width > 3 for width in widths)
        assert found["command"] in page

    def test_the_page_holds_the_numbers_and_is_what_report_makes_of_the_json(self, radio, bundle, tmp_path):
        page, kept, again = tmp_path / "n.html", tmp_path / "n.json", tmp_path / "again.html"
        words = (radio, "--bundle", bundle, "--allow-seen", "--features", "--json", kept, "--report", page, "-q")
        mercli("evaluate", *words)
        mercli("report", kept, "-o", again, "-q")
        text = page.read_text(encoding="utf-8")
        assert text == again.read_text(encoding="utf-8")
        found = json.loads(kept.read_text())
        assert "SEEN SPEAKERS: the bundle was fitted on speakers that are tested (ravdess-01" in text
        assert f'data-v="{found["scores"]["voice"]["uar"]}"' in text
        assert found["features"]["ranking"][0]["name"] in text
        assert text.count('aria-label="Dimensions ') == 3

    def test_a_corpus_with_markup_in_its_name_breaks_no_page(self, radio, tmp_path):
        folder = tmp_path / "[red]*a* <b>|x"
        folder.symlink_to(radio, target_is_directory=True)
        text = tmp_path / "n.md"
        said = evaluate(folder, "--protocol", "2/2/2", *SET, "--markdown", text, "-q")
        assert said
        assert "# Evaluation on " in text.read_text()

    @pytest.mark.parametrize("option", ["--json", "--markdown", "--answers", "--pca"])
    def test_a_file_that_is_there_is_kept_unless_asked(self, radio, option, tmp_path):
        kept = tmp_path / f"mine{'.csv' if option == '--answers' else '.png'}"
        kept.write_text("mine")
        assert "--overwrite" in evaluate(radio, option, kept, code=2)
        assert kept.read_text() == "mine"

    def test_no_file_of_the_bundle_is_ever_replaced(self, radio, bundle):
        before = (bundle / "bundle.json").read_bytes()
        words = ("--bundle", bundle, "--allow-seen", "--json", bundle / "bundle.json", "--overwrite")
        assert "is a file to read" in evaluate(radio, *words, code=2)
        assert (bundle / "bundle.json").read_bytes() == before

    @pytest.mark.parametrize(
        "speakers",
        [
            [1, 2],
            pytest.param([], marks=pytest.mark.long),
            pytest.param(["s", None], marks=pytest.mark.long),
            pytest.param("ravdess-01", marks=pytest.mark.long),
        ],
    )
    def test_a_record_that_names_nobody_is_not_believed(self, radio, bundle, tmp_path, speakers):
        made = bundles.load(bundle)
        record = {**made.training, "speakers": speakers, "recordings": []}
        bundles.save(replace(made, training=record), tmp_path / "b")
        found = numbers(tmp_path, radio, "--bundle", tmp_path / "b")
        assert "does not say who it was fitted on" in found["warnings"][0]

    def test_no_recording_is_ever_replaced(self, radio):
        clip = min(radio.glob("*.wav"))
        before = clip.read_bytes()
        said = evaluate(radio, "--protocol", "folds", "--markdown", clip, "--overwrite", code=2)
        assert "is a file to read" in said
        assert clip.read_bytes() == before

    @pytest.mark.parametrize(
        "words",
        [
            ("--json", "same", "--markdown", "same"),
            ("--answers", "a.txt"),
            ("--pca", "a.gif"),
            ("--json", "no/such/folder.json"),
        ],
    )
    def test_outputs_that_cannot_be_are_refused_first(self, radio, words, tmp_path):
        words = [word if word.startswith("--") else tmp_path / word for word in words]
        said = evaluate(radio, *words, code=2)
        assert "measure" not in said

    def test_what_cannot_be_written_in_the_end_costs_nothing_else(self, radio, tmp_path, monkeypatch):
        def fail(*_, **__):
            raise UsageError("cannot write n.json: No space left on device")

        monkeypatch.setattr(files, "write_text", fail)
        answers = tmp_path / "a.csv"
        words = ("--json", tmp_path / "n.json", "--answers", answers, "-q")
        said = evaluate(radio, "--protocol", "2/2/2", *SET, *words, code=1)
        assert "Scores" in said
        assert said.endswith("mercli: cannot write n.json: No space left on device")
        assert len(answers.read_text().splitlines()) == 13

    def test_features_are_the_voice_s(self, radio):
        said = evaluate(radio, "--modalities", "face", "--features", code=2)
        assert "--features and --pca are for the voice" in said

    def test_one_clip_s_table_counts_once_a_draw(self, radio, tmp_path):
        answers = tmp_path / "a.jsonl"
        found = numbers(tmp_path, radio, "--protocol", "2/2/2", "--draws", "3", *SET, "--answers", answers)
        assert len(answers.read_text().splitlines()) == found["scores"]["voice"]["n"] == 36

    def test_the_bundle_s_own_voice_can_be_ranked(self, radio, bundle, tmp_path):
        found = numbers(tmp_path, radio, "--bundle", bundle, "--leave-out-seen", "--features")
        names = [each["name"] for each in found["features"]["ranking"]]
        assert len(names) == 136
        assert re.fullmatch(r"[a-z0-9_]+", names[0])


@pytest.mark.data
@pytest.mark.long
def test_the_original_runs_on_ravdess_as_far_as_there_is_any(shared_data, tmp_path):
    folders = [shared_data / name for name in ("ravdess-speech", "ravdess-video", "ravdess-crops")]
    found = numbers(tmp_path, *folders, "--protocol", "original", "--draws", "2", "--modalities", "voice")
    assert found["corpus"]["speakers"] == 19
    assert 0.3 < found["scores"]["voice"]["accuracy"] < 0.6
    assert set(found["classes"]) <= set(FER2013)
