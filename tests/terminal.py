"""What a command finds that is started at a terminal."""

import signal


def as_in_a_terminal() -> None:
    """Have a child process hear requests to end: what is started in the background may ignore some."""
    for which in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(which, signal.SIG_DFL)
