"""Somebody who receives hooks on loopback and keeps them as they came."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One delivery."""

    headers: list[tuple[str, str]]
    body: bytes

    @property
    def payload(self) -> dict[str, Any]:
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    @property
    def name(self) -> str:
        event, action = dict(self.headers)["X-GitHub-Event"], self.payload.get("action")
        return f"{event}.{action}" if action else event

    @property
    def guid(self) -> str:
        return dict(self.headers)["X-GitHub-Delivery"]


class Receiver:
    """What came so far; ``status`` is what the next ones are answered with."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.status = 202
        self.got: list[Received] = []

    @property
    def names(self) -> list[str]:
        return [received.name for received in self.got]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append(Received(list(self.headers.items()), body))
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook")
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
