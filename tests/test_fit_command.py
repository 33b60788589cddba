"""``mercli fit``: a labelled corpus in, a bundle and honest numbers out."""

import csv
import importlib.util
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto
from synthetic import clouds, front_end, small_bundle
from typer.testing import CliRunner

from mercli import bundle as bundles
from mercli import cli, corpora, fitting, training
from mercli.corpora import Corpus, Example
from mercli.emotions import ALL
from mercli.errors import CorpusError, UsageError
from mercli.evaluation import rounds
from mercli.evidence import Evidence
from mercli.sample import draw_portrait, synthesise_voice, write_audio, write_video
from mercli.setup import Setup
from mercli.survey import Survey, observe
from mercli.training import Recipe
from mercli.voice.spec import MERCLI_1, VoiceSpec

CODES = {"neutral": 1, "calm": 2, "happy": 3, "sad": 4, "angry": 5, "fear": 6, "disgust": 7, "surprise": 8}
THREE = ("angry", "happy", "sad")
RATE_HZ = 16000


def mercli(*words, check=None, **how):
    """Run the real command line in a process of its own."""
    command = [sys.executable, "-m", "mercli", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, **how)
    if check is not None:
        assert done.returncode == check, done.stderr
    assert "Traceback" not in done.stderr
    return done


def says(*words):
    """Run the command line in this process: the exit code, and what it says to the user."""
    done = CliRunner().invoke(cli.app, [str(word) for word in words])
    assert "Traceback" not in done.output
    return done.exit_code, " ".join(done.output.split())


def ravdess_name(label, speaker, take=1, suffix=".wav", kind="03"):
    return f"{kind}-01-{CODES[label]:02d}-01-01-{take:02d}-{speaker:02d}{suffix}"


def say(label, speaker, take=1):
    """One second: the emotion's manner in the speaker's own seed."""
    return synthesise_voice(
        0.9, sample_rate_hz=RATE_HZ, expression="neutral" if label == "calm" else label, seed=10 * speaker + take
    )


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """4 speakers x 3 classes x 2 takes: a face and a voice, and with them a file that is no video."""
    folder = tmp_path_factory.mktemp("videos") / "theatre"
    folder.mkdir()
    for label in THREE:
        frames = [
            draw_portrait(200, 150, head_px=90, centre_px=(100 + i, 72), expression=label, mouth_open=i / 5)
            for i in range(5)
        ]
        for speaker, take in product(range(1, 5), (1, 2)):
            lit = [np.clip(frame * (0.8 + 0.08 * speaker), 0, 255).astype(np.uint8) for frame in frames]
            sound = say(label, speaker, take)
            path = folder / ravdess_name(label, speaker, take, ".mp4", "01")
            write_video(path, lit, fps=5, samples=sound, sample_rate_hz=RATE_HZ)
    (folder / ravdess_name("sad", 4, 3, ".mp4", "01")).write_bytes(b"no video at all" * 99)
    return folder


@pytest.fixture(scope="module")
def fitted(videos):
    """What the one command writes and says."""
    output = videos.parent / "bundle"
    return output, mercli("fit", videos, "-o", output, check=0)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """4 speakers x 8 classes: sound only, with a manifest."""
    folder = tmp_path_factory.mktemp("recordings") / "radio"
    folder.mkdir()
    rows = ["file,label,speaker"]
    for label, speaker in product(CODES, range(1, 5)):
        name = f"{label}-{speaker}.wav"
        write_audio(folder / name, say(label, speaker), sample_rate_hz=RATE_HZ)
        rows.append(f"{name},{label},speaker {speaker}")
    (folder / "manifest.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def voice_only(recordings):
    output = recordings.parent / "voice"
    how = ("--voice-set", "original-34", "--voice-classifier", "svm")
    return output, mercli("fit", recordings, "-o", output, "--classes", ",".join(ALL), *how, "-q", check=0)


class TestVideos:
    def test_models_a_manifest_and_a_card_are_written_and_nothing_else(self, fitted):
        output, _ = fitted
        models = {"voice.onnx", "face-network.onnx", "face.onnx", "fusion.onnx", "words.onnx"}
        assert {path.name for path in output.iterdir()} == models | {"bundle.json", "MODEL_CARD.md"}
        assert {path.name for path in output.parent.iterdir()} == {"theatre", "bundle"}

    def test_the_bundle_is_of_the_corpus(self, fitted):
        bundle = bundles.load(fitted[0])
        assert bundle.name == "bundle"
        assert bundle.classes == THREE
        assert bundle.modalities == ("voice", "face", "words")
        assert bundle.fusion is not None
        record = bundle.training
        assert record["corpus"] == "theatre"
        assert record["speakers"] == [f"ravdess-{n:02d}" for n in range(1, 5)]
        assert (record["clips"], record["seed"], record["detector"]) == (24, 0, "haar")

    @pytest.mark.parametrize("what", ["voice", "face", "fusion"])
    def test_accuracy_macro_f1_uar_and_confusion_are_printed(self, fitted, what):
        output, done = fitted
        found = bundles.load(output).training["scores"][what]
        head, *_ = [line for line in done.stdout.splitlines() if "accuracy" in line]
        assert head.split() == ["clips", "speakers", "accuracy", "macro-F1", "UAR", "ECE"]
        row, *_ = [line for line in done.stdout.splitlines() if line.split()[:1] == [what]]
        rates = [f"{found[rate]:.3f}" for rate in ("accuracy", "macro_f1", "uar", "ece")]
        assert row.split() == [what, "24", "4", *rates]
        confusion = done.stdout.partition(f"{what}: confusion, rows are true, columns answered")[2].splitlines()
        assert confusion[2].split() == ["true", "\\", "answer", *THREE]
        for name, counts, line in zip(THREE, found["confusion"], confusion[4:], strict=False):
            assert line.split() == [name, *map(str, counts)]

    def test_no_line_is_wider_than_a_terminal(self, fitted):
        assert max(map(len, fitted[1].stdout.splitlines())) <= 80

    def test_what_can_be_learnt_is_learnt(self, fitted):
        """The drawn faces are as different as they can be; the speakers are no more than lit differently."""
        assert bundles.load(fitted[0]).training["scores"]["fusion"]["accuracy"] > 0.7

    def test_the_card_holds_the_same_numbers_the_protocol_and_the_command(self, fitted):
        output, done = fitted
        card = (output / "MODEL_CARD.md").read_text(encoding="utf-8")
        for what, found in bundles.load(output).training["scores"].items():
            assert f"| {what} | 24 | 4 | {found['accuracy']:.3f} (" in card
        assert "theatre: 24 clips of 4 speakers" in card
        assert "4 folds with no speaker in two of them" in card
        assert f"```\n{' '.join(['mercli', *map(str, done.args[3:])])}\n```" in card

    def test_a_file_that_cannot_be_read_is_named_and_left_out(self, fitted):
        name = ravdess_name("sad", 4, 3, ".mp4", "01")
        assert re.search(rf"left out: .*{name}: \w+", " ".join(fitted[1].stderr.split()))

    def test_predict_answers_with_the_classes_of_the_bundle(self, fitted, videos):
        output, _ = fitted
        clips = [videos / ravdess_name(label, 1, 1, ".mp4", "01") for label in THREE]
        rows = list(csv.DictReader(mercli("predict", *clips, "--bundle", output, check=0).stdout.splitlines()))
        for row in rows:
            assert [name for name in row if name.startswith("p_")] == [f"p_{name}" for name in THREE]
            assert row["bundle"] == bundles.load(output).label
            assert row["status"] == "ok"
            assert sum(float(row[f"p_{name}"]) for name in THREE) == pytest.approx(1, abs=1e-3)
        assert len(rows) == 3


class TestRecordings:
    def test_sound_alone_gives_a_bundle_of_the_voice_alone(self, voice_only):
        bundle = bundles.load(voice_only[0])
        assert bundle.modalities == ("voice", "words"), "those of the base"
        assert list(bundle.training["scores"]) == ["voice"]

    def test_features_and_classifier_are_those_asked_for_and_the_record_says_so(self, voice_only):
        bundle = bundles.load(voice_only[0])
        assert bundle.voice.spec == VoiceSpec("original-34")
        record = bundle.training["voice_classifier"]
        assert record["name"] == "svm"
        assert set(record) == {"name", "C", "gamma", "temperature"}
        operators = {node.op_type for node in ModelProto.FromString(bundle.voice.model.onnx).graph.node}
        assert "Exp" in operators  # the kernel of the machine

    def test_eight_classes_keep_calm(self, voice_only, recordings):
        output, _ = voice_only
        assert bundles.load(output).classes == ALL
        done = mercli("predict", recordings / "calm-1.wav", "--bundle", output, check=0)
        (row,) = csv.DictReader(done.stdout.splitlines())
        assert [name for name in row if name.startswith("p_")] == [f"p_{name}" for name in ALL]

    def test_a_face_is_not_to_be_had_of_it(self, voice_only, recordings):
        output, _ = voice_only
        code, said = says("predict", recordings, "--bundle", output, "--modalities", "face")
        assert code == 2
        assert said == "mercli: bundle voice has no face model; it knows voice, words"

    def test_quiet_prints_the_numbers_and_nothing_else(self, voice_only):
        assert "accuracy" in voice_only[1].stdout
        assert voice_only[1].stderr == ""

    def test_a_split_trains_and_tests_on_the_speakers_it_names(self, recordings):
        output = recordings.parent / "split"
        words = ("--split", "2/1/1", "--modalities", "voice", "-j", "1", "--voice-set", "mercli-1")
        code, said = says("fit", recordings, "-o", output, *words)
        assert code == 0, said
        bundle = bundles.load(output)
        assert bundle.voice.spec == MERCLI_1
        assert bundle.training["voice_classifier"]["name"] == "lda"
        parts = bundle.training["split"]
        assert [len(parts[name]) for name in ("models", "fusion", "test")] == [2, 1, 1]
        assert len({speaker for part in parts.values() for speaker in part}) == 4
        assert bundle.training["speakers"] == sorted(parts["models"] + parts["fusion"])
        assert bundle.training["scores"]["voice"]["n"] == 8
        assert bundle.training["scores"]["voice"]["n_speakers"] == 1
        assert f"{parts['test'][0]} test" in bundle.card
        assert " to " not in said.partition("confusion")[0]  # of one speaker there is no interval
        assert "radio: 24 clips of 3 speakers" in bundle.card


class TestWhatIsRefused:
    """Each with exit code 2 and one sentence, and nothing is written."""

    @pytest.fixture
    def corpus(self, tmp_path):
        folder = tmp_path / "corpus"
        folder.mkdir()
        for label, speaker in product(THREE, (1, 2)):
            (folder / ravdess_name(label, speaker)).write_bytes(b"no sound")
        return folder

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (
                ["--split", "8/12"],
                "--split '8/12' is not understood: give three numbers of speakers, such as 8/12/4",
            ),
            (["--split", ""], "--split '' is not understood"),
            (["--split", "1/1/1"], "the corpus has 2 speakers, but the split 1/1/1 asks for 3; ask for fewer"),
            (["--classes", "happy,bored"], "no class 'bored'; there are angry"),
            (["--classes", "happy"], "corpus corpus has one class only (happy)"),
            (["--classes", "fear,disgust"], "all 6 labelled files in corpus are of other classes"),
            (["--manifest", "gone.csv"], "cannot read the manifest gone.csv: No such file or directory"),
            (["--base", "gone"], "no bundle 'gone': give the folder that `mercli fit` wrote"),
            (["--modalities", "smell"], "no modality 'smell'; there are voice, face and words"),
            (["--face-detector", "gone.onnx"], "no face detector 'gone.onnx'"),
            (
                ["--voice-classifier", "nonsense"],
                "no voice classifier 'nonsense'; there are lda, logistic, svm, forest, average, auto",
            ),
            (["--voice-classifier", ""], "no voice classifier ''; there are lda"),
            (
                ["--voice-classifier", "svm", "--modalities", "face"],
                "--voice-classifier is for the voice, which --modalities leaves out",
            ),
            (
                ["--voice-set", "mercli-1", "--modalities", "face"],
                "--voice-set is for the voice, which --modalities leaves out",
            ),
            (["--face-pooling", "max"], "no face pooling 'max'; there are mean, stats, recurrent"),
            (["--face-pooling", ""], "no face pooling ''; there are mean"),
            (["--fusion", "svm"], "no fusion 'svm'; there are forest, logistic, product, joint, auto"),
            (["--fusion", ""], "no fusion ''; there are forest"),
            (
                ["--face-pooling", "mean", "--modalities", "voice"],
                "--face-pooling is for the face, which --modalities leaves out",
            ),
            (
                ["--fusion", "product", "--modalities", "voice"],
                "--fusion is for the face, which --modalities leaves out",
            ),
            (
                ["--fusion", "product", "--modalities", "face"],
                "--fusion is for the voice, which --modalities leaves out",
            ),
            (["--voice-set", "nonsense"], "no feature set 'nonsense'; there is original-34 and mercli-1"),
            (["--voice-set", "encoder"], "no feature set 'encoder'; there is original-34 and mercli-1"),
            (
                ["--voice-set", "mercli-1", "--voice-encoder", "gone.onnx"],
                "--voice-set and --voice-encoder exclude each other: only one of them measures the voice",
            ),
        ],
    )
    def test_options_that_make_no_sense(self, corpus, words, sentence):
        output = corpus.parent / "bundle"
        code, said = says("fit", corpus, "-o", output, "-q", *words)
        assert code == 2
        assert said.startswith(f"mercli: {sentence}")
        assert [path.name for path in corpus.parent.iterdir()] == ["corpus"]

    @pytest.mark.parametrize(
        "words", [["--seed", "-1"], ["--seed", str(2**32)], ["-j", "0"], ["--seed", "x"], ["--what"]]
    )
    def test_options_that_are_no_options(self, corpus, words):
        code, said = says("fit", corpus, "-o", corpus.parent / "bundle", *words)
        assert code == 2
        assert words[0] in said

    @pytest.mark.parametrize(
        ("make", "sentence"),
        [
            (lambda path: path.write_text("x"), "is a file; -o names the folder of the new bundle"),
            (
                lambda path: (path.mkdir(), (path / "thesis").touch()),
                "is a folder but no bundle; give -o a new name",
            ),
            (
                lambda path: path.parent.joinpath("file").touch() or path.symlink_to("file/b"),
                "takes no new folder",
            ),
        ],
        ids=["file", "folder", "below a file"],
    )
    def test_a_place_that_cannot_be_written_before_any_file_is_read(self, corpus, monkeypatch, make, sentence):
        monkeypatch.setattr(corpora, "load", lambda *_, **__: pytest.fail("the corpus was read"))
        make(corpus.parent / "bundle")
        code, said = says("fit", corpus, "-o", corpus.parent / "bundle")
        assert code == 2
        assert sentence in said

    @pytest.mark.parametrize(
        ("words", "spec", "classifier"),
        [
            ([], VoiceSpec(hop_s=0.02), "lda"),
            (["--voice-set", "original-34"], VoiceSpec(), "lda"),
            (["--voice-set", "mercli-1", "--voice-classifier", "auto"], MERCLI_1, "auto"),
        ],
        ids=["as the base", "original-34", "mercli-1"],
    )
    def test_how_the_voice_is_measured_and_judged_reaches_the_workers_and_the_training(
        self, corpus, monkeypatch, words, spec, classifier
    ):
        def ask(*given, recipe, **_):
            assert given[2].voice == recipe.voice
            asked.append((recipe.voice, recipe.voice_classifier))
            raise CorpusError("that is enough")

        asked, small = [], small_bundle()
        base = replace(small, voice=replace(small.voice, spec=VoiceSpec(hop_s=0.02)))
        bundles.save(base, corpus.parent / "base")
        monkeypatch.setattr(fitting, "fit", ask)
        command = ("fit", corpus, "-o", corpus.parent / "b", "--base", corpus.parent / "base", "-q", *words)
        assert says(*command) == (2, "mercli: that is enough")
        assert asked == [(spec, classifier)]

    @pytest.mark.parametrize(
        ("words", "pooling", "fusion"),
        [
            ([], None, "product"),
            (["--face-pooling", "mean"], "mean", "product"),
            (["--face-pooling", "stats", "--fusion", "forest"], "stats", "forest"),
            (["--fusion", "auto", "--modalities", "voice,face"], None, "auto"),
        ],
    )
    def test_how_the_face_is_pooled_and_what_fuses_reaches_the_training(
        self, corpus, monkeypatch, words, pooling, fusion
    ):
        def ask(*_, recipe, **__):
            asked.append((recipe.face_pooling, recipe.fusion))
            raise CorpusError("that is enough")

        asked = []
        bundles.save(small_bundle(), corpus.parent / "base")
        monkeypatch.setattr(fitting, "fit", ask)
        command = ("fit", corpus, "-o", corpus.parent / "b", "--base", corpus.parent / "base", "-q", *words)
        assert says(*command) == (2, "mercli: that is enough")
        assert asked == [(pooling, fusion)]

    def test_a_pooling_of_faces_behind_a_base_without_a_face_network(self, corpus):
        bundles.save(replace(small_bundle(), face=None, fusion=None), corpus.parent / "base")
        command = ("fit", corpus, "-o", corpus.parent / "b", "--base", corpus.parent / "base")
        assert says(*command, "--face-pooling", "mean") == (
            2,
            "mercli: --face-pooling is for the face, of which bundle small has no model",
        )

    @pytest.mark.parametrize("words", [["--face-pooling", "recurrent"], ["--fusion", "joint"]])
    def test_what_takes_pytorch_where_there_is_none_before_any_file_is_read(self, corpus, monkeypatch, words):
        find = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else find(name, *rest)
        )
        monkeypatch.setattr(corpora, "load", lambda *_, **__: pytest.fail("the corpus was read"))
        code, said = says("fit", corpus, "-o", corpus.parent / "b", *words)
        assert code == 2
        what = {"recurrent": "a recurrent network", "joint": "a joint network"}[words[1]]
        assert said == (
            f"mercli: {what} is trained by PyTorch, which is not installed: pip install 'mercli[train]'"
        )

    def test_a_corpus_that_is_not_there(self, tmp_path):
        assert says("fit", tmp_path / "gone", "-o", tmp_path / "b") == (
            2,
            f"mercli: no such corpus: {tmp_path / 'gone'}",
        )

    def test_a_split_too_large_is_refused_before_any_file_is_read(self, monkeypatch):
        monkeypatch.setattr(fitting, "observe", lambda *_, **__: pytest.fail("files were read"))
        with pytest.raises(UsageError, match="ask for fewer"):
            fit_synthetic(clouds(3), split=(2, 1, 1), pretend=False)

    def test_a_corpus_without_one_file_that_can_be_read_leaves_nothing_behind(self, corpus):
        done = mercli("fit", corpus, "-o", corpus.parent / "bundle", "-q", check=2)
        assert re.fullmatch(
            r"mercli: none of the 6 files is of use; 6 of them, such as 03-01-\S+\.wav: .+\n", done.stderr
        )
        assert done.stdout == ""
        assert [path.name for path in corpus.parent.iterdir()] == ["corpus"]

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (KeyboardInterrupt(), 130),
            (CorpusError("too little"), 2),
            (MemoryError(), 1),
            (OSError(28, "No space left on device"), 1),
        ],
    )
    def test_a_run_that_ends_early_keeps_the_old_bundle(self, corpus, monkeypatch, error, expected):
        def fail(*_, **__):
            raise error

        output = corpus.parent / "bundle"
        bundles.save(small_bundle(), output)
        before = bundles.load(output)
        monkeypatch.setattr(fitting, "fit", fail)
        code, said = says("fit", corpus, "-o", output, "-q")
        assert code == expected
        assert said.startswith("mercli: ")
        assert bundles.load(output) == before
        assert sorted(path.name for path in corpus.parent.iterdir()) == ["bundle", "corpus"]

    def test_an_error_that_was_not_foreseen_shows_its_traceback_on_request_only(self, corpus, monkeypatch):
        def fail(*_, **__):
            raise ZeroDivisionError("division by zero")

        monkeypatch.setattr(fitting, "fit", fail)
        code, said = says("fit", corpus, "-o", corpus.parent / "b", "-q")
        assert (code, said) == (
            1,
            "mercli: unforeseen error: ZeroDivisionError: division by zero. Run again with --debug",
        )
        done = CliRunner().invoke(cli.app, ["fit", str(corpus), "-o", str(corpus.parent / "b"), "--debug"])
        assert isinstance(done.exception, ZeroDivisionError)


SETUP = Setup("nowhere", "", ("voice", "face"))


def fit_synthetic(table, *, unreadable=(), pretend=True, base=None, setup=SETUP, **how):
    """Fit a corpus whose files were measured elsewhere: the vectors are those of `table`."""
    paths = [Path(f"{i}.wav") for i in range(len(table.labels))]
    examples = tuple(Example(*fields) for fields in zip(paths, table.labels, table.speakers, strict=True))
    kept = [i for i in range(len(paths)) if i not in unreadable]
    problems = {paths[i]: "not a media file" for i in unreadable}
    with pytest.MonkeyPatch.context() as patched:
        if pretend:
            patched.setattr(
                fitting,
                "observe",
                lambda *_, **__: Survey(table.take(kept), tuple(examples[i] for i in kept), problems, {}),
            )
        corpus = Corpus("made", examples)
        return fitting.fit(corpus, base or front_end(), setup, name="b", jobs=1, **how)


class TestNumbers:
    def test_they_are_those_of_models_that_did_not_see_the_speaker(self):
        table = clouds(4, clips=3, class_offset=0.3)
        fitted = fit_synthetic(table)
        said = rounds.judge_held_out(table, front_end(), seed=0)
        for what, posteriors in (("voice", said.voice), ("face", said.face), ("fusion", said.fused)):
            answers = [THREE[i] for i in posteriors.argmax(axis=1)]
            right = np.mean([answer == label for answer, label in zip(answers, table.labels, strict=True)])
            assert fitted.scores[what].accuracy == pytest.approx(right)
            assert fitted.bundle.training["scores"][what] == fitted.scores[what].to_json()

    def test_the_bundle_itself_is_trained_on_all_speakers(self):
        table = clouds(3)
        bundle = fit_synthetic(table).bundle
        expected = training.fit(table, front_end(), name="b", seed=0)
        assert (bundle.voice, bundle.face, bundle.fusion) == (expected.voice, expected.face, expected.fusion)

    def test_with_a_split_they_are_those_of_the_third_part(self):
        table = clouds(5)
        fitted = fit_synthetic(table, split=(2, 2, 1))
        parts = fitted.bundle.training["split"]
        assert fitted.scores["fusion"].n == 12
        rows = table.of_speakers(frozenset(parts["models"]))
        expected = training.fit(
            rows, front_end(), name="b", seed=0, fusion_on=table.of_speakers(frozenset(parts["fusion"]))
        )
        assert (fitted.bundle.voice, fitted.bundle.fusion) == (expected.voice, expected.fusion)

    def test_a_class_of_which_no_file_can_be_read_does_not_shift_the_others(self):
        """The classes' columns are those of what was measured, not of what the corpus promised."""
        table = clouds(3, speaker_offset=0.1)
        gone = [i for i, label in enumerate(table.labels) if label == "angry"]
        fitted = fit_synthetic(table, unreadable=gone)
        assert fitted.bundle.classes == ("happy", "sad")
        assert fitted.scores["fusion"].classes == ("happy", "sad")
        assert fitted.scores["fusion"].accuracy > 0.9

    @pytest.mark.parametrize("keep", ["speaker", "class"])
    def test_too_few_files_that_can_be_read_are_explained_by_those_that_cannot(self, keep):
        table = clouds(3)
        names = {"speaker": table.speakers, "class": table.labels}[keep]
        gone = [i for i, name in enumerate(names) if name != names[0]]
        sentence = rf"one {keep} only .*\. {len(gone)} files were of no use, such as \d+\.wav: not a media file"
        with pytest.raises(CorpusError, match=sentence):
            fit_synthetic(table, unreadable=gone)

    def test_no_clip_to_test_on_is_said(self):
        table = clouds(3)
        parts = corpora.split_speakers(sorted(set(table.speakers)), (1, 1, 1), seed=0)
        gone = [i for i, name in enumerate(table.speakers) if name in parts[2]]
        with pytest.raises(CorpusError, match="nothing to test on"):
            fit_synthetic(table, unreadable=gone, split=(1, 1, 1))

    def test_with_two_speakers_the_card_says_what_the_fusion_of_the_folds_was(self):
        assert "a fold's fusion is the mean of voice and face" in fit_synthetic(clouds(2)).bundle.card
        assert "a fold's fusion" not in fit_synthetic(clouds(3)).bundle.card

    def test_the_detector_that_found_the_faces_is_recorded(self):
        bundle = fit_synthetic(clouds(3), setup=replace(SETUP, detector="/somewhere/yunet.onnx")).bundle
        assert bundle.face.spec.detector == bundle.training["detector"] == "yunet"
        assert fit_synthetic(clouds(3)).bundle.face.spec.detector == "haar"

    @pytest.mark.parametrize("classifier", ["lda", "average"])
    def test_the_record_is_plain_json(self, classifier):
        record = fit_synthetic(clouds(4), split=(2, 1, 1), recipe=Recipe(VoiceSpec(), classifier)).bundle.training
        assert json.loads(json.dumps(record)) == record

    def test_the_record_names_the_voice_s_classifier_and_its_settings(self):
        record = fit_synthetic(clouds(3)).bundle.training["voice_classifier"]
        assert record["name"] == "lda"
        assert set(record) == {"name", "shrinkage", "temperature"}
        table = clouds(3, modalities=["voice"])
        record = fit_synthetic(table, recipe=Recipe(VoiceSpec(), "average")).bundle.training["voice_classifier"]
        assert record["name"] == "average"
        assert set(record) == {"name", "lda", "logistic", "svm"}

    def test_the_numbers_are_those_of_the_classifier_and_the_features_of_the_bundle(self, monkeypatch):
        recipes = []
        train = training.fit
        monkeypatch.setattr(
            training,
            "fit",
            lambda *table, recipe, **how: recipes.append(recipe) or train(*table, recipe=recipe, **how),
        )
        spec = VoiceSpec(hop_s=0.02)
        table = clouds(3, modalities=["voice"])
        recipe = Recipe(spec, "logistic")
        fitted = fit_synthetic(table, setup=replace(SETUP, voice=spec), recipe=recipe)
        assert recipes == [recipe] * 4  # three folds, and all
        assert fitted.bundle.voice.spec == spec

    def test_without_a_recipe_they_are_those_of_the_features_that_the_workers_measure(self):
        spec = VoiceSpec(hop_s=0.02)
        table = clouds(3, modalities=["voice"])
        assert fit_synthetic(table, setup=replace(SETUP, voice=spec)).bundle.voice.spec == spec

    def test_the_record_names_what_judges_the_face_and_what_fuses(self):
        bundle = fit_synthetic(
            clouds(3), recipe=Recipe(VoiceSpec(), fusion="logistic", face_pooling="mean")
        ).bundle
        record = bundle.training
        assert set(record["face_classifier"]) == {"name", "C", "temperature"}
        assert bundle.face.spec.pooling == "mean"
        assert record["fusion"]["name"] == bundle.fusion.kind == "logistic"

    @pytest.mark.parametrize(("fusion", "measured"), [("product", False), ("joint", True)])
    def test_sequences_of_the_voice_are_measured_for_a_joint_network_alone(self, monkeypatch, fusion, measured):
        def ask(_, setup, **__):
            asked.append(setup.sequences)
            raise CorpusError("that is enough")

        asked = []
        monkeypatch.setattr(fitting, "observe", ask)
        with pytest.raises(CorpusError, match="that is enough"):
            fit_synthetic(clouds(3), pretend=False, recipe=Recipe(VoiceSpec(), fusion=fusion))
        assert asked == [measured]


class TestObserving:
    def test_altered_copies_of_the_sound_are_measured_to_train_on(self, recordings, tmp_path):
        bundles.save(small_bundle(), tmp_path / "base")
        setup = Setup(str(tmp_path / "base"), bundles.load(tmp_path / "base").digest, ("voice",), voice=MERCLI_1)
        corpus = Corpus("c", (Example(recordings / "sad-1.wav", "sad", "1"),))
        (clip,) = observe(corpus, replace(setup, altered=True), jobs=1).table.evidence
        assert clip.voice.shape[0] == 3
        assert clip.voice_altered.shape == (8, clip.voice.shape[1])

    def test_any_number_of_workers_gives_the_same_bundle(self, recordings, tmp_path):
        corpus = corpora.load(recordings, classes=("happy", "sad"))
        bundles.save(small_bundle(), tmp_path / "base")
        base = bundles.load(tmp_path / "base")
        setup = Setup(str(tmp_path / "base"), base.digest, ("voice",))
        digests = []
        for jobs in (1, 2):
            fitted = fitting.fit(corpus, base, setup, name="b", jobs=jobs)
            bundles.save(fitted.bundle, tmp_path / "b")
            digests.append(bundles.load(tmp_path / "b").digest)
        assert digests[0] == digests[1]

    def test_a_damaged_file_is_used_and_named(self, recordings, tmp_path):
        folder = tmp_path / "radio"
        shutil.copytree(recordings, folder)
        data = (folder / "sad-1.wav").read_bytes()
        (folder / "sad-1.wav").write_bytes(data[: len(data) // 2])
        done = mercli("fit", folder, "-o", tmp_path / "bundle", "--voice-set", "original-34", "-q", check=0)
        (named,) = [line for line in done.stderr.splitlines() if line.startswith("used as far as it can be read")]
        assert "sad-1.wav: the file ends early" in named

    def test_few_speakers_are_said_to_say_little(self, voice_only, recordings, tmp_path):
        done = mercli("fit", recordings, "-o", tmp_path / "bundle", "--voice-set", "original-34", check=0)
        assert "tested on 4 speakers only" in done.stderr
        assert "only" not in voice_only[1].stderr  # quiet

    def test_each_file_is_told_of_and_problems_are_kept_with_their_reason(self, recordings, tmp_path):
        bundles.save(small_bundle(), tmp_path / "base")
        setup = Setup(str(tmp_path / "base"), bundles.load(tmp_path / "base").digest, ("voice",))
        silent = write_audio(tmp_path / "silent.wav", np.zeros(RATE_HZ), sample_rate_hz=RATE_HZ)
        corpus = Corpus("c", (Example(recordings / "sad-1.wav", "sad", "1"), Example(silent, "happy", "2")))
        told = []
        measured = observe(corpus, setup, jobs=1, on_file=told.append)
        assert measured.table.labels == ("sad",)
        assert measured.problems == {silent: "the sound is silent"}
        assert measured.damaged == {}
        assert all(isinstance(evidence, Evidence) for evidence in told)
        assert len(told) == 2
