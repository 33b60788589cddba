"""Worker processes that do one kind of work, file by file: dead, stuck and greedy ones are replaced."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from typing import Generic, TypeVar

from mercli.errors import MercliError, UsageError
from mercli.interrupts import Asked
from mercli.limits import Limits
from mercli.sources import Source
from mercli.worker import Death, Lost, Worker

T = TypeVar("T")
P = TypeVar("P", bound=Source)

_TICK_S = 0.1  # how often workers are looked at
_STALL_S = 1.0  # a longer tick was this process's own halt (Ctrl-Z, a closed lid) and no file's fault
_STARTS = 3  # workers that may die as they start, one after the other


class Crew(Generic[P, T]):
    """Keep workers, and the work they do; one that dies is replaced.

    Parameters
    ----------
    work, prepare, limits, debug, first_alone
        See `mercli.batch.run`.
    """

    def __init__(
        self,
        work: Callable[[P], T],
        prepare: Callable[[bool], object],
        limits: Limits,
        debug: bool,
        *,
        first_alone: bool,
    ) -> None:
        self._work = work
        self._prepare = prepare
        self._limits = limits
        self._debug = debug
        self._workers: list[Worker] = []
        self._is_prepared = False
        self._may_join = not first_alone
        self._failed_starts = 0
        self._looked_s = time.monotonic()

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def work_off(
        self, waiting: deque[tuple[int, P]], size: int, asked: Asked
    ) -> Iterator[tuple[int, T | Lost | Death]]:
        """Work on files.

        Parameters
        ----------
        waiting : deque of tuple of int and Path or RemoteFile
            Numbers and files; they are taken from its front.
        size : int
            How many workers there are to be; they are still there for the next call.
        asked : Asked
            Set where it is to end.

        Yields
        ------
        index : int
            The number of a file that is done.
        result
            What `work` gave, a `Lost`, or a `Death`, which may be another file's fault.

        Raises
        ------
        KeyboardInterrupt
            When asked to end.
        UsageError, MercliError
            If workers cannot start.
        """
        while waiting or any(worker.task is not None for worker in self._workers):
            if asked.is_set():
                raise KeyboardInterrupt
            self._staff(size if waiting else 0)
            for worker in self._workers:
                if waiting and worker.is_idle:
                    worker.give(self._work, *waiting.popleft())
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
                    worker.give(self._work, *waiting.popleft())
            for task, result in results:
                if task is None:
                    self._note_start(result)
                else:
                    yield task, result

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
