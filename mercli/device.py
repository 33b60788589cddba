"""Where networks run: on the processor, or on a graphics processor if there is one."""

import contextlib
from collections.abc import Callable, Iterator
from importlib import metadata

from mercli.errors import MercliError, UsageError
from mercli.serving.link import Address

AUTO, CPU, CUDA = DEVICES = ("auto", "cpu", "cuda")
"""What a user may ask for: a graphics processor where onnxruntime's build for it is installed, none, or one."""

_BUILD = "onnxruntime-gpu"
_HOW = 'python -m pip install "mercli[gpu]", and see docs/device.md'


def refuse_unknown(device: str) -> None:
    """Raise a UsageError if there is no such device."""
    if device not in DEVICES:
        raise UsageError(f"no --device {device}; there are {', '.join(DEVICES[:-1])} and {DEVICES[-1]}")


def is_looked_for(device: str) -> bool:
    """Tell whether a graphics processor is to be looked for, without importing what would use it."""
    return device == CUDA or (device == AUTO and _has_build())


@contextlib.contextmanager
def opened(device: str, say: Callable[[str], None]) -> Iterator[Address | None]:
    """Have a server with a graphics processor for as long as this is open.

    Parameters
    ----------
    device : str
        One of `DEVICES`.
    say : callable
        Told, in a sentence, why there is none although one was looked for, or that it ended early.

    Yields
    ------
    Address or None
        For `Setup.server`; None where the processor does the work.

    Raises
    ------
    UsageError
        If there is no such device.
    """
    refuse_unknown(device)
    if not is_looked_for(device):
        yield None
        return
    from mercli.serving.process import ServerProcess

    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(ServerProcess(CUDA))
            problem = server.problem
        except MercliError as error:
            problem = str(error)
        if problem is not None:
            stack.close()
            hint = "" if _has_build() else f" ({_HOW})"
            say(f"no graphics processor is used: {problem}{hint}; the processor does the work")
            yield None
            return
        try:
            yield server.address
        finally:
            server.close()
            if server.has_ended:
                say("the process that used the graphics processor ended early; the rest was done on the processor")


def _has_build() -> bool:
    with contextlib.suppress(metadata.PackageNotFoundError):
        metadata.distribution(_BUILD)
        return True
    return False
