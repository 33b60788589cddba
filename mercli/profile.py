"""Where the time of a run goes, file by file and over all of them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mercli.clock import STAGES, WRITE, Spent

_DIGITS = 6


class Profile:
    """Gather what files took in each stage.

    Attributes
    ----------
    n_files : int
        Files of this run.
    totals : dict of str to Spent
        What they took together, a stage of `STAGES` each.
    """

    def __init__(self) -> None:
        self.n_files = 0
        self.totals = {stage: Spent() for stage in STAGES}
        self._write_s: dict[str, float] = {}

    def add(self, name: str, spent: Mapping[str, Spent] | None, written: Spent) -> None:
        """Take up a file: what its worker spent, if that lived to tell, and what it took to keep its row."""
        self.n_files += 1
        self._write_s[name] = round(written.wall_s, _DIGITS)
        for stage, seconds in {**(spent or {}), WRITE: written}.items():
            self.totals[stage].add(seconds)

    def complete(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Put into the rows of this run's files what no row can know of itself: what it took to keep it."""
        left = dict(self._write_s)
        for row in rows:  # of several faces the first has it: they were kept at once
            yield {**row, f"{WRITE}_s": left.pop(row["file"], None)}


def columns() -> dict[str, type]:
    """Name the columns of a profile: the seconds of each stage."""
    return {f"{stage}_s": float for stage in STAGES}


def cells(spent: Mapping[str, Spent] | None) -> dict[str, float | None]:
    """Lay out what a file took; the time to write its row is not known then."""
    if spent is None:
        return dict.fromkeys(columns())
    seconds = {f"{stage}_s": round(spent.get(stage, Spent()).wall_s, _DIGITS) for stage in STAGES}
    return {**seconds, f"{WRITE}_s": None}
