"""One labelled file, as a layout or a manifest tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Labelled:
    """Hold what is known of a file before classes are chosen.

    Parameters
    ----------
    path : Path
        The file.
    label : str or None
        One of `mercli.emotions.ALL`; None for an emotion that is none of them.
    speaker : str
        Any name, the same for all files of a speaker.
    traits : mapping of str to str
        What else is known, such as ``sex``, ``intensity`` or ``split``.
    utterance : str or None
        Names what was said and how, once: files of one utterance are the same recording in other forms. None where
        each file is one.
    rank : int
        Which of an utterance's files to take: the lowest.
    """

    path: Path
    label: str | None
    speaker: str
    traits: Mapping[str, str] = field(default_factory=dict)
    utterance: str | None = None
    rank: int = 0
