"""Many files, spread over a cluster: what one machine does in `mercli.batch`, with the same outcomes."""

import math
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from mercli import interrupts
from mercli.batch import died_twice
from mercli.cluster import luggage
from mercli.cluster.engine import Engine, Failed
from mercli.cluster.host import Errand, Order, Reply, is_there, work_off
from mercli.errors import MercliError
from mercli.schedule import long_first
from mercli.setup import Setup
from mercli.sources import Source, size_of
from mercli.worker import Death, Lost

T = TypeVar("T")

_TICK_S = 0.2  # how often a request to end is looked for
_LOOK_S = 5.0  # how often workers are counted
_PATIENCE_S = 300.0  # without any worker
_WAITING = 2  # tasks for each worker: the next is there when one is done
_SLOTS = 16  # workers that files can be given to one by one; see docs/cluster.md
_MOST = 16  # files of a task
_SMALL = 16 << 20  # bytes of a file that may share its task
_ROUNDS = 20  # tasks for each worker, at least: else some are idle at the end


def run_with(
    engine: Engine,
    work: Callable[..., T],
    paths: Sequence[Source],
    setup: Setup,
    *,
    prepare: Callable[[Setup, bool], object],
    jobs: int | None = None,
) -> Generator[tuple[int, T | Lost], None, None]:
    """Do work on many files, each in a process of some machine; see `mercli.batch.run_with`.

    Parameters
    ----------
    engine : Engine
        Carries the work there.
    work, paths, setup, prepare
        As for `mercli.batch.run_with`.
    jobs : int, optional
        How many files are worked on at a time; without it as many as the engine has room for.

    Yields
    ------
    index, result
        As for `mercli.batch.run`.

    Raises
    ------
    MercliError
        If the engine is lost, has no workers for long, or one of them cannot work.
    KeyboardInterrupt
        After a request to end.
    """
    order = Order(uuid.uuid4().hex, work, prepare, setup, luggage.pack(setup))
    paths = [path.absolute() if isinstance(path, Path) else path for path in paths]
    run = _Run(engine, order, jobs)
    errands = [Errand(i, paths[i], is_there(paths[i])) for i in long_first(paths, run.n_slots() or 1)]
    suspects: list[Errand] = []
    with interrupts.noted() as asked:
        for errand, result in run.work_off(deque(errands), asked.is_set):
            if isinstance(result, Death):
                suspects.append(errand)
            else:
                yield errand.index, result
        # What ran beside a file may be to blame; alone, only the file itself is.
        for suspect in suspects:
            for errand, result in run.work_off(deque([suspect]), asked.is_set):
                yield errand.index, died_twice(result) if isinstance(result, Death) else result
    if asked.is_set():
        raise KeyboardInterrupt


def chunk_size(n_files: int, n_slots: int) -> int:
    """Give how many small files a task takes along.

    A scheduler and the machine that keeps the journal take some time for each task, whatever is in it. Few workers
    are given files one by one; many get several at a time, as long as there are tasks enough for all.

    Parameters
    ----------
    n_files : int
        That are left.
    n_slots : int
        Workers.

    Returns
    -------
    int
        From 1 to 16.
    """
    wanted = math.ceil(n_slots / _SLOTS)
    return max(1, min(wanted, _MOST, n_files // (max(1, n_slots) * _ROUNDS)))


class _Run:
    """Give out files and take back what became of them."""

    def __init__(self, engine: Engine, order: Order, jobs: int | None) -> None:
        self._engine = engine
        self._order = order
        self._jobs = jobs
        self._models: object = None
        self._with_models: set[int] = set()  # tickets of tasks that took the models along
        self._open: dict[int, tuple[Errand, ...]] = {}
        self._n_given = 0
        self._n_slots = 0
        self._looked_s = -math.inf
        self._there_s = time.monotonic()

    def n_slots(self) -> int:
        """Give how many files are worked on at a time."""
        now = time.monotonic()
        if now - self._looked_s > _LOOK_S:
            self._looked_s = now
            self._n_slots = self._engine.n_slots()
            if self._n_slots:
                self._there_s = now
            elif now - self._there_s > _PATIENCE_S:
                raise MercliError(f"{self._engine.place} has had no worker for {_PATIENCE_S:g} s")
        return min(self._n_slots, self._jobs or self._n_slots)

    def work_off(self, waiting: deque[Errand], is_asked: Callable[[], bool]) -> Iterator[tuple[Errand, Any]]:
        """Give each file with what became of it, as it is done."""
        while waiting or self._open:
            if is_asked():
                raise KeyboardInterrupt
            slots = self.n_slots()
            most = slots if self._jobs else _WAITING * slots
            while waiting and len(self._open) < max(1, most):
                self._give(tuple(_chunk(waiting, chunk_size(len(waiting), slots))))
            for ticket, answer in self._engine.take(_TICK_S):
                errands = self._open.pop(ticket)
                if isinstance(answer, Death):
                    yield from ((errand, answer) for errand in errands)
                    continue
                yield from self._read(ticket, errands, answer)

    def _read(
        self, ticket: int, errands: tuple[Errand, ...], answer: Reply | Failed
    ) -> Iterator[tuple[Errand, Any]]:
        if isinstance(answer, Failed):
            raise MercliError(answer.why)
        if answer.refusal:
            raise MercliError(answer.refusal)
        if answer.lacks_models:
            if ticket in self._with_models:
                raise MercliError("a worker of the cluster cannot keep the models that it was sent")
            if self._models is None:
                self._models = self._engine.share(luggage.contents(self._order.setup))
            self._give(errands, self._models)
            self._with_models.add(self._n_given)
            return
        if answer.unseen is not None:
            if is_there(answer.unseen):
                raise MercliError(
                    f"{answer.unseen} is not there for a worker of the cluster; give a path that all machines "
                    "share, or a URL"
                )
            # It was taken away since: that is for its row to say.
            self._give(tuple(replace(each, is_there=is_there(each.source)) for each in errands))
            return
        known = {errand.index: errand for errand in errands}
        yield from ((known[index], result) for index, result in answer.results)

    def _give(self, errands: tuple[Errand, ...], *models: object) -> None:
        self._n_given += 1
        self._open[self._n_given] = errands
        self._engine.submit(self._n_given, work_off, self._order, errands, *models)


def _chunk(waiting: deque[Errand], size: int) -> Iterator[Errand]:
    """Take the files of a task: a large one comes alone."""
    yield (first := waiting.popleft())
    if size_of(first.source) > _SMALL:
        return
    for _ in range(size - 1):
        if not waiting or size_of(waiting[0].source) > _SMALL:
            return
        yield waiting.popleft()
