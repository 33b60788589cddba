"""A cluster that a command works on: reached, named on stderr, and let go of."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from mercli.wording import count

if TYPE_CHECKING:
    from mercli.cluster import Engine


LAG_S = 0.1
"""Of the journal: a disk that confirms each row by itself takes longer over it than many workers do."""


def names_cluster(backend: str, scheduler: str | None) -> bool:
    """Tell whether the work is to be spread over a cluster; a UsageError says what makes no sense."""
    from mercli.errors import UsageError

    if backend == "local" and scheduler is not None:
        raise UsageError("--scheduler is the address of a cluster: give --backend dask or --backend ray too")
    if backend != "local":
        from mercli.cluster.engine import refuse_unknown

        refuse_unknown(backend)
        if scheduler is not None and not scheduler.strip():
            raise UsageError("--scheduler is empty: give the address of a cluster, or leave it out")
    return backend != "local"


@contextlib.contextmanager
def reached(backend: str, address: str | None, *, debug: bool) -> "Iterator[Engine]":
    """Have a cluster for as long as this is open; see `mercli.cluster.connect`."""
    from mercli import cluster

    with contextlib.closing(cluster.connect(backend, address, debug=debug)) as engine:
        yield engine


def say_where(engine: "Engine") -> None:
    """Say on stderr where the work is done."""
    slots = engine.n_slots()
    said = f"room for {count(slots, 'file')} at a time" if slots else "waiting for its first worker"
    typer.echo(f"{engine.place}: {said}", err=True)
