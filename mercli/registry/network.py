"""A network that mercli knows by name: one of its own list, which can be pulled, or one that the user added."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mercli import strict_json
from mercli.face.contract import Contract
from mercli.files import PLAIN_NAME
from mercli.registry.cache import cache_folder

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""What the user types for a network; one case only, since some systems tell no cases apart."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class KnownNetwork:
    """Describe a network file.

    Parameters
    ----------
    name : str
        What the user types.
    use : str
        What it is for, in a few words.
    file : str
        Its name in the cache folder.
    size_bytes : int
        Its size.
    sha256 : str
        Of its content.
    licence : str or None
        Its terms, as an SPDX identifier where there is one; None where nobody said.
    url : str or None
        Where it is published; None for one that the user added.
    mirrors : tuple of str
        Where it is to be had too.
    contract : Contract or None
        What it takes and gives; None for a face detector, which OpenCV knows how to ask.
    """

    name: str
    use: str
    file: str
    size_bytes: int
    sha256: str
    licence: str | None = None
    url: str | None = None
    mirrors: tuple[str, ...] = ()
    contract: Contract | None = None

    @property
    def place(self) -> Path:
        """Give where it lies, or will lie."""
        return cache_folder() / self.file

    @property
    def label(self) -> str:
        """Name it so that it can be told from any other of that name."""
        return f"{self.name}@{self.sha256[:12]}"

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read an entry of the list; a ValueError, TypeError or KeyError says what is not understood."""
        rest = dict(data)
        contract, mirrors = rest.pop("contract"), tuple(rest.pop("mirrors"))
        size_bytes = rest.pop("bytes")
        network = cls(
            **rest,
            size_bytes=size_bytes,
            mirrors=mirrors,
            contract=None if contract is None else Contract.from_json(contract),
        )
        texts = (network.name, network.use, network.file, network.sha256, network.licence, network.url, *mirrors)
        if not all(isinstance(text, str) and text for text in texts):
            raise TypeError(f"an empty text of the network {network.name!r}")
        if not NAME.fullmatch(network.name) or not PLAIN_NAME.fullmatch(network.file):
            raise ValueError(f"name {network.name!r}, file {network.file!r}")
        if type(size_bytes) is not int or size_bytes < 1 or not _SHA256.fullmatch(network.sha256):
            raise ValueError(f"bytes {size_bytes!r}, SHA-256 {network.sha256!r}")
        if not all(address.startswith("https://") for address in (network.url or "", *mirrors)):
            raise ValueError(f"an address of {network.name}")
        return network


def read_list(text: str) -> dict[str, KnownNetwork]:
    """Read a list of networks.

    Parameters
    ----------
    text : str
        JSON, as in ``networks.json`` beside this file.

    Returns
    -------
    dict of str to KnownNetwork
        By name, in the order of the list.

    Raises
    ------
    ValueError, TypeError, KeyError
        If it is not understood, or two have one name or one file.
    """
    data = strict_json.loads(text)
    if (data["format"], data["format_version"]) != ("mercli-networks", 1):
        raise ValueError("another format")
    networks = [KnownNetwork.from_json(entry) for entry in data["networks"]]
    for what in ("name", "file"):
        if len({getattr(network, what).lower() for network in networks}) < len(networks):
            raise ValueError(f"two networks of one {what}")
    return {network.name: network for network in networks}


NETWORKS = read_list(Path(__file__).with_name("networks.json").read_text(encoding="utf-8"))
"""Every network that can be pulled, by name."""
