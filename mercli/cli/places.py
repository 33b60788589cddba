"""Where a command reads and where its table goes, settled before anything is read."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mercli.cli import streams

if TYPE_CHECKING:
    from mercli.inputs import Input


def refuse_output(output: Path | None) -> None:
    """Raise a UsageError where no table could be written."""
    from mercli.errors import UsageError
    from mercli.files import refuse_unwritable

    if output is not None:
        refuse_unwritable(output)
    elif streams.leads_nowhere("stdout"):
        raise UsageError("the output is closed; give -o the name of a file")


def find_inputs(paths: Sequence[str], output: Path | None, *others: Path) -> "list[Input]":
    """Find the files to read, but for the output and others that the command writes.

    Raises
    ------
    UsageError
        If there is none, or what is to be written is one of them.
    """
    from mercli.errors import UsageError
    from mercli.inputs import find_some

    written = [*([output] if output else ()), *others]
    inputs = find_some(paths, leave_out=written)
    read = {os.path.realpath(item.path) for item in inputs if isinstance(item.path, Path)}
    for path in written:
        if os.path.realpath(path) in read:
            raise UsageError(
                f"{path} is to be written, and is one of the files to read; choose another name, or it is lost"
            )
    return inputs


def refuse_to_replace(outputs: Mapping[str, Path | None], *, overwrite: bool, read: Sequence[Path] = ()) -> None:
    """Raise a UsageError where a file could not be written, or writing it would cost another.

    Parameters
    ----------
    outputs : mapping of str to Path or None
        By the option that names it.
    overwrite : bool
        Whether files that exist may be replaced.
    read : sequence of Path
        What the command reads, which is never replaced.
    """
    from mercli.errors import UsageError
    from mercli.files import refuse_unwritable

    taken = {os.path.realpath(path): "a file to read" for path in read}
    for option, path in outputs.items():
        if path is None:
            continue
        real = os.path.realpath(path)
        if real in taken:
            raise UsageError(f"{option} {path} is {taken[real]} too; give it a name of its own")
        taken[real] = f"the file of {option}"
        refuse_unwritable(path, option)
        if os.path.lexists(path) and not overwrite:
            raise UsageError(f"{option} {path} exists; give it another name, or --overwrite")


def refuse_to_lose(outputs: Mapping[str, Path | None], files: Iterable[Path]) -> None:
    """Raise a UsageError where a file that is to be written is one of those that are read."""
    from mercli.errors import UsageError

    wanted = {os.path.realpath(path): f"{option} {path}" for option, path in outputs.items() if path is not None}
    if not wanted:
        return
    for file in files:
        if (named := wanted.get(os.path.realpath(file))) is not None:
            raise UsageError(f"{named} is a file to read; give it another name, or it is lost")


def refuse_no_file(path: Path) -> None:
    """Raise a UsageError where there is no regular file."""
    from mercli.errors import UsageError

    if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where a name is too long
        raise UsageError(
            f"{path} is {'no file' if os.path.lexists(path) else 'not there'}; give a video or sound file"
        )
