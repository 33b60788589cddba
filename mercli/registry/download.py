"""One file over HTTP: no more of it than was asked for, and continued where the connection broke."""

import contextlib
import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mercli import strict_json
from mercli.errors import MercliError
from mercli.registry.network import KnownNetwork
from mercli.urls import distinct, shown

if TYPE_CHECKING:
    import requests

_CHUNK = 1 << 10  # bytes: what breaks off within one is lost
_ATTEMPTS = 5  # to continue within one download, as long as each gets further


class _Broken(Exception):  # noqa: N818  # never leaves this module
    """Report a connection that gave out: the message is the reason as a phrase."""


@dataclass(slots=True)
class Part:
    """Hold what is there of a file that was begun.

    Parameters
    ----------
    path : Path
        Where it is.
    url : str
        Where it is from.
    validator : str
        By which the server tells one content of that address from another; empty where it does not.
    may_continue : bool
        Whether the server says that it gives the rest alone.
    is_foreign : bool
        Whether what is there is from another address: it stays until this one gives something.
    """

    path: Path
    url: str
    validator: str = ""
    may_continue: bool = field(default=False)
    is_foreign: bool = field(default=False)

    @property
    def size_bytes(self) -> int:
        """Give how much is there of this address."""
        if self.is_foreign:
            return 0
        with contextlib.suppress(OSError):
            return self.path.stat().st_size
        return 0

    @property
    def _note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def _source(self) -> str:
        return distinct(self.url)  # which holds no password

    def find(self) -> None:
        """Look for what an earlier try left; what does not say where it is from is removed."""
        try:
            known = strict_json.loads(self._note.read_bytes())
            url, validator = known["url"], known["validator"]
            if isinstance(url, str) and isinstance(validator, str) and self.path.is_file():
                self.is_foreign = url != self._source
                if not self.is_foreign:
                    self.validator, self.may_continue = validator, True
                return
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            pass
        self.discard()

    def learn(self, headers: "requests.structures.CaseInsensitiveDict[str]") -> None:
        """Note what a server says of the content that it begins to give; what there was goes."""
        self.discard()
        tag = headers.get("ETag", "")
        strong = tag if tag.startswith('"') else ""  # a weak one may stand for other bytes
        self.validator = strong or headers.get("Last-Modified", "")
        self.may_continue = headers.get("Accept-Ranges", "").strip().lower() == "bytes"
        if self.may_continue:
            self._note.write_text(json.dumps({"url": self._source, "validator": self.validator}), encoding="utf-8")

    def leave(self) -> int:
        """Keep what is there if it can be continued, remove it if not; give how many bytes of it are kept."""
        if self.is_foreign or (self.may_continue and self.size_bytes):
            return self.size_bytes
        self.discard()
        return 0

    def discard(self) -> None:
        """Remove all of it."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
        self.validator, self.may_continue, self.is_foreign = "", False, False

    def move(self, place: Path) -> None:
        """Move it, complete, to its place."""
        os.replace(self.path, place)  # noqa: PTH105 - says what it does to what stands there
        self._note.unlink(missing_ok=True)


class Download:
    """Fetch a file of known size and hash for pooch, which checks the hash again before it moves it into place.

    Parameters
    ----------
    network : KnownNetwork
        What is wanted.
    timeout_s : float
        How long the server may say nothing.
    """

    def __init__(self, network: KnownNetwork, timeout_s: float) -> None:
        self._network = network
        self._timeout_s = timeout_s

    def __call__(self, url: str, output_file: str, _: object, check_only: bool = False) -> None:
        """Download into a file; a MercliError says why that failed."""
        del check_only
        place = self._network.place
        part = Part(place.with_name(f"{place.name}.part"), url)
        part.find()
        try:
            continued = self._fetch(part)
            if continued and not self._is_right(part):  # the rest was of another content
                part.discard()
                self._fetch(part)
        except _Broken as broken:
            hint = _will_go_on(kept) if (kept := part.leave()) else "--url takes a mirror"
            raise MercliError(f"cannot download {shown(url)!r}: {broken}; {hint}") from broken.__cause__
        except MercliError:
            part.discard()
            raise
        except KeyboardInterrupt:
            if kept := part.leave():
                raise KeyboardInterrupt(f"interrupted; {_will_go_on(kept)}") from None
            raise
        except BaseException:
            part.leave()
            raise
        part.move(Path(output_file))
        Path(output_file).chmod(0o644)  # several users may share a cache

    def _fetch(self, part: Part) -> bool:
        """Have all of the file in a part; tell whether it was put together of several answers."""
        furthest, continued = part.size_bytes, False
        for attempt in range(_ATTEMPTS):
            try:
                continued |= self._ask(part)
                break
            except _Broken:
                if part.size_bytes <= furthest or attempt == _ATTEMPTS - 1:
                    raise
                furthest = part.size_bytes
        return continued

    def _ask(self, part: Part) -> bool:
        """Ask once for what is missing; tell whether that was added to what was there."""
        import requests

        begun = part.size_bytes
        if begun == self._network.size_bytes:
            return True
        wanted = {"Accept-Encoding": "identity"}  # what is packed cannot be counted, nor continued
        if begun:
            wanted["Range"] = f"bytes={begun}-"
            if part.validator:
                wanted["If-Range"] = part.validator
        try:
            with requests.get(part.url, headers=wanted, stream=True, timeout=self._timeout_s) as answer:
                if begun and (answer.status_code == requests.codes.requested_range_not_satisfiable):
                    part.discard()
                    return self._ask(part)
                answer.raise_for_status()
                continues = bool(begun) and answer.status_code == requests.codes.partial_content
                if continues and not self._fits(answer, begun):
                    part.discard()
                    return self._ask(part)
                if not continues:
                    part.learn(answer.headers)
                self._write(part, answer, "ab" if continues else "wb")
                return continues
        except (requests.RequestException, ValueError) as error:
            raise _Broken(_reason(error, self._timeout_s)) from error

    def _write(self, part: Part, answer: "requests.Response", mode: str) -> None:
        size_bytes = self._network.size_bytes
        with part.path.open(mode) as file:
            for data in answer.iter_content(_CHUNK):
                file.write(data)
                if file.tell() > size_bytes:
                    self._refuse(part, "more than ")
            written = file.tell()
            file.flush()
            os.fsync(file.fileno())
        if written < size_bytes:
            if "Content-Length" in answer.headers:
                self._refuse(part, f"{written:,} of ")
            raise _Broken("the connection broke before all of it was there")

    def _fits(self, answer: "requests.Response", begun: int) -> bool:
        """Tell whether an answer begins where the part ends, and is of a file of the right size."""
        found = re.fullmatch(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18}|\*)", answer.headers.get("Content-Range", ""))
        if found is None:
            return False
        return int(found[1]) == begun and found[2] in ("*", str(self._network.size_bytes))

    def _is_right(self, part: Part) -> bool:
        with part.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self._network.sha256

    def _refuse(self, part: Part, how_many: str) -> NoReturn:
        raise MercliError(
            f"{shown(part.url)} gave another file than {self._network.name}: "
            f"{how_many}{self._network.size_bytes:,} bytes; nothing was kept"
        )


def _will_go_on(kept: int) -> str:
    return f"{kept:,} bytes are kept, and the same command goes on from there"


def _reason(error: Exception, timeout_s: float) -> str:
    import requests
    import urllib3

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server says {error.response.status_code} {error.response.reason}"
    if any(isinstance(cause, urllib3.exceptions.ReadTimeoutError) for cause in error.args):
        error = requests.Timeout()  # while the body is read, requests calls it something else
    said: dict[Any, str] = {
        requests.TooManyRedirects: "it is sent from one address to the next, in a circle",
        requests.exceptions.ContentDecodingError: "what it sends cannot be unpacked",
        requests.Timeout: f"the server said nothing for {timeout_s:g} s",
        requests.exceptions.ProxyError: "the proxy cannot be reached, or refuses",
        requests.exceptions.SSLError: "the server cannot show that it is who it says",
        requests.ConnectionError: "there is no connection to the server",
        requests.exceptions.ChunkedEncodingError: "the connection broke before all of it was there",
        ValueError: "this is no address of the form https://…",
    }
    return next((words for kind, words in said.items() if isinstance(error, kind)), type(error).__name__)
