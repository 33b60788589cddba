"""What carries work to other machines: a dask scheduler or a ray cluster, behind one interface."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import mercli
from mercli.errors import UsageError
from mercli.worker import Death

ENGINES = ("dask", "ray")
"""The engines there are, by the name of the extra that installs each."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Tell of a task that could not be done for a reason that lies in no file; `why` is a phrase."""

    why: str


Answer = Any | Death | Failed
"""What became of a task: what its function gave, the death of all the workers that tried, or a failure."""


class Engine(Protocol):
    """Do tasks on other machines."""

    @property
    def place(self) -> str:
        """Say what it is and where, for a person."""
        ...

    def n_slots(self) -> int:
        """Give how many tasks it does at a time at present."""
        ...

    def share(self, contents: bytes) -> object:
        """Give what stands for these bytes as an argument of tasks: they reach each machine once."""
        ...

    def submit(self, ticket: int, function: Callable[..., object], *args: object) -> None:
        """Have a function called on some worker."""
        ...

    def take(self, patience_s: float) -> list[tuple[int, Answer]]:
        """Give tickets and answers of the tasks that are done; after so many seconds without one, none.

        Raises
        ------
        MercliError
            If the engine is lost.
        """
        ...

    def close(self) -> None:
        """Let go of it, and of the tasks that are not done."""
        ...


def connect(name: str, address: str | None, *, debug: bool = False) -> Engine:
    """Reach an engine.

    Parameters
    ----------
    name : str
        One of `ENGINES`.
    address : str or None
        Of dask's scheduler, such as ``tcp://host:8786``; of ray, such as ``ray://host:10001``, or None to start
        one on this machine.
    debug : bool
        Whether the engine says all it has to say.

    Returns
    -------
    Engine
        To be closed by whoever asked for it.

    Raises
    ------
    UsageError
        If there is no such engine, it is not installed, or nothing answers at the address.
    """
    refuse_unknown(name)
    if name == "dask":
        from mercli.cluster.dask import DaskEngine

        return DaskEngine(address, debug=debug)
    from mercli.cluster.ray import RayEngine

    return RayEngine(address, debug=debug)


def refuse_unknown(name: str) -> None:
    """Raise a UsageError if there is no such engine."""
    if name not in ENGINES:
        raise UsageError(f"no --backend {name}; there are local, {' and '.join(ENGINES)}")


def not_installed(name: str) -> UsageError:
    """Say how to install an engine."""
    return UsageError(
        f'--backend {name} needs {name}, which is not installed: python -m pip install "mercli[{name}]", here and '
        "on the workers"
    )


def other_version(whose: str, version: str | None) -> str:
    """Say that some part of a cluster has another mercli than this machine, or none."""
    has = f"mercli {version}" if version else "no mercli"
    return f"{whose} of the cluster has {has}, this is {mercli.__version__}; install the same there"


def failure_of(error: BaseException) -> Failed:
    """Say of an error that a task raised on a worker what can be done about it."""
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0].startswith("mercli"):
        return Failed(other_version("a worker", None))
    line = (str(error).strip() or "no reason given").splitlines()[0][:200]
    return Failed(f"a worker of the cluster failed: {type(error).__name__}: {line}")
