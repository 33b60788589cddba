"""The one way kernels are compiled, and what compiling them has cost this process."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar, cast

from numba import config, njit
from numba.core.caching import NullCache

FOLDER = "MERCLI_KERNELS_CACHE"
"""The environment variable that names the folder for machine code; without it NUMBA_CACHE_DIR does."""

F = TypeVar("F", bound=Callable[..., Any])

_dispatchers: list[Any] = []


class KernelUse(NamedTuple):
    """What one kernel has cost this process: signatures read from the cache, and signatures compiled."""

    name: str
    loaded: int
    compiled: int


def kernel(function: F) -> F:
    """Compile a function with numba on its first call, and keep the machine code on disk.

    numba renews a kernel's cache entry when the file that holds it changes, and only then. So a kernel calls
    no kernel from another module. Every sum has one order, whatever the processor: no fastmath, no parallel.
    """
    # numpy's error model: division is not checked for zero, which would keep loops from being vectorised.
    try:
        with _kept_in_folder():
            dispatcher = njit(function, cache=True, nogil=True, error_model="numpy")
    except RuntimeError:
        # numba found no folder that it may write its cache to: compile in every process.
        dispatcher = njit(function, nogil=True, error_model="numpy")
    if hasattr(dispatcher, "stats"):  # NUMBA_DISABLE_JIT hands back the bare function
        _dispatchers.append(dispatcher)
    return cast(F, dispatcher)


@contextlib.contextmanager
def _kept_in_folder() -> Iterator[None]:
    """Have numba choose `FOLDER` for what is declared here, and for nothing else in this process."""
    given = getattr(config, "CACHE_DIR", "")
    setattr(config, "CACHE_DIR", os.environ.get(FOLDER) or given)  # noqa: B010 - numba makes its names as it runs
    try:
        yield
    finally:
        setattr(config, "CACHE_DIR", given)  # noqa: B010


def keep_nothing() -> None:
    """Have kernels that are yet to be compiled in this process compiled for it alone."""
    for dispatcher in _dispatchers:
        dispatcher._cache = NullCache()  # numba has no public way back from cache=True


def compiled_kernels() -> tuple[KernelUse, ...]:
    """List the kernels with the signatures that this process has loaded from the cache or compiled.

    Returns
    -------
    tuple of KernelUse
        One entry a kernel, in the order of definition. A kernel not called yet has two zeros.

    Examples
    --------
    >>> from mercli_kernels import compiled_kernels, warm_up
    >>> warm_up()
    >>> all(use.loaded + use.compiled == 1 for use in compiled_kernels())
    True
    """
    return tuple(
        KernelUse(
            dispatcher.py_func.__name__,
            sum(dispatcher.stats.cache_hits.values()),
            sum(dispatcher.stats.cache_misses.values()),
        )
        for dispatcher in _dispatchers
    )
