"""Captions as they come: brought into the form that FFmpeg's parsers read right, and each line told once."""

import re
from collections.abc import Iterable, Iterator

_TIMES = re.compile(r"\s*-?\d[\d:., ]*-->")
_BEFORE_0 = re.compile(r"\s*-\s*\d[\d:., ]*-->(\s*-)?")
_AT_0 = "00:00:00.000 -->"
_TOUCHING_S = 0.05


def tidied(text: str, suffix: str) -> str:
    r"""Bring a caption file into the form that its parser reads right.

    FFmpeg passes over cues directly below the head of WebVTT, over cues whose name begins like a keyword of it,
    over some line ends and over all that has an empty cue in it; it takes the sign off a time before the clip
    begins, and gives signs of WebVTT that stand for < as if a tag began there.

    Parameters
    ----------
    text : str
        The file.
    suffix : str
        ``".srt"`` or ``".vtt"``.

    Returns
    -------
    str
        With the same cues, but for those that end before the clip begins.

    Examples
    --------
    >>> tidied("WEBVTT\r\n00:01.000 --> 00:02.000\rOh\r\rNOTE1\r00:02.000 --> 00:03.000\rNo", ".vtt")
    'WEBVTT\n\n00:01.000 --> 00:02.000\nOh\n\n\n00:02.000 --> 00:03.000\nNo'
    """
    kept: list[str] = []
    is_over = False  # the cue, before the clip begins
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        if not _TIMES.match(line):
            if suffix == ".vtt" and not line and kept and _TIMES.match(kept[-1]):
                kept.pop()
            elif not (is_over and line.strip()):
                kept.append(line.replace("&lt;", "&amp;lt;") if suffix == ".vtt" else line)
            continue
        early = _BEFORE_0.match(line)
        is_over = early is not None and early[1] is not None
        if suffix == ".vtt":
            _end_block(kept)
        if not is_over:
            kept.append(_AT_0 + line[early.end() :] if early else line)
    return "\n".join(kept)


def told_once(cues: Iterable[tuple[float, float, list[str]]]) -> Iterator[tuple[float, float, list[str]]]:
    """Leave out lines that stay on the screen from the cue before, as in captions that roll.

    Parameters
    ----------
    cues : iterable of tuple of float, float and list of str
        Start and end, in seconds, and lines, in order of time.

    Yields
    ------
    tuple of float, float and list of str
        The same where a line is left.
    """
    until_s, shown = float("-inf"), list[str]()
    for start_s, end_s, lines in cues:
        stays = 0
        if start_s - until_s < _TOUCHING_S:
            most = min(len(shown), len(lines))
            stays = next((n for n in range(most, 0, -1) if shown[-n:] == lines[:n]), 0)
        if lines[stays:]:
            yield start_s, end_s, lines[stays:]
        until_s, shown = end_s, lines


def _end_block(kept: list[str]) -> None:
    """Have a blank line at the end, in place of the name of the cue that is to follow."""
    if not kept or not kept[-1].strip():
        return
    is_name = len(kept) > 1 and not kept[-2].strip()
    if is_name:
        kept.pop()
    kept.append("")
