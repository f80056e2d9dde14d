"""The door for webhooks. Its guard is the signature; besides it, only ``/healthz`` is open without the API's token.

A request does nothing but this: bound what is read, verify the bytes, understand them, keep them, answer.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from anyio import fail_after, move_on_after, to_thread
from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from pullwright.agents.errors import StoreError
from pullwright.agents.intake.door import PATH_SECRET, Door, Particular, Unreadable
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.inbox import InboxStore, NewDelivery, Receipt
from pullwright.cli.server.app import WEBHOOKS

logger = logging.getLogger(__name__)

MAIN: Final = "main"
"""The connection that an address means without naming one."""

BODY_BYTES: Final = 25 << 20
"""Largest body that is read: what GitHub's largest deliveries have."""

HEADERS: Final = 100
HEADER_BYTES: Final = 32 << 10
"""Most headers of a request, and bytes in all of them together."""

AT_ONCE_BYTES: Final = 128 << 20
"""Bytes of all bodies in hand together; whoever sends has not proved anything yet."""

READ_SECONDS: Final = 30.0
"""How long a body may take to arrive."""

STORE_SECONDS: Final = 8.0
"""How long the database may take; GitHub gives up after 10."""

THREAD_BYTES: Final = 256 << 10
"""Larger bodies are verified and understood in a thread, so that the others do not wait."""


class _Refused(Exception):
    """The request is answered with an error; what was wrong stays in the log where telling would help to guess."""

    def __init__(self, status: int, told: str, logged: str = "") -> None:
        super().__init__(told)
        self.status = status
        self.logged = logged


class Webhooks:
    """Answers the requests of all connections."""

    def __init__(self, inbox: InboxStore, doors: Sequence[Door], *, clock: Clock, body_bytes: int = BODY_BYTES) -> None:
        """Make one; ``body_bytes`` is the largest body that is read."""
        self._inbox = inbox
        self._doors = {(door.source, door.connection): door for door in doors}
        self._clock = clock
        self._body_bytes = body_bytes
        self._in_hand = 0

    def routes(self) -> APIRouter:
        """Return the route; there is none without a door."""
        router = APIRouter()
        if self._doors:
            for address in ("{source}", "{source}/{connection}", "{source}/{connection}/{secret}"):
                router.add_route(WEBHOOKS + address, self._answer, methods=["POST"])
        return router

    async def _answer(self, request: Request) -> Response:
        try:
            status = await self._accept(request)
            door = self._doors[_address(request)]
            code = door.success_status if isinstance(door, Particular) else 202
            return JSONResponse({"status": status}, status_code=code)
        except _Refused as refused:
            if refused.logged:
                # Not the whole path: it may end with a secret.
                logger.warning("a delivery to %s was refused: %s", "/".join(_address(request))[:200], refused.logged)
            # Without this the rest of a body that is too large would be waited for.
            close = {"connection": "close"}
            return JSONResponse({"error": str(refused)}, status_code=refused.status, headers=close)

    async def _accept(self, request: Request) -> str:
        door = self._doors.get(_address(request))
        if door is None:
            raise _Refused(404, "there is no such connection")
        headers = _headers(request)
        if secret := request.path_params.get("secret", ""):
            headers.append((PATH_SECRET, secret))
        body = bytearray()
        try:
            await self._read(request, body)
            new = await self._understood(door, headers, bytes(body))
        finally:
            self._in_hand -= len(body)
        return await self._kept(new)

    async def _read(self, request: Request, body: bytearray) -> None:
        """Read the body, counting what arrives: whatever the header says may be wrong."""
        said = request.headers.get("content-length", "0")
        if not said.isascii() or not said.isdigit() or int(said[:20]) > self._body_bytes:
            raise _Refused(413, f"a delivery may have {self._body_bytes} bytes")
        try:
            with fail_after(READ_SECONDS):
                async for chunk in request.stream():
                    if len(body) + len(chunk) > self._body_bytes:
                        raise _Refused(413, f"a delivery may have {self._body_bytes} bytes")
                    if self._in_hand + len(chunk) > AT_ONCE_BYTES:
                        raise _Refused(503, "too much is arriving at once; deliver it again later", "no room")
                    body += chunk
                    self._in_hand += len(chunk)
        except TimeoutError:
            raise _Refused(408, "the body did not arrive in time") from None
        except ClientDisconnect:
            raise _Refused(400, "the body did not arrive") from None

    async def _understood(self, door: Door, headers: list[tuple[str, str]], body: bytes) -> NewDelivery:
        now = self._clock.now().timestamp()

        def examine() -> NewDelivery | Unreadable | str:
            return door.problem(headers, body, now=now) or door.read(headers, body)

        found = await to_thread.run_sync(examine) if len(body) > THREAD_BYTES else examine()
        match found:
            case str():
                raise _Refused(401, "the signature is missing or wrong", found)
            case Unreadable():
                raise _Refused(found.status, found.told, found.detail)
        return found

    async def _kept(self, new: NewDelivery) -> str:
        try:
            with move_on_after(STORE_SECONDS):
                if await self._inbox.receive(new) is Receipt.DUPLICATE:
                    return "duplicate"
                return "ignored" if new.ignored else "accepted"
        except StoreError as exc:
            raise _Refused(503, "the database does not answer; deliver it again later", str(exc)) from exc
        raise _Refused(503, "the database does not answer; deliver it again later", "the database took too long")


def _address(request: Request) -> tuple[str, str]:
    """Return source and connection; ``/webhooks/SOURCE`` alone is its main one."""
    return request.path_params["source"], request.path_params.get("connection", MAIN)


def _headers(request: Request) -> list[tuple[str, str]]:
    raw = request.headers.raw
    if len(raw) > HEADERS or sum(len(name) + len(value) for name, value in raw) > HEADER_BYTES:
        raise _Refused(431, "the headers are too large")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _Refused(415, "send the body as it is, without a content encoding")
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in raw]
