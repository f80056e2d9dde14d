"""A package registry on this host's loopback that does what it is told to, and writes down what it was asked."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CREDENTIAL = "Basic cmVhZGVyOnVwc3RyZWFtLWNhbmFyeS03NzE="  # reader:upstream-canary-771
PASSWORD = "upstream-canary-771"
METADATA = "http://169.254.169.254/latest/meta-data/"
SMALL, LARGE = b"a small package", bytes(300_000)
HUGE = bytes(8 << 20)
JSON_TYPE = "application/vnd.pypi.simple.v1+json"


@dataclass
class Registry:
    """What is served, by path: a body, or where to go instead."""

    url: str = ""
    pages: dict[str, bytes] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    def project(self, name: str, content: bytes, *, url: str = "", said: bytes | None = None) -> None:
        """Serve a project with one file; ``said`` is what the index says that the file holds."""
        file = f"{name}-1.0.tar.gz"
        self.pages[f"/files/{file}"] = content
        entry = {
            "filename": file,
            "url": url or f"{self.url}/files/{file}",
            "hashes": {"sha256": hashlib.sha256(content if said is None else said).hexdigest()},
        }
        self.index(name, {"meta": {"api-version": "1.0"}, "name": name, "files": [entry], "versions": ["1.0"]})

    def index(self, name: str, content: object) -> None:
        self.pages[f"/simple/{name}/"] = json.dumps(content).encode()

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _ in self.asked]


@contextmanager
def serving() -> Iterator[Registry]:
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            registry.asked.append((self.command, self.path, dict(self.headers)))
            place = registry.redirects.get(self.path)
            body = registry.pages.get(self.path)
            self.send_response(302 if place else 404 if body is None else 200)
            if place:
                self.send_header("Location", place)
            self.send_header("Content-Type", JSON_TYPE if self.path.startswith("/simple/") else "application/json")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        do_POST = do_PUT = do_CONNECT = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def stock(registry: Registry, other: Registry) -> None:
    """Fill a registry with good packages and with traps; ``other`` is a server that nothing may reach."""
    registry.project("good", SMALL)
    registry.project("large", LARGE)
    registry.project("huge", HUGE)
    registry.project("poisoned", b"evil bytes", said=b"what was meant")
    registry.project("elsewhere", SMALL, url=f"{other.url.replace('127.0.0.1', 'localhost')}/files/secret-1.0.tar.gz")
    registry.project("inside", SMALL, url=METADATA)
    registry.project("moved", SMALL)
    registry.redirects["/files/moved-1.0.tar.gz"] = METADATA
    registry.redirects["/simple/lured/"] = f"{other.url.replace('127.0.0.1', 'localhost')}/simple/lured/"
    registry.redirects["/simple/circling/"] = f"{registry.url}/simple/circling/"
    registry.index("echoing", {"meta": {"api-version": "1.0"}, "name": "echoing", "files": [], "_you": CREDENTIAL})
    registry.index("decoding", {"meta": {"api-version": "1.0"}, "name": "decoding", "files": [], "_you": PASSWORD})
    registry.project("leaking", f"your header was {CREDENTIAL}".encode())
    tarball = {"tarball": f"{registry.url}/npm/left/-/left-1.0.0.tgz"}
    registry.pages["/npm/left"] = json.dumps(
        {"name": "left", "versions": {"1.0.0": {"name": "left", "version": "1.0.0", "dist": tarball}}}
    ).encode()
    registry.pages["/npm/left/-/left-1.0.0.tgz"] = SMALL
    other.pages["/files/secret-1.0.tar.gz"] = b"of the inside"
    other.pages["/simple/lured/"] = b"of the inside"
