"""The server's process, as whoever starts it has it."""

import contextlib
import json
import secrets
import subprocess
import sys
import threading
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
            with interrupts.kept_from_children():
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "mercli.serving.server"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                )
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"device": device, "key": key.hex()}).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise MercliError(f"the server of the networks cannot be started ({error.strerror})") from error
        said = self._hear()
        if said is None:
            self.close()
            raise MercliError("the server of the networks does not start")
        self.problem: str | None = said["problem"]
        self.address = Address(str(said["place"]), key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def has_ended(self) -> bool:
        """Tell whether it ended by itself."""
        return self._process.poll() is not None

    @property
    def pid(self) -> int:
        """Give the number of its process."""
        return self._process.pid

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()  # which it waits for
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _hear(self) -> "dict[str, str | None] | None":
        """Read its first line, but for no longer than it may take."""
        lines: list[bytes] = []
        assert self._process.stdout is not None
        reader = threading.Thread(target=lambda out: lines.append(out.readline()), args=(self._process.stdout,))
        reader.daemon = True
        reader.start()
        reader.join(_START_S)
        try:
            return dict(json.loads(lines[0]))
        except (IndexError, ValueError):
            return None
