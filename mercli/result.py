"""What is said of one file, and of its seconds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercli.bundle import MODALITIES
from mercli.clock import Spent
from mercli.evidence import Evidence

BOTH, ALL = "both", "all"
"""What decided where two modalities agree, or three."""

PROBABILITY_DIGITS = 6
"""Decimals to which a probability is told: further ones depend on the machine."""


def likeliest(posterior: NDArray[np.float64]) -> int:
    """Give the index of the likeliest class, the first of those that are told to be equally likely."""
    told = _told(posterior)
    return told.index(max(told))


@dataclass(frozen=True, slots=True)
class Timeline:  # noqa: PLW1641 - arrays have no hash
    """Hold what was said of a clip second by second.

    Parameters
    ----------
    starts_s, ends_s : np.ndarray [shape=(n,)]
        Each second; the last may be shorter.
    fused, voice, face : np.ndarray [shape=(n, n_classes)]
        Posteriors over the bundle's classes, NaN where nothing was said.
    words : np.ndarray [shape=(n, n_classes)] or None
        Those of the words likewise; None where words were not looked at.
    """

    starts_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    fused: NDArray[np.float64]
    voice: NDArray[np.float64]
    face: NDArray[np.float64]
    words: NDArray[np.float64] | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Timeline):
            return NotImplemented
        names: tuple[str, ...] = ("starts_s", "ends_s", "fused", "voice", "face")
        if (self.words is None) != (other.words is None):
            return False
        names += ("words",) if self.words is not None else ()
        return all(np.array_equal(getattr(self, name), getattr(other, name), equal_nan=True) for name in names)


@dataclass(frozen=True, slots=True)
class Result:
    """Hold what is known of one file: a row of the table, and one for each other face.

    Parameters
    ----------
    status : str
        ``"ok"``; ``"partial"``, an answer that rests on less than was wanted; ``"failed"``, no answer;
        ``"crashed"`` and ``"timeout"``, the worker did not live to give one.
    evidence : Evidence
        What was measured.
    fused, voice, face, words : np.ndarray or None
        Posteriors over the bundle's classes.
    error : str or None
        What was missing or went wrong.
    passing : bool
        Whether that may be gone the next time, because it does not lie in the file.
    others : tuple of Result
        What is said of the faces that are not the main one, each by itself.
    timeline : Timeline or None
        What is said of each second, where that was asked for.
    spent : mapping of str to Spent, or None
        What it took in each stage, where that was asked for.
    heeded : tuple of str
        The modalities that have a say in the answer where there are several.
    """

    status: str
    evidence: Evidence
    fused: NDArray[np.float64] | None = None
    voice: NDArray[np.float64] | None = None
    face: NDArray[np.float64] | None = None
    error: str | None = None
    passing: bool = False
    others: tuple["Result", ...] = ()
    timeline: Timeline | None = None
    spent: Mapping[str, Spent] | None = None
    words: NDArray[np.float64] | None = None
    heeded: tuple[str, ...] = MODALITIES

    @property
    def decided_by(self) -> str | None:
        """The modality that decided, or ``"both"`` or ``"all"`` of two or three; None where there is no answer.

        With one of them there it is that one. Else it is all of them if all name the answer, or find it equally
        likely; else the one that finds it likeliest, the first in the order of `MODALITIES`.
        """
        if self.fused is None:
            return None
        said = {name: posterior for name in MODALITIES if (posterior := getattr(self, name)) is not None}
        said = {name: posterior for name, posterior in said.items() if name in self.heeded} or said
        if len(said) < 2:
            return next(iter(said), "face")
        answer = likeliest(self.fused)
        told = {name: _told(posterior)[answer] for name, posterior in said.items()}
        if all(likeliest(posterior) == answer for posterior in said.values()) or len(set(told.values())) == 1:
            return BOTH if len(said) == 2 else ALL
        return max(told, key=lambda name: told[name])


def _told(posterior: NDArray[np.float64]) -> list[float]:
    return [round(float(p), PROBABILITY_DIGITS) for p in posterior]
