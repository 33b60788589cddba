"""Errors end a command with a sentence and an exit code, not with a traceback."""

import functools
from collections.abc import Callable
from typing import Any

import typer

from mercli.cli import streams

FAILED, USAGE, INTERRUPTED = 1, 2, 130


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command end with a sentence where it raises.

    Parameters
    ----------
    command : callable
        A command with an option ``debug``.

    Returns
    -------
    callable
        The command; it exits with 2 for what the user asked wrongly, 1 for what failed, 130 when interrupted.
    """

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        from mercli import interrupts
        from mercli.errors import BundleError, CorpusError, MercliError, UsageError

        asked = interrupts.Asked()
        try:
            with interrupts.raised() as asked:
                try:
                    command(*args, **kwargs)
                except KeyboardInterrupt as interrupt:
                    interrupts.ignore()  # before who called may take the next one
                    _end(str(interrupt) or "interrupted; nothing was written", INTERRUPTED)
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except BrokenPipeError:
            streams.abandon_stdout()
            _end("the output was closed before all of it was written", FAILED)
        except Exception as error:
            if asked.is_set():  # what was being imported made an error of it
                _end("interrupted", INTERRUPTED)
            if kwargs.get("debug"):
                raise
            if isinstance(error, (UsageError, BundleError, CorpusError)):
                _end(str(error), USAGE)
            elif isinstance(error, MercliError):
                _end(str(error), FAILED)
            else:
                _end(f"unforeseen error: {type(error).__name__}: {error}. Run again with --debug", FAILED)

    return run


def _end(sentence: str, code: int) -> None:
    typer.echo(f"mercli: {sentence}", err=True)
    raise typer.Exit(code)
