"""Where the time of a file goes, stage by stage."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

STAGES = ("open", "decode", "detect", "follow", "crop", "network", "features", "classifiers", "write")
OPEN, DECODE, DETECT, FOLLOW, CROP, NETWORK, FEATURES, CLASSIFIERS, WRITE = STAGES
"""To open a file; to read and decode it; to find faces; to go from one frame to the next; to cut faces out; to
score them; to measure the voice; to judge; to keep the row."""

T = TypeVar("T")


@dataclass(slots=True)
class Spent:
    """Hold the seconds that a stage took, by the clock on the wall and of the processor."""

    wall_s: float = 0.0
    cpu_s: float = 0.0

    def add(self, other: "Spent") -> None:
        """Add what was spent elsewhere."""
        self.wall_s += other.wall_s
        self.cpu_s += other.cpu_s


class Clock:
    """Add up the seconds of each stage; those of a stage within another count for the inner one alone.

    Examples
    --------
    >>> clock = Clock()
    >>> with clock(FOLLOW):
    ...     with clock(DETECT):
    ...         pass
    >>> list(clock.spent), clock.spent[FOLLOW].wall_s > 0
    (['follow', 'detect'], True)
    """

    def __init__(self) -> None:
        self.spent: dict[str, Spent] = {}
        self._stage: str | None = None
        self._wall_s = self._cpu_s = 0.0

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Count what is done within as part of a stage."""
        outer = self._switch(stage)
        try:
            yield
        finally:
            self._switch(outer)

    def through(self, stage: str, pieces: Iterable[T]) -> Iterator[T]:
        """Go through what is made piece by piece; to make it is a stage, what is done with it is not."""
        left = iter(pieces)
        while True:
            with self(stage):
                piece = next(left, None)
            if piece is None:
                return
            yield piece

    def _switch(self, stage: str | None) -> str | None:
        """Begin a stage, or none; give the one that was on."""
        wall_s, cpu_s, outer = time.perf_counter(), time.thread_time(), self._stage
        if outer is not None:
            self.spent.setdefault(outer, Spent()).add(Spent(wall_s - self._wall_s, cpu_s - self._cpu_s))
        self._stage, self._wall_s, self._cpu_s = stage, wall_s, cpu_s
        return outer
