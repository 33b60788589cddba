"""The server: it opens networks on a device, and runs what waits of all workers in one batch."""

import contextlib
import json
import os
import queue
import re
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mercli.errors import MercliError
from mercli.inference import CPU, CUDA, Network
from mercli.serving.link import Blamed, Count, Counted, Given, Needed, Open, Opened, Refused, Run

_PATIENCE_S = 0.002  # for more to come, where not all workers wait already
_MOST = 512  # crops of a batch
_BACKLOG = 128  # workers that may knock at once


@dataclass(slots=True, eq=False)
class Worker:
    """Hold a worker's connection; only one thread may write on it at a time."""

    connection: Connection
    writing: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, answer: object) -> None:
        """Answer; a worker that died hears nothing."""
        with self.writing:
            try:
                self.connection.send(answer)
            except OSError:
                return


@dataclass(frozen=True, slots=True)
class Waiting:
    """Hold what a worker waits for."""

    worker: Worker
    run: Run


class Server:
    """Open and run networks for workers.

    Parameters
    ----------
    providers : sequence of str
        Of onnxruntime, the one to use first.
    """

    def __init__(self, providers: Sequence[Any]) -> None:
        self._providers = providers
        self._networks: dict[str, tuple[Network, bool]] = {}
        self._opening = threading.Lock()
        self._waiting: queue.SimpleQueue[Waiting] = queue.SimpleQueue()
        self._workers: set[Worker] = set()
        self._batches: list[tuple[int, int]] = []

    def accept(self, listener: Listener) -> None:
        """Take up connections for as long as there may be any."""
        while True:
            try:
                worker = Worker(listener.accept())
            except (OSError, EOFError, AuthenticationError):
                continue
            self._workers.add(worker)
            threading.Thread(target=self._hear, args=(worker,), daemon=True).start()

    def run(self) -> None:
        """Run what waits, batch after batch."""
        others: deque[Waiting] = deque()
        with _ended_by_errors():
            while True:
                first = others.popleft() if others else self._waiting.get()
                batch = self._gather(first, others)
                self._answer(batch)

    def _hear(self, worker: Worker) -> None:
        with _ended_by_errors():
            while True:
                try:
                    asked = worker.connection.recv()
                except (OSError, EOFError):
                    self._workers.discard(worker)
                    return
                if isinstance(asked, Run):
                    self._waiting.put(Waiting(worker, asked))
                elif isinstance(asked, Open):
                    worker.tell(self._open(asked))
                elif isinstance(asked, Count):
                    worker.tell(Counted(list(self._batches)))
                elif isinstance(asked, Blamed):
                    os._exit(1)

    def _open(self, asked: Open) -> Opened | Needed | Refused:
        with self._opening:
            if asked.digest not in self._networks:
                if asked.model is None:
                    return Needed()
                try:
                    network = Network(
                        asked.model,
                        asked.what,
                        any_length=asked.any_length,
                        singly=asked.singly,
                        providers=self._providers,
                    )
                except MercliError as error:
                    return Refused(str(error))
                # One that takes one thing at a time cannot be given several together.
                self._networks[asked.digest] = (network, not asked.any_length and network.input_shape[0] != 1)
            network, _ = self._networks[asked.digest]
            return Opened(network.input_shape, network.output_shapes)

    def _gather(self, first: Waiting, others: deque[Waiting]) -> list[Waiting]:
        """Take what waits and goes with the first; put the rest aside."""
        _, takes_several = self._networks.get(first.run.digest, (None, False))
        batch, n = [first], len(first.run.values)
        if not takes_several:
            return batch
        until_s = time.monotonic() + _PATIENCE_S
        while n < _MOST and len(batch) + len(others) < len(self._workers):
            try:
                waiting = self._waiting.get(timeout=max(0.0, until_s - time.monotonic()))
            except queue.Empty:
                break
            if _go_together(first.run, waiting.run):
                batch.append(waiting)
                n += len(waiting.run.values)
            else:
                others.append(waiting)
        return batch

    def _answer(self, batch: list[Waiting]) -> None:
        run = batch[0].run
        values = np.concatenate([waiting.run.values for waiting in batch])
        self._batches.append((len(values), len(batch)))
        try:
            network, _ = self._networks[run.digest]
            given = network.give(values, *run.outputs)
        except (MercliError, KeyError, ValueError) as error:
            for waiting in batch:
                waiting.worker.tell(Refused(str(error)))
            return
        ends = np.cumsum([len(waiting.run.values) for waiting in batch])[:-1]
        if len(batch) == 1:
            batch[0].worker.tell(Given(given))
            return
        parts: list[list[NDArray[np.float32]]] = [np.split(output, ends) for output in given]
        for waiting, *outputs in zip(batch, *parts, strict=True):
            waiting.worker.tell(Given(outputs))


@contextlib.contextmanager
def _ended_by_errors() -> Iterator[None]:
    """End the process where one of its threads would: workers would wait for that one for ever."""
    try:
        yield
    except BaseException:
        os._exit(1)


def _go_together(one: Run, other: Run) -> bool:
    return (one.digest, one.outputs, one.values.shape[1:]) == (other.digest, other.outputs, other.values.shape[1:])


def find_problem(device: str) -> str | None:
    """Say why networks cannot be run on a device; None where they can."""
    if device != "cuda":
        return None
    import onnxruntime as ort

    if CUDA not in ort.get_available_providers():
        return "the onnxruntime that is installed has no CUDA"
    with tempfile.TemporaryFile() as log:
        try:
            with _stderr_to(log):
                if hasattr(ort, "preload_dlls"):  # those that pip installed beside it
                    ort.preload_dlls(directory="")
                network = Network(_smallest(), "a first try", providers=providers_for(device))
                network.give(np.zeros((1, 1), np.float32), "y")
        except MercliError as error:
            log.seek(0)
            return _reason(log.read().decode(errors="replace")) or str(error)
    return None


def _reason(log: str) -> str | None:
    """Find in onnxruntime's log why CUDA did not start; it raises nothing that says so."""
    found = re.search(r"with error: (.+)", log) or re.search(r"(CUDA (?:failure|error).+)", log, re.IGNORECASE)
    if found is None:
        return None
    said = "".join(letter for letter in found[1] if letter.isprintable())[:200].strip()
    return f"CUDA does not start ({said})"


@contextlib.contextmanager
def _stderr_to(file: BinaryIO) -> Iterator[None]:
    """Have what this process prints on stderr, libraries of C too, in a file."""
    before = os.dup(2)
    try:
        os.dup2(file.fileno(), 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)


def providers_for(device: str) -> list[Any]:
    """Name onnxruntime's providers for a device, as it takes them."""
    # Not with the shorter numbers that NVIDIA's processors would use for speed: answers would differ visibly.
    return [(CUDA, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}), CPU] if device == "cuda" else [CPU]


def _smallest() -> bytes:
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "try", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


def main() -> None:
    """Serve until whoever started this process closes its standard input, or is no more."""
    # Nothing else goes there, and nobody reads it later: onnxruntime prints which libraries it misses.
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)
        told = json.loads(sys.stdin.buffer.readline())
        problem = find_problem(told["device"])
        listener = Listener(told["place"], backlog=_BACKLOG, authkey=bytes.fromhex(told["key"]))
        print(json.dumps({"problem": problem}), file=answers)
    server = Server(providers_for(told["device"]))
    threading.Thread(target=server.accept, args=(listener,), daemon=True).start()
    threading.Thread(target=server.run, daemon=True).start()
    sys.stdin.buffer.read()
    listener.close()
    with contextlib.suppress(OSError):  # whoever made it may have been killed
        Path(told["place"]).parent.rmdir()
    os._exit(0)


if __name__ == "__main__":
    main()
