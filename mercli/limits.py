"""What one file may cost: time, memory, length and picture size."""

import math
import re
from dataclasses import dataclass

from mercli.errors import UsageError

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SHARE = 0.8  # of the machine's memory that all workers together may use
_LEAST_SHARE = 1 << 30  # bytes: under that a worker could not even start


@dataclass(frozen=True, slots=True)
class Limits:
    """Say what one file may cost; None is no limit.

    Parameters
    ----------
    timeout_s : float or None
        Wall-clock seconds.
    max_memory : int or None
        Bytes a worker may hold resident while it works on a file.
    max_duration_s : float or None
        Seconds of sound or picture.
    max_pixels : int or None
        Width times height of a picture. The default lets 8K pass.
    """

    timeout_s: float | None = 3600.0
    max_memory: int | None = None
    max_duration_s: float | None = None
    max_pixels: int | None = 40_000_000


def read_limits(
    jobs: int, *, timeout: float, max_memory: int | str | None, max_duration: float, max_pixels: int
) -> Limits:
    """Make limits of what a user says.

    Parameters
    ----------
    jobs : int
        How many workers share the memory.
    timeout, max_duration : float
        Seconds; 0 is no limit.
    max_memory : int or str or None
        Bytes, or a size for `parse_size`; 0 is no limit. None is a worker's share of the machine's memory.
    max_pixels : int
        Width times height; 0 is no limit.

    Returns
    -------
    Limits
        For each file.

    Raises
    ------
    UsageError
        If a limit makes no sense.
    """
    for option, seconds in (("--timeout", timeout), ("--max-duration", max_duration)):
        if not (math.isfinite(seconds) and seconds >= 0):
            raise UsageError(f"{option} {seconds} is no number of seconds; 0 is for no limit")
    if max_pixels < 0:
        raise UsageError(f"--max-pixels {max_pixels} is no number of pixels; 0 is for no limit")
    if isinstance(max_memory, int) and max_memory < 0:
        raise UsageError(f"--max-memory {max_memory} is no number of bytes; 0 is for no limit")
    memory = memory_share(jobs) if max_memory is None else max_memory
    memory = parse_size(memory) if isinstance(memory, str) else memory
    return Limits(timeout or None, memory or None, max_duration or None, max_pixels or None)


def parse_size(text: str) -> int:
    """Read a number of bytes such as ``500M``, ``1.5G`` or ``2GB``; units are powers of 1024.

    Raises
    ------
    UsageError
        If it is not understood.

    Examples
    --------
    >>> parse_size("1.5G")
    1610612736
    """
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([KMGT]?)(?:I?B)?", text.strip().upper())
    if match is None:
        raise UsageError(f"{text!r} is not an amount of memory: give a number and a unit, such as 500M or 4G")
    return int(float(match[1]) * _UNITS[match[2]])


def show_size(n_bytes: int) -> str:
    """Write a number of bytes as people read it.

    Examples
    --------
    >>> show_size(1610612736)
    '1.5 GB'
    """
    for unit in ("T", "G", "M", "K"):
        if n_bytes >= _UNITS[unit]:
            amount = n_bytes / _UNITS[unit]
            return f"{amount:.3g} {unit}B" if amount < 999.5 else f"{amount:.0f} {unit}B"
    return f"{n_bytes} bytes"


def memory_share(jobs: int) -> int:
    """Give each of `jobs` workers an equal share of most of this machine's memory, in bytes."""
    import psutil

    return max(_LEAST_SHARE, int(psutil.virtual_memory().total * _SHARE) // jobs)
