"""Work on many files: each once, in any number of processes, and an end that leaves nothing behind."""

import os
import signal
import time
from pathlib import Path

import pytest

from mercli import batch
from mercli.errors import MercliError, UsageError

PATHS = [Path(f"{i}.mp4") for i in range(12)]


def length(path: Path) -> tuple[str, int]:
    if path.stem == "0":
        time.sleep(0.2)  # the first is not the first to be done
    return path.name, os.getpid()


def die_at_five(path: Path) -> str:
    if path.stem == "5":
        os.kill(os.getpid(), signal.SIGKILL)
    return path.name


def fail_at_five(path: Path) -> str:
    if path.stem == "5":
        raise KeyError("five")
    return path.name


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_file_is_worked_on_once_and_told_by_its_number(jobs: int) -> None:
    results = dict(batch.run(length, PATHS, jobs=jobs))
    assert {index: name for index, (name, _) in results.items()} == {i: path.name for i, path in enumerate(PATHS)}


def test_one_job_works_in_this_process_and_two_in_others() -> None:
    assert {pid for _, (_, pid) in batch.run(length, PATHS, jobs=1)} == {os.getpid()}
    assert os.getpid() not in {pid for _, (_, pid) in batch.run(length, PATHS, jobs=2)}


def test_one_file_needs_no_other_process() -> None:
    ((_, (_, pid)),) = batch.run(length, PATHS[:1], jobs=8)
    assert pid == os.getpid()


def test_results_come_one_by_one() -> None:
    asked = []

    def work(path: Path) -> str:
        asked.append(path.name)
        return path.name

    results = batch.run(work, PATHS, jobs=1)
    next(results)
    assert len(asked) == 1


def test_no_file_is_no_work() -> None:
    assert list(batch.run(length, [], jobs=4)) == []


def test_no_jobs_make_no_sense() -> None:
    with pytest.raises(UsageError, match="0 jobs"):
        list(batch.run(length, PATHS, jobs=0))


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_in_the_work_is_not_swallowed(jobs: int) -> None:
    with pytest.raises(KeyError, match="five"):
        list(batch.run(fail_at_five, PATHS, jobs=jobs))


def test_a_worker_that_dies_ends_the_run_with_a_sentence_and_not_the_next_run() -> None:
    with pytest.raises(MercliError, match="a worker process died"):
        list(batch.run(die_at_five, PATHS, jobs=2))
    assert len(list(batch.run(length, PATHS, jobs=2))) == len(PATHS)


def ignores_interrupts(path: Path) -> bool:
    del path
    time.sleep(0.05)  # so that each worker has its share
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_workers_leave_interrupts_to_the_process_that_started_them() -> None:
    # Where the tests run in the background of a shell, this process ignores interrupts itself.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        results = batch.run(ignores_interrupts, PATHS, jobs=3)  # another number than before: new workers
        assert all(ignores for _, ignores in results)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def sleep_long(path: Path) -> str:
    Path(path.parent / f"{path.stem}.pid").write_text(str(os.getpid()))
    time.sleep(30 if path.stem != "0" else 0)
    return path.name


def test_a_run_that_is_left_midway_ends_its_workers(tmp_path: Path) -> None:
    results = batch.run(sleep_long, [tmp_path / path for path in PATHS], jobs=2)
    next(results)
    started = time.monotonic()
    results.close()  # type: ignore[attr-defined]
    assert time.monotonic() - started < 10
    workers = {int(file.read_text()) for file in tmp_path.glob("*.pid") if file.read_text()}
    assert workers
    for _ in range(100):
        if not any(map(is_running, workers)):
            break
        time.sleep(0.1)
    assert not any(map(is_running, workers))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_the_default_is_a_job_for_each_processor() -> None:
    assert 1 <= batch.default_jobs() <= (os.cpu_count() or 1)
