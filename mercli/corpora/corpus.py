"""A labelled corpus: which file carries which emotion and who speaks."""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from mercli import emotions
from mercli.corpora import meld
from mercli.corpora.folder import read_folder
from mercli.corpora.labelled import Labelled
from mercli.corpora.layouts import LAYOUTS
from mercli.corpora.manifest import MANIFEST_COLUMNS, MANIFEST_NAME, read_manifest
from mercli.errors import CorpusError, UsageError


@dataclass(frozen=True, slots=True)
class Example:
    """Hold one labelled file: `label` is a class in use, `speaker` any name, `traits` what else is known of it."""

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
    repeated : int
        Files that were not taken because another has the same utterance, such as its sound alone.
    unlabelled : int
        Media files that nothing is known of.
    calm : int
        Examples of calm that count as neutral.
    tables : tuple of Path
        The manifests and other tables that say so.
    """

    name: str
    examples: tuple[Example, ...]
    left_out: int = 0
    repeated: int = 0
    unlabelled: int = 0
    calm: int = 0
    tables: tuple[Path, ...] = ()

    @property
    def files(self) -> Iterator[Path]:
        """Give every file that it is made of."""
        return chain((example.path for example in self.examples), self.tables)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Give the files, in order."""
        return tuple(example.path for example in self.examples)

    @property
    def classes(self) -> tuple[str, ...]:
        """Give the classes that occur, in the order of every table."""
        return emotions.ordered(example.label for example in self.examples)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Give the speakers, sorted."""
        return tuple(sorted({example.speaker for example in self.examples}))


def load(
    corpora: Path | Sequence[Path],
    *,
    manifest: Path | None = None,
    classes: Sequence[str] = emotions.FER2013,
    to_train: bool = True,
) -> Corpus:
    """Read a corpus' labels.

    Parameters
    ----------
    corpora : Path or sequence of Path
        Folders whose files a layout knows or that hold ``manifest.csv``, or manifests themselves. Of several, all
        are taken together.
    manifest : Path, optional
        A CSV with the columns ``file,label,speaker``; its files are relative to the corpus, of which there is one.
    classes : sequence of str
        The classes wanted. Where calm is not among them it counts as neutral.
    to_train : bool
        Whether it has to have what it takes to train on it and to test; see `check_usable`.

    Returns
    -------
    Corpus
        Each utterance once: of several files of it, the one with picture and sound, and else the first.

    Raises
    ------
    CorpusError
        If it is not understood, or a part of it cannot be read; the message names the line or file.
    UsageError
        If there is no such corpus or no such class.
    """
    _check_classes(classes)
    paths = [corpora] if isinstance(corpora, Path) else list(corpora)
    if manifest is not None and len(paths) != 1:
        raise UsageError("--manifest goes with one corpus; give several manifests as the corpora themselves")
    parts = [_read(path, manifest) for path in paths]
    labelled = [each for part in parts for each in part.files]
    taken = _each_once(labelled)
    examples = tuple(
        Example(each.path, kept, each.speaker, each.traits)
        for each in taken
        if each.label and (kept := emotions.within(each.label, classes)) is not None
    )
    result = Corpus(
        " + ".join(dict.fromkeys(part.name for part in parts)),
        examples,
        left_out=len(taken) - len(examples),
        repeated=len(labelled) - len(taken),
        unlabelled=sum(part.unlabelled for part in parts),
        tables=tuple(table for part in parts for table in part.tables),
        calm=sum(each.label == "calm" for each in taken) if "calm" not in classes and "neutral" in classes else 0,
    )
    if to_train:
        check_usable(result)
    elif not examples:
        _refuse_empty(result)
    return result


def check_usable(corpus: Corpus) -> None:
    """Raise a CorpusError if a corpus has not two speakers, two classes and two examples of each class."""
    if not corpus.examples:
        _refuse_empty(corpus)
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


@dataclass(frozen=True, slots=True)
class _Part:
    """Hold what one path gave."""

    name: str
    files: tuple[Labelled, ...]
    unlabelled: int = 0
    tables: tuple[Path, ...] = ()


def _check_classes(classes: Sequence[str]) -> None:
    if not classes:
        raise UsageError(f"no class is given; there are {', '.join(emotions.ALL)}")
    if unknown := [name for name in classes if name not in emotions.ALL]:
        raise UsageError(f"no class {unknown[0]!r}; there are {', '.join(emotions.ALL)}")


def _refuse_empty(corpus: Corpus) -> None:
    if corpus.left_out:
        raise CorpusError(f"all {corpus.left_out} labelled files in {corpus.name} are of other classes")
    known = ", ".join(f"{layout.example} ({layout.name})" for layout in LAYOUTS)
    raise CorpusError(
        f"no labelled files in {corpus.name}: expected names such as {known}, or {meld.EXAMPLE} (MELD), or a "
        f"manifest with the columns {','.join(MANIFEST_COLUMNS)}"
    )


def _read(corpus: Path, manifest: Path | None) -> _Part:
    kind = _kind(corpus)
    if kind is None:
        raise UsageError(f"no such corpus: {corpus}")
    if kind not in (stat.S_IFDIR, stat.S_IFREG):
        raise UsageError(f"{corpus} is no corpus: give a folder, or a manifest that is a regular file")
    root = corpus if kind == stat.S_IFDIR else corpus.parent
    if manifest is None and kind == stat.S_IFREG:
        manifest = corpus
    if manifest is None and _kind(root / MANIFEST_NAME) == stat.S_IFREG:
        manifest = root / MANIFEST_NAME
    if manifest is not None:
        name = root.resolve().name if manifest.stem == "manifest" else manifest.stem
        return _Part(name, tuple(read_manifest(manifest, root)), tables=(manifest,))
    found = read_folder(root)
    return _Part(root.resolve().name, found.files, found.unlabelled, found.tables)


def _each_once(files: Iterable[Labelled]) -> list[Labelled]:
    """Take each file once, and one file of each utterance, where it stood."""
    of_file: dict[str, Labelled] = {}
    best: dict[str, Labelled] = {}
    for each in files:
        first = of_file.setdefault(os.path.realpath(each.path), each)
        if (each.label, each.speaker) != (first.label, first.speaker):
            raise CorpusError(
                f"{each.path} has two labels or two speakers in the corpora given; give each file once"
            )
        if first is each and each.utterance is not None:
            other = best.setdefault(each.utterance, each)
            if each.rank < other.rank:
                best[each.utterance] = each
    return [each for each in of_file.values() if each.utterance is None or best[each.utterance] is each]


def _kind(path: Path) -> int | None:
    """Tell a folder from a file and what else there is, as `stat` does; None where there is nothing."""
    try:
        return stat.S_IFMT(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {error.strerror}") from error
