"""Real faults in real workers: with this folder on PYTHONPATH, a file's name says what reading it does.

Python imports this module as it starts. The hook acts in mercli's worker processes only, when one opens a file
named ``segfault-…``, ``kill-…``, ``hang-…`` or ``grow-…``.
"""

import ctypes
import os
import signal
import sys
import time


def _stumble(event: str, arguments: tuple[object, ...]) -> None:
    if event != "open" or isinstance(arguments[0], int | None):
        return
    name = os.path.basename(os.fsdecode(arguments[0]))  # type: ignore[arg-type]  # noqa: PTH119
    if name.startswith("segfault-"):
        ctypes.string_at(0)
    elif name.startswith("kill-"):
        os.kill(os.getpid(), signal.SIGKILL)
    elif name.startswith("hang-"):
        time.sleep(100_000)
    elif name.startswith("grow-"):
        hoard = []
        while True:
            hoard.append(bytearray(20_000_000))


if any("popen_loky" in word for word in sys.orig_argv):
    sys.addaudithook(_stumble)
