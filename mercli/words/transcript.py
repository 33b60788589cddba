"""Transcripts, read: files beside a clip and the subtitles in it, by FFmpeg's parsers within limits of our own."""

import html
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import av
from av.container import InputContainer

from mercli.container import check_regular, open_container, reason_of
from mercli.errors import MediaError, MissingModality
from mercli.inputs import table_name
from mercli.words.beside import LARGEST_BYTES
from mercli.words.captions import tidied, told_once
from mercli.words.cues import Words
from mercli.words.encoding import decoded
from mercli.words.languages import speaks

_FORMATS = {".srt": "srt", ".vtt": "webvtt"}  # FFmpeg's names
_TEXT_CODECS = frozenset({"mov_text", "subrip", "srt", "webvtt", "ass", "ssa", "text"})
_SUBTITLES = "the track of subtitles"

# Each ends at the next of its own kind, so that a file of nothing but brackets takes no longer than another.
_OVERRIDE = re.compile(r"\{[^{}]*\}")
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_REMARK = re.compile(r"\[[^\[\]]*\]|[♩-♯]")
_BREAK = re.compile(r"\\[Nnh]")
_LINE_END = re.compile(r"\\[Nn]|\n")
_NEXT = "\ue000"  # no letter: for private use
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def read(path: Path) -> Words:
    """Read a transcript.

    Parameters
    ----------
    path : Path
        A file whose name ends in .srt, .vtt or .txt, in Unicode or in Windows-1252.

    Returns
    -------
    Words
        Its cues with a word in them; the whole text of a .txt file is one.

    Raises
    ------
    MediaError
        If it cannot be read.
    MissingModality
        If there is no word in it.
    """
    what = f"the transcript {table_name(path.name)}"  # it comes to stand in a table
    text = _load(path, what)
    suffix = path.suffix.lower()
    if suffix not in _FORMATS:
        return _kept([(0.0, float("inf"), text)], what)
    if not text.strip():
        raise MissingModality(f"{what} has no words")
    cues = list(_parse(tidied(text, suffix), _FORMATS[suffix], what))
    if not cues:
        raise MediaError(f"{what} has no cues that can be read; is it {suffix[1:].upper()}?")
    return _kept(cues, what)


def read_subtitles(path: Path, language: str) -> Words | None:
    """Read the first track of subtitles in a media file that is text and not of another language.

    Parameters
    ----------
    path : Path
        A local media file, which is read in a pass of its own.
    language : str
        A code of two letters; a track that names no language is taken.

    Returns
    -------
    Words or None
        None where there is no such track.

    Raises
    ------
    MediaError
        If the file cannot be opened, or its track cannot be read.
    MissingModality
        If there is no word in it.
    """
    check_regular(path)
    # Else FFmpeg would decode pictures, of whatever size, to know the streams.
    with open_container(path, {"codec_whitelist": ",".join(sorted(_TEXT_CODECS))}) as container:
        track = next((each for each in container.streams.subtitles if _is_wanted(each, language)), None)
        if track is None:
            return None
        start_s = (container.start_time or 0) / av.time_base
        said = _cues(container, track, _SUBTITLES)
        cues = [(start - start_s, end - start_s, text) for start, end, text in said]
    return _kept(cues, _SUBTITLES)


def cleaned(text: str) -> str:
    r"""Give what is said of a cue: without tags, remarks in square brackets, and notes of music.

    Examples
    --------
    >>> cleaned("<i>Oh,</i> {\\an8}no! [sobs]\\NTom &amp; I")
    'Oh, no! Tom & I'
    """
    for what in (_BREAK, _OVERRIDE, _TAG):
        text = what.sub(" " if what is _BREAK else "", text)
    said = unicodedata.normalize("NFC", html.unescape(text))
    return _BLANK.sub(" ", _REMARK.sub(" ", said)).strip()


def _load(path: Path, what: str) -> str:
    """Read a text file whose encoding nobody states."""
    try:
        check_regular(path)
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise MediaError(f"{what} cannot be read ({error.strerror})") from error
    except MediaError as error:
        if str(error) == "the file is empty":
            raise MissingModality(f"{what} is empty") from error
        raise MediaError(f"{what} cannot be read ({error})") from error
    if len(content) > LARGEST_BYTES:
        raise MediaError(f"{what} is over {LARGEST_BYTES >> 20} MB, so it is none")
    try:
        return decoded(content)
    except ValueError as error:
        raise MediaError(f"{what} cannot be read ({error})") from error


def _parse(text: str, form: str, what: str) -> Iterator[tuple[float, float, str]]:
    # Surrogates, which a file in UTF-16 may hold, are no text in UTF-8.
    content = text.replace("\0", " ").encode("utf-8", "replace")
    try:
        with av.open(io.BytesIO(content), "r", format=form) as container:
            yield from _cues(container, container.streams.subtitles[0], what)
    except (av.error.FFmpegError, OSError, ValueError, IndexError) as error:
        raise MediaError(f"{what} cannot be read ({reason_of(error)})") from error


def _is_wanted(track: Any, language: str) -> bool:
    context = track.codec_context
    return (
        context is not None and context.name in _TEXT_CODECS and speaks(track.metadata.get("language"), language)
    )


def _cues(container: InputContainer, track: Any, what: str) -> Iterator[tuple[float, float, str]]:
    """Give start and end, in seconds, and text of what a track holds; a cue that is no text is passed over."""
    size = n_read = 0
    reason: Exception | None = None
    try:
        for packet in container.demux(track):
            if packet.pts is None or packet.time_base is None:
                continue
            start_s = float(packet.pts * packet.time_base)
            end_s = start_s + max(0.0, float((packet.duration or 0) * packet.time_base))
            try:
                texts = [said.decode("utf-8", "replace") for said in _dialogues(packet.decode())]
            except (av.error.FFmpegError, ValueError) as error:
                reason = reason or error
                continue
            n_read += 1
            size += sum(map(len, texts))
            if size > LARGEST_BYTES:
                raise MediaError(f"{what}: over {LARGEST_BYTES >> 20} MB of text, so it is none")
            for text in texts:
                yield start_s, end_s, text
    except (av.error.FFmpegError, OSError, IndexError) as error:
        reason = reason or error
    if reason and not n_read:
        raise MediaError(f"{what} cannot be read ({reason_of(reason)})")


def _dialogues(decoded: Iterable[Any]) -> Iterator[bytes]:
    """Give the texts of what PyAV decodes: subtitles, or in its earlier versions sets of them."""
    for each in decoded:
        if (said := getattr(each, "dialogue", None)) is not None:
            yield said
        elif not hasattr(each, "type"):
            yield from _dialogues(each)


def _kept(cues: Iterable[tuple[float, float, str]], what: str) -> Words:
    lines = sorted((start, end, _lines(text)) for start, end, text in cues)
    joined = ((start, end, " ".join(rest)) for start, end, rest in told_once(lines))
    said = [cue for cue in joined if any(map(str.isalnum, cue[2]))]
    if not said:
        raise MissingModality(f"{what} has no words")
    starts, ends, texts = zip(*said, strict=True)
    return Words(starts, ends, texts)


def _lines(text: str) -> list[str]:
    """Give the lines of a cue in which something is said; a tag or a remark may go over several."""
    marked = _LINE_END.sub(_NEXT, text)
    return [line for part in cleaned(marked).split(_NEXT) if (line := part.strip())]
