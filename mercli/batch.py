"""Many files, each in a worker process of joblib's loky: a dead or stuck worker costs one file."""

import contextlib
import os
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, Generic, TypeVar

import joblib
import psutil
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.backend import resource_tracker as loky_tracker
from joblib.externals.loky.process_executor import BrokenProcessPool

from mercli import interrupts
from mercli.errors import MercliError, UsageError
from mercli.limits import Limits, show_size

T = TypeVar("T")
Task = tuple[int, Path]

_TICK_S = 0.1  # how often workers are looked at
_STALL_S = 1.0  # a longer tick was this process's own halt (Ctrl-Z, a closed lid) and no file's fault
_START_S = 300.0  # a worker that has not started by then never will
_GONE_S = 10.0  # a worker that is no more is noticed by loky well before that
_STARTS = 3  # workers that may die as they start, one after the other

_HANDLES = 7  # files that this process holds open for each worker
_SPARE_HANDLES = 12

_DEATHS = {
    "SIGABRT": "aborted (SIGABRT)",
    "SIGBUS": "bus error (SIGBUS)",
    "SIGFPE": "arithmetic fault (SIGFPE)",
    "SIGILL": "illegal instruction (SIGILL)",
    "SIGKILL": "killed (SIGKILL), as the system does when memory runs out",
    "SIGSEGV": "segmentation fault (SIGSEGV)",
}


@dataclass(frozen=True, slots=True)
class Lost:
    """Tell of a file whose worker did not live to give a result.

    Parameters
    ----------
    status : str
        ``"crashed"`` or ``"timeout"``.
    reason : str
        How the worker ended, as a phrase.
    """

    status: str
    reason: str


def run(
    work: Callable[[Path], T],
    paths: Sequence[Path],
    *,
    jobs: int,
    limits: Limits | None = None,
    prepare: Callable[[bool], object] = bool,
    debug: bool = False,
) -> Iterator[tuple[int, T | Lost]]:
    """Do the same work on many files, each in another process than this one.

    A file whose worker dies is tried once more when all others are done and nothing runs beside it. A file that
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
        Called in each worker before its first file; with True in the very first, before the others start.
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
    if jobs < 1:
        raise UsageError(f"{jobs} jobs were asked for; at least one is needed")
    suspects: list[Task] = []
    # loky replaces a worker that grew, and says so; nothing is lost by it.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
    with interrupts.noted() as asked, contextlib.closing(_Crew(work, prepare, limits or Limits(), debug)) as crew:
        for (index, path), result in crew.work_off(enumerate(paths), _affordable(min(jobs, len(paths))), asked):
            if isinstance(result, _Death):
                suspects.append((index, path))
            else:
                yield index, result
        # What ran beside a file may have taken the memory; alone, only the file itself is to blame.
        for (index, _), result in crew.work_off(suspects, 1, asked):
            yield (
                index,
                Lost("crashed", f"its worker died twice: {result.how}") if isinstance(result, _Death) else result,
            )


def default_jobs() -> int:
    """Give the number of processors this process may use."""
    return int(joblib.cpu_count())


def _affordable(jobs: int) -> int:
    """Give how many of `jobs` workers there are file handles for: half a start cannot be undone."""
    if sys.platform == "win32":
        return jobs
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or not jobs:
        return jobs
    affordable = (limit - psutil.Process().num_fds() - _SPARE_HANDLES) // _HANDLES
    if affordable < 1:
        raise MercliError(f"{limit} open files are too few to start a worker process; allow more (ulimit -n)")
    return min(jobs, affordable)


@dataclass(frozen=True, slots=True)
class _Death:
    how: str


class _Crew(Generic[T]):
    """Workers, and the work they do; one that dies is replaced."""

    def __init__(
        self, work: Callable[[Path], T], prepare: Callable[[bool], object], limits: Limits, debug: bool
    ) -> None:
        self._work = work
        self._prepare = prepare
        self._limits = limits
        self._debug = debug
        self._workers: list[_Worker] = []
        self._is_prepared = False
        self._failed_starts = 0
        self._looked_s = time.monotonic()

    def close(self) -> None:
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def work_off(
        self, tasks: Iterable[Task], size: int, asked: threading.Event
    ) -> Iterator[tuple[Task, T | Lost | _Death]]:
        """Give each task's result as it is done, with at most `size` workers at a time."""
        waiting = deque(tasks)
        while waiting or any(worker.task for worker in self._workers):
            if asked.is_set():
                raise KeyboardInterrupt
            self._staff(size if waiting else 0)
            for worker in self._workers:
                if waiting and worker.is_idle:
                    worker.give(self._work, waiting.popleft())
            wait([w.future for w in self._workers if w.future], _TICK_S, FIRST_COMPLETED)
            self._look_after()
            for worker in [w for w in self._workers if w.future and w.future.done()]:
                task, result = worker.task, worker.take()
                if isinstance(result, _Death | Lost):
                    self._workers.remove(worker)
                    worker.end()
                if task is None:
                    self._note_start(result)
                    continue
                if waiting and worker in self._workers:  # it need not wait for what becomes of the result
                    worker.give(self._work, waiting.popleft())
                yield task, result

    def _staff(self, size: int) -> None:
        """Start workers up to `size`, but the first alone; end idle ones beyond it."""
        while len(self._workers) < size and (self._is_prepared or not self._workers):
            self._workers.append(_Worker(self._prepare, not self._is_prepared, self._debug))
        for worker in self._workers[size:]:
            if worker.is_idle:
                self._workers.remove(worker)
                worker.end()

    def _note_start(self, result: object) -> None:
        if not isinstance(result, _Death | Lost):
            self._is_prepared = True
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


class _Worker:
    """One process, and what it is at."""

    def __init__(self, prepare: Callable[[bool], object], first: bool, debug: bool) -> None:
        # loky's helpers would start along with the first process, and undo what is done with signals for it.
        self._process: Any = None
        self._verdict: Lost | None = None
        self._ran_s = self._gone_s = 0.0
        self.task: Task | None = None
        try:
            _start_trackers()
            self._executor = ProcessPoolExecutor(max_workers=1, initializer=_settle, initargs=(os.getpid(), debug))
            with interrupts.kept_from_children():
                self.future: Future[Any] | None = self._submit(prepare, first)
        except (OSError, ImportError, RuntimeError) as error:  # no semaphores, no more processes or threads
            raise MercliError(f"a worker process cannot be started here ({error})") from error
        self._process = self._find_process()

    @property
    def is_idle(self) -> bool:
        return self.future is None

    def give(self, work: Callable[[Path], object], task: Task) -> None:
        self.task = task
        self._ran_s = 0.0
        self.future = self._submit(work, task[1])

    def take(self) -> Any:
        """Give the result that is there; what the work raised is raised."""
        assert self.future is not None
        future, self.future, self.task = self.future, None, None
        try:
            return future.result()
        except BrokenProcessPool:
            return self._verdict or _Death(_how(self._process))

    def look(self, tick_s: float, limits: Limits) -> None:
        """Count the time, look at the memory, and end the process if either is over its limit."""
        if self.future is None:
            return
        self._process = self._find_process()
        memory = self._memory()
        if memory is None:
            self._gone_s += tick_s
            if self._gone_s > _GONE_S:
                self.future = _broken("nobody said that it ended")
        elif self._verdict is None:
            self._ran_s += tick_s
            self._verdict = self._judge(memory, limits)
            if self._verdict is not None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    psutil.Process(self._process.pid).kill()

    def _judge(self, memory: int, limits: Limits) -> Lost | None:
        if limits.max_memory is not None and memory > limits.max_memory:
            limit = show_size(limits.max_memory)
            if self.task is None:
                return Lost("crashed", f"it needs more than --max-memory {limit} only to begin")
            return Lost("crashed", f"it needed more than --max-memory {limit}")
        if self.task is None:
            return Lost("timeout", f"it was not ready after {_START_S:g} s") if self._ran_s > _START_S else None
        if limits.timeout_s is not None and self._ran_s > limits.timeout_s:
            return Lost("timeout", f"it took longer than --timeout {limits.timeout_s:g} s")
        return None

    def end(self) -> None:
        # loky's own thread stumbles over a task that it has not seen when it is told to stop.
        patience_s = _GONE_S
        while self.future and not (self.future.running() or self.future.done()) and patience_s > 0:
            time.sleep(0.001)
            patience_s -= 0.001
        self._executor.shutdown(wait=True, kill_workers=True)

    def _submit(self, function: Callable[..., object], *args: object) -> Future[Any]:
        try:
            future: Future[Any] = self._executor.submit(function, *args)
            return future
        except BrokenProcessPool as error:  # it died while it was idle
            return _broken(str(error))

    def _memory(self) -> int | None:
        """Give the bytes that the process holds resident, or None if it is no more."""
        try:
            process = psutil.Process(getattr(self._process, "pid", -1))
            return None if process.status() == psutil.STATUS_ZOMBIE else int(process.memory_info().rss)
        except (psutil.Error, ValueError):
            return None

    def _find_process(self) -> Any:
        # loky has no public way to it, and may replace a process that grew.
        return next(iter(self._executor._processes.values()), None) or self._process


def _start_trackers() -> None:
    """Start loky's helpers, which clean up after it, so that they say nothing should this process be killed."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = "ignore"
    try:
        with interrupts.kept_from_children():
            loky_tracker.ensure_running()
            if sys.platform != "win32":
                resource_tracker.ensure_running()
    finally:
        os.environ.pop("PYTHONWARNINGS")
        if before is not None:
            os.environ["PYTHONWARNINGS"] = before


def _broken(why: str) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(BrokenProcessPool(why))
    return future


def _settle(parent: int, debug: bool) -> None:
    """Begin a worker's life: leave Ctrl-C to the parent, die quietly, and not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not debug:
        os.environ["PYTHONFAULTHANDLER"] = ""  # loky would have a dying worker print where it was
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    try:
        process = psutil.Process(parent)
        while os.getppid() == parent and process.is_running():
            time.sleep(0.5)
    except psutil.Error:
        pass
    os._exit(1)


def _how(process: Any) -> str:
    if process is not None:
        process.join(1.0)
    code = getattr(process, "exitcode", None)
    if code is None:
        return "it does not say how"
    if code >= 0:
        return f"it left with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return _DEATHS.get(name, f"ended by {name}")
