"""What lies in the cache: whether it is there, whole and unchanged."""

import stat
from pathlib import Path

from mercli.errors import UsageError
from mercli.files import sha256
from mercli.registry.network import KnownNetwork


def content(network: KnownNetwork) -> bytes | None:
    """Give what lies in a network's place; None where nothing does, empty for what it cannot be.

    Raises
    ------
    UsageError
        If it cannot be read.
    """
    path = network.place
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode) or info.st_size != network.size_bytes:
            return b""
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error


def is_kept(network: KnownNetwork) -> bool:
    """Tell whether a network lies in the cache, whole and unchanged."""
    found = content(network)
    return found is not None and sha256(found) == network.sha256


def problem(network: KnownNetwork) -> str | None:
    """Say what is wrong with what the cache holds of a network, and what to type; None where it is good."""
    name, found = network.name, content(network)
    if found is None:
        return f"{name} is not on this machine yet: type {_mend(network)}"
    if sha256(found) != network.sha256:
        again = " again" if network.url else ""
        return f"{network.place} was damaged or changed: type {_mend(network)}{again}"
    return None


def kept(network: KnownNetwork) -> Path:
    """Give where a network lies.

    Returns
    -------
    Path
        Its content was that of the registry a moment ago.

    Raises
    ------
    UsageError
        If it is not there, or is not what it was.
    """
    wrong = problem(network)
    if wrong is not None:
        raise UsageError(wrong)
    return network.place


def _mend(network: KnownNetwork) -> str:
    if network.url:
        return f"`mercli models pull {network.name}`"
    return f"`mercli models add FILE --contract JSON --name {network.name} --overwrite`"
