"""A network that another process runs, for a worker; without that process the worker runs it itself."""

import contextlib
from functools import partial
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mercli.errors import MercliError
from mercli.files import sha256
from mercli.inference import Network, Runner
from mercli.serving.link import Address, Blamed, Given, Needed, Open, Opened, Run

_KEPT = 64 << 20  # bytes of a network that a worker holds in case the server ends

_PATIENCE_S = 120.0  # with a server that does not answer: it hangs

_GONE = (OSError, EOFError, AuthenticationError)


class RemoteNetwork(Runner):
    """Have a server run one ONNX model; see `mercli.inference.Network`.

    Parameters
    ----------
    model, what, any_length, singly
        As of `Network`.
    address : Address
        Where the server is. Where it is not, or cannot run the model, this process does.

    Raises
    ------
    BundleError
        As of `Network`.
    """

    def __init__(
        self, model: bytes, what: str, *, address: Address, any_length: bool = False, singly: bool = False
    ) -> None:
        self._open_here = partial(Network, model, what, any_length=any_length, singly=singly)
        self._what = what
        self._is_kept = len(model) <= _KEPT
        self._here: Network | None = None
        self._server: Connection | None = None
        self._digest = sha256(model)
        opened = self._open_there(address, Open(self._digest, what, any_length, singly), model)
        shapes: Opened | Network = opened or self._run_here()
        if opened is None:
            self._blame()
        super().__init__(what, shapes.input_shape, shapes.output_shapes, singly=singly)
        if opened and not self._is_kept:
            del self._open_here

    def give(self, values: NDArray[np.float32], *outputs: str) -> list[NDArray[np.float32]]:
        """Give outputs for a batch; see `Network.give`."""
        if self._server is not None:
            try:
                self._server.send(Run(self._digest, outputs, np.ascontiguousarray(values, np.float32)))
                answer = _hear(self._server)
            except _GONE:
                self._leave()
            else:
                if isinstance(answer, Given):
                    return answer.outputs
        # It is gone, or has no room; where the model itself fails, it fails here too, with its reason.
        given = self._run_here().give(values, *outputs)
        self._blame()
        return given

    def _blame(self) -> None:
        """End a server that refused what was done without it."""
        if self._server is not None:
            with contextlib.suppress(*_GONE):
                self._server.send(Blamed())
            self._leave()

    def _leave(self) -> None:
        """Do without the server from now on; what it may answer yet would be taken for another answer."""
        if self._server is not None:
            self._server.close()
        self._server = None

    def _open_there(self, address: Address, asked: Open, model: bytes) -> Opened | None:
        try:
            server = address.connect()
            server.send(asked)
            answer = _hear(server)
            if isinstance(answer, Needed):
                server.send(Open(asked.digest, asked.what, asked.any_length, asked.singly, model))
                answer = _hear(server)
        except _GONE:
            return None
        self._server = server
        return answer if isinstance(answer, Opened) else None

    def _run_here(self) -> Network:
        if self._here is None:
            if not hasattr(self, "_open_here"):
                raise MercliError(f"the process that had {self._what} open on the graphics processor ended")
            self._here = self._open_here()
        return self._here


def _hear(server: Connection) -> Any:
    if not server.poll(_PATIENCE_S):
        raise EOFError
    return server.recv()
