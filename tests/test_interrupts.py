"""Requests to end: each is taken once, and what is said of it is said to the end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from terminal import as_in_a_terminal

from mercli import interrupts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals to send to one process")

STUBBORN = """
import time

import typer

from mercli.cli.guard import guarded


@guarded
def command() -> None:
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("interrupted; 3 of 24 files done") from None


typer.run(command)
"""


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_however_often_it_is_asked_a_command_says_its_last_sentence(which: signal.Signals) -> None:
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", STUBBORN],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=as_in_a_terminal,  # noqa: PLW1509
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            while process.poll() is None:
                process.send_signal(which)
                time.sleep(0.00001)
            _, said = process.communicate(timeout=30)
        assert (process.returncode, said) == (130, "mercli: interrupted; 3 of 24 files done\n")


@pytest.fixture
def heard() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background, shells have it ignored
    yield
    signal.signal(signal.SIGINT, before)


def test_a_request_that_comes_while_another_is_taken_down_is_taken_too() -> None:
    code = "import os, signal; from mercli import interrupts\n"
    code += "with interrupts.noted() as asked:\n    for _ in range(20_000): os.kill(os.getpid(), signal.SIGINT)\n"
    code += "assert asked.is_set()"
    done = subprocess.run([sys.executable, "-c", code], timeout=60, check=False, preexec_fn=as_in_a_terminal)
    assert done.returncode == 0


@pytest.mark.usefixtures("heard")
def test_a_request_that_follows_a_noted_one_is_no_other() -> None:
    with interrupts.raised() as asked:
        with interrupts.noted() as noted:
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
    assert noted.is_set()
    assert asked.is_set()


@pytest.mark.usefixtures("heard")
def test_a_request_after_a_while_is_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_BURST_S", 0.0)
    with interrupts.raised():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)


def test_what_was_told_to_be_ignored_stays_so() -> None:
    before = signal.getsignal(signal.SIGTERM)
    try:
        with interrupts.raised():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
