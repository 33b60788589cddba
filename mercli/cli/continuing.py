"""What a run says of the one before it, and for the one after it."""

import contextlib
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from mercli.urls import shown
from mercli.wording import count

if TYPE_CHECKING:
    from mercli.journal import Journal
    from mercli.prediction import Plan

_LONGEST_COMMAND = 1000  # characters


def say_what_is_done(plan: "Plan", total: int, journal: "Journal") -> None:
    """Say on stderr what an earlier run has done, and what of that is done anew."""
    if plan.done or plan.anew:
        rest = f"{count(len(plan.todo) - plan.anew, 'new file')}, {plan.anew} changed or to be tried again"
        typer.echo(
            f"continuing: {plan.done} of {count(total, 'file')} done already ({journal.path}); {rest}; "
            "--overwrite starts over",
            err=True,
        )


@contextlib.contextmanager
def saying_how_to_continue(total: int, journal: "Journal") -> Iterator[None]:
    """Add to what ends a run of `total` files early what is kept of it, and how to continue."""
    from mercli.errors import BundleError, MercliError, UsageError

    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted; {_how_to_continue(total, journal)}") from None
    except (BundleError, UsageError):
        raise
    except MercliError as error:
        raise MercliError(f"{error}; {_how_to_continue(total, journal)}") from error


def _how_to_continue(total: int, journal: "Journal") -> str:
    if journal.path is None:
        return "nothing was kept. With -o FILE a run can be continued"
    if not journal.is_in_place():
        return f"nothing is kept there: {journal.path} was moved or removed"
    words = ["mercli", *(word for word in sys.argv[1:] if word != "--overwrite")]
    command = subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)
    # The shell made a list of all files, or a password would be shown.
    if len(command) > _LONGEST_COMMAND or any(shown(word) != word for word in words):
        command = "the same command" + (", without --overwrite" if "--overwrite" in sys.argv else "")
    return f"{journal.n_good} of {count(total, 'file')} done and kept in {journal.path}. To continue: {command}"
