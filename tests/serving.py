"""A server on this machine, which serves files well or badly, as a test says."""

import http.server
import threading
from collections.abc import Sequence
from dataclasses import dataclass

TAG = '"first"'


@dataclass(frozen=True)
class Served:
    """How a body is served.

    `said` is the length that is announced; -1 for none. The connection is closed after `cuts[i]` bytes of the i-th
    answer, or goes silent where `stalls`. With `ranges` parts are served, and it is said so.
    """

    body: bytes
    said: int | None = None
    cuts: Sequence[int | None] = ()
    stalls: bool = False
    ranges: bool = False
    tag: str | None = None
    shifted: int = 0  # bytes by which an answer to a request for a part is wrong about where it begins


class Server(http.server.ThreadingHTTPServer):
    """Serve bodies by path, and remember the requests: their paths, and their headers."""

    daemon_threads = True

    def __init__(self) -> None:
        self.served: dict[str, Served] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)

    def serve(self, body: bytes, path: str | None = None, **how: object) -> str:
        """Serve a body from now on; gives its address."""
        path = path or f"/{len(self.served)}.onnx"
        self.served[path] = Served(body, **how)  # type: ignore[arg-type]
        return f"http://127.0.0.1:{self.server_port}{path}"

    def ranges_asked(self) -> list[str | None]:
        return [headers.get("Range") for _, headers in self.asked]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        served = self.server.served.get(self.path)
        if served is None:
            self.send_error(404)
            return
        begin, wanted = 0, self.headers.get("Range")
        if wanted and served.ranges and self.headers.get("If-Range", served.tag) == served.tag:
            begin = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(served.body):
                self.send_error(416)
                return
        self._answer(served, begin)

    def _answer(self, served: Served, begin: int) -> None:
        body = served.body[begin:]
        self.send_response(206 if begin else 200)
        if begin:
            first, size = begin + served.shifted, len(served.body)
            self.send_header("Content-Range", f"bytes {first}-{size - 1}/{size}")
        if served.said != -1:
            self.send_header("Content-Length", str(len(body) if served.said is None else served.said))
        if served.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if served.tag:
            self.send_header("ETag", served.tag)
        self.end_headers()
        n_before = sum(path == self.path for path, _ in self.server.asked) - 1
        cut = served.cuts[n_before] if n_before < len(served.cuts) else None
        self.wfile.write(body[:cut])
        if cut is not None and served.stalls:
            self.wfile.flush()
            self.server.over.wait(60)

    def log_message(self, *_: object) -> None:
        pass
