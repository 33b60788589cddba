"""Public networks that mercli can use and does not ship: what they are, and where they lie once pulled."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from mercli.errors import MercliError, UsageError
from mercli.files import sha256

CACHE = "MERCLI_CACHE"
"""The environment variable that names the folder for what is pulled."""

_TIMEOUT_S = 30  # without a byte
_CHUNK = 1 << 16  # bytes


@dataclass(frozen=True, slots=True)
class PublicNetwork:
    """Describe a file that anyone can get.

    Parameters
    ----------
    name : str
        What the user types.
    use : str
        What it is for, in a few words.
    file : str
        Its name on disk.
    url : str
        Where it is published.
    size_bytes : int
        Its size.
    sha256 : str
        Of its content.
    licence : str
        Its terms, as an SPDX identifier where there is one.
    """

    name: str
    use: str
    file: str
    url: str
    size_bytes: int
    sha256: str
    licence: str


NETWORKS = {
    network.name: network
    for network in (
        PublicNetwork(
            "yunet",
            "finds faces, turned ones too: --face-detector yunet",
            "face_detection_yunet_2023mar.onnx",
            "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
            "face_detection_yunet_2023mar.onnx",
            232_589,
            "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            "MIT",
        ),
    )
}
"""Every network that can be pulled, by name."""


def find(name: str) -> PublicNetwork:
    """Give the network of a name; a UsageError says which there are."""
    try:
        return NETWORKS[name]
    except KeyError:
        raise UsageError(f"no network {name!r} to pull; there is {', '.join(NETWORKS)}") from None


def cache_folder() -> Path:
    """Give the folder for what is pulled: $MERCLI_CACHE, else mercli's in the user's cache folder."""
    import platformdirs

    own = os.environ.get(CACHE)
    return Path(own).absolute() if own else platformdirs.user_cache_path("mercli", appauthor=False)


def place(network: PublicNetwork) -> Path:
    """Give where a network lies, or will lie."""
    return cache_folder() / network.file


def is_pulled(network: PublicNetwork) -> bool:
    """Tell whether a network lies in the cache, whole and unchanged."""
    return _content(network) == network.sha256


def pulled(name: str) -> Path:
    """Find a network that was pulled.

    Parameters
    ----------
    name : str
        One of `NETWORKS`.

    Returns
    -------
    Path
        Its content was that of the registry a moment ago.

    Raises
    ------
    UsageError
        If it was not pulled, or is not what it was.
    """
    network = find(name)
    content = _content(network)
    if content is None:
        raise UsageError(f"{name} is not on this machine yet: type `mercli models pull {name}`")
    if content != network.sha256:
        raise UsageError(f"{place(network)} was damaged or changed: type `mercli models pull {name}` again")
    return place(network)


def pull(name: str, url: str | None = None) -> Path:
    """Download a network into the cache, unless it is there; it is checked before it is moved into place.

    Parameters
    ----------
    name : str
        One of `NETWORKS`.
    url : str, optional
        Another address than the one it is published at.

    Returns
    -------
    Path
        Where it lies.

    Raises
    ------
    UsageError
        If there is no such network, or the cache cannot be written.
    MercliError
        If the address does not give the file that is wanted. The cache is then as it was.
    """
    import pooch

    network = find(name)
    address = network.url if url is None else url
    pooch.get_logger().setLevel("ERROR")  # the sentences raised say it
    try:
        pooch.retrieve(
            address,
            f"sha256:{network.sha256}",
            fname=network.file,
            path=cache_folder(),
            downloader=_Download(network),
        )
    except OSError as error:
        raise UsageError(
            f"cannot write {place(network)}: {error.strerror or error}; name another folder in {CACHE}"
        ) from error
    except ValueError as error:
        raise MercliError(
            f"{address} gave another file than {name}: its SHA-256 is not {network.sha256[:12]}…; nothing was kept"
        ) from error
    return place(network)


class _Download:
    """Fetch a file of known size for pooch, which checks its hash."""

    def __init__(self, network: PublicNetwork) -> None:
        self._network = network

    def __call__(self, url: str, output_file: str, _: object, check_only: bool = False) -> None:
        del check_only
        import pooch
        import requests

        with Path(output_file).open("wb") as file:
            body = _Body(file, self._network, url)
            try:
                pooch.HTTPDownloader(chunk_size=_CHUNK, timeout=_TIMEOUT_S)(url, body, None)
            except (requests.RequestException, ValueError) as error:
                raise MercliError(f"cannot download {url!r}: {_reason(error)}; --url takes a mirror") from error
        body.check()
        Path(output_file).chmod(0o644)  # several users may share a cache


class _Body:
    """Write what a server sends, as long as it is no more than was asked for."""

    def __init__(self, file: BinaryIO, network: PublicNetwork, url: str) -> None:
        self._file = file
        self._network = network
        self._url = url
        self._written = 0

    def write(self, data: bytes) -> int:
        self._written += len(data)
        if self._written > self._network.size_bytes:
            self._refuse("more than ")
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def check(self) -> None:
        if self._written < self._network.size_bytes:
            self._refuse(f"{self._written:,} of ")

    def _refuse(self, how_many: str) -> NoReturn:
        raise MercliError(
            f"{self._url} gave another file than {self._network.name}: "
            f"{how_many}{self._network.size_bytes:,} bytes; nothing was kept"
        )


def _reason(error: Exception) -> str:
    import requests

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server says {error.response.status_code} {error.response.reason}"
    said = {
        requests.Timeout: f"the server said nothing for {_TIMEOUT_S} s",
        requests.exceptions.ProxyError: "the proxy cannot be reached, or refuses",
        requests.exceptions.SSLError: "the server cannot show that it is who it says",
        requests.ConnectionError: "there is no connection to the server",
        requests.exceptions.ChunkedEncodingError: "the connection broke before all of it was there",
        ValueError: "this is no address of the form https://…",
    }
    return next((words for kind, words in said.items() if isinstance(error, kind)), type(error).__name__)


def _content(network: PublicNetwork) -> str | None:
    """Give the SHA-256 of what lies in a network's place; None where nothing does, empty for what it cannot be."""
    path = place(network)
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode) or info.st_size != network.size_bytes:
            return ""
        return sha256(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
