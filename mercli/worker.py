"""One worker process, and what it is at: a loky pool of one, so that its death leaves no doubt."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing import resource_tracker
from typing import Any

import psutil
from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.backend import resource_tracker as loky_tracker
from joblib.externals.loky.process_executor import BrokenProcessPool

from mercli import interrupts
from mercli.errors import MercliError
from mercli.limits import Limits, show_size
from mercli.sources import Source

HANDLES = 7
"""Files that this process holds open for each worker."""

_STARTING = threading.Lock()

_START_S = 300.0  # a worker that has not started by then never will
_GONE_S = 10.0  # a worker that is no more is noticed by loky well before that

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


@dataclass(frozen=True, slots=True)
class Death:
    """Tell of a worker that ended by itself, or was killed by something else; `how` is a phrase."""

    how: str


class Worker:
    """Run functions in one process of their own.

    Parameters
    ----------
    prepare : callable
        The first of them.
    first : bool
        What it is told.
    debug : bool
        Whether the process shows where it dies.

    Raises
    ------
    MercliError
        If the system has no room for another process.
    """

    def __init__(self, prepare: Callable[[bool], object], first: bool, debug: bool) -> None:
        self._process: Any = None
        self._verdict: Lost | None = None
        self._ran_s = self._gone_s = 0.0
        self._begun_s = time.monotonic()
        self.task: int | None = None
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
        """Tell whether it waits for something to do."""
        return self.future is None

    @property
    def is_doomed(self) -> bool:
        """Tell whether it was told to die, even where it was quick enough to give its last result."""
        return self._verdict is not None

    def give(self, work: Callable[[Any], object], task: int, path: Source) -> None:
        """Have it work on a file, which `task` is the number of."""
        self.task = task
        self._ran_s, self._begun_s = 0.0, time.monotonic()
        self.future = self._submit(work, path)

    def take(self) -> Any:
        """Give the result that is there, a `Lost` or a `Death`; what the function raised is raised."""
        assert self.future is not None
        future, self.future, self.task = self.future, None, None
        try:
            return future.result()
        except BrokenProcessPool:
            return self._verdict or Death(_how(self._process))

    def look(self, tick_s: float, limits: Limits) -> None:
        """Count the time, look at the memory, and end the process if either is over its limit."""
        if self.future is None or self.future.done():
            return
        self._process = self._find_process()
        memory = self._memory()
        if memory is None:
            self._gone_s += tick_s
            if self._gone_s > _GONE_S:
                self.future = _broken("nobody said that it ended")
        elif self._verdict is None:
            self._ran_s += min(tick_s, time.monotonic() - self._begun_s)  # it may have begun since the last look
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
        """End the process, whatever it is at."""
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
    """Start loky's helpers before its first pool: along with it they would undo what is done with signals.

    They clean up after this process, and are to say nothing of it should it be killed.
    """
    with _STARTING:  # runs may begin in several threads, and there is one environment
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
