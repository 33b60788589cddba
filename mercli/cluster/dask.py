"""Tasks on the workers of a dask scheduler."""

import contextlib
import logging
import queue
import re
import threading
import uuid
from collections.abc import Callable
from typing import Any

import mercli
from mercli.cluster.engine import Answer, Failed, failure_of, not_installed, other_version
from mercli.errors import MercliError, UsageError
from mercli.worker import Death

_CONNECT_S, _SILENCE_S, _PARTING_S = 10.0, 30.0, 5.0
_NOT_YET = ("lost", "pending")  # its worker died before the result was fetched: dask has it done again
_ADDRESS = re.compile(r"((tcp|tls|ws|wss|ucx)://)?[^/\s]+:\d{1,5}")


class DaskEngine:
    """Do tasks by dask.

    Parameters
    ----------
    address : str or None
        Of its scheduler.
    debug : bool
        Whether dask says all it has to say.

    Raises
    ------
    UsageError
        If dask is not installed, there is no address or one of another form, no scheduler answers there, or
        one of its machines has another mercli.
    """

    def __init__(self, address: str | None, *, debug: bool = False) -> None:
        if not address:
            raise UsageError("--backend dask needs --scheduler with the address of its scheduler: tcp://host:8786")
        try:
            from distributed import Client
        except ImportError:
            raise not_installed("dask") from None
        if not _ADDRESS.fullmatch(address):
            raise UsageError(f"--scheduler {address} is no address of a dask scheduler, such as tcp://host:8786")
        if not debug:
            _keep_quiet()
        self._futures: dict[int, Any] = {}
        try:
            self._client = Client(address, timeout=_CONNECT_S, set_as_default=False, name="mercli")
        except (OSError, ValueError, ImportError) as error:  # its time-outs are OSErrors, too
            raise UsageError(f"no dask scheduler answers at {address}: {_first_line(error)}") from error
        self._address = address
        try:
            self._refuse_other_versions()
        except BaseException:
            self.close()
            raise
        self._run = uuid.uuid4().hex
        self._done: queue.SimpleQueue[int] = queue.SimpleQueue()

    @property
    def place(self) -> str:
        """Say where the scheduler is."""
        return f"dask at {self._address}"

    def n_slots(self) -> int:
        """Give the number of threads of all workers."""
        try:
            return sum(self._call(self._client.nthreads).values())
        except Exception as error:
            raise self._lost() from error

    def share(self, contents: bytes) -> object:
        """Give the bytes as a task's result: should every worker that has them die, dask makes it again."""
        return self._client.submit(bytes, contents, key=f"mercli-{self._run}-models-{uuid.uuid4().hex}")

    def submit(self, ticket: int, function: Callable[..., object], *args: object) -> None:
        """Have a function called on a worker; one that dies has it called on another."""
        try:
            future = self._client.submit(function, *args, key=f"mercli-{self._run}-{ticket}-{uuid.uuid4().hex}")
        except Exception as error:
            raise self._lost() from error
        self._watch(ticket, future)

    def take(self, patience_s: float) -> list[tuple[int, Answer]]:
        """Give what is done, fetched from the workers together."""
        tickets = []
        with contextlib.suppress(queue.Empty):
            tickets.append(self._done.get(timeout=patience_s))
            while True:
                tickets.append(self._done.get_nowait())
        if not tickets and self._client.status != "running":
            raise self._lost()
        futures = {ticket: self._futures.pop(ticket) for ticket in tickets}
        for ticket in tickets:
            if futures[ticket].status in _NOT_YET:
                self._watch(ticket, futures.pop(ticket))
        finished = [ticket for ticket, future in futures.items() if future.status == "finished"]
        try:
            values = self._call(self._client.gather, [futures[ticket] for ticket in finished])
        except Exception as error:
            self.n_slots()  # raises where the scheduler is lost
            raise MercliError(f"a worker of {self.place} does not answer") from error
        answers = dict(zip(finished, values, strict=True))
        return [
            (ticket, answers[ticket] if ticket in answers else self._explain(future))
            for ticket, future in futures.items()
        ]

    def close(self) -> None:
        """Cancel what is not done and leave the scheduler."""
        self._futures.clear()
        # A scheduler that says nothing has it wait for as long.
        closing = threading.Thread(target=self._client.close, kwargs={"timeout": 2}, daemon=True)
        closing.start()
        closing.join(_PARTING_S)

    def _call(self, ask: Callable[..., Any], *args: object) -> Any:
        """Ask the scheduler for something, and give up where it says nothing."""

        async def asked() -> Any:
            return await ask(*args, asynchronous=True)

        return self._client.sync(asked, callback_timeout=_SILENCE_S)

    def _refuse_other_versions(self) -> None:
        """Raise a UsageError where not all have this mercli: scheduler and workers read what is sent to them."""
        try:
            told = self._client.sync(self._ask_versions, callback_timeout=_SILENCE_S)
        except Exception as error:
            raise UsageError(
                f"{self.place} does not say what it has: its scheduler, or one of its workers, does not answer"
            ) from error
        for whose, parts in (("the scheduler", [told["scheduler"]]), ("a worker", told["workers"].values())):
            for part in parts:
                version = part["packages"].get("mercli")
                if version != mercli.__version__:
                    raise UsageError(other_version(whose, version))

    async def _ask_versions(self) -> Any:
        return await self._client.get_versions(packages=["mercli"])

    def _watch(self, ticket: int, future: Any) -> None:
        self._futures[ticket] = future
        future.add_done_callback(lambda _: self._done.put(ticket))

    def _explain(self, future: Any) -> Death | Failed:
        from distributed import KilledWorker

        if future.status != "error":  # cancelled: the scheduler forgot it, as one does that was started anew
            raise self._lost()
        error = future.exception()
        if isinstance(error, KilledWorker):
            return Death("every worker of the cluster that was given it died")
        return failure_of(error)

    def _lost(self) -> MercliError:
        return MercliError(f"the dask scheduler at {self._address} was lost")


def _keep_quiet() -> None:
    """Leave out what dask says of connections that are lost, with tracebacks: a sentence says it."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "distributed"]
    for name in ("distributed", "tornado.application", "asyncio", *names):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
