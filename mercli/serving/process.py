"""The server's process, as whoever starts it has it."""

import contextlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Self

from mercli import interrupts
from mercli.errors import MercliError
from mercli.serving.link import Address

_START_S = 120.0  # CUDA's libraries take their time


class ServerProcess:
    """Start a server and end it.

    Parameters
    ----------
    device : str
        ``"cuda"``, or ``"cpu"`` to have the same without a graphics processor.

    Attributes
    ----------
    address : Address
        For the workers.
    problem : str or None
        Why it cannot use the device; it is of no use then.

    Raises
    ------
    MercliError
        If it does not start.
    """

    def __init__(self, device: str) -> None:
        key = secrets.token_bytes(32)
        try:
            # Made and removed here, so that nothing is left of a server that was killed.
            self._folder = tempfile.TemporaryDirectory(prefix="mercli-", ignore_cleanup_errors=True)
            pipe = rf"\\.\pipe\mercli-{secrets.token_hex(8)}"
            place = pipe if sys.platform == "win32" else str(Path(self._folder.name) / "server")
            told = {"device": device, "key": key.hex(), "place": place}
            with interrupts.kept_from_children():
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "mercli.serving.server"],
                    # What this process imports and no more: not what lies in the folder that it is called in.
                    env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(told).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise MercliError(f"the server of the networks cannot be started ({error.strerror})") from error
        said = self._hear()
        if said is None:
            self.close()
            raise MercliError("the server of the networks does not start")
        self.problem: str | None = said["problem"]
        self.address = Address(place, key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def has_ended(self) -> bool:
        """Tell whether it ended, or was ended, before it was told to."""
        return bool(self._process.poll())  # 0 once it was told to

    @property
    def pid(self) -> int:
        """Give the number of its process."""
        return self._process.pid

    def close(self) -> None:
        """End it, unless it ended before."""
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()  # which it waits for
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()

    def _hear(self) -> "dict[str, str | None] | None":
        """Read its answer, but for no longer than it may take."""
        found: list[dict[str, str | None]] = []
        reader = threading.Thread(target=self._read, args=(found,), daemon=True)
        reader.start()
        reader.join(_START_S)
        return found[0] if found else None

    def _read(self, found: "list[dict[str, str | None]]") -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError):  # what libraries print as they are imported
                said = json.loads(line)
                if isinstance(said, dict) and "problem" in said:
                    found.append(said)
                    return
