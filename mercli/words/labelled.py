"""A table of labelled texts, such as MELD's: what a words part of one's own is learnt from."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mercli import emotions
from mercli.errors import CorpusError
from mercli.words.encoding import decoded

LARGEST_BYTES = 256 << 20

_TEXT, _LABEL = ("utterance", "text", "sentence", "transcript"), ("emotion", "label")
_GROUP = ("dialogue_id", "speaker")


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Hold labelled texts: one entry a text in the first three fields.

    Parameters
    ----------
    texts : tuple of str
        What was said.
    labels : tuple of str
        The class of each.
    groups : tuple of str
        What it belongs to: a dialogue, else a speaker, else itself.
    left_out : int
        Lines without a word, or whose emotion mercli does not know.
    """

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    groups: tuple[str, ...]
    left_out: int = 0


def read_texts(path: Path) -> LabelledTexts:
    """Read a table of labelled texts.

    Parameters
    ----------
    path : Path
        A CSV file in Unicode or Windows-1252 with a column of text (Utterance, Text, Sentence or Transcript) and
        one of emotion (Emotion or Label), in whatever case. Lines of one Dialogue_ID, else of one Speaker, are
        kept together.

    Returns
    -------
    LabelledTexts
        Of the lines that are of use.

    Raises
    ------
    CorpusError
        If it is no such table, or none of its lines is of use.
    """
    lines = _read_lines(path)
    names = [name.strip().lower() for name in lines[0]] if lines else []
    text, label = _find(path, names, _TEXT, "a text"), _find(path, names, _LABEL, "an emotion")
    group = next((names.index(name) for name in _GROUP if name in names), None)
    found, n_lines = [], 0
    for number, cells in enumerate(lines[1:], 2):
        if not cells:
            continue
        n_lines += 1
        if len(cells) != len(names):
            raise CorpusError(f"{path}: row {number} has {len(cells)} cells and not {len(names)}")
        emotion = emotions.canonical(cells[label])
        if emotion is not None and any(map(str.isalnum, cells[text])):
            found.append((cells[text], emotion, str(number) if group is None else cells[group]))
    if not found:
        raise CorpusError(f"{path}: no row has a text and an emotion that mercli knows")
    texts, labels, groups = zip(*found, strict=True)
    return LabelledTexts(texts, labels, groups, n_lines - len(found))


def _read_lines(path: Path) -> list[list[str]]:
    try:
        if not path.is_file():
            raise CorpusError(f"no such file: {path}")
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > LARGEST_BYTES:
        raise CorpusError(f"{path} is over {LARGEST_BYTES >> 20} MB, so it is no table of texts")
    try:
        text = decoded(content)
    except ValueError as error:
        raise CorpusError(f"{path} is no CSV file ({error})") from error
    try:
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise CorpusError(f"{path} is no CSV file ({error})") from error


def _find(path: Path, names: Sequence[str], known: Sequence[str], what: str) -> int:
    found = next((names.index(name) for name in known if name in names), None)
    if found is None:
        raise CorpusError(f"{path} has no column for {what}: name one {' or '.join(map(str.capitalize, known))}")
    return found
