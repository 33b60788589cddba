"""Labelled corpora: which file carries which emotion and who speaks, and how speakers are divided."""

import csv
import io
import os
import re
import stat
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from mercli import emotions
from mercli.errors import CorpusError, UsageError
from mercli.formats import SUFFIXES

MANIFEST_COLUMNS = ("file", "label", "speaker")
_MANIFEST_NAME = "manifest.csv"
_MANIFEST_LIMIT = 64 << 20  # bytes: it is held in memory

_LEAVE_ONE_OUT = 10  # speakers up to which a fold is one speaker
_FOLDS = 5

# modality-channel-emotion-intensity-statement-repetition-actor (Livingstone and Russo, 2018)
_RAVDESS_NAME = re.compile(r"\d{2}-\d{2}-(?P<emotion>\d{2})-\d{2}-\d{2}-\d{2}-(?P<actor>\d{2})")
_RAVDESS_EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}


@dataclass(frozen=True, slots=True)
class Example:
    """Hold one labelled file: `label` is one of the classes in use, `speaker` any name."""

    path: Path
    label: str
    speaker: str
    traits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Hold a labelled corpus.

    Parameters
    ----------
    name : str
        What to call it.
    examples : tuple of Example
        In a stable order.
    left_out : int
        Files whose label is outside the classes asked for.
    """

    name: str
    examples: tuple[Example, ...]
    left_out: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """Give the classes that occur, in the order of every table."""
        return emotions.ordered(example.label for example in self.examples)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Give the speakers, sorted."""
        return tuple(sorted({example.speaker for example in self.examples}))


def load(
    corpus: Path | Sequence[Path],
    *,
    manifest: Path | None = None,
    classes: Sequence[str] = emotions.FER2013,
    to_train: bool = True,
) -> Corpus:
    """Read a corpus' labels.

    Parameters
    ----------
    corpus : Path
        A folder of RAVDESS files, a folder with ``manifest.csv`` in it, or a manifest itself.
    manifest : Path, optional
        A CSV with the columns ``file,label,speaker``; its files are relative to `corpus`.
    classes : sequence of str
        The classes wanted. Where calm is not among them it counts as neutral.

    Returns
    -------
    Corpus
        At least two speakers, two classes, and two examples of each class.

    Raises
    ------
    CorpusError
        If it is not understood, or a part of it cannot be read; the message names the line or file.
    UsageError
        If there is no such corpus or no such class.
    """
    if not isinstance(corpus, Path):  # TEMPORARY
        parts = [load(each, manifest=manifest, classes=classes, to_train=False) for each in corpus]
        examples = tuple(
            Example(
                e.path,
                e.label,
                f"ravdess-{e.speaker}" if len(e.speaker) == 2 else e.speaker,
                {"sex": "a", "intensity": e.path.stem[9:11]},
            )
            for part in parts
            for e in part.examples
        )
        whole = Corpus(" + ".join(part.name for part in parts), examples, sum(part.left_out for part in parts))
        if to_train:
            check_usable(whole)
        return whole
    if not classes:
        raise UsageError(f"no class is given; there are {', '.join(emotions.ALL)}")
    unknown = [name for name in classes if name not in emotions.ALL]
    if unknown:
        raise UsageError(f"no class {unknown[0]!r}; there are {', '.join(emotions.ALL)}")
    kind = _kind(corpus)
    if kind is None:
        raise UsageError(f"no such corpus: {corpus}")
    if kind not in (stat.S_IFDIR, stat.S_IFREG):
        raise UsageError(f"{corpus} is no corpus: give a folder, or a manifest that is a regular file")
    root = corpus if kind == stat.S_IFDIR else corpus.parent
    if manifest is None and kind == stat.S_IFREG:
        manifest = corpus
    if manifest is None and _kind(root / _MANIFEST_NAME) == stat.S_IFREG:
        manifest = root / _MANIFEST_NAME
    labelled = list(_from_manifest(manifest, root) if manifest else read_ravdess(root))
    examples = tuple(
        Example(path, kept, speaker)
        for path, label, speaker in labelled
        if (kept := emotions.within(label, classes)) is not None
    )
    name = root.resolve().name if manifest is None or manifest.stem == "manifest" else manifest.stem
    result = Corpus(name, examples, len(labelled) - len(examples))
    if to_train:
        check_usable(result)
    return result


def folds(labels: Sequence[str], speakers: Sequence[str], *, seed: int) -> list[np.ndarray]:
    """Divide examples into folds with no speaker in two of them.

    Parameters
    ----------
    labels, speakers : sequence of str
        One each an example.
    seed : int
        Of the draw.

    Returns
    -------
    list of np.ndarray of int
        The indices of each fold's examples: a fold a speaker up to ten speakers, else five folds with about
        the same share of every class. With one speaker there is no fold.
    """
    from sklearn.model_selection import GroupKFold, LeaveOneGroupOut, StratifiedGroupKFold

    n_speakers = len(set(speakers))
    if n_speakers < 2:
        return []
    if n_speakers <= _LEAVE_ONE_OUT:
        splitter = LeaveOneGroupOut()
    elif max(Counter(labels).values()) < _FOLDS:
        splitter = GroupKFold(_FOLDS)  # no class is large enough to be shared out
    else:
        splitter = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=seed)
    blank = np.zeros(len(labels))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        return [held_out for _, held_out in splitter.split(blank, labels, speakers)]


def parse_split(text: str) -> tuple[int, int, int]:
    """Read ``8/12/4``: how many speakers train the two models, the fusion, and test.

    Examples
    --------
    >>> parse_split("8/12/4")
    (8, 12, 4)
    """
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})/([0-9]{1,6})", text.strip())
    models, fusion, test = map(int, match.groups()) if match else (0, 0, 0)
    if 0 in (models, fusion, test):
        raise UsageError(f"--split {text!r} is not understood: give three numbers of speakers, such as 8/12/4")
    return models, fusion, test


def split_speakers(
    speakers: Sequence[str], sizes: tuple[int, int, int], *, seed: int
) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Draw disjoint sets of speakers.

    Parameters
    ----------
    speakers : sequence of str
        All there are.
    sizes : tuple of int
        How many to draw for the models, the fusion and the test.
    seed : int
        Of the draw.

    Returns
    -------
    tuple of frozenset
        The three sets; speakers beyond their sum are left out.

    Raises
    ------
    UsageError
        If there are too few speakers.
    """
    if sum(sizes) > len(speakers):
        raise UsageError(
            f"the corpus has {len(speakers)} speakers, but the split {'/'.join(map(str, sizes))} "
            f"asks for {sum(sizes)}; ask for fewer"
        )
    names = sorted(speakers)
    drawn = [names[i] for i in np.random.default_rng(seed).permutation(len(names))]
    first, second = sizes[0], sizes[0] + sizes[1]
    return frozenset(drawn[:first]), frozenset(drawn[first:second]), frozenset(drawn[second : sum(sizes)])


def _kind(path: Path) -> int | None:
    """Tell a folder from a file and what else there is, as `stat` does; None where there is nothing."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror}") from error


def _from_manifest(manifest: Path, root: Path) -> Iterator[tuple[Path, str, str]]:
    seen: dict[Path, int] = {}
    try:
        reader = csv.DictReader(io.StringIO(_read_manifest(manifest), newline=""))
        reader.fieldnames = [name.strip() for name in reader.fieldnames or ()]
        _check_columns(manifest, reader.fieldnames)
        for line in reader:
            where = f"manifest {manifest}, line {reader.line_num}"
            name, word, speaker = ((line[column] or "").strip() for column in MANIFEST_COLUMNS)
            if not (name and word and speaker):
                raise CorpusError(f"{where}: a cell of {','.join(MANIFEST_COLUMNS)} is empty")
            label = emotions.canonical(word)
            if label is None:
                raise CorpusError(
                    f"{where}: unknown label {word!r}; known are {', '.join(emotions.ALL)} and their synonyms"
                )
            if not os.path.isfile(root / name):  # noqa: PTH113 - Path.is_file raises where a name is too long
                raise CorpusError(
                    f"{where}: no file {name!r} in {root}; names are relative to the corpus or absolute"
                )
            first = seen.setdefault((root / name).resolve(), reader.line_num)
            if first != reader.line_num:
                raise CorpusError(f"{where}: {name!r} stands in line {first} already; give each file once")
            yield root / name, label, speaker
    except (UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"the manifest {manifest} is not a CSV file in UTF-8 ({error})") from error


def _read_manifest(manifest: Path) -> str:
    try:
        with manifest.open("rb") as file:
            data = file.read(_MANIFEST_LIMIT + 1)
    except OSError as error:
        raise CorpusError(f"cannot read the manifest {manifest}: {error.strerror}") from error
    if len(data) > _MANIFEST_LIMIT:
        raise CorpusError(f"the manifest {manifest} is over {_MANIFEST_LIMIT >> 20} MB, so it is no list of files")
    return data.decode("utf-8-sig")


def _check_columns(manifest: Path, columns: Sequence[str]) -> None:
    missing = [name for name in MANIFEST_COLUMNS if name not in columns]
    if not missing:
        return
    header = ",".join(MANIFEST_COLUMNS)
    if set(MANIFEST_COLUMNS) <= set(re.split(r"[;|\s\"]+", ",".join(columns))):
        raise CorpusError(
            f"manifest {manifest} has its columns separated otherwise than by commas; save it as CSV with commas: "
            f"its first line must name {header}"
        )
    raise CorpusError(f"manifest {manifest} has no column {missing[0]!r}; its first line must name {header}")


def read_ravdess(root: Path) -> Iterator[tuple[Path, str, str]]:
    """Read the labels of RAVDESS files from their names.

    Parameters
    ----------
    root : Path
        A folder that holds them, however deep.

    Yields
    ------
    path, label, actor
        Of each file; calm is kept.

    Raises
    ------
    CorpusError
        If a folder cannot be looked into, or a name has an emotion that RAVDESS has not.
    """

    def refuse(error: OSError) -> None:
        raise CorpusError(
            f"cannot look into {error.filename or root} ({error.strerror}), so a part of the corpus would be "
            "missing; make the folder readable or move it out of the corpus"
        ) from error

    walked = os.walk(root, onerror=refuse)
    for path in sorted(Path(place) / name for place, _, names in walked for name in names):
        if path.suffix.lower() in SUFFIXES and (match := _RAVDESS_NAME.fullmatch(path.stem)):
            label = _RAVDESS_EMOTIONS.get(match["emotion"])
            if label is None:
                raise CorpusError(f"{path}: RAVDESS has no emotion {match['emotion']}")
            yield path, label, match["actor"]


def check_usable(corpus: Corpus) -> None:
    """Raise a CorpusError if a corpus has not two speakers, two classes and two examples of each class."""
    if not corpus.examples:
        raise CorpusError(
            f"no labelled files in {corpus.name}: expected RAVDESS names such as 03-01-05-01-02-01-12.wav, "
            f"or a manifest with the columns {','.join(MANIFEST_COLUMNS)}"
        )
    for what, found in (("speaker", corpus.speakers), ("class", corpus.classes)):
        if len(found) < 2:
            raise CorpusError(
                f"corpus {corpus.name} has one {what} only ({found[0]}); at least two are needed to train "
                "and to test on other speakers"
            )
    counts = Counter(example.label for example in corpus.examples)
    if alone := [label for label in corpus.classes if counts[label] < 2]:
        raise CorpusError(
            f"corpus {corpus.name} has one example only of {alone[0]}; give two of each class, or leave it out "
            "by --classes"
        )
