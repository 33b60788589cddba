"""Answers beside the labels of their clips, scored as a whole and in parts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercli.corpora import Example
from mercli.evaluation import chance
from mercli.evaluation.chance import Permuted
from mercli.evaluation.rounds import Answers
from mercli.evaluation.scores import Scores, score
from mercli.inputs import table_name
from mercli.result import PROBABILITY_DIGITS
from mercli.tables import Row, Value

VOICE, FACE, WORDS, FUSION = "voice", "face", "words", "fusion"
"""What is scored."""

BOTH, ALL = "fusion where both", "fusion where all"
"""The fusion where two modalities or three are there, scored where some clips that are answered have fewer."""

_MOST_GROUPS = 12  # values of a trait by which results are told apart

Groups = dict[str, dict[str, dict[str, Scores]]]
"""Scores by trait, its value, and what is scored."""


@dataclass(frozen=True, slots=True)
class Judged:
    """Hold answers beside what is known of their clips: an entry a row in each field.

    Parameters
    ----------
    examples : sequence of Example
        The clips; one may stand more than once.
    clips : np.ndarray of int [shape=(n,)]
        Which of the corpus' files each row is about.
    rounds : np.ndarray of int [shape=(n,)]
        In which round it was said, from 0.
    answers : dict of str to np.ndarray [shape=(n, n_classes)]
        Posteriors by what is scored; NaN where nothing was said.
    classes : tuple of str
        Their columns.
    """

    examples: Sequence[Example]
    clips: NDArray[np.int_]
    rounds: NDArray[np.int_]
    answers: dict[str, NDArray[np.float64]]
    classes: tuple[str, ...]

    @classmethod
    def gather(cls, answers: Answers, examples: Sequence[Example], classes: tuple[str, ...]) -> "Judged":
        """Lay answers out by what is scored."""
        said = {VOICE: answers.said.voice, FACE: answers.said.face, WORDS: answers.said.words}
        there = {name: rows for name, rows in said.items() if not np.isnan(rows).all()}
        if len(there) > 1:
            lacking = ~np.all([_judged(rows) for rows in there.values()], axis=0)
            whole = BOTH if len(there) == 2 else ALL
            there[FUSION] = answers.said.fused
            if (lacking & _judged(answers.said.fused)).any() and not lacking.all():
                there[whole] = np.where(lacking[:, np.newaxis], np.nan, answers.said.fused)
        return cls([examples[i] for i in answers.rows], answers.rows, answers.rounds, there, classes)

    @property
    def labels(self) -> list[str]:
        """Give the label of each row."""
        return [example.label for example in self.examples]

    @property
    def speakers(self) -> list[str]:
        """Give the speaker of each row."""
        return [example.speaker for example in self.examples]

    def scores(self, rows: NDArray[np.int_] | None = None) -> dict[str, Scores]:
        """Score all that was judged, or some rows of it; what was not judged in them is left out."""
        rows = np.arange(len(self.examples)) if rows is None else rows
        labels, speakers = ([values[i] for i in rows] for values in (self.labels, self.speakers))
        return {
            what: score(said[rows], labels, speakers, self.classes)
            for what, said in self.answers.items()
            if _judged(said[rows]).any()
        }

    def groups(self) -> Groups:
        """Score the clips apart by each trait, and by speaker."""
        known = dict.fromkeys(trait for example in self.examples for trait in example.traits)
        found: Groups = {}
        for trait in known:
            values = [example.traits.get(trait) for example in self.examples]
            if 2 <= len({value for value in values if value is not None}) <= _MOST_GROUPS:
                found[trait] = self._by(values)
        return {**found, "speaker": self._by(self.speakers)}

    def _by(self, values: Sequence[str | None]) -> dict[str, dict[str, Scores]]:
        names = sorted({value for value in values if value is not None})
        parts = {name: self.scores(np.flatnonzero([value == name for value in values])) for name in names}
        return {name: scores for name, scores in parts.items() if scores}

    def majority(self) -> dict[str, Scores]:
        """Score always the same answer, over the clips that were judged."""
        found = {}
        for what, said in self.answers.items():
            judged = np.flatnonzero(_judged(said))
            labels, speakers = ([values[i] for i in judged] for values in (self.labels, self.speakers))
            found[what] = chance.majority(labels, speakers, self.classes)
        return found

    def permuted(self, *, seed: int) -> dict[str, Permuted]:
        """Score the answers against labels dealt out anew."""
        return {
            what: chance.permuted(said, self.labels, self.speakers, self.classes, clips=self.clips, seed=seed)
            for what, said in self.answers.items()
        }

    def n_unanswered(self) -> int:
        """Count the rows of which nothing was said."""
        return int(np.all([~_judged(said) for said in self.answers.values()], axis=0).sum())

    def rows(self) -> list[Row]:
        """Lay the answers out as a table: a row each, in order."""
        final = next(self.answers[what] for what in (FUSION, VOICE, FACE, WORDS) if what in self.answers)
        laid: list[Row] = []
        for i, example in enumerate(self.examples):
            row: dict[str, Value] = {
                "file": table_name(str(example.path)),
                "label": example.label,
                "speaker": table_name(example.speaker),
                "round": int(self.rounds[i]) + 1,
                "emotion": self._answer(final[i]),
                **self._cells("p", final[i]),
            }
            for what in (VOICE, FACE, WORDS):
                if what in self.answers:
                    row |= self._cells(what, self.answers[what][i])
            laid.append(row)
        return laid

    def columns(self) -> dict[str, type]:
        """Name the columns of `rows`, with the type of their values."""
        first = {"file": str, "label": str, "speaker": str, "round": int, "emotion": str}
        prefixes = ["p", *(what for what in (VOICE, FACE, WORDS) if what in self.answers)]
        return {**first, **{f"{prefix}_{name}": float for prefix in prefixes for name in self.classes}}

    def _answer(self, posterior: NDArray[np.float64]) -> str | None:
        return None if np.isnan(posterior).any() else self.classes[int(posterior.argmax())]

    def _cells(self, prefix: str, posterior: NDArray[np.float64]) -> dict[str, float | None]:
        return {
            f"{prefix}_{name}": None if np.isnan(p) else round(float(p), PROBABILITY_DIGITS)
            for name, p in zip(self.classes, posterior, strict=True)
        }


def _judged(said: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell the rows [n, n_classes] in which something was said."""
    return np.asarray(np.isfinite(said).all(axis=1))
