"""All networks that mercli knows by name: found, pulled, checked and removed."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from mercli.errors import MercliError, UsageError
from mercli.registry import added, pulling
from mercli.registry.cache import alone_with, writing
from mercli.registry.kept import kept
from mercli.registry.network import NETWORKS, KnownNetwork
from mercli.registry.pulling import TIMEOUT_S


def names() -> list[str]:
    """Name all networks: those that can be pulled, then those that were added."""
    return [*NETWORKS, *added.names()]


def find(name: str) -> KnownNetwork:
    """Give the network of a name.

    Raises
    ------
    UsageError
        If there is none; it says which there are.
    MercliError
        If it was added, and what is known of it was damaged.
    """
    if name in NETWORKS:
        return NETWORKS[name]
    if name in added.names():
        return added.read(name)
    raise UsageError(f"no network {name!r}; there is {', '.join(names())}")


def pulled(name: str) -> Path:
    """Give where a network lies, which was pulled or added.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    Path
        Its content was that of the registry a moment ago.

    Raises
    ------
    UsageError
        If it is not there, or is not what it was.
    """
    return kept(find(name))


def pull(name: str, url: str | None = None, *, offline: bool = False, timeout_s: float = TIMEOUT_S) -> Path:
    """Download a network, unless it is there, and give where it lies; see `mercli.registry.pulling.pull`."""
    network = find(name)
    pulling.pull(network, url, offline=offline, timeout_s=timeout_s)
    return network.place


def remove(name: str) -> list[Path]:
    """Remove from the cache what it holds of a network.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    list of Path
        What is gone.

    Raises
    ------
    UsageError
        If there is nothing of it, or it cannot be removed.
    """
    if name in NETWORKS:
        return _remove_pulled(NETWORKS[name])
    if name not in added.names():
        find(name)  # says what there is
    return [added.remove(name)]


def _remove_pulled(network: KnownNetwork) -> list[Path]:
    place = network.place
    parts = [place.with_name(f"{place.name}.part"), place.with_name(f"{place.name}.part.json")]
    if not any(path.is_file() or path.is_symlink() for path in [place, *parts]):
        raise UsageError(f"{network.name} was not pulled; there is nothing to remove")
    gone = []
    with alone_with(place):
        for path in [place, *parts]:
            with writing(path), contextlib.suppress(FileNotFoundError):
                path.unlink()
                gone.append(path)
    return gone


def states(wanted: list[str] | None = None) -> Iterator[tuple[str, KnownNetwork | None, str | None]]:
    """Look at networks, one after the other.

    Parameters
    ----------
    wanted : list of str, optional
        Their names; without it all.

    Yields
    ------
    name : str
        Its name.
    network : KnownNetwork or None
        What is known of it; None where that was damaged.
    problem : str or None
        What is wrong with it; None where it lies in the cache, whole and unchanged.

    Raises
    ------
    UsageError
        If there is no network of a name.
    """
    from mercli.registry.kept import problem

    for name in names() if wanted is None else wanted:
        try:
            network = find(name)
        except UsageError:
            raise
        except MercliError as error:
            yield name, None, str(error)
            continue
        yield name, network, problem(network)
