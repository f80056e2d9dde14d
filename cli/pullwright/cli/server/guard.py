"""The gate before the API: who has no token, or sends too much, gets no further, and nothing of it is read."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

BODY_BYTES: Final = 1 << 20
"""Largest body of a request."""


class Guard:
    """Asks for ``Authorization: Bearer TOKEN`` (RFC 6750) on every path below ``prefix``; an ASGI application."""

    def __init__(self, app: ASGIApp, *, token: str, prefix: str = "/api/") -> None:
        self._app = app
        self._wanted = f"Bearer {token}".encode()
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            status, reason = self._refusal(str(scope["path"]), str(scope["method"]), dict(scope["headers"]))
            if status:
                await _refuse(send, status, reason)
                return
        await self._app(scope, receive, send)

    def _refusal(self, path: str, method: str, headers: dict[bytes, bytes]) -> tuple[int, str]:
        if not path.startswith(self._prefix):
            return 0, ""
        if not secrets.compare_digest(headers.get(b"authorization", b""), self._wanted):
            return 401, "send the header Authorization: Bearer and the value of AGENT_API_TOKEN"
        if method in ("GET", "HEAD"):
            return 0, ""
        length = headers.get(b"content-length", b"")
        if not length.isdigit():
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
