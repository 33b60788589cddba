"""Work for the workers of a cluster: it stands in a module of its own, which they can import too."""

import os
import signal
import time
from pathlib import Path

from mercli.errors import UsageError
from mercli.setup import Setup


def ready(setup: Setup, first: bool) -> None:
    """Open nothing."""
    del setup, first


def unready(setup: Setup, first: bool) -> None:
    """Start as a worker does that cannot open its models."""
    del setup, first
    raise UsageError("no models")


def measure(path: Path, setup: Setup) -> tuple[str, str]:
    """Give a file's name and the bundle that its worker has."""
    return path.name, setup.bundle


def stumble(path: Path, setup: Setup) -> str:
    """Die at one file, take the worker of the cluster along at another, and take too long over a third."""
    del setup
    if path.stem == "fatal":
        os.kill(os.getpid(), signal.SIGKILL)
    if path.stem == "disaster":
        os.kill(os.getppid(), signal.SIGKILL)
    if path.stem == "slow":
        time.sleep(60)
    time.sleep(0.05)
    return path.name
