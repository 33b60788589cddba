"""How a clip's words become what a classifier is asked about."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

_MOST_FEATURES = 1 << 20


@dataclass(frozen=True, slots=True)
class WordsSpec:
    """Say how words are measured; a bundle records it.

    Parameters
    ----------
    prior : tuple of float
        How often each class was in the training, in the order of the model's classes; they sum to 1.
    n_features : int
        The length of a vector.
    word_ngrams : tuple of int
        The least and the most words that are counted together.
    language : str
        Of the texts: a code of two letters.
    """

    prior: tuple[float, ...]
    n_features: int = 1 << 12
    word_ngrams: tuple[int, int] = (1, 2)
    language: str = "en"

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read a specification back; a ValueError or TypeError says what is not understood."""
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        spec = cls(**given)
        if type(spec.n_features) is not int or not 0 < spec.n_features <= _MOST_FEATURES:
            raise ValueError(f"n_features {spec.n_features!r}")
        least, most = spec.word_ngrams
        if type(least) is not int or type(most) is not int or not 1 <= least <= most <= 5:
            raise ValueError(f"word_ngrams {spec.word_ngrams!r}")
        if not all(type(p) is float and 0 < p <= 1 for p in spec.prior) or not math.isclose(sum(spec.prior), 1):
            raise ValueError(f"prior {spec.prior!r}")
        if not isinstance(spec.language, str) or not spec.language.isalpha() or len(spec.language) != 2:
            raise ValueError(f"language {spec.language!r}")
        return spec

    def to_json(self) -> dict[str, Any]:
        """Give the specification as plain JSON values."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}
