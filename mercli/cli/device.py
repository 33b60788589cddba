"""``--device``: a graphics processor for as long as a command needs it, and what is said where there is none."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mercli.setup import Setup

Device = Annotated[
    str,
    typer.Option(
        metavar="auto|cpu|cuda",
        help="Run networks on the processor, or on an NVIDIA graphics processor; auto takes one where "
        "onnxruntime-gpu is installed.",
    ),
]


@contextlib.contextmanager
def on_device(device: str, setup: "Setup", *, at_once: bool = True) -> "Iterator[Setup]":
    """Give a setup whose networks run where the user wants them; else say on stderr why they do not.

    Parameters
    ----------
    device : str
        As it was typed.
    setup : Setup
        Of the run.
    at_once : bool
        Whether this machine is to have the device; else it is left to those that do the work.
    """
    from mercli import device as devices

    devices.refuse_unknown(device)
    if not at_once:
        yield replace(setup, device=device)
        return
    with devices.opened(device, lambda said: typer.echo(said, err=True)) as server:
        yield replace(setup, server=server, device=device)
