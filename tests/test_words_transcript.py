"""Transcripts: which file belongs to a clip, and what is read in it, whatever it holds."""

import os
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from utterances import srt, with_subtitles

from mercli.errors import MediaError, MissingModality
from mercli.words import beside, transcript
from mercli.words.cues import Words, stretches
from mercli.words.transcript import cleaned, read, read_subtitles

CUES = [(0.5, 1.5, "What a lovely day."), (1.25, 2.0, "It is, isn't it?")]


@pytest.fixture
def write(tmp_path):
    """``write(name, content)`` gives the path of a file with that text, or those bytes."""

    def make(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


# Which file it is


def found(folder, *names, clip="clip.mp4", language="en"):
    for name in names:
        (folder / name).write_text("x")
    path = beside.find(folder / clip, language)
    return None if path is None else path.name


def test_the_transcript_has_the_name_of_the_clip(tmp_path):
    assert found(tmp_path) is None
    assert found(tmp_path, "other.srt", "clip.mp4", "clip.doc", "clipped.srt", "lip.srt") is None
    assert found(tmp_path, "clip.srt") == "clip.srt"


def test_times_are_preferred_to_none(tmp_path):
    assert found(tmp_path, "clip.txt") == "clip.txt"
    assert found(tmp_path, "clip.vtt") == "clip.vtt"
    assert found(tmp_path, "clip.srt") == "clip.srt"


@pytest.mark.parametrize("name", ["clip.SRT", "clip.Vtt", "clip.tXt"])
def test_the_case_of_the_suffix_does_not_count(tmp_path, name):
    assert found(tmp_path, name) == name


@pytest.mark.parametrize(
    "name", ["clip.en.srt", "clip.EN.srt", "clip.eng.vtt", "clip.en-GB.srt", "clip.en_US.txt"]
)
def test_a_tag_may_name_the_language(tmp_path, name):
    assert found(tmp_path, name) == name
    assert found(tmp_path, clip="clip.mkv", language="de") is None


@pytest.mark.parametrize("name", ["clip.de.srt", "clip.ger.srt", "clip.part2.srt", "clip.final.srt", "clip..srt"])
def test_a_file_of_another_language_or_another_clip_is_none_of_it(tmp_path, name):
    assert found(tmp_path, name) is None


def test_a_file_without_a_tag_is_preferred_whatever_its_kind(tmp_path):
    assert found(tmp_path, "clip.en.srt", "clip.txt") == "clip.txt"


def test_a_clip_whose_own_name_has_a_tag_has_a_transcript_of_that_name(tmp_path):
    assert found(tmp_path, "clip.de.srt", clip="clip.de.mp4") == "clip.de.srt"


def test_a_transcript_given_as_a_clip_is_not_its_own_transcript(tmp_path):
    assert found(tmp_path, "clip.srt", clip="clip.srt") is None


def test_a_folder_that_is_not_there_or_closed_has_none(tmp_path):
    assert beside.find(tmp_path / "gone" / "clip.mp4", "en") is None
    assert beside.find(Path("a\0b/clip.mp4"), "en") is None


def test_what_comes_and_goes_in_a_folder_is_seen_at_once(tmp_path):
    """Also in one whose time of change lies long back, whose list is remembered."""
    assert found(tmp_path) is None
    long_ago = time.time() - 3600
    os.utime(tmp_path, (long_ago, long_ago))
    assert found(tmp_path) is None
    assert found(tmp_path, "clip.srt") == "clip.srt"
    (tmp_path / "clip.srt").unlink()
    assert found(tmp_path) is None
    for _ in range(100):  # faster than a file system's clock
        assert found(tmp_path, "clip.srt") == "clip.srt"
        (tmp_path / "clip.srt").unlink()
        assert found(tmp_path) is None


def test_the_state_of_a_transcript_changes_when_it_does_comes_or_goes(tmp_path):
    clip = tmp_path / "clip.mp4"
    states = [beside.state(clip, "en")]
    for name, content in (("clip.txt", "one"), ("clip.txt", "two"), ("clip.srt", "two")):
        (tmp_path / name).write_text(content)
        states.append(beside.state(clip, "en"))
        assert beside.state(clip, "en") == states[-1]
    (tmp_path / "clip.srt").unlink()
    assert beside.state(clip, "en") == states[2]
    assert len(set(states)) == 4


# What is read in it


def test_a_subrip_file_gives_texts_with_their_times(write):
    assert read(write("a.srt", srt(CUES))) == Words(
        (0.5, 1.25), (1.5, 2.0), ("What a lovely day.", "It is, isn't it?")
    )


def test_cues_come_in_the_order_of_time(write):
    assert read(write("a.srt", srt(CUES[::-1]))) == read(write("b.srt", srt(CUES)))


def test_a_webvtt_file_gives_what_is_said_without_notes_styles_names_and_tags(write):
    content = (
        "WEBVTT - made by hand\n\nNOTE not said\nnor this\n\nSTYLE\n::cue { color: red }\n\n"
        "intro\n00:01.000 --> 00:02.000 align:start\n<v Roger>Hi, <00:01.500><b>all</b> &amp; sundry\n\n"
        "NOTE not said\n\n00:01:03.250 --> 00:01:04.000\n- Bye\n"
    )
    assert read(write("a.vtt", content)) == Words((1.0, 63.25), (2.0, 64.0), ("Hi, all & sundry", "- Bye"))


def test_a_plain_text_is_said_all_the_time(write):
    said = read(write("a.txt", "Oh no.\r\n\r\nOh  yes!\n"))
    assert said == Words((0.0,), (float("inf"),), ("Oh no. Oh yes!",))
    assert said.between(7, 8) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<i>Oh,</i> no", "Oh, no"),
        ('<font color="red">Oh</font>', "Oh"),
        (r"{\an8}Oh{\i1}!", "Oh!"),
        ("[sobs] I know [door]", "I know"),
        ("♪ la la ♪", "la la"),
        ("it&#39;s &lt;3", "it's <3"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("a\\Nb\\nc\\hd", "a b c d"),
    ],
)
def test_what_is_not_said_is_left_out(text, said):
    assert cleaned(text) == said


@pytest.mark.parametrize(
    "encoded",
    [
        lambda text: text.encode(),
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: b"\xff\xfe" + text.encode("utf-16-le"),
        lambda text: b"\xfe\xff" + text.encode("utf-16-be"),
        lambda text: text.encode("cp1252"),
        lambda text: text.replace("\n", "\r\n").encode(),
    ],
    ids=["UTF-8", "with its mark", "UTF-16", "UTF-16, big end first", "Windows-1252", "lines of Windows"],
)
@pytest.mark.parametrize("suffix", ["srt", "vtt", "txt"])
def test_the_usual_encodings_are_understood(write, encoded, suffix):
    said = "Così è, it\u2019s a café"
    content = {"srt": srt([(0, 1, said)]), "vtt": f"WEBVTT\n\n00:00.000 --> 00:01.000\n{said}\n", "txt": said}
    assert read(write(f"a.{suffix}", encoded(content[suffix]))).texts == (said,)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.srt", "", "the transcript a.srt is empty"),
        ("a.txt", "", "the transcript a.txt is empty"),
        ("a.srt", " \n\n", "the transcript a.srt has no words"),
        ("a.txt", "... ?! --\n", "the transcript a.txt has no words"),
        ("a.srt", srt([(0, 1, "[sobs]"), (1, 2, "...")]), "the transcript a.srt has no words"),
        ("a.vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\n♪♪\n", "the transcript a.vtt has no words"),
    ],
)
def test_a_transcript_without_a_word_is_missing(write, name, content, sentence):
    with pytest.raises(MissingModality) as error:
        read(write(name, content))
    assert str(error.value) == sentence


@pytest.mark.parametrize("name", ["a.srt", "a.vtt"])
@pytest.mark.parametrize("content", [b"just words, no times", bytes(range(256)), b"\x00" * 100], ids=repr)
def test_what_is_no_transcript_is_refused_in_words(write, name, content):
    with pytest.raises(MediaError, match=f"the transcript {name} has no cues that can be read"):
        read(write(name, content))


def test_a_transcript_that_is_too_large_is_refused(write, monkeypatch):
    monkeypatch.setattr(transcript, "LARGEST_BYTES", 1 << 20)
    assert read(write("a.txt", b"a " * (1 << 19))).n_words == 1 << 19
    with pytest.raises(MediaError, match=r"a\.txt is over 1 MB"):
        read(write("a.txt", b"a " * (1 << 19) + b"a"))


def test_a_folder_a_pipe_and_a_link_to_nothing_are_refused(tmp_path):
    (tmp_path / "folder.srt").mkdir()
    os.mkfifo(tmp_path / "pipe.srt")
    (tmp_path / "link.srt").symlink_to("gone.srt")
    for name, reason in (("folder", "is a folder"), ("pipe", "not a regular file"), ("link", "no such file")):
        with pytest.raises(MediaError, match=rf"the transcript {name}\.srt cannot be read \({reason}"):
            read(tmp_path / f"{name}.srt")


@pytest.mark.parametrize("bracket", ["<", "{", "[", "<a", "&", "{\\", "</", "]["])
def test_nothing_but_brackets_takes_no_longer_than_anything_else(write, bracket):
    """A million of them: what looked for the end of each to the end of the file would never come back."""
    for name, content in (("a.txt", "a " + bracket * 10**6), ("a.srt", srt([(0, 1, "a " + bracket * 10**6)]))):
        assert read(write(name, content)).texts[0].startswith("a")


@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
@pytest.mark.parametrize("suffix", ["srt", "vtt", "txt"])
def test_any_bytes_are_read_or_refused_in_words(tmp_path_factory, suffix, content):
    path = tmp_path_factory.getbasetemp() / f"any.{suffix}"
    path.write_bytes(content)
    check(path)


@given(lines=st.lists(st.sampled_from(["1", "", "00:00:01,000 --> 00:00:02,000", "00:01.0 --> 00:09.000", "a b",
    "WEBVTT", "NOTE", "99:99:99,999 --> 00:00:00,000", "<v >", "{\\an", "-->", "\ud800", "\0", "0:0:0,0-->9:9:9,9",
    "00:00:03,000 --> 00:00:01,000"]), max_size=30))  # fmt: skip
@pytest.mark.parametrize("suffix", ["srt", "vtt"])
def test_any_lines_of_a_transcript_are_read_or_refused_in_words(tmp_path_factory, suffix, lines):
    path = tmp_path_factory.getbasetemp() / f"lines.{suffix}"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogatepass"))
    check(path)


def check(path: Path) -> None:
    try:
        said = read(path)
    except (MediaError, MissingModality):
        return
    assert len(said.starts_s) == len(said.ends_s) == len(said.texts) > 0
    assert all(0 <= start <= end for start, end in zip(said.starts_s, said.ends_s, strict=True))
    assert list(said.starts_s) == sorted(said.starts_s)
    assert all(text and text == text.strip() for text in said.texts)
    assert not any(unicodedata.category(letter) == "Cc" for text in said.texts for letter in text)


# The subtitles in a file


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("language", [None, "eng", "en"])
def test_the_subtitles_in_a_file_are_a_transcript(talking_video, tmp_path, suffix, language):
    path = with_subtitles(talking_video, tmp_path / f"a{suffix}", [(0.2, 0.5, "what a <i>day</i>")], language)
    said = read_subtitles(path, "en")
    assert said is not None
    assert said.texts == ("what a day",)
    assert (said.starts_s[0], said.ends_s[0]) == pytest.approx((0.2, 0.5), abs=0.1)


def test_subtitles_of_another_language_are_none(talking_video, tmp_path):
    path = with_subtitles(talking_video, tmp_path / "a.mkv", [(0.2, 0.5, "was für ein Tag")], "ger")
    assert read_subtitles(path, "en") is None


def test_a_file_without_subtitles_has_none(talking_video, sound_only):
    assert read_subtitles(talking_video, "en") is None
    assert read_subtitles(sound_only, "en") is None


def test_subtitles_without_a_word_are_missing(talking_video, tmp_path):
    path = with_subtitles(talking_video, tmp_path / "a.mkv", [(0.2, 0.5, "[music]")])
    with pytest.raises(MissingModality, match="no words"):
        read_subtitles(path, "en")


def test_no_subtitles_are_looked_for_in_a_pipe_or_in_what_is_no_media(tmp_path):
    os.mkfifo(tmp_path / "pipe.mkv")
    (tmp_path / "text.mkv").write_text("no media")
    for name in ("pipe.mkv", "text.mkv", "gone.mkv"):
        with pytest.raises(MediaError):
            read_subtitles(tmp_path / name, "en")


# Cues


def test_the_cues_of_a_span_are_those_of_which_a_part_is_said_in_it():
    said = Words((0.0, 1.0, 3.0), (1.0, 2.5, 3.0), ("a", "b", "c"))
    texts = {
        span: getattr(said.between(*span), "texts", None) for span in [(0, 1), (1, 2), (2, 3), (2.5, 3), (3, 4)]
    }
    assert texts == {(0, 1): ("a",), (1, 2): ("b",), (2, 3): ("b",), (2.5, 3): None, (3, 4): ("c",)}


@given(text=st.text("ab ", max_size=60), most=st.integers(1, 20))
def test_a_text_is_cut_between_its_words_and_nothing_is_lost(text, most):
    parts = list(stretches(text, most))
    assert all(len(part) <= most for part in parts)
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    if all(len(word) < most for word in text.split(" ")):
        assert [word for part in parts for word in part.split()] == text.split()
