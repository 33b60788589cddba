"""What a worker of a cluster does: it works on files as one machine would, in a process that may die."""

import atexit
import contextlib
import multiprocessing
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import mercli
from mercli import device as devices
from mercli import kernel_cache
from mercli.cluster import luggage
from mercli.cluster.engine import other_version
from mercli.cluster.luggage import Item
from mercli.crew import Crew
from mercli.errors import MercliError
from mercli.interrupts import Asked
from mercli.serving.link import Address
from mercli.setup import Setup
from mercli.sources import Source

_IDLE_S = 60.0  # after which a process with open models ends
_OTHERS_IDLE_S = 10.0  # the same, where another run has come


@dataclass(frozen=True, slots=True)
class Order:
    """Say what is to be done, the same for all files of a run: small, for it travels with every task.

    Parameters
    ----------
    run : str
        Names the run.
    work, prepare : callable
        See `mercli.batch.run_with`.
    setup : Setup
        With the paths of the machine that gives the order.
    items : tuple of Item
        What they name.
    version : str
        Of the mercli that gives the order.
    """

    run: str
    work: Callable[..., object]
    prepare: Callable[[Setup, bool], object]
    setup: Setup
    items: tuple[Item, ...]
    version: str = mercli.__version__


@dataclass(frozen=True, slots=True)
class Errand:
    """Name a file, by its number in the run; `is_there` says whether whoever gives the order sees it."""

    index: int
    source: Source
    is_there: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """Hold what became of the files of a task, or why nothing did.

    Parameters
    ----------
    results : list of tuple of int and object
        Numbers of files, with what `work` gave, a `Lost` or a `Death`.
    lacks_models : bool
        Whether this machine has to be sent the models first.
    unseen : Path or None
        One of the files that this machine does not see, although whoever gives the order does.
    refusal : str or None
        Why it can do none of it, nor any other of the run.
    """

    results: list[tuple[int, Any]] = field(default_factory=list)
    lacks_models: bool = False
    unseen: Source | None = None
    refusal: str | None = None


def work_off(order: Order, errands: tuple[Errand, ...], sent: bytes | None = None) -> Reply:
    """Work on some files, here.

    Parameters
    ----------
    order : Order
        What is to be done.
    errands : tuple of Errand
        With which files.
    sent : bytes or None
        The models, where this machine said that it lacks them.

    Returns
    -------
    Reply
        What became of them.
    """
    if order.version != mercli.__version__:
        return Reply(refusal=other_version("a worker", mercli.__version__))
    if unseen := next((errand for errand in errands if errand.is_there and not is_there(errand.source)), None):
        return Reply(unseen=unseen.source)
    try:
        setup = luggage.unpack(order.setup, order.items, sent)
        if setup is None:
            return Reply(lacks_models=True)
        with _crew_for(order, setup) as crew:
            waiting = deque((errand.index, errand.source) for errand in errands)
            return Reply(list(crew.work_off(waiting, 1, Asked())))
    except MercliError as error:
        return Reply(refusal=str(error))


def is_there(source: Source) -> bool:
    """Tell whether this machine sees a file; of a URL that is not known."""
    return not isinstance(source, Path) or os.path.lexists(source)


class _Idle:
    """Keep the processes that no task uses at the moment, by run; those that nobody took for long are ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._crews: list[tuple[float, str, Crew[Any, Any]]] = []  # since when, of which run
        self._timer: threading.Timer | None = None

    def take(self, run: str) -> Crew[Any, Any] | None:
        with self._lock:
            found = next((i for i in reversed(range(len(self._crews))) if self._crews[i][1] == run), None)
            return None if found is None else self._crews.pop(found)[2]

    def put(self, run: str, crew: Crew[Any, Any]) -> None:
        now = time.monotonic()
        with self._lock:
            old = [each for since, of, each in self._crews if of != run and now - since > _OTHERS_IDLE_S]
            self._crews = [entry for entry in self._crews if entry[2] not in old]
            self._crews.append((now, run, crew))
            if self._timer is not None:
                self._timer.cancel()
            self._timer = threading.Timer(_IDLE_S, self.end)
            self._timer.daemon = True
            self._timer.start()
        for each in old:
            each.close()

    def end(self) -> None:
        with self._lock:
            crews = [crew for _, _, crew in self._crews]
            self._crews.clear()
        for crew in crews:
            crew.close()


_idle = _Idle()
atexit.register(_idle.end)


@contextlib.contextmanager
def _crew_for(order: Order, setup: Setup) -> Iterator[Crew[Any, Any]]:
    """Lend a process that has the models of a run open, or will have."""
    crew = _idle.take(order.run)
    if crew is None:
        _allow_children()
        kernel_cache.settle()
        limits = setup.limits
        if limits.max_memory is None:
            limits = replace(limits, max_memory=_share_of_memory())
        setup = replace(setup, limits=limits, server=_server_for(setup.device))
        crew = Crew(
            partial(order.work, setup=setup),
            partial(order.prepare, setup),
            limits,
            setup.debug,
            first_alone=True,
        )
    try:
        yield crew
    except BaseException:
        crew.close()
        raise
    _idle.put(order.run, crew)


_servers: dict[str, tuple[Address | None, contextlib.ExitStack]] = {}
_starting = threading.Lock()


def _server_for(device: str) -> Address | None:
    """Have one process run networks on this machine's graphics processor, if it has one, for all threads here."""
    with _starting:
        if device in _servers:
            address, server = _servers[device]
            if address is None or address.answers():
                return address
            server.close()
        server = contextlib.ExitStack()
        atexit.register(server.close)
        _servers[device] = server.enter_context(devices.opened(device, lambda _: None)), server
        return _servers[device][0]


def _allow_children() -> None:
    """Let this process start others although its own parent, such as dask's nanny, calls it a daemon.

    That is to keep daemons from leaving children behind: ours end when this process does.
    """
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]


def _share_of_memory() -> int | None:
    """Give each task's share of the memory that dask allows this worker; None where nobody sets a limit."""
    try:
        from distributed import get_worker

        worker = get_worker()
        limit = worker.memory_manager.memory_limit
        return int(limit) // max(1, worker.state.nthreads) if limit else None
    except (ImportError, ValueError, AttributeError):
        return None
