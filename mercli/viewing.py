"""Judge one file in a worker of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mercli import batch, kernel_cache
from mercli.batch import Setup as Told
from mercli.errors import MercliError
from mercli.setup import Setup
from mercli.view import View
from mercli.worker import Lost

T = TypeVar("T")
S = TypeVar("S", bound=Told)


def view(path: Path, setup: Setup) -> View:
    """Judge one file in a worker, within its limits.

    Parameters
    ----------
    path : Path
        A media file.
    setup : Setup
        What to look at and how; with ``timeline=True`` for the seconds.

    Returns
    -------
    View
        Of a file that cannot be read, a result of status ``"failed"`` whose error says why.

    Raises
    ------
    MercliError
        If the worker does not live to give a result.
    KeyboardInterrupt
        When asked to end.
    """
    return in_worker(_view_one, path, setup, prepare=_start)


def in_worker(work: Callable[..., T], path: Path, setup: S, *, prepare: Callable[[S, bool], object]) -> T:
    """Do work on one file in a worker; see `batch.run_with`.

    Raises
    ------
    MercliError
        If the worker does not live to give a result: the message begins with the file.
    """
    kernel_cache.settle()
    ((_, outcome),) = batch.run_with(work, [path], setup, prepare=prepare, jobs=1)
    if isinstance(outcome, Lost):
        raise MercliError(f"{path}: {outcome.reason}")
    return outcome


# What only workers run is imported where it runs.
def _start(setup: Setup, first: bool) -> None:
    from mercli.pipeline import start_worker

    start_worker(setup, first)


def _view_one(path: Path, setup: Setup) -> View:
    from mercli.pipeline import view_file

    return view_file(path, setup)
