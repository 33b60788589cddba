"""What it costs to send crops to a server and to have it gather them; no graphics processor is used.

Four workers, each a process, have crops judged in batches of 32, by one server whose networks run on the processor
or each by a network of its own: both do the same work on the same processor, and what is left is the way there.
"""

import subprocess
import sys

from races import Ratios
from story import Figure

from mercli.serving.link import Count
from mercli.serving.process import ServerProcess

WORKERS, BATCHES, TURNS = 4, 40, 3
PROGRAM = """
import sys, time, pathlib, numpy as np, mercli_models
from mercli import bundle
from mercli.inference import Network
from mercli.serving.link import Address
from mercli.serving.remote import RemoteNetwork
place, key, batches = sys.argv[1], sys.argv[2], int(sys.argv[3])
model = bundle.load(pathlib.Path(mercli_models.path(mercli_models.DEFAULT))).face.network
if place:
    network = RemoteNetwork(model, "it", address=Address(place, bytes.fromhex(key)))
else:
    network = Network(model, "it")
crops = np.random.default_rng(0).integers(0, 256, (32, 1, 48, 48)).astype(np.float32)
network.give(crops, "posteriors")
print("ready", flush=True)
sys.stdin.readline()
began = time.monotonic()
for _ in range(batches):
    network.give(crops, "posteriors")
print(time.monotonic() - began, flush=True)
"""


def judge(place: str, key: bytes) -> float:
    """Have all workers judge at the same time; give the crops a second of all."""
    command = [sys.executable, "-c", PROGRAM, place, key.hex(), str(BATCHES)]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(WORKERS)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    seconds = [float(worker.stdout.readline()) for worker in workers if worker.stdout]
    for worker in workers:
        worker.wait()
    return WORKERS * BATCHES * 32 / max(seconds)


def test_crops_a_second_by_a_server_and_by_each_worker(ratios: Ratios) -> None:
    found = []
    sizes: list[int] = []
    for _ in range(TURNS):
        with ServerProcess("cpu") as server:
            served = judge(server.address.place, server.address.key)
            with server.address.connect() as connection:
                connection.send(Count())
                sizes += [n for n, _ in connection.recv().batches]
        found.append(served / judge("", b""))
    note = f"{sum(sizes) / len(sizes):.0f} crops a batch of the server"
    what = "crops judged on the processor for four workers"
    ratios.record(Figure(what, "one server", "a network in each", tuple(found), note=note))
