"""Work on many files: each accounted for, whatever becomes of its worker, and an end that leaves nothing."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mercli import batch
from mercli.errors import MercliError, UsageError
from mercli.limits import Limits
from mercli.worker import Lost

PATHS = [Path(f"{i}.mp4") for i in range(12)]


def length(path: Path) -> tuple[str, int]:
    if path.stem == "0":
        time.sleep(0.2)  # the first is not the first to be done
    return path.name, os.getpid()


def fail_at_five(path: Path) -> str:
    if path.stem == "5":
        raise KeyError("five")
    return path.name


def stumble(path: Path) -> str:
    """What a file's name says becomes of the worker that reads it."""
    match path.stem.split("-")[0]:
        case "segfault":
            ctypes.string_at(0)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "exit":
            os._exit(3)
        case "hang":
            time.sleep(1000)
        case "grow":
            hoard = []
            while True:
                hoard.append(bytearray(10_000_000))
        case "once":
            if not path.with_suffix(".tried").exists():
                path.with_suffix(".tried").touch()
                os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def outcomes(paths: list[Path], **options: object) -> dict[str, object]:
    return {paths[i].name: result for i, result in batch.run(stumble, paths, **options)}  # type: ignore[arg-type]


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_file_is_worked_on_once_and_told_by_its_number(jobs: int) -> None:
    results = dict(batch.run(length, PATHS, jobs=jobs))
    assert {index: result[0] for index, result in results.items() if isinstance(result, tuple)} == {
        i: path.name for i, path in enumerate(PATHS)
    }


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.long), 2])
def test_the_work_is_done_in_as_many_processes_as_asked_for_and_never_in_this_one(jobs: int) -> None:
    pids = {result[1] for _, result in batch.run(length, PATHS * 20, jobs=jobs) if isinstance(result, tuple)}
    assert len(pids) == jobs
    assert os.getpid() not in pids


def test_no_file_is_no_work() -> None:
    assert list(batch.run(length, [], jobs=4)) == []


def test_no_jobs_make_no_sense() -> None:
    with pytest.raises(UsageError, match="0 jobs"):
        list(batch.run(length, PATHS, jobs=0))


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_in_the_work_is_not_swallowed(jobs: int) -> None:
    with pytest.raises(KeyError, match="five"):
        list(batch.run(fail_at_five, PATHS, jobs=jobs))


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    ("death", "how"),
    [
        ("segfault", "segmentation fault (SIGSEGV)"),
        ("kill", "killed (SIGKILL), as the system does when memory runs out"),
        ("exit", "it left with exit code 3"),
    ],
)
def test_a_dead_worker_costs_one_file(jobs: int, death: str, how: str, capfd: pytest.CaptureFixture[str]) -> None:
    paths = [*PATHS[:4], Path(f"{death}.mp4"), *PATHS[4:]]
    results = outcomes(paths, jobs=jobs)
    assert results.pop(f"{death}.mp4") == Lost("crashed", f"its worker died twice: {how}")
    assert results == {path.name: path.name for path in PATHS}
    assert capfd.readouterr() == ("", "")


def test_a_file_whose_worker_died_once_is_tried_again(tmp_path: Path) -> None:
    paths = [tmp_path / "once.mp4", *PATHS]
    assert outcomes(paths, jobs=2) == {path.name: path.name for path in paths}


def test_several_deaths_at_once_cost_the_files_that_killed_and_no_other() -> None:
    killers = [Path(f"kill-{i}.mp4") for i in range(4)]
    results = outcomes([*killers, *PATHS], jobs=3)
    lost = {name for name, result in results.items() if isinstance(result, Lost)}
    assert lost == {path.name for path in killers}
    assert len(results) == len(killers) + len(PATHS)


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_that_takes_too_long_is_given_up_at_once(jobs: int) -> None:
    paths = [Path("hang.mp4"), *PATHS]
    results = outcomes(paths, jobs=jobs, limits=Limits(timeout_s=2))
    assert results.pop("hang.mp4") == Lost("timeout", "it took longer than --timeout 2 s")
    assert results == {path.name: path.name for path in PATHS}


def take_its_time(path: Path) -> str:
    time.sleep(float(path.stem))
    return path.name


def import_this(first: bool) -> None:
    """Have a worker import this module before its first file."""
    del first


def test_a_file_that_is_done_as_its_time_ends_costs_the_next_one_nothing() -> None:
    # Some of the long ones are told to die just as they are done; the short ones that follow are never to blame.
    paths = [Path(f"{seconds:.3f}.mp4") for i in range(12) for seconds in (0.6 + i / 100, 0.01)]
    results = batch.run(take_its_time, paths, prepare=import_this, jobs=2, limits=Limits(timeout_s=0.6))
    short = [result for index, result in results if index % 2]
    assert short == ["0.010.mp4"] * 12


def test_a_file_that_takes_too_much_memory_ends_its_worker_alone() -> None:
    paths = [*PATHS[:6], Path("grow.mp4"), *PATHS[6:]]
    results = outcomes(paths, jobs=2, limits=Limits(max_memory=600 << 20))
    assert results.pop("grow.mp4") == Lost("crashed", "it needed more than --max-memory 600 MB")
    assert results == {path.name: path.name for path in PATHS}


def nap(path: Path) -> str:
    time.sleep(0.15)
    return path.name


def test_the_time_of_a_file_does_not_count_for_the_next() -> None:
    # Together they take twice what one file may.
    results = dict(batch.run(nap, PATHS * 2, prepare=import_this, jobs=1, limits=Limits(timeout_s=1.8)))
    assert sorted(map(str, results.values())) == sorted(path.name for path in PATHS * 2)


def test_a_slow_reader_of_the_results_is_no_file_s_fault() -> None:
    got = []
    for _, result in batch.run(nap, PATHS[:4], prepare=import_this, jobs=2, limits=Limits(timeout_s=1.5)):
        time.sleep(2)
        got.append(result)
    assert sorted(map(str, got)) == [path.name for path in PATHS[:4]]


class Prepare:
    """Leaves a file that says which process was prepared, and whether as the first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, first: bool) -> None:
        (self.folder / f"{time.monotonic_ns()}.{os.getpid()}.{first}").touch()
        time.sleep(0.3 if first else 0)
        (self.folder / f"{time.monotonic_ns()}.{os.getpid()}.done").touch()


def wait_for_three(path: Path) -> str:
    """Be done when three workers are ready, so that the work lasts until then."""
    end_s = time.monotonic() + 60
    while len(list(path.parent.glob("*.done"))) < 3 and time.monotonic() < end_s:
        time.sleep(0.02)
    return path.name


def test_the_first_worker_is_prepared_before_the_others_start(tmp_path: Path) -> None:
    paths = [tmp_path / path for path in PATHS]
    assert len(list(batch.run(wait_for_three, paths, jobs=3, prepare=Prepare(tmp_path)))) == len(PATHS)
    events = [path.name.split(".")[1:] for path in sorted(tmp_path.iterdir(), key=lambda path: path.name)]
    (first, told), (same, done), *others = events
    assert (told, done) == ("True", "done")
    assert first == same
    assert {told for _, told in others} == {"False", "done"}
    assert len({pid for pid, _ in others}) == 2


def test_where_nothing_is_to_be_prepared_for_others_all_start_at_once(tmp_path: Path) -> None:
    paths = [tmp_path / path for path in PATHS]
    ran = batch.run(wait_for_three, paths, jobs=3, prepare=Prepare(tmp_path), first_alone=False)
    assert len(list(ran)) == len(PATHS)
    events = [path.name.split(".")[1:] for path in sorted(tmp_path.iterdir(), key=lambda path: path.name)]
    assert sorted(told for _, told in events) == ["False", "False", "True", "done", "done", "done"]
    assert len({pid for pid, _ in events}) == 3


def refuse(first: bool) -> None:
    raise MercliError(f"no good ({first})")


def die(first: bool) -> None:
    del first
    os.kill(os.getpid(), signal.SIGKILL)


def test_no_more_workers_start_than_there_are_files(tmp_path: Path) -> None:
    assert len(list(batch.run(nap, PATHS[:1], jobs=8, prepare=Prepare(tmp_path)))) == 1
    assert len(list(tmp_path.glob("*.done"))) == 1


def test_what_a_worker_says_as_it_starts_ends_the_run() -> None:
    with pytest.raises(MercliError, match="no good"):
        list(batch.run(length, PATHS, jobs=2, prepare=refuse))


def test_workers_that_die_as_they_start_end_the_run_with_a_sentence() -> None:
    with pytest.raises(MercliError, match=r"ended before it came to any file: killed \(SIGKILL\)"):
        list(batch.run(length, PATHS, jobs=2, prepare=die))


def ignores_interrupts(path: Path) -> bool:
    del path
    time.sleep(0.02)
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_workers_leave_interrupts_to_the_process_that_started_them() -> None:
    assert all(ignores is True for _, ignores in batch.run(ignores_interrupts, PATHS, jobs=2))


def sleep_long(path: Path) -> str:
    Path(path.parent / f"{path.stem}.pid").write_text(str(os.getpid()))
    time.sleep(30 if path.stem != "0" else 0)
    return path.name


def workers_that_noted_themselves(folder: Path) -> set[int]:
    return {int(file.read_text()) for file in folder.glob("*.pid") if file.read_text()}


def all_end(workers: set[int]) -> bool:
    for _ in range(100):
        if not any(map(is_running, workers)):
            return True
        time.sleep(0.1)
    return False


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_run_that_is_left_midway_ends_its_workers(tmp_path: Path, jobs: int) -> None:
    results = batch.run(sleep_long, [tmp_path / path for path in PATHS], jobs=jobs)
    next(results)
    started = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 10
    workers = workers_that_noted_themselves(tmp_path)
    assert workers
    assert all_end(workers)


@pytest.mark.parametrize("which", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_request_to_end_is_raised_between_files_and_ends_the_workers(tmp_path: Path, which: str) -> None:
    if not hasattr(signal, which):
        pytest.skip(f"this system has no {which}")
    number = getattr(signal, which)
    before = signal.signal(number, signal.default_int_handler)  # in the background, shells have SIGINT ignored
    try:
        results = batch.run(sleep_long, [tmp_path / path for path in PATHS], jobs=2)
        next(results)
        for _ in range(5):  # a burst is one request
            os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt):
            next(results)
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, before)
    workers = workers_that_noted_themselves(tmp_path)
    assert workers
    assert all_end(workers)


def test_a_request_that_comes_after_the_last_file_is_not_lost() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        results = batch.run(length, PATHS[:1], jobs=1)
        next(results)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            next(results)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_run_in_a_thread_works_too() -> None:
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.extend(batch.run(length, PATHS, jobs=2)))
    thread.start()
    thread.join(60)
    assert len(results) == len(PATHS)


ORPHANS = """
import os, sys, time
from pathlib import Path
from mercli import batch
sys.path.insert(0, {tests!r})
from test_batch import PATHS, sleep_long
for _ in batch.run(sleep_long, [Path({folder!r}) / path for path in PATHS], jobs=2):
    print("one", flush=True)
"""


def test_workers_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = ORPHANS.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        end_s = time.monotonic() + 60
        while len(workers_that_noted_themselves(tmp_path)) < 2 and time.monotonic() < end_s:
            time.sleep(0.05)
        workers = workers_that_noted_themselves(tmp_path)
        parent.kill()
    assert len(workers) == 2
    assert all_end(workers)


def test_the_default_is_a_job_for_each_processor() -> None:
    assert 1 <= batch.default_jobs() <= (os.cpu_count() or 1)
