"""A cluster that a command works on: reached, named on stderr, and let go of."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from mercli.wording import count

if TYPE_CHECKING:
    from mercli.cluster import Engine


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
