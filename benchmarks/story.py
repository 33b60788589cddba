"""The figures of a run of benchmarks, as lines and as one table, and the machine that they were taken on."""

import importlib.metadata
import math
import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BEGIN, END = "<!-- benchmarks: made by `make story` -->\n", "<!-- end of benchmarks -->"

_COLUMNS = ("work", "what", "against", "ratio (lowest to highest)", "by the wall clock", "bar", "")
_PACKAGES = ("mercli", "numpy", "numba", "av", "opencv-python-headless", "onnxruntime")


@dataclass(frozen=True)
class Figure:
    """How a subject compares with another contender.

    Parameters
    ----------
    race : str
        The work that both do.
    subject, other : str
        Who is compared, and with whom.
    ratios : tuple of float
        One a turn, or one a clip: how many times as fast as the other the subject is. Where `at_most` is given,
        how many times the other's time, or memory, or whatever is compared, the subject takes.
    wall : tuple of float
        The same by the wall clock, where `ratios` are of processor time.
    at_least, at_most : float or None
        The bar that the median should reach, if any; an infinite `at_most` is none, for a cost that has no bar.
    note : str
        What is worth knowing beside the ratio, such as the times themselves.
    """

    race: str
    subject: str
    other: str
    ratios: tuple[float, ...]
    wall: tuple[float, ...] = ()
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        """The median of the ratios."""
        return statistics.median(self.ratios)

    @property
    def met(self) -> bool:
        """Whether the bar, if there is one, is reached."""
        if self.at_most is not None and self.ratio > self.at_most:
            return False
        return self.at_least is None or self.ratio >= self.at_least

    @property
    def bar(self) -> str:
        """The bar in words; empty where there is none."""
        if self.at_most is not None:
            return f"at most {self.at_most:g}x" if math.isfinite(self.at_most) else ""
        return "" if self.at_least is None else f"at least {self.at_least:g}x"

    @property
    def verdict(self) -> str:
        """Whether the bar is met, in a word; empty where there is none."""
        return ("met" if self.met else "MISSED") if self.bar else ""

    def __str__(self) -> str:
        if self.at_most is not None:
            text = f"{self.subject} takes {self.in_words} what {self.other} takes"
        else:
            text = f"{self.subject} is {self.in_words} as {self.other}"
        note = f"; {self.note}" if self.note else ""
        bar = f", bar {self.bar}: {self.verdict}" if self.bar else ""
        return f"{text} ({_spread(self.ratios)}{note}){bar}"

    @property
    def in_words(self) -> str:
        """The median, and of what it is so many times."""
        return f"{_number(self.ratio)}x" + (" as fast" if self.at_most is None else "")

    def cells(self) -> tuple[str, ...]:
        """Give the figure's row of the table."""
        ratio = f"{self.in_words} ({_spread(self.ratios)})"
        ratio = ratio if self.at_most is None else f"takes {ratio}"
        wall = f"{_number(statistics.median(self.wall))}x" if self.wall else ""
        return self.race, self.subject, self.other, ratio, wall, self.bar, self.verdict


def _number(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.1f}" if ratio >= 10 else f"{ratio:.2f}"


def _spread(ratios: Sequence[float]) -> str:
    return f"{_number(min(ratios))} to {_number(max(ratios))}"


def table(figures: Sequence[Figure]) -> str:
    """Give the figures as a table in Markdown whose columns line up."""
    rows = [figure.cells() for figure in figures]
    widths = [max(map(len, column)) for column in zip(_COLUMNS, *rows, strict=True)]
    lines = [_COLUMNS, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    )


def machine() -> str:
    """Say what the figures were taken on, and with what."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    system = f"{platform.system()} {platform.release()}"
    return f"{_processor()}, {cores} cores; {system}; Python {platform.python_version()}, {packages}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def story(figures: Sequence[Figure], absent: Sequence[str]) -> str:
    """Give the table with the machine above it, and below it what could not be run and why."""
    left_out = "\n".join(f"- {reason}" for reason in absent)
    return f"{machine()}\n\n{table(figures)}\n" + (f"\nNot run:\n\n{left_out}\n" if absent else "")


def write_story(path: Path, text: str) -> None:
    """Write the story to a file; where that is a page with a marked block, into the block."""
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    if BEGIN in page and END in page:
        before, rest = page.split(BEGIN)
        text = f"{before}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}"
    path.write_text(text, encoding="utf-8")
