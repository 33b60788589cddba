"""Many files, each in a worker process of joblib's loky: a dead or stuck worker costs one file."""

import contextlib
import functools
import sys
import warnings
from collections import deque
from collections.abc import Callable, Generator, Sequence
from typing import Protocol, TypeVar

import joblib
import psutil

from mercli import interrupts
from mercli.crew import Crew
from mercli.errors import MercliError, UsageError
from mercli.limits import Limits
from mercli.schedule import long_first
from mercli.sources import Source
from mercli.worker import HANDLES, Death, Lost


class Setup(Protocol):
    """What the workers of a run are told, with what concerns the run itself."""

    @property
    def limits(self) -> Limits:
        """What a file may cost."""
        ...

    @property
    def debug(self) -> bool:
        """Whether a dying worker shows where it was."""
        ...


T = TypeVar("T")
P = TypeVar("P", bound=Source)
S = TypeVar("S", bound=Setup)

_SPARE_HANDLES = 12  # files that may be open besides those of the workers


def run(
    work: Callable[[P], T],
    paths: Sequence[P],
    *,
    jobs: int,
    limits: Limits | None = None,
    prepare: Callable[[bool], object] = bool,
    first_alone: bool = True,
    debug: bool = False,
) -> Generator[tuple[int, T | Lost], None, None]:
    """Do the same work on many files, each in another process than this one.

    Long files come first, so that a run does not end with one worker at an hour of film and the others idle. A
    file whose worker dies is tried once more when all others are done and nothing runs beside it. A file that
    passes a limit is not.

    Parameters
    ----------
    work : callable
        Takes a path; must travel to another process.
    paths : sequence of Path or RemoteFile
        The files.
    jobs : int
        How many worker processes.
    limits : Limits, optional
        The time and the memory a file may take; without it the default ones.
    prepare : callable
        Called in each worker before its first file; with True in the very first.
    first_alone : bool
        Whether the others start when that one is prepared; else all start at once.
    debug : bool
        Whether a dying worker shows where it was.

    Yields
    ------
    index : int
        Which of `paths` it is; they come in the order in which they are finished.
    result
        What `work` gave, or a `Lost`.

    Raises
    ------
    UsageError
        If `jobs` is under 1, or the limits are too tight for a worker to start.
    MercliError
        If workers cannot start, or die before they come to any file.
    KeyboardInterrupt
        After a request to end; no worker is left then.
    """
    refuse_no_jobs(jobs)
    waiting = deque((index, paths[index]) for index in long_first(paths, jobs))
    suspects: deque[tuple[int, P]] = deque()
    # loky replaces a worker that grew, and says so; nothing is lost by it.
    warnings.filterwarnings("ignore", "A worker stopped while some jobs", UserWarning)
    crew = Crew(work, prepare, limits or Limits(), debug, first_alone=first_alone)
    with interrupts.noted() as asked, contextlib.closing(crew):
        for index, result in crew.work_off(waiting, _affordable(min(jobs, len(paths))), asked):
            if isinstance(result, Death):
                suspects.append((index, paths[index]))
            else:
                yield index, result
        # What ran beside a file may have taken the memory; alone, only the file itself is to blame.
        for index, result in crew.work_off(suspects, 1, asked):
            if isinstance(result, Death):
                yield index, died_twice(result)
            else:
                yield index, result
    if asked.is_set():  # after the last file, while workers ended: a loop around this call is to end too
        raise KeyboardInterrupt


def run_with(
    work: Callable[..., T],
    paths: Sequence[Source],
    setup: S,
    *,
    prepare: Callable[[S, bool], object],
    jobs: int,
    first_alone: bool = True,
) -> Generator[tuple[int, T | Lost], None, None]:
    """Do work on many files that needs to be told more than a path; see `run`.

    Parameters
    ----------
    work : callable
        Takes a path, and `setup` by that name.
    paths : sequence of Path or RemoteFile
        The files.
    setup : Setup
        What to do, and within which limits; must travel to another process.
    prepare : callable
        As for `run`, with `setup` in front.
    jobs : int
        How many worker processes.
    first_alone : bool
        As for `run`.

    Returns
    -------
    generator
        As that of `run`.
    """
    return run(
        functools.partial(work, setup=setup),
        paths,
        jobs=jobs,
        limits=setup.limits,
        prepare=functools.partial(prepare, setup),
        first_alone=first_alone,
        debug=setup.debug,
    )


def died_twice(death: Death) -> Lost:
    """Say what became of a file that killed its worker although nothing ran beside it."""
    return Lost("crashed", f"its worker died twice: {death.how}")


def default_jobs() -> int:
    """Give the number of processors this process may use."""
    return int(joblib.cpu_count())


def refuse_no_jobs(jobs: int) -> None:
    """Raise a UsageError where no worker is asked for."""
    if jobs < 1:
        raise UsageError(f"{jobs} jobs were asked for; at least one is needed")


def _affordable(jobs: int) -> int:
    """Give how many of `jobs` workers there are file handles for: half a start cannot be undone."""
    if sys.platform == "win32":
        return jobs
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or not jobs:
        return jobs
    affordable = (limit - psutil.Process().num_fds() - _SPARE_HANDLES) // HANDLES
    if affordable < 1:
        raise MercliError(f"{limit} open files are too few to start a worker process; allow more (ulimit -n)")
    return min(jobs, affordable)
