"""Many files, each in a worker process of joblib's loky: a dead or stuck worker costs one file."""

import contextlib
import functools
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import joblib
import psutil

from mercli import interrupts
from mercli.errors import MercliError, UsageError
from mercli.limits import Limits
from mercli.schedule import long_first
from mercli.worker import HANDLES, Death, Lost, Worker


class Setup(Protocol):
    """What the workers of a run are told, with what concerns the run itself."""

    @property
    def limits(self) -> Limits:
        """What a file may cost."""
        ...

    @property
    def debug(self) -> bool:
        """Whether a dying worker shows where it was."""
        ...


T = TypeVar("T")
S = TypeVar("S", bound=Setup)

_TICK_S = 0.1  # how often workers are looked at
_STALL_S = 1.0  # a longer tick was this process's own halt (Ctrl-Z, a closed lid) and no file's fault
_STARTS = 3  # workers that may die as they start, one after the other

_SPARE_HANDLES = 12  # files that may be open besides those of the workers


def run(
    work: Callable[[Path], T],
    paths: Sequence[Path],
    *,
    jobs: int,
    limits: Limits | None = None,
    prepare: Callable[[bool], object] = bool,
    first_alone: bool = True,
    debug: bool = False,
) -> Generator[tuple[int, T | Lost], None, None]:
    """Do the same work on many files, each in another process than this one.

    Long files come first, so that a run does not end with one worker at an hour of film and the others idle. A
    file whose worker dies is tried once more when all others are done and nothing runs beside it. A file that
    passes a limit is not.

    Parameters
    ----------
    work : callable
        Takes a path; must travel to another process.
    paths : sequence of Path
        The files.
    jobs : int
        How many worker processes.
    limits : Limits, optional
        The time and the memory a file may take; without it the default ones.
    prepare : callable
        Called in each worker before its first file; with True in the very first.
    first_alone : bool
        Whether the others start when that one is prepared; else all start at once.
    debug : bool
        Whether a dying worker shows where it was.

    Yields
    ------
    index : int
        Which of `paths` it is; they come in the order in which they are finished.
    result
        What `work` gave, or a `Lost`.

    Raises
    ------
    UsageError
        If `jobs` is under 1, or the limits are too tight for a worker to start.
    MercliError
        If workers cannot start, or die before they come to any file.
    KeyboardInterrupt
        After a request to end; no worker is left then.
    """
    refuse_no_jobs(jobs)
    waiting = deque(long_first(paths, jobs))
    suspects: deque[int] = deque()
    # loky replaces a worker that grew, and says so; nothing is lost by it.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
    crew = _Crew(work, paths, prepare, limits or Limits(), debug, first_alone=first_alone)
    with interrupts.noted() as asked, contextlib.closing(crew):
        for index, result in crew.work_off(waiting, _affordable(min(jobs, len(paths))), asked):
            if isinstance(result, Death):
                suspects.append(index)
            else:
                yield index, result
        # What ran beside a file may have taken the memory; alone, only the file itself is to blame.
        for index, result in crew.work_off(suspects, 1, asked):
            if isinstance(result, Death):
                yield index, Lost("crashed", f"its worker died twice: {result.how}")
            else:
                yield index, result
    if asked.is_set():  # after the last file, while workers ended: a loop around this call is to end too
        raise KeyboardInterrupt


def run_with(
    work: Callable[..., T],
    paths: Sequence[Path],
    setup: S,
    *,
    prepare: Callable[[S, bool], object],
    jobs: int,
    first_alone: bool = True,
) -> Generator[tuple[int, T | Lost], None, None]:
    """Do work on many files that needs to be told more than a path; see `run`.

    Parameters
    ----------
    work : callable
        Takes a path, and `setup` by that name.
    paths : sequence of Path
        The files.
    setup : Setup
        What to do, and within which limits; must travel to another process.
    prepare : callable
        As for `run`, with `setup` in front.
    jobs : int
        How many worker processes.
    first_alone : bool
        As for `run`.

    Returns
    -------
    generator
        As that of `run`.
    """
    return run(
        functools.partial(work, setup=setup),
        paths,
        jobs=jobs,
        limits=setup.limits,
        prepare=functools.partial(prepare, setup),
        first_alone=first_alone,
        debug=setup.debug,
    )


def default_jobs() -> int:
    """Give the number of processors this process may use."""
    return int(joblib.cpu_count())


def refuse_no_jobs(jobs: int) -> None:
    """Raise a UsageError where no worker is asked for."""
    if jobs < 1:
        raise UsageError(f"{jobs} jobs were asked for; at least one is needed")


def _affordable(jobs: int) -> int:
    """Give how many of `jobs` workers there are file handles for: half a start cannot be undone."""
    if sys.platform == "win32":
        return jobs
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or not jobs:
        return jobs
    affordable = (limit - psutil.Process().num_fds() - _SPARE_HANDLES) // HANDLES
    if affordable < 1:
        raise MercliError(f"{limit} open files are too few to start a worker process; allow more (ulimit -n)")
    return min(jobs, affordable)


class _Crew(Generic[T]):
    """Workers, and the work they do; one that dies is replaced."""

    def __init__(
        self,
        work: Callable[[Path], T],
        paths: Sequence[Path],
        prepare: Callable[[bool], object],
        limits: Limits,
        debug: bool,
        *,
        first_alone: bool,
    ) -> None:
        self._work = work
        self._paths = paths
        self._prepare = prepare
        self._limits = limits
        self._debug = debug
        self._workers: list[Worker] = []
        self._is_prepared = False
        self._may_join = not first_alone
        self._failed_starts = 0
        self._looked_s = time.monotonic()

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def work_off(
        self, waiting: deque[int], size: int, asked: threading.Event
    ) -> Iterator[tuple[int, T | Lost | Death]]:
        """Give the result of each file that waits as it is done, with at most `size` workers at a time."""
        while waiting or any(worker.task is not None for worker in self._workers):
            if asked.is_set():
                raise KeyboardInterrupt
            self._staff(size if waiting else 0)
            for worker in self._workers:
                if waiting and worker.is_idle:
                    self._give(worker, waiting.popleft())
            wait([w.future for w in self._workers if w.future], _TICK_S, FIRST_COMPLETED)
            self._look_after()
            results = []
            for worker in [w for w in self._workers if w.future and w.future.done()]:
                task, result = worker.task, worker.take()
                if worker.is_doomed or isinstance(result, Death):
                    self._workers.remove(worker)
                    worker.end()
                results.append((task, result))
                if waiting and worker in self._workers:  # none need wait for what becomes of the results
                    self._give(worker, waiting.popleft())
            for task, result in results:
                if task is None:
                    self._note_start(result)
                else:
                    yield task, result

    def _give(self, worker: Worker, index: int) -> None:
        worker.give(self._work, index, self._paths[index])

    def _staff(self, size: int) -> None:
        """Start workers up to `size`, the first alone where it has to be; end idle ones beyond it."""
        while len(self._workers) < size and (self._may_join or not self._workers):
            is_first = not (self._is_prepared or self._workers)
            self._workers.append(Worker(self._prepare, is_first, self._debug))
        for worker in self._workers[size:]:
            if worker.is_idle:
                self._workers.remove(worker)
                worker.end()

    def _note_start(self, result: object) -> None:
        if not isinstance(result, Death | Lost):
            self._is_prepared = self._may_join = True
            self._failed_starts = 0
            return
        self._failed_starts += 1
        if isinstance(result, Lost):
            raise UsageError(f"no worker can start: {result.reason}")
        if self._failed_starts == _STARTS:
            raise MercliError(f"a worker process ended before it came to any file: {result.how}")

    def _look_after(self) -> None:
        """End workers that passed a limit."""
        tick_s = time.monotonic() - self._looked_s
        if tick_s < _TICK_S:
            return
        self._looked_s += tick_s
        for worker in self._workers:
            worker.look(min(tick_s, _STALL_S), self._limits)
