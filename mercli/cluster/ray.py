"""Tasks on the workers of a ray cluster."""

import contextlib
import logging
import os
from collections.abc import Callable
from typing import Any

from mercli.cluster.engine import Answer, Failed, failure_of, not_installed
from mercli.errors import MercliError, UsageError
from mercli.worker import Death

_RETRIES = 3  # of a task whose worker dies, as dask has it


class RayEngine:
    """Do tasks by ray.

    Parameters
    ----------
    address : str or None
        Of a cluster; None starts ray on this machine.
    debug : bool
        Whether ray says all it has to say.

    Raises
    ------
    UsageError
        If ray is not installed, or no cluster answers.
    """

    def __init__(self, address: str | None, *, debug: bool = False) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # mercli tells nobody that it is used
        try:
            import ray
        except ImportError:
            raise not_installed("ray") from None
        self._ray: Any = ray
        self._address = address
        options: dict[str, Any] = {"logging_level": logging.INFO if debug else logging.CRITICAL}
        if address:
            options["address"] = address
        else:
            options["include_dashboard"] = False
        try:
            ray.init(log_to_driver=debug, **options)
        except Exception as error:
            where = f"at {address}" if address else "on this machine"
            line = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise UsageError(f"no ray {where}: {line}") from error
        self._tickets: dict[Any, int] = {}
        self._functions: dict[Callable[..., object], Any] = {}

    @property
    def place(self) -> str:
        """Say where ray is."""
        return f"ray at {self._address}" if self._address else "ray on this machine"

    def n_slots(self) -> int:
        """Give the number of processors of the cluster."""
        try:
            return int(self._ray.cluster_resources().get("CPU", 0))
        except Exception as error:
            raise self._lost() from error

    def share(self, contents: bytes) -> object:
        """Put the bytes into ray's store."""
        return self._ray.put(contents)

    def submit(self, ticket: int, function: Callable[..., object], *args: object) -> None:
        """Have a function called on a worker; one that dies has it called on another."""
        if function not in self._functions:
            self._functions[function] = self._ray.remote(num_cpus=1, max_retries=_RETRIES)(function)
        try:
            self._tickets[self._functions[function].remote(*args)] = ticket
        except Exception as error:
            raise self._lost() from error

    def take(self, patience_s: float) -> list[tuple[int, Answer]]:
        """Give what is done."""
        open_ = list(self._tickets)
        if not open_:
            return []
        try:
            done, rest = self._ray.wait(open_, num_returns=1, timeout=patience_s)
            if done and rest:
                done += self._ray.wait(rest, num_returns=len(rest), timeout=0)[0]
        except Exception as error:
            raise self._lost() from error
        return [(self._tickets.pop(ref), self._get(ref)) for ref in done]

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        with contextlib.suppress(Exception):
            for ref in self._tickets:
                self._ray.cancel(ref)
        self._tickets.clear()
        with contextlib.suppress(Exception):
            self._ray.shutdown()

    def _get(self, ref: Any) -> Answer | Death | Failed:
        errors = self._ray.exceptions
        try:
            return self._ray.get(ref)
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError):
            return Death("every worker of the cluster that was given it died")
        except errors.RayTaskError as error:
            return failure_of(error.cause if isinstance(error.cause, BaseException) else error)
        except Exception as error:
            raise self._lost() from error

    def _lost(self) -> MercliError:
        return MercliError(f"{self.place} was lost")
