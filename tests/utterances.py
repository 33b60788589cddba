"""Invented sentences, a words part learnt from them, transcripts, and media with subtitles in them."""

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import pytest

from mercli.bundle import WordsPart
from mercli.words.learning import learn_words

SAID = {
    "angry": "how dare you get out of here now i hate this damn mess stop shouting at me",
    "happy": "what a wonderful lovely day i am so glad we won great news thank you so much",
    "neutral": "the train leaves at nine from platform two please sign here next to the date",
    "sad": "i lost everything and cry alone tonight nobody is left i miss her so much",
}
"""Words of each class, of which sentences are made."""

Cue = tuple[float, float, str]


def labelled_texts(n_groups: int = 12) -> tuple[list[str], list[str], list[str]]:
    """Texts, labels and groups: a sentence of each class in each group."""
    texts, labels, groups = [], [], []
    for i in range(n_groups):
        for label, words in SAID.items():
            chosen = words.split()
            texts.append(" ".join(chosen[(3 * i + j * (i + 1)) % len(chosen)] for j in range(6)))
            labels.append(label)
            groups.append(f"group {i}")
    return texts, labels, groups


@cache
def words_part() -> WordsPart:
    """What turns sentences of four classes into posteriors."""
    model, spec, _ = learn_words(*labelled_texts(), seed=0)
    return WordsPart(spec, model)


def srt(cues: Sequence[Cue]) -> str:
    """The text of an .srt file."""
    return "\n".join(f"{i}\n{_clock(a)} --> {_clock(b)}\n{text}\n" for i, (a, b, text) in enumerate(cues, 1))


def with_subtitles(source: Path, target: Path, cues: Sequence[Cue], language: str | None = None) -> Path:
    """The same media with a track of subtitles: SubRip in a .mkv file, timed text in an .mp4 file."""
    is_mp4 = target.suffix == ".mp4"
    encode = _timed_text if is_mp4 else str.encode
    with av.open(str(source)) as media, av.open(str(target), "w") as written:
        if not hasattr(written, "add_mux_stream"):
            pytest.skip("this PyAV writes no subtitles")
        tracks = {stream.index: written.add_stream_from_template(stream) for stream in media.streams}
        track = written.add_mux_stream("mov_text" if is_mp4 else "subrip")
        if language:
            track.metadata["language"] = language
        packets = [packet for packet in media.demux() if packet.dts is not None]
        for packet in packets:
            packet.stream = tracks[packet.stream.index]
        packets += [_packet(track, cue, encode) for cue in cues]
        for packet in sorted(packets, key=lambda packet: (packet.dts or 0) * (packet.time_base or 0)):
            written.mux(packet)
    return target


def _packet(track: av.stream.Stream, cue: Cue, encode: Callable[[str], bytes]) -> av.Packet:
    start_s, end_s, text = cue
    packet = av.Packet(encode(text))
    packet.stream, packet.time_base = track, Fraction(1, 1000)
    packet.pts = packet.dts = round(1000 * start_s)
    packet.duration = round(1000 * (end_s - start_s))
    return packet


def _timed_text(text: str) -> bytes:
    content = text.encode()
    return struct.pack(">H", len(content)) + content


def _clock(seconds: float) -> str:
    whole, thousandths = divmod(round(1000 * seconds), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{thousandths:03}"
