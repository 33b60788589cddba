"""What was said of files, one by one and as a table."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from mercli import tables
from mercli.inputs import table_name
from mercli.result import Timeline
from mercli.sheet import Sheet, html_table
from mercli.tables import Row, Value

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN = 20  # files in a notebook


@dataclass(frozen=True, slots=True)
class Prediction:
    """Hold what is said of one file: a row of the table.

    Parameters
    ----------
    file : str
        Its name in the table.
    path : Path or str
        Where it is; text where that is a URL.
    status : str
        ``"ok"``; ``"partial"``, an answer that rests on less than was wanted; ``"failed"``, no answer;
        ``"crashed"`` and ``"timeout"``, the worker did not live to give one.
    emotion : str or None
        The likeliest class; None where there is no answer.
    confidence : float or None
        Its probability.
    probabilities : dict of str to float, or None
        Of each class, from voice and face together.
    voice_probabilities, face_probabilities : dict of str to float, or None
        What each said by itself; None where it said nothing.
    decided_by : str or None
        ``"voice"``, ``"face"`` or ``"words"``; ``"both"`` or ``"all"`` of two or three.
    face : int or None
        The number of the face that was judged.
    duration_s : float or None
        Of the file.
    n_frames, n_face_frames : int or None
        Frames looked at, and those with the face.
    coverage : float or None
        The share of the second in the first: the table's ``face_coverage``.
    error : str or None
        What is missing, or went wrong.
    bundle : str
        The bundle that judged.
    others : tuple of Prediction
        The other faces of the file, each by itself, where all were asked for.
    timeline : Timeline or None
        What is said of each second, where that was asked for.
    words_probabilities : dict of str to float, or None
        What the words said by themselves; None where they said nothing, or were not looked at.
    n_words : int or None
        How many words there are.
    """

    file: str
    path: Path | str = field(repr=False)  # a URL may hold a password
    status: str
    emotion: str | None
    confidence: float | None
    probabilities: dict[str, float] | None
    voice_probabilities: dict[str, float] | None
    face_probabilities: dict[str, float] | None
    decided_by: str | None
    face: int | None
    duration_s: float | None
    n_frames: int | None
    n_face_frames: int | None
    coverage: float | None
    error: str | None
    bundle: str
    others: tuple["Prediction", ...] = field(default=(), repr=False)
    timeline: Timeline | None = field(default=None, repr=False)
    words_probabilities: dict[str, float] | None = None
    n_words: int | None = None

    @property
    def voice_emotion(self) -> str | None:
        """The class that is likeliest by the voice; the first of several that are equally likely."""
        return _top(self.voice_probabilities)

    @property
    def face_emotion(self) -> str | None:
        """The class that is likeliest by the face."""
        return _top(self.face_probabilities)

    @property
    def words_emotion(self) -> str | None:
        """The class that is likeliest by the words."""
        return _top(self.words_probabilities)

    @classmethod
    def of_rows(
        cls,
        rows: Sequence[Mapping[str, Any]],
        classes: Sequence[str],
        path: Path | str,
        timeline: Timeline | None = None,
    ) -> "Prediction":
        """Read the rows of a file.

        Parameters
        ----------
        rows : sequence of dict
            As `mercli.tables.rows` lays them out: the first is of the main face, the others are of one each.
        classes : sequence of str
            The bundle's classes.
        path : Path or str
            Where the file is.
        timeline : Timeline, optional
            Its seconds.

        Returns
        -------
        Prediction
            Of the file.
        """
        row = rows[0]
        return cls(
            path=path,
            probabilities=_take(row, "p", classes),
            voice_probabilities=_take(row, "voice_p", classes),
            face_probabilities=_take(row, "face_p", classes),
            coverage=row["face_coverage"],
            others=tuple(cls.of_rows([other], classes, path) for other in rows[1:]),
            timeline=timeline,
            words_probabilities=_take(row, "words_p", classes) if "n_words" in row else None,
            n_words=row.get("n_words"),
            **{name: row[name] for name in _AS_THEY_ARE},
        )

    def rows(self, classes: Sequence[str], *, with_words: bool = False) -> list[Row]:
        """Lay out the rows of the file, with what the words say or without: the inverse of `of_rows`."""
        row: dict[str, Value] = {
            **{name: getattr(self, name) for name in _AS_THEY_ARE},
            **_named(self.probabilities, "p", classes),
            "voice_emotion": self.voice_emotion,
            **_named(self.voice_probabilities, "voice_p", classes),
            "face_emotion": self.face_emotion,
            **_named(self.face_probabilities, "face_p", classes),
            "words_emotion": self.words_emotion,
            **_named(self.words_probabilities, "words_p", classes),
            "n_words": self.n_words,
            "face_coverage": self.coverage,
        }
        ordered = {name: row[name] for name in tables.columns(classes, with_words=with_words)}
        return [ordered, *(row for other in self.others for row in other.rows(classes, with_words=with_words))]


_AS_THEY_ARE = (
    *("file", "status", "emotion", "confidence", "decided_by", "face"),
    *("duration_s", "n_frames", "n_face_frames", "error", "bundle"),
)


@dataclass(frozen=True, slots=True, repr=False)
class Predictions(Sequence[Prediction]):
    """Hold what is said of files, in the order of the table.

    A file is found by its place or by its name; a slice is one of these again.

    Parameters
    ----------
    classes : tuple of str
        The classes of the answers, in the order of the columns.
    files : tuple of Prediction
        One a file.
    with_words : bool
        Whether words were looked at.
    """

    classes: tuple[str, ...]
    files: tuple[Prediction, ...]
    with_words: bool = False
    _places: dict[str, int] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", {said.file: place for place, said in enumerate(self.files)})

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[Prediction]:
        return iter(self.files)

    @overload
    def __getitem__(self, key: int | str | os.PathLike[str]) -> Prediction: ...
    @overload
    def __getitem__(self, key: slice) -> "Predictions": ...
    def __getitem__(self, key: int | str | os.PathLike[str] | slice) -> "Prediction | Predictions":
        if isinstance(key, slice):
            return Predictions(self.classes, self.files[key], self.with_words)
        if isinstance(key, str | os.PathLike):
            return self.files[self._places[_name(key)]]
        return self.files[key]

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str | os.PathLike):
            return _name(key) in self._places
        return key in self.files

    def __repr__(self) -> str:
        counts = Counter(said.status for said in self.files)
        said = ", ".join(f"{n} {status}" for status, n in counts.items())
        files = "1 file" if len(self) == 1 else f"{len(self)} files"
        return f"Predictions({files}{': ' if said else ''}{said})"

    def table(self) -> Sheet:
        """Give the table that `mercli predict` writes: a row a file, and one for each other face."""
        rows = tuple(row for said in self.files for row in said.rows(self.classes, with_words=self.with_words))
        return Sheet(rows, tables.columns(self.classes, with_words=self.with_words), self._sources())

    def seconds(self) -> Sheet:
        """Give the table that `mercli predict --timeline` writes: a row a second; none without a timeline."""
        schema = tables.timeline_columns(self.classes, with_words=self.with_words)
        rows = tuple(
            dict(zip(schema, (said.file, *cells), strict=True))
            for said in self.files
            for cells in tables.seconds(said.timeline)
        )
        return Sheet(rows, schema, self._sources())

    def to_dict(self) -> dict[str, list[Value]]:
        """Give the columns of the table: what ``pandas.DataFrame`` and ``polars.DataFrame`` take."""
        return self.table().to_dict()

    def to_arrow(self) -> "pa.Table":
        """Give the table as a pyarrow.Table."""
        return self.table().to_arrow()

    def write(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write the table that ``mercli predict -o`` writes, byte for byte; see `Sheet.write`."""
        self.table().write(path, overwrite=overwrite)

    def _sources(self) -> tuple[Path, ...]:
        return tuple(said.path for said in self.files if isinstance(said.path, Path))

    def _repr_html_(self) -> str:
        shown = ("file", "status", "emotion", "confidence", "decided_by", "error")
        lines = ([getattr(said, name) for name in shown] for said in self.files[:_SHOWN])
        return html_table(shown, lines, left_out=len(self.files) - _SHOWN)


def timeline_of(
    rows: Sequence[Mapping[str, Any]], classes: Sequence[str], *, with_words: bool = False
) -> Timeline | None:
    """Read a timeline from its rows, as `mercli.tables.timeline_columns` names them; None where there are none."""
    if not rows:
        return None
    names = list(tables.timeline_columns(classes, with_words=with_words))[1:]
    values = np.array([[row[name] for name in names] for row in rows], np.float64)  # None becomes NaN
    fused, voice, face, *words = np.split(values[:, 2:], 4 if with_words else 3, axis=1)
    return Timeline(values[:, 0], values[:, 1], fused, voice, face, *words)


def _name(key: str | os.PathLike[str]) -> str:
    return key if isinstance(key, str) else table_name(Path(key).as_posix())


def _top(probabilities: Mapping[str, float] | None) -> str | None:
    return None if probabilities is None else max(probabilities, key=lambda name: probabilities[name])


def _take(row: Mapping[str, Any], prefix: str, classes: Sequence[str]) -> dict[str, float] | None:
    values = {name: row[f"{prefix}_{name}"] for name in classes}
    return None if None in values.values() else values


def _named(probabilities: Mapping[str, float] | None, prefix: str, classes: Sequence[str]) -> dict[str, Value]:
    return {f"{prefix}_{name}": None if probabilities is None else probabilities[name] for name in classes}
