"""Many files: joblib workers, results as they come."""

import contextlib
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import joblib
from joblib.externals.loky import get_reusable_executor
from joblib.externals.loky.process_executor import TerminatedWorkerError

from mercli.errors import MercliError, UsageError

T = TypeVar("T")


def run(work: Callable[[Path], T], paths: Sequence[Path], *, jobs: int) -> Iterator[tuple[int, T]]:
    """Do the same work on many files.

    Parameters
    ----------
    work : callable
        Takes a path; must travel to another process.
    paths : sequence of Path
        The files.
    jobs : int
        How many worker processes; with 1 the work is done in this one.

    Yields
    ------
    index : int
        Which of `paths` it is; they come in the order in which they are finished.
    result
        What `work` gave.

    Raises
    ------
    UsageError
        If `jobs` is under 1.
    MercliError
        If a worker dies.
    """
    if jobs < 1:
        raise UsageError(f"{jobs} jobs were asked for; at least one is needed")
    jobs = min(jobs, len(paths))
    if jobs <= 1:
        for index, path in enumerate(paths):
            yield index, work(path)
        return
    tasks = (joblib.delayed(_numbered)(work, index, path) for index, path in enumerate(paths))
    # joblib warns of the tasks that are given up; whoever interrupts knows.
    warnings.filterwarnings("ignore", ".*adjusting the input task iterator", UserWarning)
    with _deaf_to_interrupts():
        results = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(tasks)
    try:
        yield from results
    except TerminatedWorkerError as error:
        raise MercliError(
            "a worker process died (killed, out of memory, or crashed in a decoder); "
            "nothing was written. Run again with -j 1 to see at which file"
        ) from error
    except (KeyboardInterrupt, GeneratorExit):
        get_reusable_executor().shutdown(wait=False, kill_workers=True)
        raise


def default_jobs() -> int:
    """Give the number of processors this process may use."""
    return int(joblib.cpu_count())


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start workers that ignore Ctrl-C: a terminal sends it to every process, and this one ends the others.

    A process inherits what its parent ignores, not what its parent handles or, with loky, blocks.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _numbered(work: Callable[[Path], T], index: int, path: Path) -> tuple[int, T]:
    return index, work(path)
