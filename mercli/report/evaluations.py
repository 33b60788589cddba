"""What `mercli evaluate` found, read from its JSON and checked."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from mercli.emotions import ALL as EMOTIONS
from mercli.errors import UsageError
from mercli.evaluation import format
from mercli.evaluation.scores import Bin, ClassScores
from mercli.report.reading import told

METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1", "uar": "UAR"}

_DIMENSIONS = 3
_LARGEST = 1e300
_MOST_BYTES = 50 << 20
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Score:
    """Hold what one model scored; see `mercli.evaluation.Scores`. What was not told is None or empty."""

    n: int | None
    n_speakers: int | None
    rates: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    ece: float | None
    classes: tuple[str, ...]
    confusion: Sequence[Sequence[int]]
    per_class: Mapping[str, ClassScores]
    calibration: Sequence[Bin]


Scores = Mapping[str, Score]
"""By what was scored: voice, face, fusion."""


@dataclass(frozen=True, slots=True)
class Feature:
    """Hold how well a feature tells the classes apart; see `mercli.evaluation.ranking.Feature`."""

    name: str
    f: float | None
    mutual_information: float | None
    importance: float | None


@dataclass(frozen=True, slots=True)
class Features:
    """Hold the features of the voice: the best first, and the clips in their three leading dimensions."""

    set: str
    ranking: Sequence[Feature]
    explained: Sequence[float]
    points: Sequence[Sequence[float]]
    labels: Sequence[str]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Hold an evaluation: of what, how, and what came out."""

    corpus: Mapping[str, Any]
    protocol: Mapping[str, Any]
    command: str
    mercli: str
    bundle: str | None
    seen_speakers: Sequence[str]
    warnings: Sequence[str]
    classes: tuple[str, ...]
    scores: Scores
    groups: Mapping[str, Mapping[str, Scores]] = field(default_factory=dict)
    baselines: Mapping[str, Scores] = field(default_factory=dict)
    features: Features | None = None


def read_evaluation(path: Path) -> Evaluation:
    """Read what `mercli evaluate` wrote.

    Parameters
    ----------
    path : Path
        A .json file.

    Returns
    -------
    Evaluation
        Checked.

    Raises
    ------
    UsageError
        If it cannot be read or is no evaluation.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} is not an evaluation: it is over {_MOST_BYTES >> 20} MB")
        said = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"no such file: {path}") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON: it is damaged or cut, or another file") from error
    return evaluation_of(said, str(path))


def evaluation_of(said: object, name: str = "the evaluation") -> Evaluation:
    """Take an evaluation from JSON values.

    Parameters
    ----------
    said : object
        As `mercli evaluate` writes it; what is not known is passed over.
    name : str
        What it is called where it is refused.

    Raises
    ------
    UsageError
        If it is none.
    """
    if not isinstance(said, Mapping) or said.get("format") != format.NAME:
        raise UsageError(f"{name} is not what `mercli evaluate` writes (its format is not {format.NAME})")
    if said.get("format_version") != format.VERSION:
        version = told(str(said.get("format_version")))[:20]
        raise UsageError(f"{name} is of format version {version}; this mercli reads {format.VERSION}")
    part = _Part(said, name)
    scores = part.mapping("scores", _score)
    if not scores:
        part.refuse("scores", "holds no score")
    published = part.optional("published", lambda part: part)
    baselines = dict(part.mapping("baselines", lambda part: part.whole(_score)))
    if published:
        baselines["published"] = published.whole(_score)
    return Evaluation(
        corpus=part.plain("corpus"),
        protocol=part.plain("protocol"),
        command=part.text("command"),
        mercli=part.text("mercli"),
        bundle=part.text("bundle") or None,
        seen_speakers=part.texts("seen_speakers"),
        warnings=part.texts("warnings"),
        classes=tuple(part.texts("classes")),
        scores=scores,
        groups=part.mapping("groups", lambda part: part.whole(lambda part: part.whole(_score))),
        baselines={name: scored for name, scored in baselines.items() if scored},
        features=part.optional("features", _features),
    )


class _Part:
    """Take values out of a JSON object; what has another kind is refused in words."""

    def __init__(self, said: Mapping[str, Any], name: str, place: str = "") -> None:
        self._said, self._name, self._place = said, name, place

    def refuse(self, key: str, why: str) -> NoReturn:
        raise UsageError(f"{self._name} is damaged: {self._place}{told(key)} {why}")

    def plain(self, key: str) -> dict[str, str | int | float]:
        """Give the texts and numbers of an object."""
        part = self.optional(key, lambda part: part)
        cells = part._said if part else {}
        return {
            told(str(name)): told(value) if isinstance(value, str) else value
            for name, value in cells.items()
            if isinstance(value, str | int | float)
        }

    def text(self, key: str) -> str:
        value = self._said.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            self.refuse(key, "is no text")
        return told(value)

    def texts(self, key: str) -> list[str]:
        values = self._said.get(key) or []
        if not isinstance(values, list) or not all(isinstance(value, str | int) for value in values):
            self.refuse(key, "is no list of texts")
        return [told(str(value)) for value in values]

    def number(self, key: str, most: float = 1.0) -> float | None:
        value = self._said.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
            self.refuse(key, f"is no number from 0 to {most:g}")
        return float(value)

    def real(self, key: str) -> float | None:
        value = self._said.get(key)
        if value is None:
            return None
        if not _is_row([value], 1):
            self.refuse(key, "is no number")
        return float(value)

    def count(self, key: str) -> int | None:
        value = self.number(key, 1e15)
        return None if value is None else int(value)

    def entries(self, key: str) -> list[Any]:
        values = self._said.get(key) or []
        if not isinstance(values, list):
            self.refuse(key, "is no list")
        return list(values)

    def optional(self, key: str, make: "Callable[[_Part], _T]") -> _T | None:
        value = self._said.get(key)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.refuse(key, "is no object")
        return make(_Part(value, self._name, f"{self._place}{told(key)}."))

    def whole(self, make: "Callable[[_Part], _T]") -> dict[str, _T]:
        """Make something of every entry that is there."""
        made = {told(str(key)): self.optional(key, make) for key in self._said}
        return {key: value for key, value in made.items() if value is not None}

    def mapping(self, key: str, make: "Callable[[_Part], _T]") -> dict[str, _T]:
        return self.optional(key, lambda part: part.whole(make)) or {}

    def items(self, key: str, make: "Callable[[_Part], _T]") -> "list[_T]":
        entries = {str(i): value for i, value in enumerate(self.entries(key))}
        whole = _Part(entries, self._name, f"{self._place}{key}.")
        return list(whole.whole(make).values())


def _features(part: _Part) -> Features:
    pca = part.optional("pca", lambda part: part)
    points = pca.entries("points") if pca else []
    labels = pca.texts("labels") if pca else []
    explained = pca.entries("explained") if pca else []
    whole = all(_is_row(point, _DIMENSIONS) for point in points) and len(points) == len(labels)
    if points and not (whole and _is_row(explained, _DIMENSIONS) and set(labels) <= set(EMOTIONS)):
        part.refuse("pca", "does not say where each clip lies")
    return Features(part.text("set"), part.items("ranking", _feature), explained, points, labels)


def _feature(part: _Part) -> Feature:
    return Feature(part.text("name"), *(part.real(key) for key in ("f", "mutual_information", "importance")))


def _is_row(values: object, n: int) -> bool:
    return (
        isinstance(values, list)
        and len(values) == n
        and all(isinstance(value, int | float) and abs(value) <= _LARGEST for value in values)  # false for NaN
    )


def _score(part: _Part) -> Score:
    rates = {name: part.number(name) for name in METRICS}
    classes = tuple(part.texts("classes"))
    return Score(
        n=part.count("n"),
        n_speakers=part.count("n_speakers"),
        rates={name: value for name, value in rates.items() if value is not None},
        intervals=part.optional("intervals_95", _intervals) or {},
        ece=part.number("ece"),
        classes=classes,
        confusion=_confusion(part, len(classes)),
        per_class=part.mapping("per_class", _class_score),
        calibration=[found for found in part.items("calibration", _bin) if found],
    )


def _intervals(part: _Part) -> dict[str, tuple[float, float]]:
    found = {}
    for name in METRICS:
        ends = part.entries(name)
        if not ends:
            continue
        if len(ends) != 2 or not all(isinstance(end, int | float) and 0 <= end <= 1 for end in ends):
            part.refuse(name, "is no interval")
        found[name] = (float(ends[0]), float(ends[1]))
    return found


def _confusion(part: _Part, n: int) -> list[list[int]]:
    matrix = part.entries("confusion")
    square = len(matrix) in (0, n) and all(isinstance(row, list) and len(row) == n for row in matrix)
    if not square or not all(isinstance(count, int) and 0 <= count < 1e15 for row in matrix for count in row):
        part.refuse("confusion", f"is no table of {n} x {n} counts")
    return matrix


def _class_score(part: _Part) -> ClassScores:
    precision, recall, f1 = (part.number(name) for name in ("precision", "recall", "f1"))
    return ClassScores(precision, recall, f1, part.count("support") or 0)


def _bin(part: _Part) -> Bin | None:
    n, confidence, accuracy = part.count("n"), part.number("confidence"), part.number("accuracy")
    if not n or confidence is None or accuracy is None:
        return None
    return Bin(part.number("low") or 0.0, part.number("high") or 1.0, n, confidence, accuracy)
