"""How a clip's words become what a classifier is asked about."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

from mercli.words.languages import check_code

_MOST_FEATURES = 1 << 20
_LEAST_PRIOR = 1e-6  # by which words are divided
_LONGEST = 8  # words or letters that are counted together


@dataclass(frozen=True, slots=True)
class WordsSpec:
    """Say how words are measured; a bundle records it.

    Parameters
    ----------
    prior : tuple of float
        What the model takes each class' share to be before it has read anything, in the order of the model's
        classes; they sum to 1. It is the share of the training, moved by the weights that rare classes were given.
    n_features : int
        The length of a vector, even: the first half counts words, the second letters within words.
    word_ngrams : tuple of int
        The least and the most words that are counted together.
    char_ngrams : tuple of int
        The least and the most letters of one word that are counted together.
    language : str
        Of the texts: a code of two letters.
    """

    prior: tuple[float, ...]
    n_features: int = 1 << 16
    word_ngrams: tuple[int, int] = (1, 2)
    char_ngrams: tuple[int, int] = (2, 5)
    language: str = "en"

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a specification back; a ValueError or TypeError says what is not understood."""
        given: dict[str, Any] = {
            name: tuple(each) if isinstance(each, list) else each for name, each in data.items()
        }
        spec = cls(**given)
        size = spec.n_features
        if type(size) is not int or not 2 <= size <= _MOST_FEATURES or size % 2:
            raise ValueError(f"n_features {size!r} is no even number of 2 to {_MOST_FEATURES}")
        for name in ("word_ngrams", "char_ngrams"):
            _check_range(name, getattr(spec, name))
        _check_prior(spec.prior)
        check_code(spec.language)
        return spec

    def to_json(self) -> dict[str, Any]:
        """Give the specification as plain JSON values."""
        return {name: list(each) if isinstance(each, tuple) else each for name, each in asdict(self).items()}


def _check_range(name: str, value: Any) -> None:
    pair = isinstance(value, tuple) and len(value) == 2 and all(type(end) is int for end in value)
    if not pair or not 1 <= value[0] <= value[1] <= _LONGEST:
        raise ValueError(f"{name} {value!r} is no range within 1 to {_LONGEST}")


def _check_prior(prior: Any) -> None:
    shares = isinstance(prior, tuple) and all(type(p) in (int, float) and _LEAST_PRIOR <= p <= 1 for p in prior)
    if not shares or not math.isclose(sum(prior), 1, abs_tol=1e-6):
        raise ValueError(f"prior {prior!r} is no share of each class that sum to 1")
