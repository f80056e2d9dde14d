"""What the tests of egress stand on: a byte pipe in memory, and an upstream that answers what it is told to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream

from pullwright.sandbox.channels import ConnectionHandler

GUARD = 20.0
ENDED = (anyio.IncompleteRead, anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


class PipeEnd(ByteStream):
    """One end of a two-way byte pipe in memory."""

    def __init__(
        self,
        incoming: anyio.abc.ObjectReceiveStream[bytes],
        outgoing: anyio.abc.ObjectSendStream[bytes],
    ) -> None:
        self._incoming = BufferedByteReceiveStream(incoming)
        self._outgoing = outgoing

    async def receive(self, max_bytes: int = 65536) -> bytes:
        return await self._incoming.receive(max_bytes)

    async def send(self, item: bytes) -> None:
        await self._outgoing.send(bytes(item))

    async def send_eof(self) -> None:
        await self._outgoing.aclose()

    async def aclose(self) -> None:
        await self._outgoing.aclose()
        await self._incoming.aclose()


def pipe() -> tuple[PipeEnd, PipeEnd]:
    there_in, there_out = anyio.create_memory_object_stream[bytes](8)
    back_in, back_out = anyio.create_memory_object_stream[bytes](8)
    return PipeEnd(back_out, there_in), PipeEnd(there_out, back_in)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool
    """Whether the connection ended before the whole body was there."""


async def send_raw(handler: ConnectionHandler, *pieces: bytes) -> bytes:
    """Send bytes on a connection of their own, and return all that comes back until the handler ends it."""
    ours, theirs = pipe()
    received = bytearray()

    async def handle() -> None:
        await handler(theirs)

    async def write() -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            for piece in pieces:
                await ours.send(piece)
            await ours.send_eof()

    with anyio.fail_after(GUARD):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(handle)
            tasks.start_soon(write)
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    received += await ours.receive()
    await ours.aclose()
    return bytes(received)


def parse_replies(data: bytes) -> list[Reply]:
    replies = []
    while data:
        head, _, rest = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("ascii").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", "0"))
        body, data = rest[:length], rest[length:]
        if headers.get("transfer-encoding") == "chunked":
            body, whole, data = _dechunk(rest)
            length = len(body) if whole else len(body) + 1
        replies.append(Reply(int(first.split()[1]), headers, body, len(body) < length))
    return replies


def _dechunk(data: bytes) -> tuple[bytes, bool, bytes]:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        body += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
        if int(size, 16) == 0:
            return body, True, data
    return body, False, b""


async def get(handler: ConnectionHandler, target: str, accept: str = "*/*", method: str = "GET") -> Reply:
    head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\n\r\n".encode("latin-1")
    data = await send_raw(handler, head)
    if method == "HEAD":
        data = data.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        data = data.replace(b"Content-Length", b"Length-Would-Be")
    [reply] = parse_replies(data)
    return reply


@dataclass
class Answer:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    """What Content-Length says; by default what is true."""
    hold: anyio.Event | None = None
    """Waited for before the second half of the body is sent."""


@dataclass
class Upstream:
    """A registry on the loopback. Every request is kept; what it has no answer for is a 404."""

    port: int
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    async def serve(self, stream: ByteStream) -> None:
        buffered = BufferedByteReceiveStream(stream)
        async with stream:
            with suppress(*ENDED):
                while True:
                    head = (await buffered.receive_until(b"\r\n\r\n", 65536)).decode("ascii").split("\r\n")
                    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
                    path = head[0].split()[1]
                    self.requests.append((path, headers))
                    await self._answer(stream, self.answers.get(path, Answer(status=404)), headers)

    async def _answer(self, stream: ByteStream, answer: Answer, headers: Mapping[str, str]) -> None:
        body, status = answer.body, answer.status
        if "etag" in answer.headers and headers.get("if-none-match") == answer.headers["etag"]:
            body, status = b"", 304
        length = len(body) if answer.length is None else answer.length
        more = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
        await stream.send(f"HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n{more}\r\n".encode())
        half = len(body) // 2
        if half:
            await stream.send(body[:half])
        if answer.hold is not None:
            await answer.hold.wait()
        if body:
            await stream.send(body[half:])
        if length > len(body):
            await stream.aclose()


@asynccontextmanager
async def upstream() -> AsyncIterator[Upstream]:
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    found = Upstream(listener.extra(SocketAttribute.local_port))
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, found.serve)
        try:
            yield found
        finally:
            tasks.cancel_scope.cancel()


def cached(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
