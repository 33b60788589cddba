"""`mercli predict` and `mercli.predict` of files with transcripts, as they are typed."""

import csv
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from utterances import srt, with_subtitles, words_part

import mercli
from mercli import bundle as bundles
from mercli import tables
from mercli.cli import app
from mercli.errors import UsageError
from mercli.setup import make_setup, open_bundle

SAD = [(0.0, 0.4, "i lost everything"), (0.4, 0.8, "and cry alone tonight")]
ABSENT = "no transcript beside the file, and no subtitles in it"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """The bundle that ships, with words."""
    folder = tmp_path_factory.mktemp("bundles") / "with-words"
    bundles.save(replace(mercli.load_bundle(), name="with-words", words=words_part()), folder)
    return folder


@pytest.fixture
def clips(tmp_path, talking_video, sound_only):
    """A video with a transcript, and a sound without one."""
    folder = tmp_path / "clips"
    folder.mkdir()
    shutil.copy(talking_video, folder / "talking.mp4")
    shutil.copy(sound_only, folder / "voice.wav")
    (folder / "talking.srt").write_text(srt(SAD))
    return folder


@pytest.fixture
def predict(bundle, tmp_path, capsys):
    """``predict(clips, ...)`` runs the command, and gives the rows by file, and what was said on stderr."""

    def run(*words, expected=0):
        table = tmp_path / "out.csv"
        with pytest.raises(SystemExit) as ended:
            app(["predict", *map(str, words), "--bundle", str(bundle), "-o", str(table), "-j", "1"])
        said = capsys.readouterr().err
        assert ended.value.code == expected, said
        if not table.exists():
            return {}, " ".join(said.split())
        with table.open(newline="") as file:
            return {row["file"]: row for row in csv.DictReader(file)}, " ".join(said.split())

    return run


def test_a_transcript_beside_a_file_is_read_without_being_asked_for(predict, clips):
    rows, said = predict(clips)
    assert "words are looked at too: a transcript lies beside 1 of 2 files; --no-words leaves them out" in said
    talking, voice = rows["talking.mp4"], rows["voice.wav"]
    assert (talking["status"], talking["words_emotion"], talking["n_words"]) == ("ok", "sad", "7")
    assert float(talking["words_p_sad"]) > 0.5
    assert (voice["words_emotion"], voice["words_p_sad"], voice["n_words"]) == ("", "", "")
    assert voice["error"] == "the file has no picture"
    assert list(talking) == list(tables.columns(open_bundle()[1].classes, with_words=True))


def test_the_columns_of_words_stand_after_those_of_the_face():
    names = list(tables.columns(("happy", "sad"), with_words=True))
    at = names.index("words_emotion")
    assert names[at - 1 : at + 5] == [
        "face_p_sad",
        "words_emotion",
        "words_p_happy",
        "words_p_sad",
        "n_words",
        "duration_s",
    ]
    assert list(tables.timeline_columns(("happy", "sad"), with_words=True))[-2:] == ["words_happy", "words_sad"]


def test_words_decide_with_voice_and_face(predict, clips):
    sad = predict(clips)[0]["talking.mp4"]
    plain = predict(clips, "--no-words")[0]["talking.mp4"]
    assert float(sad["p_sad"]) > float(plain["p_sad"])
    for name in ("voice_p_sad", "face_p_sad", "duration_s", "n_frames"):
        assert sad[name] == plain[name]


def test_without_words_the_table_is_what_it_was_before_there_were_any(predict, clips, tmp_path, capsys):
    """Byte for byte: of a bundle without words, and where no transcript lies beside a file."""
    rows, _ = predict(clips, "--no-words")
    assert "n_words" not in rows["talking.mp4"]
    switched_off = (tmp_path / "out.csv").read_bytes()
    (clips / "talking.srt").unlink()
    predict(clips, "--overwrite")
    assert (tmp_path / "out.csv").read_bytes() == switched_off
    with pytest.raises(SystemExit):
        app(["predict", str(clips), "-o", str(tmp_path / "plain.csv"), "-j", "1", "-q"])
    capsys.readouterr()
    label = bundles.load(Path(mercli.load_bundle().folder or "")).label.encode()
    with_words = next(iter(rows.values()))["bundle"].encode()
    assert (tmp_path / "plain.csv").read_bytes() == switched_off.replace(with_words, label)


def test_asked_for_words_that_are_missing_are_told(predict, clips):
    rows, said = predict(clips, "--words")
    assert "words are looked at too" not in said
    assert (rows["talking.mp4"]["status"], rows["talking.mp4"]["error"]) == ("ok", "")
    assert (rows["voice.wav"]["status"], rows["voice.wav"]["error"]) == (
        "partial",
        f"the file has no picture; {ABSENT}",
    )


def test_the_subtitles_in_a_file_are_read_when_asked_for(predict, tmp_path, talking_video):
    folder = tmp_path / "clips"
    folder.mkdir()
    with_subtitles(talking_video, folder / "a.mkv", SAD, "eng")
    assert "n_words" not in predict(folder)[0]["a.mkv"]
    assert predict(folder, "--words")[0]["a.mkv"]["words_emotion"] == "sad"
    (folder / "a.txt").write_text("what a wonderful lovely day, I am so glad")
    assert predict(folder, "--words")[0]["a.mkv"]["words_emotion"] == "happy"


def test_words_are_a_modality_like_the_others(predict, clips):
    rows, _ = predict(clips, "--modalities", "words,voice")
    talking = rows["talking.mp4"]
    assert (talking["words_emotion"], talking["face_emotion"], talking["n_frames"]) == ("sad", "", "")
    assert talking["voice_emotion"]
    rows, said = predict(clips, "--modalities", "words", expected=1)
    talking, voice = rows["talking.mp4"], rows["voice.wav"]
    assert (talking["emotion"], talking["decided_by"], talking["status"]) == ("sad", "words", "ok")
    assert (voice["status"], voice["error"]) == ("failed", ABSENT)
    assert f"no answer: voice.wav: {ABSENT}" in said
    assert "n_words" in predict(clips, "--modalities", "voice", "--words")[0]["talking.mp4"]
    assert "n_words" not in predict(clips, "--modalities", "voice")[0]["talking.mp4"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no times in it", "the transcript talking.srt has no cues that can be read; is it SRT?"),
        (None, "is a folder"),
    ],
    ids=["no transcript", "a folder"],
)
def test_a_transcript_that_cannot_be_read_is_told_and_costs_nothing_else(predict, clips, content, reason):
    (clips / "talking.srt").unlink()
    if content is None:
        (clips / "talking.srt").mkdir()
    else:
        (clips / "talking.srt").write_bytes(content)
    row = predict(clips)[0]["talking.mp4"]
    assert row["status"] == "partial"
    assert reason in row["error"]
    assert row["voice_emotion"]
    assert row["face_emotion"]
    assert row["words_emotion"] == ""


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux")
def test_a_transcript_of_any_name_is_told_of_in_a_table(predict, clips):
    os.rename(os.fsencode(clips / "talking.mp4"), os.fsencode(clips) + b"/caf\xe9\r\n.mp4")  # noqa: PTH104
    (clips / "talking.srt").unlink()
    with open(os.fsencode(clips) + b"/caf\xe9\r\n.srt", "w") as file:  # noqa: PTH123
        file.write("no times")
    row = predict(clips)[0]["caf\\xe9\\x0d\n.mp4"]
    assert row["error"].startswith("the transcript caf\\xe9\\x0d\n.srt has no cues")
    assert "2 of 2 files done already" in predict(clips)[1]


def test_a_transcript_without_a_word_is_no_shortfall_unless_words_are_asked_for(predict, clips):
    (clips / "talking.srt").write_text("")
    row = predict(clips)[0]["talking.mp4"]
    assert (row["status"], row["n_words"]) == ("ok", "")
    row = predict(clips, "--words")[0]["talking.mp4"]
    assert (row["status"], row["error"]) == ("partial", "the transcript talking.srt is empty")


def test_a_file_whose_transcript_changes_comes_or_goes_is_read_again(predict, clips):
    predict(clips)
    assert "2 of 2 files done already" in predict(clips)[1]
    (clips / "talking.srt").write_text(srt([(0, 1, "what a wonderful lovely day")]))
    rows, said = predict(clips)
    assert "1 of 2 files done already" in said
    assert rows["talking.mp4"]["words_emotion"] == "happy"
    (clips / "voice.txt").write_text("stop shouting at me")
    rows, said = predict(clips)
    assert "1 of 2 files done already" in said
    assert rows["voice.wav"]["words_emotion"] == "angry"
    (clips / "voice.txt").unlink()
    rows, said = predict(clips)
    assert "1 of 2 files done already" in said
    assert rows["voice.wav"]["words_emotion"] == ""


def test_with_words_asked_for_or_not_a_run_is_another(predict, clips):
    assert ABSENT not in predict(clips)[0]["voice.wav"]["error"]
    assert ABSENT in predict(clips, "--words")[0]["voice.wav"]["error"]
    assert ABSENT not in predict(clips)[0]["voice.wav"]["error"]
    assert "n_words" not in predict(clips, "--no-words")[0]["voice.wav"]


def test_a_timeline_says_what_the_words_of_each_second_say(predict, clips, tmp_path):
    rows, _ = predict(clips, "--timeline", tmp_path / "seconds.parquet")
    seconds = pq.read_table(tmp_path / "seconds.parquet").to_pylist()
    talking = [second for second in seconds if second["file"] == "talking.mp4"]
    assert [second["words_sad"] is not None for second in talking] == [True, False]
    assert talking[0]["words_sad"] == pytest.approx(float(rows["talking.mp4"]["words_p_sad"]), abs=1e-6)
    assert all(second["words_sad"] is None for second in seconds if second["file"] == "voice.wav")


def test_every_other_face_has_cells_of_words_and_nothing_in_them(predict, clips):
    rows, _ = predict(clips, "--faces", "all")
    assert rows["talking.mp4"]["words_emotion"] == "sad"


# What is refused


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--no-words", "--modalities", "voice,words"], "--no-words leaves out what --modalities or --transcribe"),
        (["--modalities", "text"], "no modality 'text'; there are voice, face and words"),
        (["--modalities", ","], "no modality given; there are voice, face and words"),
        (["--transcribe", "nowhere"], "--transcribe nowhere is no folder of a Whisper model"),
    ],
)
def test_what_makes_no_sense_is_refused(predict, clips, words, sentence):
    assert sentence in predict(clips, *words, expected=2)[1]


@pytest.mark.parametrize("words", [["--words"], ["--modalities", "words"]])
def test_a_bundle_that_knows_no_words_is_not_asked_for_them(tmp_path, clips, words, capsys):
    folder = tmp_path / "no-words"
    bundles.save(replace(mercli.load_bundle(), name="no-words", words=None), folder)
    with pytest.raises(SystemExit) as ended:
        app(["predict", str(clips), "--bundle", str(folder), *words])
    assert ended.value.code == 2
    assert "bundle no-words has no words model; it knows voice, face" in " ".join(capsys.readouterr().err.split())
    assert make_setup(folder, bundles.load(folder), None, sources=[clips / "talking.mp4"]).modalities == (
        "voice",
        "face",
    )


def test_words_alone_need_no_face_detector_and_no_kernels(bundle, clips):
    """What only voice and face need is not opened: a second worker that starts would pay for it."""
    code = (
        "import sys, mercli\n"
        "from mercli import pipeline\n"
        "from mercli.setup import make_setup, open_bundle\n"
        "folder, bundle = open_bundle(sys.argv[1])\n"
        "from pathlib import Path\n"
        "setup = make_setup(folder, bundle, ['words'])\n"
        "print(pipeline.predict_file(Path(sys.argv[2]), setup).decided_by)\n"
        "print(*[name for name in ('numba', 'cv2') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, bundle, clips / "talking.mp4"], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["words", ""]


# From Python


def test_python_gives_what_the_command_writes(bundle, clips, predict, tmp_path):
    predict(clips, "--timeline", tmp_path / "seconds.csv")
    said = mercli.predict(clips, bundle=bundle, jobs=1, timeline=True)
    said.write(tmp_path / "python.csv")
    said.seconds().write(tmp_path / "python-seconds.csv")
    assert (tmp_path / "python.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()
    assert (tmp_path / "python-seconds.csv").read_bytes() == (tmp_path / "seconds.csv").read_bytes()
    talking = said["talking.mp4"]
    assert (talking.words_emotion, talking.n_words) == ("sad", 7)
    assert talking.words_probabilities is not None
    assert talking.timeline is not None
    assert talking.timeline.words is not None
    assert said[1:].to_dict()["n_words"] == [None]


def test_python_may_leave_words_out_or_ask_for_them(bundle, clips):
    plain = mercli.predict(clips / "talking.mp4", bundle=bundle, jobs=1, words=False)[0]
    assert (plain.words_probabilities, plain.words_emotion, plain.n_words) == (None, None, None)
    asked = mercli.predict(clips / "voice.wav", bundle=bundle, jobs=1, words=True)[0]
    assert asked.error is not None
    assert ABSENT in asked.error
    with pytest.raises(UsageError, match="no folder of a Whisper model"):
        mercli.predict(clips, bundle=bundle, transcribe=os.fspath(clips))


# What is made of it


def test_a_page_shows_what_words_say(predict, clips, tmp_path, capsys):
    predict(clips, "--timeline", tmp_path / "seconds.csv")
    page = tmp_path / "page.html"
    words = [tmp_path / "out.csv", "--timeline", tmp_path / "seconds.csv", "-o", page, "-q"]
    with pytest.raises(SystemExit) as ended:
        app(["report", *map(str, words)])
    assert ended.value.code == 0, capsys.readouterr().err
    text = page.read_text()
    assert 'data-column="words_emotion"' in text
    assert '"said_by": ["all", "voice", "face", "words"]' in text.replace('":[', '": [').replace('","', '", "')


def test_a_clip_with_a_transcript_is_drawn_with_its_words(bundle, clips, tmp_path, capsys):
    for arguments in (["plot", clips / "talking.mp4", "-o", tmp_path / "a.svg"],):
        with pytest.raises(SystemExit) as ended:
            app([*map(str, arguments), "--bundle", str(bundle), "-q"])
        assert ended.value.code == 0, capsys.readouterr().err
    assert ">words<" in (tmp_path / "a.svg").read_text()
