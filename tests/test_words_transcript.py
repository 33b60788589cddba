"""Transcripts: which file belongs to a clip, and what is read in it, whatever it holds."""

import codecs
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
from mercli.words.vector import tokens

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


ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:00.000 --> 00:00:02.000 align:start position:0%
\x20
so<00:00:00.500><c> today</c><00:00:01.000><c> I</c><00:00:01.500><c> want</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
so today I want

00:00:02.010 --> 00:00:04.000 align:start position:0%
so today I want
to<00:00:02.500><c> say</c><00:00:03.000><c> hello</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
to say hello

00:00:09.000 --> 00:00:10.000
to say hello
"""


def test_what_rolls_on_is_told_once(write):
    said = read(write("a.vtt", ROLLING))
    assert said.texts == ("so today I want", "to say hello", "to say hello")  # the last is said again, later
    assert said.starts_s == pytest.approx((0.0, 2.01, 9.0))


@pytest.mark.parametrize("name", ["a.srt", "a.vtt"])
def test_an_empty_cue_hides_no_other(write, name):
    cues = srt([(0.0, 1.0, "one"), (1.0, 2.0, ""), (2.0, 3.0, "three")])
    content = cues if name == "a.srt" else "WEBVTT\n\n" + cues.replace(",", ".")
    assert read(write(name, content)).texts == ("one", "three")


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_cues_are_found_whatever_their_names_and_line_ends(write, ends):
    lines = ("WEBVTT", "00:01.000 --> 00:02.000", "one", "", "STYLE1", "00:02.000 --> 00:03.000", "two", "")
    lines += (
        "NOTE that",
        "",
        "REGIONAL NEWS",
        "00:03.000 --> 00:04.000",
        "three",
        "00:04.000 --> 00:05.000",
        "&lt;four&gt;",
    )
    said = read(write("a.vtt", ends.join(lines)))
    assert said == Words((1.0, 2.0, 3.0, 4.0), (2.0, 3.0, 4.0, 5.0), ("one", "two", "three", "<four>"))


def test_what_ends_before_the_clip_begins_is_not_said_in_it(write):
    times = ("-00:00:05,000 --> -00:00:03,000", "-00:00:02,000 --> 00:00:01,000", "00:00:01,000 --> 00:00:02,000")
    content = "\n".join(f"{i}\n{at}\n{said}\n" for i, (at, said) in enumerate(zip(times, "abc", strict=True)))
    assert read(write("a.srt", content)) == Words((0.0, 1.0), (1.0, 2.0), ("b", "c"))


@pytest.mark.parametrize(
    ("text", "n_words"),
    [
        (unicodedata.normalize("NFD", "caf\u00e9s na\u00efve"), 2),
        ("\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902 \u092c\u093e\u0924", 3),
        ("\u0645\u064e\u0631\u0652\u062d\u064e\u0628\u064b\u0627 \u0628\u0650\u0643\u064f\u0645\u0652", 2),
    ],
    ids=["decomposed", "Hindi", "Arabic"],
)
def test_marks_on_letters_do_not_take_a_word_apart(write, text, n_words):
    assert read(write("a.txt", text)).n_words == n_words
    assert len(tokens(text)) == n_words


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
        pytest.param(lambda text: text.encode(), id="UTF-8"),
        pytest.param(lambda text: codecs.BOM_UTF8 + text.encode(), id="UTF-8 with its mark"),
        pytest.param(lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"), id="UTF-16 with its mark"),
        pytest.param(lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"), id="UTF-16, big end first"),
        pytest.param(lambda text: text.encode("utf-16-le"), id="UTF-16"),
        pytest.param(lambda text: text.encode("utf-16-be"), id="UTF-16, big end first, without"),
        pytest.param(lambda text: codecs.BOM_UTF32_LE + text.encode("utf-32-le"), id="UTF-32"),
        pytest.param(lambda text: codecs.BOM_UTF32_BE + text.encode("utf-32-be"), id="UTF-32, big end first"),
        pytest.param(lambda text: text.encode("cp1252"), id="Windows-1252"),
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="lines of Windows"),
    ],
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
@pytest.mark.parametrize("content", [b"just words, no times", bytes(range(256))], ids=["words", "bytes"])
def test_what_is_no_transcript_is_refused_in_words(write, name, content):
    with pytest.raises(MediaError, match=f"the transcript {name} has no cues that can be read"):
        read(write(name, content))


@pytest.mark.parametrize("name", ["a.srt", "a.vtt", "a.txt"])
def test_what_is_full_of_zeros_is_no_text(write, name):
    with pytest.raises(MediaError, match=rf"the transcript {name} cannot be read \(it is no text\)"):
        read(write(name, b"\0" * 100))


def test_a_damaged_byte_does_not_make_another_text_of_the_rest(write):
    whole = "I\u2019m so happy, isn\u2019t it great"
    assert read(write("a.txt", whole.encode() + b" \xff.")).text == f"{whole} \ufffd."
    once_damaged = "caf\ufffd"  # in a file that is good UTF-8 by now
    assert read(write("b.txt", once_damaged)).text == once_damaged


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
