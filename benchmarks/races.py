"""Ratios of things timed side by side.

A time alone says little on a machine that is busy with something else. Contenders of a race take turns on the
same input, each turn gives one ratio, and the median of the turns is what counts. The clock is processor time, of
all threads of the process: it stands still while another process has the core.
"""

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from story import Figure

# A contender is repeated within its turn until the turn takes about this long.
_TURN_S = 0.02

REAL_TIME = "real time"


class Cost(NamedTuple):
    """What a call took: seconds of processor time and by the wall clock."""

    cpu_s: float
    wall_s: float


Contender = Callable[[], object] | float
"""What is timed: a call, which has measured itself elsewhere if it returns a Cost; or a number of seconds."""


class Ratios:
    """The figures of a run."""

    def __init__(self, recorded: list[Figure]) -> None:
        self._recorded = recorded

    def record(self, *figures: Figure) -> None:
        """Add figures that were not taken by a race to the table."""
        self._recorded.extend(figures)

    def race(
        self,
        name: str,
        contenders: Mapping[str, Contender],
        *,
        turns: int = 9,
        at_least: Mapping[str, float] | None = None,
        at_most: Mapping[str, float] | None = None,
        warm: bool = False,
    ) -> list[Figure]:
        """Time the first contender against each of the others, in turns, and record the ratios.

        ``at_least`` sets how many times as fast as the named contender the first should be, ``at_most`` how many
        times its time the first may take. The caller asserts that ``figure.met``. Contenders that are slow, and
        ``warm`` already, need not be run once before the clock starts.
        """
        taken = _take_turns(contenders, turns, warm=warm)
        per_turn = {
            other: list(zip(taken[next(iter(taken))], times, strict=True)) for other, times in taken.items()
        }
        return self._compare(name, per_turn, at_least or {}, at_most or {})

    def race_over(
        self,
        name: str,
        clips: Mapping[str, Mapping[str, Contender]],
        *,
        turns: int = 5,
        at_least: Mapping[str, float] | None = None,
        at_most: Mapping[str, float] | None = None,
    ) -> list[Figure]:
        """Hold a race for each clip, and record the median over the clips of the medians of their turns."""
        per_clip: dict[str, list[tuple[Cost, Cost]]] = defaultdict(list)
        for contenders in clips.values():
            taken = _take_turns(contenders, turns)
            subject, *_ = taken
            for other, times in taken.items():
                pairs = list(zip(taken[subject], times, strict=True))
                # The turn whose ratio is the median stands for the clip.
                per_clip[other].append(sorted(pairs, key=lambda pair: pair[1].cpu_s / pair[0].cpu_s)[turns // 2])
        return self._compare(name, per_clip, at_least or {}, at_most or {})

    def against_real_time(
        self,
        name: str,
        contenders: Mapping[str, Callable[[], object]],
        seconds: float,
        *,
        turns: int = 9,
        at_least: Mapping[str, float] | None = None,
    ) -> list[Figure]:
        """Time what describes a sound of so many seconds, and record how many times faster than the sound it is.

        ``at_least`` sets the bar of the named contender.
        """
        figures = []
        for contender, run in contenders.items():
            bar = (at_least or {}).get(contender)
            figures += self.race(
                name,
                {contender: run, REAL_TIME: seconds},
                turns=turns,
                at_least=None if bar is None else {REAL_TIME: bar},
            )
        return figures

    def _compare(
        self,
        name: str,
        pairs_of: Mapping[str, list[tuple[Cost, Cost]]],
        at_least: Mapping[str, float],
        at_most: Mapping[str, float],
    ) -> list[Figure]:
        """Make a figure of each contender's pairs with the first, whose costs come first in a pair."""
        subject, *others = pairs_of
        if strange := (set(at_least) | set(at_most)) - set(others):
            raise ValueError(f"a bar for {', '.join(sorted(strange))}, which does not race")
        figures = []
        for other in others:
            pairs = pairs_of[other]
            own, theirs = (statistics.median(pair[side].cpu_s for pair in pairs) for side in (0, 1))
            ratios, wall = (
                tuple(
                    pair[0][clock] / pair[1][clock] if other in at_most else pair[1][clock] / pair[0][clock]
                    for pair in pairs
                )
                for clock in (0, 1)
            )
            note = f"{own * 1e3:.3f} ms, {theirs * 1e3:.3f} ms"
            bars = {"at_least": at_least.get(other), "at_most": at_most.get(other)}
            figures.append(Figure(name, subject, other, ratios, wall, **bars, note=note))
        self._recorded.extend(figures)
        return figures


def _take_turns(contenders: Mapping[str, Contender], turns: int, *, warm: bool = False) -> dict[str, list[Cost]]:
    loops = {contender: 1 if warm else _loops(run) for contender, run in contenders.items()}
    taken: dict[str, list[Cost]] = {contender: [] for contender in contenders}
    for _ in range(turns):
        for contender, run in contenders.items():
            taken[contender].append(_cost(run, loops[contender]))
    return taken


def _loops(run: Contender) -> int:
    first = _cost(run, 1)  # compile, import, fill caches
    if first.cpu_s > 50 * _TURN_S:
        return 1
    return max(1, math.ceil(_TURN_S / max(_cost(run, 1).cpu_s, 1e-6)))


def _cost(run: Contender, loops: int) -> Cost:
    if not callable(run):
        return Cost(run, run)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    for _ in range(loops):
        said = run()
    if isinstance(said, Cost):
        return said
    return Cost((time.process_time() - cpu_s) / loops, (time.perf_counter() - wall_s) / loops)
