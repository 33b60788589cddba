"""From files to a table of features: what `mercli features` does."""

import contextlib
import functools
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mercli import batch, kernel_cache
from mercli.assembly import Assembly, Layout, Rows, assembly_for, columns_of
from mercli.errors import MercliError, MissingModality, sentence
from mercli.inputs import Input
from mercli.limits import Limits
from mercli.measurement import LEVELS, Meter, heard, listen, set_names
from mercli.sources import Source, local
from mercli.voice.track import VoiceTrack
from mercli.worker import Lost

_SECONDS_DIGITS = 3


@dataclass(frozen=True, slots=True)
class Setup:
    """Say what the workers of a run measure: small, so that it travels with every task.

    Parameters
    ----------
    feature_set, level : str
        See `mercli.features`.
    ending : str
        Of the table's name: its format.
    folder : str
        Where parts of the table wait for their turn.
    limits : Limits
        What a file may cost.
    debug : bool
        Whether to show where an unforeseen error came from.
    """

    feature_set: str
    level: str
    ending: str
    folder: str
    limits: Limits = field(default_factory=Limits)
    debug: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """Say what became of one file.

    Parameters
    ----------
    status : str
        ``"ok"``; ``"partial"``, measured as far as it can be read; ``"failed"``, ``"crashed"`` and ``"timeout"``,
        not measured.
    duration_s : float or None
        How long the file is.
    error : str or None
        What was missing or went wrong.
    """

    status: str
    duration_s: float | None = None
    error: str | None = None

    @property
    def is_measured(self) -> bool:
        """Tell whether the table has its features."""
        return self.status in ("ok", "partial")


@functools.lru_cache
def layout(feature_set: str, level: str) -> Layout:
    """Name the columns of a table; a UsageError says that there is no such set or level."""
    names = Meter(feature_set, level).names
    if level == "clip":
        return Layout(("file", "status", "error"), ("duration_s",), names)
    return Layout(("file",), ("start_s", "end_s"), names)


def is_table(path: Path) -> bool:
    """Tell whether a file is a table that `extract` wrote, of any set and level; an empty file is as good."""
    columns = columns_of(path)
    known = [layout(feature_set, level).names for feature_set in set_names() for level in LEVELS]
    return columns is not None and columns in ((), *known)


def extract(
    inputs: Sequence[Input], setup: Setup, *, jobs: int, on_file: Callable[[Outcome], None] = lambda _: None
) -> tuple[Path, list[Outcome]]:
    """Measure files into one table.

    Parameters
    ----------
    inputs : sequence of Input
        The files and their names.
    setup : Setup
        What to measure, and where the table grows.
    jobs : int
        Worker processes.
    on_file : callable
        Told of each file as it is done.

    Returns
    -------
    path : Path
        The table, whole, in `Setup.folder`.
    outcomes : list of Outcome
        What became of each file, in the order of `inputs`.

    Raises
    ------
    MercliError
        If there is no room for the table, or no worker can start.
    UsageError
        If there is no such set, level or format, or the limits are too tight for a worker to start.
    KeyboardInterrupt
        When asked to end; what is in the folder then is of no use.
    """
    columns = layout(setup.feature_set, setup.level)
    path = Path(setup.folder, f"table{setup.ending}")
    outcomes: dict[int, Outcome] = {}
    n_added = 0
    kernel_cache.settle()
    with (
        _opened(path, columns, setup) as table,
        contextlib.closing(
            batch.run_with(_measure_file, [item.path for item in inputs], setup, prepare=_start, jobs=jobs)
        ) as finished,
    ):
        for index, result in finished:
            outcomes[index] = Outcome(result.status, None, result.reason) if isinstance(result, Lost) else result
            on_file(outcomes[index])
            # The rows stand in the order of the inputs: what is done before its turn waits on disk.
            while n_added in outcomes:
                _add(table, inputs[n_added], outcomes[n_added], setup)
                n_added += 1
    return path, [outcomes[index] for index in range(len(inputs))]


def _start(setup: Setup, first: bool) -> None:
    kernel_cache.warm_up(first)
    _meter(setup.feature_set, setup.level)


def _measure_file(source: Source, setup: Setup) -> Outcome:
    """Write the part of one file in a worker."""
    try:
        with local(source) as path:
            return _measure(path, _part(source, setup), setup)
    except Exception as error:
        return Outcome("failed", error=sentence(error, debug=setup.debug))


def _measure(path: Path, part: Path, setup: Setup) -> Outcome:
    meter = _meter(setup.feature_set, setup.level)
    with VoiceTrack(meter.spec) as track:
        clip = listen(path, track, max_duration_s=setup.limits.max_duration_s)
        duration_s = None if clip.duration_s is None else round(clip.duration_s, _SECONDS_DIGITS)
        try:
            pieces = meter.pieces(heard(clip, track))
        except MissingModality as reason:
            said = "; ".join(filter(None, (str(reason), clip.damage)))
            return Outcome("failed", duration_s, said)
        rows: Iterator[Rows] = pieces
        if setup.level == "clip":
            rows = ((_cell(duration_s), values) for _, values in pieces)
        _write_part(part, rows, setup)
    return Outcome("partial" if clip.damage else "ok", duration_s, clip.damage)


def _add(table: Assembly, item: Input, outcome: Outcome, setup: Setup) -> None:
    """Add a file's part to the table, and let go of it."""
    part = _part(item.path, setup)
    texts: tuple[str | None, ...] = (item.name,)
    if setup.level == "clip":
        texts = (item.name, outcome.status, outcome.error)
        if not outcome.is_measured:
            n_values = len(layout(setup.feature_set, setup.level).values)
            nothing = np.full((1, n_values), np.nan, np.float32)
            _write_part(part, iter([(_cell(outcome.duration_s), nothing)]), setup)
    with _room(setup):
        if setup.level == "clip" or outcome.is_measured:
            table.add(texts, part)
        part.unlink(missing_ok=True)


def _write_part(part: Path, rows: Iterator[Rows], setup: Setup) -> None:
    with _room(setup):
        assembly_for(part).write_part(part, rows, layout(setup.feature_set, setup.level))


def _part(source: Source, setup: Setup) -> Path:
    """Say where the part of a file is: no two files of a run have the same path."""
    place = os.fsencode(source if isinstance(source, Path) else source.url)
    return Path(setup.folder, hashlib.sha256(place).hexdigest()[:32] + setup.ending)


def _cell(seconds: float | None) -> NDArray[np.float64]:
    return np.array([[np.nan if seconds is None else seconds]])


@functools.lru_cache(maxsize=1)
def _meter(feature_set: str, level: str) -> Meter:
    return Meter(feature_set, level)


@contextlib.contextmanager
def _opened(path: Path, columns: Layout, setup: Setup) -> Iterator[Assembly]:
    with _room(setup):
        table = assembly_for(path)(path, columns)
    try:
        yield table
    finally:
        with _room(setup):
            table.close()


@contextlib.contextmanager
def _room(setup: Setup) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = Path(setup.folder).parent
        raise MercliError(f"no room for the table in {place} ({error.strerror or error})") from error
