"""Networks got from where they are published, and checked before they are moved into place."""

from mercli.errors import MercliError, UsageError
from mercli.registry.cache import CACHE, OFFLINE, alone_with, is_offline
from mercli.registry.download import Download
from mercli.registry.kept import is_kept
from mercli.registry.network import KnownNetwork

TIMEOUT_S = 30.0
"""How long a server may say nothing."""


def pull(
    network: KnownNetwork, url: str | None = None, *, offline: bool = False, timeout_s: float = TIMEOUT_S
) -> None:
    """Download a network into the cache, unless it is there; it is checked before it is moved into place.

    Parameters
    ----------
    network : KnownNetwork
        One that is published.
    url : str, optional
        Another address than those it is published at.
    offline : bool
        Whether to stay away from the network, as where the environment variable `OFFLINE` says so.
    timeout_s : float
        How long a server may say nothing.

    Raises
    ------
    UsageError
        If the cache cannot be written, or the network was added by the user.
    MercliError
        If it is not there and may not be downloaded, or no address gives the file that is wanted. The cache is
        then as it was; what can be continued is kept beside it.
    """
    if is_kept(network):
        return
    if network.url is None:
        raise UsageError(f"{network.name} was added on this machine; there is nowhere to pull it from")
    if offline or is_offline():
        raise MercliError(_how_to_bring(network, "--offline" if offline else OFFLINE))
    failures: list[MercliError] = []
    with alone_with(network.place):
        for address in [network.url, *network.mirrors] if url is None else [url]:
            try:
                _retrieve(network, address, timeout_s)
                return
            except UsageError:
                raise
            except MercliError as failure:
                failures.append(failure)
    if len(failures) == 1:
        raise failures[0]
    raise MercliError("; ".join(map(str, failures))) from failures[0]


def _retrieve(network: KnownNetwork, address: str, timeout_s: float) -> None:
    import pooch

    pooch.get_logger().setLevel("ERROR")  # the sentences raised say it
    try:
        pooch.retrieve(
            address,
            f"sha256:{network.sha256}",
            fname=network.place.name,
            path=network.place.parent,
            downloader=Download(network, timeout_s),
        )
    except OSError as error:
        raise UsageError(
            f"cannot write {network.place}: {error.strerror or error}; name another folder in {CACHE}"
        ) from error
    except ValueError as error:
        raise MercliError(
            f"{address} gave another file than {network.name}: its SHA-256 is not {network.sha256[:12]}…; "
            "nothing was kept"
        ) from error


def _how_to_bring(network: KnownNetwork, what: str) -> str:
    return (
        f"{network.name} is not on this machine, and {what} forbids to download it: put the file "
        f"({network.size_bytes:,} bytes, SHA-256 {network.sha256}) at {network.place}"
    )
