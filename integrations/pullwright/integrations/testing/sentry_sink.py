"""What our own Sentry would receive: a server that keeps envelopes, and a reader of them."""

from __future__ import annotations

import gzip
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pullwright.integrations.testing.certificate import make_certificate
from pullwright.integrations.testing.web_server import Request, Response, WebServer, json_response


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item of an envelope."""

    type: str
    headers: dict[str, Any]
    payload: bytes

    @property
    def document(self) -> Any:
        """The payload as JSON."""
        return json.loads(self.payload)


def read_envelope(body: bytes) -> tuple[dict[str, Any], list[Item]]:
    """Return the headers and the items of an envelope (https://develop.sentry.dev/sdk/data-model/envelopes/)."""
    first, _, rest = body.partition(b"\n")
    items = []
    while rest.strip(b"\n"):
        line, _, rest = rest.partition(b"\n")
        headers = json.loads(line)
        length = headers.get("length")
        if length is None:
            payload, _, rest = rest.partition(b"\n")
        else:
            payload, rest = rest[:length], rest[length:].removeprefix(b"\n")
        items.append(Item(type=headers["type"], headers=headers, payload=payload))
    return json.loads(first), items


class SentrySink:
    """Receives on loopback until it is closed."""

    def __init__(self, folder: Path) -> None:
        """Begin; ``folder`` gets the certificate."""
        certificate = make_certificate(folder)
        self.ca_file = certificate.certificate
        self._lock = threading.Lock()
        self._bodies: list[bytes] = []
        self._heads: list[str] = []
        self._server = WebServer(self._receive, certificate.server_context())

    @property
    def dsn(self) -> str:
        """What the SDK is told."""
        return f"https://public@127.0.0.1:{self._server.port}/1"

    @property
    def received(self) -> bytes:
        """Every byte that arrived, unpacked, the headers of the requests included."""
        with self._lock:
            return b"\n".join([*self._bodies, *(head.encode() for head in self._heads)])

    def items(self, type_: str) -> list[Any]:
        """Return the documents of all items of a type: ``event``, ``transaction``."""
        with self._lock:
            found = [item for body in self._bodies for item in read_envelope(body)[1]]
        return [item.document for item in found if item.type == type_]

    def close(self) -> None:
        """Stop."""
        self._server.close()

    def _receive(self, request: Request) -> Response:
        body = request.content()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        with self._lock:
            self._bodies.append(body)
            self._heads.append(f"{request.raw_path}\n{request.headers}")
        return json_response({"id": "0" * 32})
