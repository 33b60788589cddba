"""All that an evaluation found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import mercli
from mercli.evaluation import format
from mercli.evaluation.chance import Permuted
from mercli.evaluation.judged import Groups
from mercli.evaluation.ranking import Ranking
from mercli.evaluation.scores import Scores
from mercli.tables import Row


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Hold what an evaluation found.

    Parameters
    ----------
    corpus : str
        Its name.
    n_clips, n_speakers : int
        Clips of the corpus that are of use, and who speaks in them.
    protocol, how : str
        Its name, and who trained and tested in words.
    seed : int
        Of every draw.
    warnings : tuple of str
        What keeps the numbers from being what they seem, a sentence each.
    classes : tuple of str
        Of the answers.
    scores : dict of str to Scores
        By what is scored.
    groups : dict
        The same for parts of the clips.
    majority : dict of str to Scores
        What always the same answer would score.
    permuted : dict of str to Permuted
        What the answers score against labels dealt out anew.
    answers, columns
        A row an answer, for a table, and its columns with the type of their values.
    bundle : str or None
        The label of the bundle that was tested; None where bundles were trained on the way.
    seen : tuple of str
        Speakers that the bundle was fitted on and tested on nevertheless.
    published : dict
        What the original reported, where its protocol was followed; else empty.
    ranking : Ranking or None
        The features of the voice, where asked for.
    command : str
        What was typed.
    """

    corpus: str
    n_clips: int
    n_speakers: int
    protocol: str
    how: str
    seed: int
    warnings: tuple[str, ...]
    classes: tuple[str, ...]
    scores: dict[str, Scores]
    groups: Groups
    majority: dict[str, Scores]
    permuted: dict[str, Permuted]
    answers: tuple[Row, ...]
    columns: dict[str, type]
    bundle: str | None = None
    seen: tuple[str, ...] = ()
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    ranking: Ranking | None = None
    command: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give plain JSON values: what `mercli report` reads."""
        return {
            "format": format.NAME,
            "format_version": format.VERSION,
            "mercli": mercli.__version__,
            "command": self.command,
            "corpus": {"name": self.corpus, "clips": self.n_clips, "speakers": self.n_speakers},
            "protocol": {"name": self.protocol, "text": self.how, "seed": self.seed},
            "bundle": self.bundle,
            "seen_speakers": list(self.seen),
            "warnings": list(self.warnings),
            "classes": list(self.classes),
            "scores": _to_json(self.scores),
            "baselines": {"majority class": _to_json(self.majority), "permuted labels": _to_json(self.permuted)},
            "groups": {
                trait: {value: _to_json(scores) for value, scores in parts.items()}
                for trait, parts in self.groups.items()
            },
            "published": dict(self.published) or None,
            "features": self.ranking.to_json() if self.ranking else None,
        }


def _to_json(scores: Mapping[str, Scores] | Mapping[str, Permuted]) -> dict[str, Any]:
    return {what: each.to_json() for what, each in scores.items()}
