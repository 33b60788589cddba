"""The live display on stderr: files done and failed, time left, how many times faster than real time."""

import importlib.util
import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Display:
    """Show how far a batch is.

    Parameters
    ----------
    what : str
        The word in front.
    total : int
        How many files there are.
    done : int
        How many of them an earlier run has done.
    quiet : bool
        Show nothing.
    then : tuple of str and int
        The word for what comes after the files, and how many steps it has; of none nothing is shown.
    """

    def __init__(
        self, what: str, total: int, *, done: int = 0, quiet: bool, then: tuple[str, int] = ("", 0)
    ) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[failed]} failed"),
            TimeRemainingColumn(compact=True, elapsed_when_finished=True),
            TextColumn("{task.fields[speed]}"),
            console=_console(),
            disable=quiet,
        )
        self._task = self._progress.add_task(what, total=total, completed=done, failed=0, speed="")
        self._then = self._progress.add_task(
            then[0], total=then[1], failed=0, speed="", visible=then[1] > 0, start=False
        )
        self._failed = 0
        self._media_s = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    @property
    def elapsed_s(self) -> float:
        """Give the seconds since the display was shown."""
        return self._progress.tasks[0].elapsed or 0.0

    @property
    def speed(self) -> str:
        """Say how many times faster than real time the files were read so far."""
        return f"{self._media_s / self.elapsed_s:.1f}x real time" if self.elapsed_s and self._media_s else ""

    def advance(self, duration_s: float | None, *, failed: bool) -> None:
        """Count one more file."""
        self._failed += failed
        self._media_s += duration_s or 0.0
        self._progress.update(self._task, advance=1, failed=self._failed, speed=self.speed)

    def advance_then(self) -> None:
        """Count one more step of what comes after the files."""
        self._progress.start_task(self._then)
        self._progress.update(self._then, advance=1)


def _console() -> Console:
    """Give a console on stderr; in a notebook rich shows nothing but a warning unless ipywidgets are there."""
    has_widgets = importlib.util.find_spec("ipywidgets") is not None
    return Console(file=sys.stderr, force_jupyter=None if has_widgets else False)
