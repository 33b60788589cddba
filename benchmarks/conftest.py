"""Ratios of things timed side by side, printed at the end of a run.

A time alone says little on a machine that is busy with something else. Contenders of a race take turns on the
same input, each turn gives one ratio, and the median of the turns is what counts. The clock is processor time, of
all threads of the process: it stands still while another process has the core.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

# A contender is repeated within its turn until the turn takes about this long.
_TURN_S = 0.02


@dataclass(frozen=True)
class Ratio:
    """How a subject compared with another contender: one ratio a turn, and the bar it should reach, if any."""

    race: str
    subject: str
    other: str
    subject_s: float
    other_s: float
    # other / subject in each turn: above 1, the subject is faster
    speedups: tuple[float, ...]
    at_least: float | None = None
    at_most: float | None = None

    @property
    def speedup(self) -> float:
        """How many times the subject's time the other takes."""
        return statistics.median(self.speedups)

    @property
    def cost(self) -> float:
        """How many times the other's time the subject takes."""
        return statistics.median(1 / speedup for speedup in self.speedups)

    @property
    def met(self) -> bool:
        """Whether the bar, if there is one, is reached."""
        fast_enough = self.at_least is None or self.speedup >= self.at_least
        cheap_enough = self.at_most is None or self.cost <= self.at_most
        return fast_enough and cheap_enough

    def __str__(self) -> str:
        turns = self.speedups if self.at_most is None else tuple(1 / speedup for speedup in self.speedups)
        spread = f"{min(turns):.2f} to {max(turns):.2f}"
        times = f"{self.subject_s * 1e3:.3f} ms, {self.other_s * 1e3:.3f} ms"
        if self.at_most is None:
            text = f"{self.subject} is {self.speedup:.2f}x as fast as {self.other} ({spread}; {times})"
            bar = "" if self.at_least is None else f"at least {self.at_least:g}x"
        else:
            text = f"{self.subject} takes {self.cost:.2f}x the time of {self.other} ({spread}; {times})"
            bar = f"at most {self.at_most:g}x"
        return f"{text}, bar {bar}: {'met' if self.met else 'MISSED'}" if bar else text


class Ratios:
    """The races of a run."""

    def __init__(self, recorded: list[Ratio]) -> None:
        self._recorded = recorded

    def race(
        self,
        name: str,
        contenders: Mapping[str, Callable[[], object]],
        *,
        turns: int = 9,
        at_least: Mapping[str, float] | None = None,
        at_most: Mapping[str, float] | None = None,
    ) -> list[Ratio]:
        """Time the first contender against each of the others, in turns, and record the ratios.

        ``at_least`` sets how many times as fast as the named contender the first should be, ``at_most`` how many
        times its time the first may take. The caller asserts that ``ratio.met``.
        """
        loops = {contender: self._loops(run) for contender, run in contenders.items()}
        times: dict[str, list[float]] = {contender: [] for contender in contenders}
        for _ in range(turns):
            for contender, run in contenders.items():
                times[contender].append(_seconds(run, loops[contender]))
        subject, *others = contenders
        ratios = [
            Ratio(
                race=name,
                subject=subject,
                other=other,
                subject_s=statistics.median(times[subject]),
                other_s=statistics.median(times[other]),
                speedups=tuple(b / a for a, b in zip(times[subject], times[other], strict=True)),
                at_least=(at_least or {}).get(other),
                at_most=(at_most or {}).get(other),
            )
            for other in others
        ]
        self._recorded.extend(ratios)
        return ratios

    def against_real_time(
        self,
        name: str,
        contenders: Mapping[str, Callable[[], object]],
        seconds: float,
        *,
        turns: int = 9,
        at_least: Mapping[str, float] | None = None,
    ) -> list[Ratio]:
        """Time what describes a sound of so many seconds, and record how many times faster than the sound it is.

        ``at_least`` sets the bar of the named contender.
        """
        ratios = []
        for contender, run in contenders.items():
            loops = self._loops(run)
            times = [_seconds(run, loops) for _ in range(turns)]
            ratios.append(
                Ratio(
                    race=name,
                    subject=contender,
                    other="real time",
                    subject_s=statistics.median(times),
                    other_s=seconds,
                    speedups=tuple(seconds / taken for taken in times),
                    at_least=(at_least or {}).get(contender),
                )
            )
        self._recorded.extend(ratios)
        return ratios

    @staticmethod
    def _loops(run: Callable[[], object]) -> int:
        run()  # compile, import, fill caches
        return max(1, math.ceil(_TURN_S / max(_seconds(run, 1), 1e-6)))


def _seconds(run: Callable[[], object], loops: int) -> float:
    start = time.process_time()
    for _ in range(loops):
        run()
    return (time.process_time() - start) / loops


_RECORDED = pytest.StashKey[list[Ratio]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RECORDED] = []


@pytest.fixture(scope="session")
def ratios(pytestconfig: pytest.Config) -> Ratios:
    """Races whose ratios are printed at the end of the run."""
    return Ratios(pytestconfig.stash[_RECORDED])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    recorded = config.stash[_RECORDED]
    if not recorded:
        return
    terminalreporter.section("ratios: median of the turns (lowest to highest; processor time of one call)")
    for race in dict.fromkeys(ratio.race for ratio in recorded):
        terminalreporter.write_line(race)
        for ratio in recorded:
            if ratio.race == race:
                terminalreporter.write_line(f"  {ratio}")
