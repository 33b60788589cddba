"""What docs/reliability.md promises, shown on the real command: killed, starved, interrupted, short of room."""

import csv
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from terminal import as_in_a_terminal

import mercli_models
from mercli import bundle as bundles
from mercli.sample import write_audio, write_video

PREDICT = [sys.executable, "-m", "mercli", "predict"]
FAULTS = {**os.environ, "PYTHONPATH": str(Path(__file__).parent / "faults")}


def run(
    *arguments: object, env: dict[str, str] | None = None, **options: object
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [*PREDICT, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env=env,
        **options,
    )


@contextmanager
def started(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    """The command, begun in a session of its own, as from a terminal: whatever is left of it is killed."""

    with subprocess.Popen(
        [*PREDICT, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=as_in_a_terminal,  # noqa: PLW1509
    ) as process:
        try:
            yield process
        finally:
            for child in workers_of(process):
                child.kill()
            process.kill()


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    try:
        children = psutil.Process(process.pid).children()
        return [child for child in children if any("popen_loky" in word for word in child.cmdline())]
    except psutil.Error:
        return []


def rows_of(table: Path) -> dict[str, dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def journal_lines(output: Path) -> int:
    journal = output.with_name(output.name + ".journal")
    return journal.read_bytes().count(b"\n") - 1 if journal.exists() else -1


def wait_until(true: Callable[[], bool], timeout_s: float = 60.0) -> None:
    end = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def clips(
    tmp_path_factory: pytest.TempPathFactory, talking_video: Path, mute_video: Path, sound_only: Path
) -> Path:
    """24 short files of three kinds; no two are the same."""
    folder = tmp_path_factory.mktemp("clips")
    for i in range(24):
        source = (talking_video, mute_video, sound_only)[i % 3]
        copy = folder / f"{i:02}{source.suffix}"
        copy.write_bytes(source.read_bytes() + bytes(i))
    return folder


@pytest.fixture(scope="module")
def whole(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The table of a run that nothing disturbed."""
    output = tmp_path_factory.mktemp("whole") / "out.csv"
    assert run(clips, "-o", output, "-j", 2).returncode == 0
    return output.read_bytes()


# A dead worker costs one file, and limits cost the file that passes them.


def with_faults(folder: Path, clips: Path, count: int) -> Path:
    """`count` files, three of which end the worker that reads them, each in its way."""
    folder.mkdir()
    sources = sorted(clips.iterdir())
    faults = {count // 4: "segfault", count // 2: "hang", 3 * count // 4: "grow"}
    for i in range(count):
        source = sources[i % len(sources)]
        name = f"{faults[i]}-{i:03}" if i in faults else f"{i:03}"
        shutil.copy(source, folder / f"{name}{source.suffix}")
    return folder


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.long)])
def test_files_that_kill_hang_or_hoard_are_told_apart_and_the_others_are_unaffected(
    clips: Path, tmp_path: Path, count: int
) -> None:
    folder = with_faults(tmp_path / "files", clips, count)
    output = tmp_path / "out.csv"
    ended = run(folder, "-o", output, "-j", 2, "--timeout", 6, "--max-memory", "1500M", env=FAULTS)
    assert ended.returncode == 1, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "Fatal Python error" not in ended.stderr
    rows = rows_of(output)
    assert len(rows) == count
    lost = {name.split("-")[0]: (row["status"], row["error"]) for name, row in rows.items() if "-" in name}
    assert lost == {
        "segfault": ("crashed", "its worker died twice: segmentation fault (SIGSEGV)"),
        "hang": ("timeout", "it took longer than --timeout 6 s"),
        "grow": ("crashed", "it needed more than --max-memory 1.46 GB"),
    }
    others = Counter(row["status"] for name, row in rows.items() if "-" not in name)
    assert set(others) <= {"ok", "partial"}
    assert f"{count} files: {others['ok']} ok, {others['partial']} partial, 2 crashed, 1 timeout" in ended.stderr


def test_files_that_crashed_are_tried_again_by_the_next_run(clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    shutil.copy(clips / "00.mp4", folder / "kill-00.mp4")
    shutil.copy(clips / "01.mp4", folder / "01.mp4")
    output = tmp_path / "out.csv"
    assert run(folder, "-o", output, env=FAULTS).returncode == 1
    assert rows_of(output)["kill-00.mp4"]["status"] == "crashed"
    again = run(folder, "-o", output)
    assert "continuing: 1 of 2 files" in again.stderr
    assert again.returncode == 0
    assert rows_of(output)["kill-00.mp4"]["status"] == "ok"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, speak: Callable[..., Any]) -> Path:
    """Three speakers, two classes, and in the manifest three files that end the worker that reads them."""
    folder = tmp_path_factory.mktemp("corpus") / "radio"
    folder.mkdir()
    lines = ["file,label,speaker"]
    for i in range(12):
        write_audio(folder / f"{i}.wav", speak(0.8, seed=i))
        lines.append(f"{i}.wav,{('happy', 'sad')[i % 2]},{i // 4}")
    for fault in ("segfault", "hang", "grow"):
        shutil.copy(folder / "0.wav", folder / f"{fault}-x.wav")
        lines.append(f"{fault}-x.wav,happy,1")
    (folder / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    return folder


def fit(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mercli", "fit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)


@pytest.mark.long
def test_fit_leaves_out_and_names_the_files_whose_workers_died(corpus: Path, tmp_path: Path) -> None:
    limits = ["--timeout", 10, "--max-memory", "1500M"]
    ended = fit(corpus, "-o", tmp_path / "bundle", "-j", 2, *limits, env=FAULTS)
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    said = {line.split("/")[-1] for line in ended.stderr.splitlines() if line.startswith("left out: ")}
    assert said == {
        "segfault-x.wav: crashed: its worker died twice: segmentation fault (SIGSEGV)",
        "hang-x.wav: timeout: it took longer than --timeout 10 s",
        "grow-x.wav: crashed: it needed more than --max-memory 1.46 GB",
    }
    assert bundles.load(tmp_path / "bundle").training["clips"] == 12


# The journal: a run goes on where it stopped.


@pytest.mark.parametrize("kills", [2, pytest.param(30, marks=pytest.mark.long)])
def test_a_run_that_is_killed_at_any_moment_is_finished_by_the_same_command(
    clips: Path, whole: bytes, tmp_path: Path, kills: int
) -> None:
    draw = random.Random(kills)
    for i in range(kills):
        output = tmp_path / f"{i}.csv"
        stop_at = draw.randrange(23)
        victim = draw.choice(["parent", "worker", "terminated", "interrupted"])
        with started(clips, "-o", output, "-j", 2) as process:
            wait_until(lambda o=output, n=stop_at, p=process: journal_lines(o) >= n or p.poll() is not None)  # type: ignore[misc]
            time.sleep(draw.random() * 0.2)
            if victim == "worker":
                for worker in draw.sample(workers := workers_of(process), min(1, len(workers))):
                    worker.kill()
                process.wait(120)
                assert process.returncode == 0
            else:
                which = {"parent": signal.SIGKILL, "terminated": signal.SIGTERM, "interrupted": signal.SIGINT}
                process.send_signal(which[victim])
                process.wait(30)
        last = run(clips, "-o", output, "-j", draw.choice([1, 2]))
        assert last.returncode == 0, last.stderr
        assert output.read_bytes() == whole, f"kill {i}: {victim} after {stop_at} files"


@pytest.mark.long
def test_a_killed_run_is_finished_with_the_timeline_of_a_run_that_nothing_disturbed(
    clips: Path, whole: bytes, tmp_path: Path
) -> None:
    output, timeline = tmp_path / "out.csv", tmp_path / "over time.csv"
    asked = (clips, "-o", output, "--timeline", timeline, "--faces", "all")
    with started(*asked, "-j", 2) as process:
        wait_until(lambda: journal_lines(output) >= 9 or process.poll() is not None)
        process.kill()
        process.wait(30)
    assert not timeline.exists()
    again = run(*asked, "-j", 1)
    assert again.returncode == 0, again.stderr
    assert "continuing: " in again.stderr
    undisturbed = tmp_path / "undisturbed.csv"
    run(clips, "--timeline", undisturbed, "-j", 2)
    assert timeline.read_bytes() == undisturbed.read_bytes()
    assert output.read_bytes() == whole  # in these clips there is one face


def test_the_second_run_says_that_it_continues_and_reads_nothing_again(
    clips: Path, whole: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    run(clips, "-o", output)
    size = journal_lines(output)
    again = run(clips, "-o", output)
    assert "continuing: 24 of 24 files done already" in again.stderr
    assert "--overwrite starts over" in again.stderr
    assert journal_lines(output) == size
    assert output.read_bytes() == whole


def test_overwrite_starts_over(clips: Path, whole: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    run(clips, "-o", output)
    again = run(clips, "-o", output, "--overwrite")
    assert "continuing" not in again.stderr
    assert "24/24" in again.stderr
    assert output.read_bytes() == whole


@pytest.mark.parametrize(
    "change",
    [
        "content",
        *(
            pytest.param(what, marks=pytest.mark.long)
            for what in ("bundle", "time", "modalities", "tighter limit")
        ),
    ],
)
def test_what_changed_is_done_anew_and_nothing_else(clips: Path, tmp_path: Path, change: str) -> None:
    folder, output = tmp_path / "v", tmp_path / "out.csv"
    shutil.copytree(clips, folder)
    assert run(folder, "-o", output).returncode == 0
    options: list[object] = []
    expected = 24
    match change:
        case "content":  # same size, same time
            path = folder / "02.wav"
            info = path.stat()
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 0xFF
            path.write_bytes(data)
            os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
            expected = 1
        case "time":
            os.utime(folder / "02.wav", ns=(1, 1))
            expected = 1
        case "modalities":
            options = ["--modalities", "voice"]
        case "bundle":
            other = bundles.load(mercli_models.path("mercli-base"))
            bundles.save(other, tmp_path / "copy")
            options = ["--bundle", tmp_path / "copy"]
            expected = 0  # the same bundle in another place is the same bundle
        case "tighter limit":
            options = ["--max-duration", 1.0]
    again = run(folder, "-o", output, *options)
    done = 24 - expected
    assert f"continuing: {done} of 24" in again.stderr
    assert f"0 new files, {expected} changed or to be tried again" in again.stderr
    fresh = tmp_path / "fresh.csv"
    run(folder, "-o", fresh, *options)
    assert output.read_bytes() == fresh.read_bytes()


@pytest.mark.long
def test_a_wider_limit_keeps_what_kept_within_the_old(clips: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    run(clips, "-o", output, "--max-duration", 100)
    again = run(clips, "-o", output, "--max-duration", 200)
    ok = sum(row["status"] == "ok" for row in rows_of(output).values())
    assert f"continuing: {ok} of 24" in again.stderr


def test_files_that_come_and_go_between_runs_come_and_go_in_the_table(clips: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "v", tmp_path / "out.csv"
    shutil.copytree(clips, folder)
    late = (folder / "05.wav").rename(tmp_path / "05.wav")
    run(folder, "-o", output)
    (folder / "00.mp4").unlink()
    late.rename(folder / "05.wav")
    again = run(folder, "-o", output)
    assert "continuing: 22 of 23 files done already" in again.stderr
    assert "1 new file, 0 changed" in again.stderr
    assert list(rows_of(output)) == sorted(path.name for path in folder.iterdir())


def test_a_second_run_on_the_same_output_is_refused_and_harms_nothing(
    clips: Path, whole: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    with started(clips, "-o", output, "-j", 1) as process:
        wait_until(lambda: journal_lines(output) >= 0)
        process.send_signal(signal.SIGSTOP)  # it holds the journal for as long as the test needs
        for option in ((), ("--overwrite",)):
            second = run(clips, "-o", output, *option)
            assert second.returncode == 2
            assert "another run is writing there" in second.stderr
        process.send_signal(signal.SIGCONT)
        assert process.wait(120) == 0
    assert output.read_bytes() == whole


def test_a_link_to_an_output_is_the_same_output(clips: Path, whole: bytes, tmp_path: Path) -> None:
    output, link = tmp_path / "out.csv", tmp_path / "link.csv"
    link.symlink_to(output)
    with started(clips, "-o", output, "-j", 1) as process:
        wait_until(lambda: journal_lines(output) >= 0)
        process.send_signal(signal.SIGSTOP)
        assert "another run is writing there" in run(clips, "-o", link).stderr
        process.send_signal(signal.SIGCONT)
        assert process.wait(120) == 0
    assert "continuing: 24 of 24" in run(clips, "-o", link).stderr
    assert link.is_symlink()
    assert output.read_bytes() == whole


def test_only_rows_that_hold_are_said_to_be_done(clips: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    run(clips, "-o", output)
    before = journal_lines(output)
    with started(clips, "-o", output, "--modalities", "face", "-j", 1) as process:
        wait_until(lambda: journal_lines(output) > before)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert f"interrupted; {journal_lines(output) - before} of 24 files done" in said


def test_a_journal_that_is_taken_away_ends_the_run_at_once(clips: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    with started(clips, "-o", output, "-j", 1) as process:
        wait_until(lambda: journal_lines(output) >= 1)
        (tmp_path / "out.csv.journal").unlink()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "out.csv.journal was moved or removed" in said
    assert "nothing is kept there" in said


def test_too_little_memory_to_begin_with_is_bad_usage(clips: Path, tmp_path: Path) -> None:
    ended = run(clips, "-o", tmp_path / "out.csv", "--max-memory", "30M")
    assert ended.returncode == 2
    assert "no worker can start: it needs more than --max-memory 30 MB only to begin" in ended.stderr


def test_a_dead_run_does_not_keep_the_next_one_out(clips: Path, whole: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    with started(clips, "-o", output, "-j", 2) as process:
        wait_until(lambda: journal_lines(output) >= 1)
        process.kill()  # its workers may live on for a moment
        assert run(clips, "-o", output).returncode == 0
    assert output.read_bytes() == whole


@pytest.mark.long
def test_a_line_that_was_half_written_is_forgotten(clips: Path, whole: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    run(clips, "-o", output)
    journal = tmp_path / "out.csv.journal"
    data = journal.read_bytes()
    journal.write_bytes(data[:-100])
    assert "continuing: 23 of 24" in run(clips, "-o", output).stderr
    assert output.read_bytes() == whole


def test_a_file_that_is_no_journal_is_left_alone(clips: Path, tmp_path: Path) -> None:
    journal = tmp_path / "out.csv.journal"
    journal.write_text("my diary\n")
    for option in ((), ("--overwrite",)):
        ended = run(clips, "-o", tmp_path / "out.csv", *option)
        assert ended.returncode == 2
        assert "not a journal of mercli" in ended.stderr
    assert journal.read_text() == "my diary\n"


# Ctrl-C and its like.


@pytest.mark.parametrize("jobs", [pytest.param(1, marks=pytest.mark.long), 2])
@pytest.mark.parametrize(
    "which", [signal.SIGINT, signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.long)]
)
def test_a_request_to_end_keeps_what_is_done_and_names_the_command_that_continues(
    clips: Path, whole: bytes, tmp_path: Path, which: signal.Signals, jobs: int
) -> None:
    output = tmp_path / "out.csv"
    with started(clips, "-o", output, "-j", jobs) as process:
        wait_until(lambda: journal_lines(output) >= 2)
        workers = workers_of(process)
        asked = time.monotonic()
        os.killpg(process.pid, which)  # as a terminal does: to every process
        time.sleep(0.05)
        process.send_signal(which)  # and once more, by an impatient user
        _, said = process.communicate(timeout=30)
        assert time.monotonic() - asked < 8  # a second or two on a machine that does nothing else
        assert process.returncode == 130
    done = journal_lines(output)
    assert 2 <= done < 24
    assert f"interrupted; {done} of 24 files done and kept in {output}.journal. To continue: mercli " in said
    assert "Traceback" not in said
    assert not output.exists()
    assert workers
    assert not [worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]
    assert run(clips, "-o", output).returncode == 0
    assert output.read_bytes() == whole


def test_the_command_that_continues_does_not_start_over(clips: Path, tmp_path: Path) -> None:
    with started(clips, "-o", tmp_path / "out.csv", "--overwrite", "-j", 1) as process:
        wait_until(lambda: journal_lines(tmp_path / "out.csv") >= 1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert said.rstrip().endswith(f"To continue: mercli predict {clips} -o {tmp_path / 'out.csv'} -j 1")


def test_a_command_of_a_thousand_names_is_not_repeated(clips: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    with started(*sorted(clips.iterdir()), "-o", output, "--overwrite", "-j", 1) as process:
        wait_until(lambda: journal_lines(output) >= 1)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert said.rstrip().endswith("To continue: the same command, without --overwrite")


@pytest.mark.parametrize("handles", [16, 32, pytest.param(64, marks=pytest.mark.long)])
def test_few_file_handles_mean_fewer_workers_or_a_sentence(clips: Path, tmp_path: Path, handles: int) -> None:
    ended = run(
        *sorted(clips.iterdir())[:3],
        *("-o", tmp_path / "out.csv", "-j", 8),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (handles, handles)),
    )
    assert "Traceback" not in ended.stderr
    if ended.returncode:
        assert f"{handles} open files are too few to start a worker process" in ended.stderr
    else:
        assert len(rows_of(tmp_path / "out.csv")) == 3
    assert bool(ended.returncode) == (handles == 16)


# Disks that are full, outputs that are closed.


def limit_file_size(n_bytes: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


def test_a_journal_that_can_no_longer_be_written_ends_the_run_with_a_sentence_and_is_whole(
    clips: Path, whole: bytes, tmp_path: Path
) -> None:
    output = tmp_path / "out.csv"
    ended = run(clips, "-o", output, preexec_fn=limit_file_size(10_000))
    assert ended.returncode == 1, ended.stderr
    kept = journal_lines(output)
    assert 0 < kept < 24
    assert f"{kept} of 24 files done and kept in" in ended.stderr
    assert "cannot write" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not output.exists()
    assert f"continuing: {kept} of 24" in run(clips, "-o", output).stderr
    assert output.read_bytes() == whole


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "mercli-test", str(place)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_loses_nothing_that_was_done(clips: Path, whole: bytes, small_disk: Path) -> None:
    output = small_disk / "out.csv"
    (ballast := small_disk / "ballast").write_bytes(bytes(48_000))
    ended = run(clips, "-o", output)
    assert ended.returncode == 1, ended.stderr
    assert "No space left on device" in ended.stderr
    kept = journal_lines(output)
    assert 0 < kept < 24
    ballast.unlink()
    assert f"continuing: {kept} of 24" in run(clips, "-o", output).stderr
    assert output.read_bytes() == whole


def test_a_table_that_finds_no_room_is_written_by_the_next_run(clips: Path, whole: bytes, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    run(clips, "-o", output)
    output.unlink()
    ended = run(clips, "-o", output, preexec_fn=limit_file_size(5_000))
    assert ended.returncode in (1, 2)
    assert "24 of 24 files done and kept" in ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv.journal"]
    assert run(clips, "-o", output).returncode == 0
    assert output.read_bytes() == whole


@pytest.mark.parametrize("stderr", ["/dev/full", pytest.param("closed", marks=pytest.mark.long)])
def test_a_broken_stderr_costs_no_result(clips: Path, whole: bytes, tmp_path: Path, stderr: str) -> None:
    redirect = "2>&-" if stderr == "closed" else f"2>{stderr}"
    if stderr != "closed" and not Path(stderr).exists():
        pytest.skip(f"no {stderr} here")
    output = tmp_path / "out.csv"
    command = f'exec "$@" {redirect}'
    ended = subprocess.run(["sh", "-c", command, "sh", *PREDICT, clips, "-o", output], check=False, timeout=300)
    assert ended.returncode == 0
    assert output.read_bytes() == whole


@pytest.mark.parametrize("redirect", [">&-", pytest.param(">&- 2>&-", marks=pytest.mark.long), "<&- >&- 2>&-"])
def test_closed_streams_cost_no_result(clips: Path, whole: bytes, tmp_path: Path, redirect: str) -> None:
    output = tmp_path / "out.csv"
    command = f'exec "$@" {redirect}'
    ended = subprocess.run(
        ["sh", "-c", command, "sh", *PREDICT, clips, "-o", output, "-j", "2"], check=False, timeout=300
    )
    assert ended.returncode == 0
    assert output.read_bytes() == whole


def test_a_table_that_nobody_takes_is_said_to_be_lost(clips: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    command = 'exec "$@" >/dev/full'
    ended = subprocess.run(
        ["sh", "-c", command, "sh", *PREDICT, clips / "00.mp4"], check=False, timeout=300, capture_output=True
    )
    assert ended.returncode == 1
    assert b"cannot write the output: No space left on device" in ended.stderr
    assert b"Traceback" not in ended.stderr


# Names and places.


def test_a_file_that_vanishes_while_the_run_goes_on_has_its_row(clips: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "v", tmp_path / "out.csv"
    shutil.copytree(clips, folder)
    last = min(clips.iterdir(), key=lambda clip: clip.stat().st_size).name  # long ones are read first
    with started(folder, "-o", output, "-j", 1) as process:
        wait_until(lambda: journal_lines(output) >= 1)
        (folder / last).unlink()
        process.wait(120)
        assert process.returncode == 1
    row = rows_of(output)[last]
    assert (row["status"], row["error"]) == ("failed", "no such file")
    shutil.copy(clips / last, folder)
    assert run(folder, "-o", output).returncode == 0
    assert rows_of(output)[last]["status"] in ("ok", "partial")


def test_no_cell_is_a_formula_to_a_spreadsheet(clips: Path, tmp_path: Path) -> None:
    folder, output = tmp_path / "v", tmp_path / "out.csv"
    folder.mkdir()
    names = ["=1+1.mp4", "+a.mp4", "-b.mp4", "@c.mp4", "\td.mp4", "＝e.mp4"]  # noqa: RUF001
    for name in names:
        shutil.copy(clips / "00.mp4", folder / name)
    assert run(folder, "-o", output).returncode == 0
    rows = rows_of(output)
    assert sorted(rows) == sorted(f"./{name}" for name in names)
    cells = {cell for row in rows.values() for cell in row.values()}
    assert not [cell for cell in cells if cell.startswith(tuple("=+-@\t\r＝＋－＠"))]  # noqa: RUF001
    assert all((folder / name).is_file() for name in rows)


# Mutants.


def mutants(folder: Path, sources: list[Path], count: int, seed: int) -> Path:
    """Copies of real files with some bytes flipped, cut out, doubled or cut off."""
    draw = random.Random(seed)
    folder.mkdir()
    for i in range(count):
        source = draw.choice(sources)
        data = bytearray(source.read_bytes())
        for _ in range(draw.choice([1, 1, 3, 10, 100])):
            at = draw.randrange(len(data)) if draw.random() < 0.5 else draw.randrange(min(len(data), 600))
            match draw.randrange(4):
                case 0:
                    data[at] = draw.randrange(256)
                case 1:
                    data[at] ^= 1 << draw.randrange(8)
                case 2:
                    del data[at : at + draw.randrange(1, 50)]
                case 3:
                    data[at:at] = data[at : at + draw.randrange(1, 50)]
            if len(data) < 700:
                break
        if draw.random() < 0.1:
            del data[draw.randrange(len(data)) :]
        (folder / f"{i:04}{source.suffix}").write_bytes(data)
    return folder


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.long)])
def test_every_mutant_of_a_file_has_its_row(
    talking_video: Path,
    sound_only: Path,
    tmp_path: Path,
    draw_frames: Callable[..., Any],
    speak: Callable[..., Any],
    count: int,
) -> None:
    sources = [
        talking_video,
        sound_only,
        write_video(tmp_path / "talking.mkv", draw_frames(20), samples=speak(0.8)),
    ]
    folder = mutants(tmp_path / "mutants", sources, count, seed=count)
    output = tmp_path / "out.csv"
    ended = run(folder, "-o", output, "-j", 2, "--timeout", 120)
    assert ended.returncode in (0, 1), ended.stderr
    assert "Traceback" not in ended.stderr
    rows = rows_of(output)
    assert len(rows) == count
    statuses = Counter(row["status"] for row in rows.values())
    print(count, "mutants:", dict(statuses))
    assert all(row["error"] for row in rows.values() if row["status"] != "ok")
    assert not [row["error"] for row in rows.values() if "unforeseen" in row["error"]]
    assert not statuses["timeout"]
