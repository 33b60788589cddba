"""What server and workers say to each other, over a local socket or pipe that only they have the key of."""

from dataclasses import dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Address:
    """Say where a server is, and what opens it."""

    place: str
    key: bytes = field(repr=False)

    def connect(self) -> Connection:
        """Reach it; an OSError, EOFError or AuthenticationError says that it is not there."""
        connection: Any = Client(self.place, authkey=self.key)
        return connection  # type: ignore[no-any-return]

    def answers(self) -> bool:
        """Tell whether it is there."""
        try:
            self.connect().close()
        except (OSError, EOFError, AuthenticationError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class Open:
    """Ask for a network: the one of a hash. Without `model` the server says whether it needs it."""

    digest: str
    what: str
    any_length: bool
    singly: bool
    model: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Opened:
    """Tell of a network that is open: its shapes, as onnxruntime gives them."""

    input_shape: list[int | str | None]
    output_shapes: dict[str, list[int | str | None]]


@dataclass(frozen=True, slots=True)
class Needed:
    """Ask for the content of a network."""


@dataclass(frozen=True, slots=True)
class Run:
    """Ask for outputs of an open network."""

    digest: str
    outputs: tuple[str, ...]
    values: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Given:
    """Hold outputs."""

    outputs: list[NDArray[np.float32]] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """Say why there are none."""

    why: str


@dataclass(frozen=True, slots=True)
class Blamed:
    """Tell the server that what it refused was done without its device: it is of no more use, and ends."""


@dataclass(frozen=True, slots=True)
class Count:
    """Ask what was done so far."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Tell of every batch: how many values it had, and of how many workers."""

    batches: list[tuple[int, int]]
