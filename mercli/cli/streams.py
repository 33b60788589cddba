"""Standard streams that may be closed, full or broken: none of that may cost a result."""

import contextlib
import io
import os
import sys
from collections.abc import Iterator

_NAMES = ("stdin", "stdout", "stderr")
_closed: set[str] = set()


class _Tolerant(io.TextIOWrapper):
    """Write what can be written, and forget the rest."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


def secure() -> None:
    """Open the standard streams that are closed, on nothing, and have stderr never fail.

    A file opened later must not take the number of a closed stream: libraries print to those numbers.
    """
    for number, name in enumerate(_NAMES):
        if getattr(sys, name) is None:
            _closed.add(name)
            _to_nowhere(number)
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", closefd=False))  # noqa: SIM115
    # Unbuffered: what failed must not be tried again at the end.
    raw = open(2, "wb", buffering=0, closefd=False)  # noqa: SIM115
    sys.stderr = _Tolerant(raw, encoding=sys.stderr.encoding, errors="backslashreplace", write_through=True)


def leads_nowhere(name: str) -> bool:
    """Tell whether a standard stream was closed when the command was started."""
    return name in _closed


@contextlib.contextmanager
def printing() -> Iterator[None]:
    """Write a table to stdout; a MercliError says what became of what could not be written."""
    from mercli.errors import MercliError

    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        abandon_stdout()
        raise MercliError(f"cannot write the output: {error.strerror}") from error


def abandon_stdout() -> None:
    """Give stdout up: Python must not fail once more when it flushes at exit."""
    _to_nowhere(1)


def _to_nowhere(number: int) -> None:
    handle = os.open(os.devnull, os.O_RDWR)
    if handle != number:
        os.dup2(handle, number)
        os.close(handle)
