"""What is wrong with a labelled corpus, before anything is trained on it."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mercli import batch
from mercli.container import check_regular
from mercli.corpora.corpus import Corpus, Example
from mercli.errors import sentence
from mercli.limits import Limits
from mercli.media import Clip, Sound
from mercli.wording import count
from mercli.worker import Lost

SPLIT = "split"
"""The trait that says whether a file is to train, to tune or to test."""

_BLOCK = 1 << 20  # bytes that are hashed at a time
_SILENCE = 1e-3  # of full scale, 60 dB below it: sound that stays under it is called silent


@dataclass(frozen=True, slots=True)
class Examination:
    """Say how files are examined: what each may cost, and whether a dying worker shows where it was."""

    limits: Limits
    debug: bool = False


@dataclass(frozen=True, slots=True)
class Findings:
    """Hold what was found in one file.

    Parameters
    ----------
    problem : str or None
        Why it is of no use: it cannot be read, or holds neither sound nor a picture.
    damage : str or None
        Why it was not read whole.
    duration_s : float
        How long it is.
    has_sound, has_picture, is_silent : bool
        What was decoded.
    file_sha256, sound_sha256 : str
        Of its bytes, and of its sound decoded to 16 kHz mono at 16 bits; empty where there is none.
    """

    problem: str | None = None
    damage: str | None = None
    duration_s: float = 0.0
    has_sound: bool = False
    has_picture: bool = False
    is_silent: bool = False
    file_sha256: str = ""
    sound_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Hold files that are one recording.

    Parameters
    ----------
    what : str
        ``"bytes"``, or ``"sound"`` where only what is heard is the same.
    examples : tuple of Example
        Two or more.
    """

    what: str
    examples: tuple[Example, ...]

    @property
    def crosses(self) -> tuple[str, ...]:
        """Name what the files differ in that they should not: ``"speakers"``, ``"labels"``, ``"splits"``."""
        kinds: dict[str, set[str | None]] = {
            "speakers": {each.speaker for each in self.examples},
            "labels": {each.label for each in self.examples},
            "splits": {each.traits.get(SPLIT) for each in self.examples},
        }
        return tuple(name for name, values in kinds.items() if len(values) > 1)


@dataclass(frozen=True, slots=True)
class Audit:
    """Hold what was found in a corpus.

    Parameters
    ----------
    corpus : Corpus
        Its labels.
    findings : tuple of Findings
        One an example.
    """

    corpus: Corpus
    findings: tuple[Findings, ...]

    def counts(self) -> dict[str, Counter[str]]:
        """Count the files of each class, speaker by speaker."""
        found = {speaker: Counter[str]() for speaker in self.corpus.speakers}
        for example in self.corpus.examples:
            found[example.speaker][example.label] += 1
        return found

    def traits(self) -> dict[str, Counter[str]]:
        """Count the files of each value of each trait."""
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for example in self.corpus.examples:
            for trait, value in example.traits.items():
                found[trait][value] += 1
        return dict(found)

    @property
    def duration_s(self) -> float:
        """Give the length of all files together."""
        return sum(each.duration_s for each in self.findings)

    def unreadable(self) -> dict[Path, str]:
        """Name the files of no use, with the reason."""
        return self._those(lambda each: each.problem)

    def damaged(self) -> dict[Path, str]:
        """Name the files that were not read whole, with the reason."""
        return self._those(lambda each: None if each.problem else each.damage)

    def silent(self) -> dict[Path, str]:
        """Name the files whose sound is silent."""
        return self._those(lambda each: "the sound is silent" if each.is_silent else None)

    def _those(self, reason: Callable[[Findings], str | None]) -> dict[Path, str]:
        pairs = zip(self.corpus.examples, self.findings, strict=True)
        return {example.path: why for example, each in pairs if (why := reason(each))}

    def duplicates(self) -> list[Duplicate]:
        """Find the files that are one recording, those of the same bytes first."""
        found = [Duplicate("bytes", group) for group in self._alike(lambda each: each.file_sha256)]
        known = {frozenset(each.path for each in group.examples) for group in found}
        for group in self._alike(lambda each: "" if each.is_silent else each.sound_sha256):
            if frozenset(each.path for each in group) not in known:
                found.append(Duplicate("sound", group))
        return found

    def _alike(self, key: Callable[[Findings], str]) -> list[tuple[Example, ...]]:
        groups: dict[str, list[Example]] = defaultdict(list)
        for example, each in zip(self.corpus.examples, self.findings, strict=True):
            if key(each):
                groups[key(each)].append(example)
        return [tuple(group) for group in groups.values() if len(group) > 1]

    def on_both_sides(self) -> dict[str, tuple[str, ...]]:
        """Name the speakers that stand in more than one split, and the splits."""
        found: dict[str, set[str]] = defaultdict(set)
        for example in self.corpus.examples:
            if split := example.traits.get(SPLIT):
                found[example.speaker].add(split)
        return {speaker: tuple(sorted(splits)) for speaker, splits in found.items() if len(splits) > 1}

    def problems(self) -> list[str]:
        """Say what would spoil a result, a sentence each; none where all is well."""
        said = {
            "files that cannot be read": len(self.unreadable()),
            "recordings that stand more than once": len(self.duplicates()),
            "speakers on both sides of a split": len(self.on_both_sides()),
        }
        return [f"{what}: {n}" for what, n in said.items() if n]

    def notes(self) -> list[str]:
        """Say what is to be known, and spoils nothing by itself."""
        corpus = self.corpus
        per_class = Counter(example.label for example in corpus.examples)
        alone = [speaker for speaker, counts in self.counts().items() if len(counts) == 1]
        rare = [label for label in corpus.classes if per_class[label] < 2]
        said = {
            f"{count(corpus.left_out, 'file', 'of other classes')} left out": corpus.left_out,
            f"{count(corpus.repeated, 'file')} not taken, for another holds the same utterance": corpus.repeated,
            f"{count(corpus.unlabelled, 'media file')} not known by name": corpus.unlabelled,
            f"{count(len(alone), 'speaker', 'of one class only')}, such as {next(iter(alone), '')}": len(alone),
            f"one example only of {', '.join(rare)}": len(rare),
        }
        return [words for words, n in said.items() if n]

    def to_json(self) -> dict[str, Any]:
        """Give plain JSON values."""
        corpus = self.corpus
        return {
            "format": "mercli-corpus-check",
            "format_version": 1,
            "corpus": corpus.name,
            "files": len(corpus.examples),
            "duration_s": round(self.duration_s, 3),
            "classes": dict(Counter(example.label for example in corpus.examples)),
            "speakers": {speaker: dict(counts) for speaker, counts in self.counts().items()},
            "traits": {trait: dict(counts) for trait, counts in self.traits().items()},
            "left_out": corpus.left_out,
            "repeated": corpus.repeated,
            "unlabelled": corpus.unlabelled,
            "unreadable": _by_name(self.unreadable()),
            "damaged": _by_name(self.damaged()),
            "silent": list(_by_name(self.silent())),
            "duplicates": [
                {"same": each.what, "files": [str(e.path) for e in each.examples], "across": list(each.crosses)}
                for each in self.duplicates()
            ],
            "speakers_on_both_sides": {speaker: list(splits) for speaker, splits in self.on_both_sides().items()},
            "problems": self.problems(),
            "notes": self.notes(),
        }


def audit(
    corpus: Corpus, examination: Examination, *, jobs: int, on_file: Callable[[Findings], None] = lambda _: None
) -> Audit:
    """Read every file of a corpus, in workers, and find what is wrong with it.

    Parameters
    ----------
    corpus : Corpus
        Its labels.
    examination : Examination
        What a file may cost.
    jobs : int
        Worker processes.
    on_file : callable
        Told of each file as it is done.

    Returns
    -------
    Audit
        All that was found.
    """
    found = [Findings()] * len(corpus.examples)
    paths = [example.path for example in corpus.examples]
    examined = batch.run_with(examine, paths, examination, prepare=_nothing, jobs=jobs, first_alone=False)
    for index, outcome in examined:
        if isinstance(outcome, Lost):
            found[index] = Findings(problem=f"{outcome.status}: {outcome.reason}")
        else:
            found[index] = outcome
        on_file(found[index])
    return Audit(corpus, tuple(found))


def examine(path: Path, setup: Examination) -> Findings:
    """Read one file whole, in a worker."""
    try:
        check_regular(path)
        with path.open("rb") as file:
            digest = hashlib.sha256()
            while block := file.read(_BLOCK):
                digest.update(block)
        return _examine(path, setup.limits, digest.hexdigest())
    except OSError as error:
        return Findings(problem=f"it cannot be read ({error.strerror})")
    except Exception as error:
        return Findings(problem=sentence(error, debug=setup.debug))


def _examine(path: Path, limits: Limits, file_sha256: str) -> Findings:
    sound, n_samples, n_frames, loudest = hashlib.sha256(), 0, 0, 0.0
    with Clip(path, max_duration_s=limits.max_duration_s, max_pixels=limits.max_pixels) as clip:
        for piece in clip:
            if isinstance(piece, Sound):
                n_samples += len(piece.samples)
                loudest = max(loudest, float(np.abs(piece.samples).max(initial=0.0)))
                # The last bit of a decoder's floats depends on the machine.
                sound.update(np.round(piece.samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
            else:
                n_frames += 1
    problem = None if n_samples or n_frames else clip.damage or clip.refusal or "nothing in it can be decoded"
    return Findings(
        problem=problem,
        damage=clip.damage,
        duration_s=clip.duration_s or 0.0,
        has_sound=n_samples > 0,
        has_picture=n_frames > 0,
        is_silent=n_samples > 0 and loudest < _SILENCE,
        file_sha256=file_sha256,
        sound_sha256=sound.hexdigest() if n_samples else "",
    )


def _nothing(setup: Examination, first: bool) -> None:
    del setup, first


def _by_name(reasons: Mapping[Path, str]) -> dict[str, str]:
    return {str(path): why for path, why in reasons.items()}
