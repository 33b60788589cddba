"""How far a cluster carries: what its serial parts cost, measured here, and a simulation of many workers.

    python benchmarks/cluster.py measure              # costs of a task and of a file, as JSON
    python benchmarks/cluster.py simulate costs.json  # clips a second for 1 to 1,000 workers, as a table
    python benchmarks/cluster.py check FOLDER costs.json  # two real workers beside two simulated ones

`measure` runs a real scheduler with two workers on loopback, over files with nothing in them: what remains is
what the scheduler and the machine that keeps the journal do for each task and each file. `simulate` is of discrete
events: that machine and the scheduler take one thing at a time, the storage gives its bandwidth to whoever asks
first, each worker fetches a task's files and works on them.
"""

import argparse
import contextlib
import heapq
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import bench_bookkeeping
import psutil

from mercli import cluster, inputs, prediction, tables
from mercli.cli.cluster import LAG_S
from mercli.cluster import spread
from mercli.journal import Journal, Origin
from mercli.setup import make_setup, open_bundle

TINY, CHUNK = 2_000, 16
CLIP_S, CLIP_BYTES = 0.12, 400_000  # of a clip on one core, and on disk: a RAVDESS-like clip of three seconds
BANDWIDTHS = {"1 Gbit/s": 125e6, "10 Gbit/s": 1.25e9}
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)
CLIPS = 1_000_000


@dataclass(frozen=True, slots=True)
class Costs:
    """Processor seconds: of the scheduler for a task, of the machine with the journal for a task and a file."""

    scheduler_task_s: float
    client_task_s: float
    client_file_s: float


@contextlib.contextmanager
def scheduler(n_workers: int) -> Iterator[tuple[str, psutil.Process]]:
    """Start a scheduler on loopback with workers of one thread each; give its address and its process."""
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        file = Path(name, "scheduler.json")
        path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])

        def start(what: str, *options: str) -> "subprocess.Popen[bytes]":
            with Path(name, f"{what}.log").open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", f"distributed.cli.{what}", *options, "--no-dashboard"],
                    env={**os.environ, "PYTHONPATH": path},
                    stdout=log,
                    stderr=log,
                )
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process

        process = start("dask_scheduler", "--host", "tcp://127.0.0.1:0", "--scheduler-file", str(file))
        while not (file.exists() and file.read_text().strip().endswith("}")):
            time.sleep(0.05)
        address = str(json.loads(file.read_text())["address"])
        for _ in range(n_workers):
            start("dask_worker", address, "--nworkers", "1", "--nthreads", "1")
        yield address, psutil.Process(process.pid)


def spread_over(address: str, folder: Path, output: Path, *, wait_for: int) -> float:
    """Predict a folder on a cluster; give the seconds from the first task to the last row."""
    place, bundle = open_bundle()
    setup = make_setup(place, bundle, None)
    schema = tables.columns(bundle.classes)
    found = inputs.find([str(folder)])
    with (
        contextlib.closing(cluster.connect("dask", address)) as engine,
        Journal(output, schema, overwrite=True) as rows,
    ):
        while engine.n_slots() < wait_for:
            time.sleep(0.1)
        # One file opens what workers open once.
        prediction.predict(found[:wait_for], bundle, setup, rows, jobs=0, engine=engine)
        began = time.monotonic()
        prediction.predict(found, bundle, setup, rows, jobs=0, engine=engine)
        return time.monotonic() - began


def measure() -> Costs:
    """Measure the costs of tasks that hold one file, and of tasks that hold several."""
    work, ready, size = prediction._predict_one, prediction._start, spread.chunk_size
    prediction._predict_one, prediction._start = bench_bookkeeping.look_only, bench_bookkeeping.be_ready  # type: ignore[assignment]
    own = psutil.Process()
    took: dict[int, tuple[float, float]] = {}
    try:
        with tempfile.TemporaryDirectory() as name, scheduler(2) as (address, process):
            folder = Path(name, "tiny")
            folder.mkdir()
            for i in range(TINY):
                (folder / f"{i:06}.wav").write_bytes(b"RIFF")
            for chunk in (1, CHUNK):
                spread.chunk_size = _always(chunk)
                before = _cpu_s(own), _cpu_s(process)
                spread_over(address, folder, Path(name, "journal"), wait_for=2)
                took[chunk] = _cpu_s(own) - before[0], _cpu_s(process) - before[1]
    finally:
        prediction._predict_one, prediction._start, spread.chunk_size = work, ready, size
    (client_1, scheduler_1), (client_n, _) = took[1], took[CHUNK]
    # Of n files, one a task: n tasks and n files; several a task: n / 16 tasks and n files.
    client_task_s = (client_1 - client_n) / TINY / (1 - 1 / CHUNK)
    return Costs(scheduler_1 / TINY, client_task_s, client_1 / TINY - client_task_s + disk_s())


def disk_s() -> float:
    """Measure for how long the journal waits for the disk to confirm a file's row."""
    _, bundle = open_bundle()
    schema = tables.columns(bundle.classes)
    row = dict.fromkeys(schema) | {"file": "a.mp4", "status": "ok", "bundle": bundle.label}
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as name,
        Journal(Path(name, "journal"), schema, lag_s=LAG_S) as rows,
    ):
        began, spent = time.monotonic(), time.process_time()
        for i in range(TINY):
            rows.append(f"{i}.mp4", Origin(None, "recipe"), [row])
        waited = time.monotonic() - began - (time.process_time() - spent)
    return max(0.0, waited / TINY)


def _always(n: int) -> Callable[[int, int], int]:
    return lambda _files, _slots: n


def _cpu_s(process: psutil.Process) -> float:
    spent = process.cpu_times()
    return float(spent.user + spent.system)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a simulated run came to."""

    seconds: float
    busy: float  # the share of the workers' time in which they worked


def simulate(
    costs: Costs,
    n_workers: int,
    n_clips: int,
    *,
    chunk: int,
    clip_s: float = CLIP_S,
    clip_bytes: float = CLIP_BYTES,
    bandwidth: float = BANDWIDTHS["10 Gbit/s"],
) -> Outcome:
    """Go through a run event by event.

    Parameters
    ----------
    costs : Costs
        Of the serial parts.
    n_workers, n_clips : int
        How many there are.
    chunk : int
        Clips of a task.
    clip_s, clip_bytes : float
        A worker's seconds for a clip, and what is fetched for it.
    bandwidth : float
        Bytes a second that the storage gives to all together.

    Returns
    -------
    Outcome
        When the last row is kept.
    """
    left = n_clips
    client_s = scheduler_s = storage_s = end_s = 0.0  # until when each is busy
    works = [False] * n_workers
    ready: list[deque[int]] = [deque() for _ in range(n_workers)]  # tasks beside the one at work
    events: list[tuple[float, bool, int, int]] = []  # when a task arrives or is done, where, of how many clips

    def give(worker: int, now_s: float) -> None:
        nonlocal left, client_s, scheduler_s
        n = min(chunk, left)
        left -= n
        client_s = max(client_s, now_s) + costs.client_task_s / 2
        scheduler_s = max(scheduler_s, client_s) + costs.scheduler_task_s
        heapq.heappush(events, (scheduler_s, False, worker, n))

    def begin(worker: int, now_s: float, n: int) -> None:
        nonlocal storage_s
        works[worker] = True
        storage_s = max(storage_s, now_s) + n * clip_bytes / bandwidth
        heapq.heappush(events, (storage_s + n * clip_s, True, worker, n))

    for worker in [*range(n_workers)] * spread._WAITING:
        if left:
            give(worker, 0.0)
    while events:
        now_s, is_done, worker, n = heapq.heappop(events)
        if not is_done:
            if works[worker]:
                ready[worker].append(n)
            else:
                begin(worker, now_s, n)
            continue
        works[worker] = False
        if ready[worker]:
            begin(worker, now_s, ready[worker].popleft())
        end_s = client_s = max(client_s, now_s) + costs.client_task_s / 2 + n * costs.client_file_s
        if left:
            give(worker, client_s)
    return Outcome(end_s, n_clips * clip_s / (end_s * n_workers))


def table(costs: Costs) -> str:
    """Lay out what many workers come to: clips a second, and the share of the workers' time that is used."""
    heads = ["workers", "clips a task"]
    for what in ("", "one a task: ", "1 Gbit/s storage: "):
        heads += [f"{what}clips/s", "used"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for n in WORKERS:
        chunk = spread.chunk_size(CLIPS, n)
        cells = [f"{n:,}", str(chunk)]
        for size, bandwidth in ((chunk, "10 Gbit/s"), (1, "10 Gbit/s"), (chunk, "1 Gbit/s")):
            clips = min(CLIPS, 20_000 * max(1, n // 10))  # a rate settles long before all are done
            run = simulate(costs, n, clips, chunk=size, bandwidth=BANDWIDTHS[bandwidth])
            cells += [f"{clips / run.seconds:,.0f}", f"{run.busy:.0%}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Do what was typed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("measure")
    commands.add_parser("simulate").add_argument("costs", type=Path)
    checked = commands.add_parser("check")
    checked.add_argument("folder", type=Path)
    checked.add_argument("costs", type=Path)
    typed = parser.parse_args()
    if typed.command == "measure":
        print(json.dumps(asdict(measure()), indent=2))
        return
    costs = Costs(**json.loads(typed.costs.read_text()))
    if typed.command == "simulate":
        print(table(costs))
        return
    found = inputs.find([str(typed.folder)])
    size = sum(item.path.stat().st_size for item in found if isinstance(item.path, Path)) / len(found)
    with tempfile.TemporaryDirectory() as name:
        took: dict[int, float] = {}
        for n in (1, 2):
            with scheduler(n) as (address, _):
                took[n] = spread_over(address, typed.folder, Path(name, "journal"), wait_for=n)
        clip_s = took[1] / len(found)
        foreseen = simulate(costs, 2, len(found), chunk=1, clip_s=clip_s, clip_bytes=size).seconds
    print(
        f"{len(found)} clips: one worker {took[1]:.2f} s ({clip_s:.3f} s a clip); two {took[2]:.2f} s, "
        f"simulated {foreseen:.2f} s"
    )


if __name__ == "__main__":
    main()
