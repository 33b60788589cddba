"""The command itself, and ``python -m mercli``."""

import os
import signal
from typing import NoReturn


def main() -> None:
    """Run the command line; Ctrl-C while it is still being loaded ends it without a word."""
    default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if default:
        signal.signal(signal.SIGINT, _leave)
    from mercli.cli import main as run

    if default:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


def _leave(*_: object) -> NoReturn:
    os._exit(130)


if __name__ == "__main__":
    main()
