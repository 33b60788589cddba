"""Requests to end, such as Ctrl-C: taken once, and where it suits."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

_BURST_S = 1.0
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")

Handler = Callable[[int, FrameType | None], Any] | int | None


class Asked:
    """Hold whether somebody asked, without a lock as events have it: a handler may interrupt another."""

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Note that somebody did."""
        self._is_set = True

    def is_set(self) -> bool:
        """Tell whether somebody did."""
        return self._is_set


class _Burst:
    """Requests that follow each other at once, and stand for one, whoever takes it."""

    def __init__(self) -> None:
        self._last_s = -math.inf

    def begins(self) -> bool:
        """Tell whether a request that comes now is the first; if it is, those that follow are not."""
        if time.monotonic() - self._last_s <= _BURST_S:
            return False
        self.go_on()
        return True

    def go_on(self) -> None:
        """Have what comes from now on belong to it."""
        self._last_s = time.monotonic()


_burst = _Burst()


def requests() -> list[signal.Signals]:
    """Name the signals of this system that ask a process to end, but for those it was told to ignore.

    ``nohup`` has a process ignore that its terminal is closed, a shell has its background jobs ignore Ctrl-C.
    """
    known = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
    return [which for which in known if signal.getsignal(which) is not signal.SIG_IGN]


@contextlib.contextmanager
def raised() -> Iterator[Asked]:
    """Raise a KeyboardInterrupt at a request to end, and take those that follow within a second for the same.

    Yields
    ------
    Asked
        Set once somebody asked, even where the interrupt was lost in foreign code.
    """
    asked = Asked()

    def stop(*_: object) -> None:
        asked.set()
        if _burst.begins():
            raise KeyboardInterrupt

    with _handled_by(stop):
        yield asked


@contextlib.contextmanager
def noted() -> Iterator[Asked]:
    """Only note requests to end: what is being written is written to its end.

    Yields
    ------
    Asked
        Set once somebody asked.
    """
    asked = Asked()

    def note(*_: object) -> None:
        asked.set()
        _burst.go_on()

    with _handled_by(note):
        yield asked


def ignore() -> None:
    """Ignore requests to end from now on, for good: one was taken, and what is left to do is short."""
    if threading.current_thread() is threading.main_thread():
        with _held_back(*_NAMES):  # Python complains of one that comes just then
            for which in requests():
                signal.signal(which, signal.SIG_IGN)


@contextlib.contextmanager
def kept_from_children() -> Iterator[None]:
    """Start processes that neither Ctrl-C nor a closed terminal reaches: this one ends them in its own time.

    They inherit the mask; a signal that comes meanwhile waits until the block ends.
    """
    with _held_back("SIGINT", "SIGHUP"):
        yield


@contextlib.contextmanager
def _held_back(*names: str) -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.Signals[name] for name in names})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _handled_by(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Only the main thread may say how signals are handled; in any other nothing changes.

    What was told to be ignored meanwhile stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[signal.Signals, Handler] = {}
    try:
        for which in requests():
            before[which] = signal.signal(which, handler)
        yield
    finally:
        for which, old in before.items():
            if signal.getsignal(which) is not signal.SIG_IGN:
                signal.signal(which, signal.SIG_DFL if old is None else old)
