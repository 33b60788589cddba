"""MELD (Poria and others, 2019): clips of a television series, whose labels stand in tables beside them."""

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mercli import emotions
from mercli.corpora.labelled import Labelled
from mercli.errors import CorpusError

_CLIP = re.compile(r"dia(?P<dialogue>\d{1,6})_utt(?P<utterance>\d{1,6})", re.ASCII | re.IGNORECASE)
_SPLITS = {"train": "train", "dev": "dev", "test": "test"}
_TABLE = re.compile(r"(?P<split>train|dev|test)(?:_sent_emo)?\.csv", re.IGNORECASE)
_COLUMNS = ("Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
EXAMPLE = "train_splits/dia0_utt0.mp4 beside train_sent_emo.csv"

_Key = tuple[str, int, int]


def is_clip(path: Path) -> bool:
    """Tell whether a file has the name of a clip of MELD."""
    return _CLIP.fullmatch(path.stem) is not None


def read_meld(root: Path, clips: Sequence[Path], tables: Sequence[Path]) -> Iterator[Labelled]:
    """Read the clips of MELD by the lines of its tables.

    Parameters
    ----------
    root : Path
        The folder of the corpus.
    clips : sequence of Path
        Files in it for which `is_clip` holds, in a folder that names their split: train, dev or test.
    tables : sequence of Path
        CSV files of the corpus; those that are no tables of MELD's are passed over.

    Yields
    ------
    Labelled
        For each clip that has a line.

    Raises
    ------
    CorpusError
        If there are clips and no table of their split, or a table cannot be read.
    """
    lines: dict[_Key, dict[str, str]] = {}
    for table in tables:
        if match := _TABLE.fullmatch(table.name):
            lines |= _read_table(table, _SPLITS[match["split"].lower()])
    known = sorted({split for split, _, _ in lines})
    for clip in clips:
        match, split = _CLIP.fullmatch(clip.stem), _split_of(clip.relative_to(root))
        if match is None:
            continue
        if split is None and len(known) == 1:  # numbers begin anew in each split: of one there is no doubt
            split = known[0]
        if split is None or split not in known:
            raise CorpusError(
                f"{clip} is named like a clip of MELD, and "
                + (
                    f"there is no table {split}_sent_emo.csv in the corpus to say what it is"
                    if split
                    else "lies in no folder that names its split, such as train_splits"
                )
            )
        line = lines.get((split, int(match["dialogue"]), int(match["utterance"])))
        if line is not None:
            speaker = "-".join(line["Speaker"].lower().split())
            label = emotions.canonical(line["Emotion"])
            yield Labelled(clip, label, f"meld-{speaker}", {"split": split}, f"meld-{split}-{clip.stem.lower()}")


def _split_of(clip: Path) -> str | None:
    """Tell the split by the nearest folder that names one, such as ``output_repeated_splits_test``."""
    for folder in clip.parent.parts[::-1]:
        for split in _SPLITS:
            if split in re.split(r"[_\W]+", folder.lower()):
                return split
    return None


def _read_table(table: Path, split: str) -> dict[_Key, dict[str, str]]:
    found: dict[_Key, dict[str, str]] = {}
    try:
        # Its apostrophes are in Windows' code page in some copies; names and numbers are not touched by that.
        with table.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.DictReader(file)
            if not set(_COLUMNS) <= set(reader.fieldnames or ()):
                return {}
            for line in reader:
                try:
                    key = (split, int(line["Dialogue_ID"]), int(line["Utterance_ID"]))
                except (TypeError, ValueError) as error:
                    raise CorpusError(
                        f"{table}, line {reader.line_num}: no number of dialogue and utterance"
                    ) from error
                if not (line["Speaker"] or "").strip():
                    raise CorpusError(f"{table}, line {reader.line_num}: no speaker")
                found[key] = {name: line[name] or "" for name in _COLUMNS}
    except OSError as error:
        raise CorpusError(f"cannot read {table}: {error.strerror}") from error
    except csv.Error as error:
        raise CorpusError(f"{table} is no CSV file ({error})") from error
    return found
