"""The gate before the API: who has no token, or sends too much, gets no further, and nothing of it is read."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

BODY_BYTES: Final = 1 << 20
"""Largest body of a request."""


class Guard:
    """Asks for ``Authorization: Bearer TOKEN`` (RFC 6750) on every path that is not open; an ASGI application.

    How long the comparison takes says nothing about the token. On every path a body has to say how long it is, and
    may not be longer than ``BODY_BYTES``. What is below ``own_gate`` is let through: it has a gate of its own.
    """

    def __init__(self, app: ASGIApp, *, token: str, open_paths: Collection[str] = (), own_gate: str = "") -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode()
        self._open_paths = frozenset(open_paths)
        self._own_gate = own_gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # nothing here speaks anything else
        path = str(scope["path"])
        status, reason = self._refusal(path, str(scope["method"]), dict(scope["headers"]))
        if status and not (self._own_gate and path.startswith(self._own_gate)):
            await _refuse(send, status, reason)
            return
        await self._app(scope, receive, send)

    def _refusal(self, path: str, method: str, headers: dict[bytes, bytes]) -> tuple[int, str]:
        if path not in self._open_paths and not secrets.compare_digest(
            headers.get(b"authorization", b""), self._wanted
        ):
            return 401, "send the header Authorization: Bearer and the value of AGENT_API_TOKEN"
        if method in ("GET", "HEAD"):
            return 0, ""
        length = headers.get(b"content-length", b"0")  # without either header there is no body (RFC 9112, 6.3)
        if b"transfer-encoding" in headers or not length.isdigit():
            return 411, "send the header Content-Length"
        if int(length[:20]) > BODY_BYTES:
            return 413, f"a request may have {BODY_BYTES} bytes"
        return 0, ""


async def _refuse(send: Send, status: int, reason: str) -> None:
    body = json.dumps({"error": reason}).encode()
    headers: Iterable[tuple[bytes, bytes]] = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *([(b"www-authenticate", b"Bearer")] if status == 401 else []),
    ]
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
