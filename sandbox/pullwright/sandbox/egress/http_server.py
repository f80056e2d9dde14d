"""A strict HTTP/1.1 server over one byte stream: GET and HEAD without bodies, one request after the other.

What h11 takes with good will (bare line feeds, folded headers) is refused before h11 sees it, so that there is one
reading of a request and no doubt where it ends.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio
import h11
from anyio.abc import ByteStream

from pullwright.agents.egress import EgressDecision
from pullwright.sandbox.egress.cache import Artefact, ArtefactCache
from pullwright.sandbox.egress.decisions import Ledger, Refusal, printable
from pullwright.sandbox.egress.upstream_client import UpstreamClient

MAX_HEAD: Final = 16_384
MAX_TARGET: Final = 2_048
IDLE: Final = 60.0
"""Seconds to wait for a request, or for the container to take the next bytes of an answer."""

_BAD_LINE = re.compile(rb"(?<!\r)\n|\r(?!\n)|[^\t\r\n\x20-\x7e]|\n[ \t]")
_ESCAPE = re.compile(r"%(.{0,2})", re.DOTALL)
_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@/^-]*")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came; the target is not looked at yet."""

    method: str
    target: str
    accept: str


class Exchange:
    """One request and its answer. ``received`` counts the bytes of the answer's body."""

    def __init__(self, request: Request, connection: h11.Connection, stream: ByteStream, ledger: Ledger) -> None:
        self.request = request
        self.target = ""
        """What is asked for, for the decision; empty when nobody needs to know."""
        self.received = 0
        self.begun = False
        self._connection = connection
        self._stream = stream
        self._ledger = ledger

    async def answer(self, body: bytes, content_type: str) -> None:
        """Send a whole answer of status 200."""
        self._ledger.check(len(body))
        await self.begin(len(body), content_type)
        await self.send(body)
        await self.end()

    async def begin(self, length: int | None, content_type: str = "application/octet-stream") -> None:
        """Send the head of an answer of status 200; without a length the body is chunked.

        Raises:
            Refusal: The byte budget does not hold the length.
        """
        self._ledger.check(length or 0)
        headers = [("Content-Type", content_type), ("X-Content-Type-Options", "nosniff")]
        if length is not None:
            headers.append(("Content-Length", str(length)))
        self.begun = True
        await self._put(h11.Response(status_code=200, reason=b"OK", headers=headers))

    async def send(self, data: bytes) -> None:
        """Send a part of the body; nothing of it goes out to a HEAD.

        Raises:
            Refusal: The byte budget is used up; the answer can only be cut now.
        """
        if self.request.method == "HEAD" or not data:
            return
        self._ledger.take(len(data))
        await self._put(h11.Data(data=data))
        self.received += len(data)

    async def serve_file(self, files: ArtefactCache, artefact: Artefact, client: UpstreamClient | None = None) -> None:
        """Send a file while it comes into the cache.

        Raises:
            Refusal: It can not be had, or only its size is asked for.
        """
        if self.request.method == "HEAD":
            raise Refusal(405, "a file can only be read whole: use GET", quiet=True)
        download = await files.get(artefact, client)
        await self.begin(download.length)
        await download.copy_to(self.send)
        await self.end()

    async def end(self) -> None:
        """Say that the answer is complete."""
        await self._put(h11.EndOfMessage())

    async def refuse(self, refusal: Refusal) -> None:
        """Answer with the reason, in the status line too: that is what pip and npm show."""
        text = f"blocked by Pullwright: {refusal.reason}" if refusal.status != 404 else f"not found: {refusal.reason}"
        body = f"{text}\n".encode("ascii", "replace")
        headers = [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))]
        if refusal.status == 405:
            headers.append(("Allow", "GET, HEAD"))
        if refusal.status in (400, 405):
            headers.append(("Connection", "close"))
        reason = text.encode("ascii", "replace")
        await self._put(h11.Response(status_code=refusal.status, reason=reason, headers=headers))
        if self.request.method != "HEAD":
            await self._put(h11.Data(data=body))
        await self.end()

    async def _put(self, event: h11.Event) -> None:
        data = self._connection.send(event)
        if data:
            with anyio.fail_after(IDLE):
                await self._stream.send(data)


Responder = Callable[[Exchange], Awaitable[None]]


class HttpPort:
    """Serves the connections to one port: reads requests, passes the plain ones on, records what came of each."""

    def __init__(self, kind: str, respond: Responder, ledger: Ledger) -> None:
        self._kind = kind
        self._respond = respond
        self._ledger = ledger

    async def __call__(self, stream: ByteStream) -> None:
        """Serve one connection until the container closes it, sends nothing for a minute, or sends nonsense."""
        async with stream:
            try:
                await self._serve(stream)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, TimeoutError):
                return

    async def _serve(self, stream: ByteStream) -> None:
        reader = HeadReader(stream)
        connection = h11.Connection(h11.SERVER)
        while True:
            try:
                request = read_request(await reader.head(), connection)
            except Refusal as refusal:
                await self._refuse_nonsense(refusal, stream)
                return
            exchange = Exchange(request, connection, stream, self._ledger)
            if not await self._exchange(exchange) or connection.our_state is not h11.DONE:
                return
            connection.start_next_cycle()

    async def _refuse_nonsense(self, refusal: Refusal, stream: ByteStream) -> None:
        """Answer bytes that are no request; a connection of its own, for the other one may be in any state."""
        request = Request("GET", "", "")
        exchange = Exchange(request, h11.Connection(h11.SERVER), stream, self._ledger)
        await exchange.refuse(refusal)
        self._record(exchange, time.monotonic(), refusal, "a malformed request")

    async def _exchange(self, exchange: Exchange) -> bool:
        """Answer one request; return whether the connection can go on."""
        start = time.monotonic()
        try:
            if exchange.request.method not in ("GET", "HEAD"):
                text = "only GET and HEAD are allowed here: packages can be read, nothing can be sent"
                raise Refusal(405, text, quiet=exchange.request.target.startswith("/-/npm/"))  # npm's audit
            await self._respond(exchange)
        except Refusal as refusal:
            wanted = exchange.target or f"{exchange.request.method} {exchange.request.target}"
            self._record(exchange, start, refusal, wanted)
            if exchange.begun:
                return False
            await exchange.refuse(refusal)
            return refusal.status not in (400, 405)
        self._record(exchange, start, None, exchange.target)
        return True

    def _record(self, exchange: Exchange, start: float, refusal: Refusal | None, target: str) -> None:
        if not target or (refusal is not None and refusal.quiet):
            return
        decision = EgressDecision(
            allowed=refusal is None,
            kind=self._kind,
            target=printable(target),
            rule=refusal.reason if refusal else "packages are allowed",
            received=exchange.received,
        )
        self._ledger.record(decision, time.monotonic() - start)


class HeadReader:
    """Reads request heads off a stream and keeps what follows them."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self.rest = b""

    async def head(self) -> bytes:
        """Return the bytes of one head, with its empty line.

        Raises:
            Refusal: It is too long or not plain.
            TimeoutError: It does not come in time.
            anyio.EndOfStream: The stream ended.
        """
        data, searched = self.rest, 0
        with anyio.fail_after(IDLE):
            while (end := data.find(b"\r\n\r\n", searched)) < 0 and len(data) <= MAX_HEAD:
                if _BAD_LINE.search(data, searched, len(data) - 1 if data.endswith(b"\r") else len(data)):
                    raise Refusal(400, "the request has a control character or a folded line in its head")
                searched = max(0, len(data) - 3)
                data += await self._stream.receive(65_536)
        head, self.rest = data[: end + 4], data[end + 4 :]
        if end < 0 or len(head) > MAX_HEAD:
            raise Refusal(400, f"the head of the request has more than {MAX_HEAD} bytes")
        if _BAD_LINE.search(head):
            raise Refusal(400, "the request has a control character or a folded line in its head")
        return head


def read_request(head: bytes, connection: h11.Connection) -> Request:
    """Parse one head, and see that nothing can follow it but the next request.

    Raises:
        Refusal: It is not a plain request without a body.
    """
    try:
        connection.receive_data(head)
        event = connection.next_event()
    except h11.RemoteProtocolError:
        raise Refusal(400, "this is not an HTTP/1.1 request") from None
    if not isinstance(event, h11.Request) or event.http_version not in (b"1.1", b"1.0"):
        raise Refusal(400, "this is not an HTTP/1.1 request")
    names = [name for name, _ in event.headers]
    method, target = event.method.decode("ascii"), event.target.decode("ascii")
    if len(target) > MAX_TARGET:
        raise Refusal(414, f"the address has more than {MAX_TARGET} characters")
    framed = [value for name, value in event.headers if name in (b"content-length", b"transfer-encoding")]
    if method in ("GET", "HEAD", "CONNECT") and (framed or b"upgrade" in names or b"expect" in names):
        raise Refusal(400, "a request may not have a body, expect or upgrade anything")
    if method in ("GET", "HEAD"):
        connection.next_event()  # the end of the message, which has no body
    accept = b",".join(value for name, value in event.headers if name == b"accept").decode("ascii")
    return Request(method, target, accept)


def plain_path(target: str, *, scoped: bool = False) -> str:
    """Return the path that an origin-form target means, its escapes decoded once.

    Args:
        target: What stands in the request line.
        scoped: Whether ``/@scope%2fname`` is meant as npm means it.

    Raises:
        Refusal: There is a query, or anything that two programs could read differently.
    """
    if "?" in target:
        raise Refusal(403, "addresses with a query are not allowed")
    if scoped:
        target = re.sub(r"\A/(@|%40)([^/%]+)%2[fF]([^/%])", r"/@\2/\3", target)
    path = _ESCAPE.sub(_decode, target)
    if not _PATH.fullmatch(path):
        raise Refusal(400, "the address has a character that no package address has")
    segments = path.split("/")[1:]
    if any(segment in (".", "..") for segment in segments) or "" in segments[:-1]:
        raise Refusal(400, "the address has an empty or relative part")
    return path


def _decode(match: re.Match[str]) -> str:
    digits = match.group(1)
    char = chr(int(digits, 16)) if re.fullmatch(r"[0-9A-Fa-f]{2}", digits) else ""
    if not char or char in "/%.":
        raise Refusal(400, "the address has an escape that no package address needs")
    return char
