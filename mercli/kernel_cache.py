"""Where compiled audio kernels are kept: they are compiled once, whoever runs first, and not in every run."""

import atexit
import contextlib
import functools
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from mercli.registry import cache_folder

_VARIABLE = "MERCLI_KERNELS_CACHE"  # where mercli_kernels looks for the folder
_DONE, _LOCK = "compiled", "lock"
_NAME, _KEPT = re.compile("mercli-[0-9a-f]{16}"), 3  # folders of earlier versions
_BLAS = "scipy.linalg.cython_blas"  # no kernel asks numba for it
_PATIENCE_S = 120.0  # for who compiles already: it takes some 20 s


def settle() -> None:
    """Tell the workers that this process starts where the kernels are kept."""
    place = _place() or _scratch()
    if place is None:  # numba looks for a place itself
        os.environ.pop(_VARIABLE, None)
    else:
        os.environ[_VARIABLE] = str(place)


def is_filled() -> bool:
    """Tell whether all kernels were compiled before, and kept."""
    place = _place()
    return place is not None and (place / _DONE).exists()


def can_be_kept() -> bool:
    """Tell whether kernels that are compiled now will be there for the next run."""
    return _place() is not None


def named_by() -> str:
    """Give the environment variable that says where the kernels are kept."""
    return "NUMBA_CACHE_DIR" if os.environ.get("NUMBA_CACHE_DIR") else "MERCLI_CACHE"


def notice() -> str | None:
    """Say why the first file of a run that hears takes long, where it will."""
    if not can_be_kept():
        return (
            "compiling the audio kernels in every run: no place keeps them; set "
            f"{named_by()} to a folder that can be written"
        )
    return None if is_filled() else "compiling the audio kernels, once: this takes some 20 seconds"


def warm_up(first: bool) -> None:
    """Have the kernels ready in a worker.

    Parameters
    ----------
    first : bool
        Whether others of the run wait for it: then it compiles what was not, and lets no other run do the same
        meanwhile, since numba's cache has races.
    """
    place = os.environ.get(_VARIABLE)
    with _without_blas():
        if not first or place is None or Path(place, _DONE).exists():
            _load_or_compile()
            return
        with _alone(Path(place, _LOCK)):
            _load_or_compile()
    with contextlib.suppress(OSError):
        Path(place, _DONE).touch()
        _prune(Path(place))


def _load_or_compile() -> None:
    """Have all kernels ready, whatever became of what was kept, and be there room for it or not."""
    import mercli_kernels

    for mend in (_forget, mercli_kernels.keep_nothing):
        try:
            mercli_kernels.warm_up()
            return
        except Exception:  # of numba, pickle, LLVM or the file system: a file is damaged, or the disk is full
            mend()
    mercli_kernels.warm_up()


def _forget() -> None:
    """Remove all that was kept: this run makes it anew and, of what it had loaded already, the next one."""
    place = Path(os.environ.get(_VARIABLE) or os.devnull)
    for kept in (place / _DONE, *place.rglob("*.nbi"), *place.rglob("*.nbc")):
        with contextlib.suppress(OSError):
            kept.unlink()


def _prune(place: Path) -> None:
    """Remove what earlier versions kept, but for the last few, which other installations may use."""
    alike = (each for each in place.parent.iterdir() if _NAME.fullmatch(each.name))
    others = [each for each in alike if each != place and (each / _DONE).exists()]
    by_age = sorted(others, key=lambda each: each.stat().st_mtime, reverse=True)
    for old in by_age[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _without_blas() -> Iterator[None]:
    """Keep numba from importing SciPy, which takes as long as numba itself, to look for BLAS."""
    if _BLAS in sys.modules:
        yield
        return
    sys.modules[_BLAS] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_BLAS]


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process is here; one that was killed is not, and one that halts is passed by."""
    import portalocker

    with contextlib.ExitStack() as stack:
        with contextlib.suppress(portalocker.LockException, OSError):  # not every file system has locks
            file = stack.enter_context(path.open("a"))
            asked_s = time.monotonic()
            while time.monotonic() < asked_s + _PATIENCE_S:
                try:
                    portalocker.lock(file, portalocker.LockFlags.EXCLUSIVE | portalocker.LockFlags.NON_BLOCKING)
                    break
                except portalocker.AlreadyLocked:
                    time.sleep(0.1)
        yield


@functools.cache
def _place() -> Path | None:
    """Give a folder for just these kernels, on this kind of machine; None where it cannot be written."""
    own = os.environ.get("NUMBA_CACHE_DIR")
    place = Path(own).absolute() if own else cache_folder() / "kernels"
    place /= f"mercli-{_key()}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError:
        return None
    return place


@functools.cache
def _scratch() -> Path | None:
    """Give a folder that goes with this process: its workers need not compile each for itself."""
    try:
        place = Path(tempfile.mkdtemp(prefix="mercli-kernels-"))
    except OSError:
        return None
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place


def _key() -> str:
    """Sum up what compiled kernels depend on: numba itself looks at the one file that holds a kernel."""
    seen = hashlib.sha256(f"{sys.implementation.cache_tag} {_processor()}".encode())
    for package, pattern in (("mercli_kernels", "*.py"), ("numba", "_version.py")):
        spec = importlib.util.find_spec(package)  # found, not imported: numba takes long
        for folder in (spec and spec.submodule_search_locations) or ():
            seen.update(os.fsencode(folder))
            for source in sorted(Path(folder).glob(pattern)):
                with contextlib.suppress(OSError):
                    seen.update(source.read_bytes())
    return seen.hexdigest()[:16]


def _processor() -> str:
    """Name the processor and what it can do, where the system says so."""
    telling = ("model name", "flags", "Features", "CPU ")
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        first = file.read(1 << 13).split("\n\n", 1)[0]
        return "\n".join(line for line in first.splitlines() if line.startswith(telling))
    return f"{platform.machine()} {platform.processor()}"
