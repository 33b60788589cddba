"""What is said of one file, and of its seconds."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mercli.clock import Spent
from mercli.evidence import Evidence

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
    """

    starts_s: NDArray[np.float64]
    ends_s: NDArray[np.float64]
    fused: NDArray[np.float64]
    voice: NDArray[np.float64]
    face: NDArray[np.float64]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Timeline):
            return NotImplemented
        names = ("starts_s", "ends_s", "fused", "voice", "face")
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
    fused, voice, face : np.ndarray or None
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

    @property
    def decided_by(self) -> str | None:
        """The modality that decided: ``"voice"``, ``"face"`` or ``"both"``; None where there is no answer.

        With one of them missing it is the other. Else it is both if both name the answer, or find it equally
        likely; else the one that finds it likelier.
        """
        if self.fused is None:
            return None
        if self.voice is None or self.face is None:
            return "face" if self.voice is None else "voice"
        answer = likeliest(self.fused)
        voice, face = _told(self.voice)[answer], _told(self.face)[answer]
        if likeliest(self.voice) == likeliest(self.face) == answer or voice == face:
            return "both"
        return "voice" if voice > face else "face"


def _told(posterior: NDArray[np.float64]) -> list[float]:
    return [round(float(p), PROBABILITY_DIGITS) for p in posterior]
