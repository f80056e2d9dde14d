"""Everything outside as a tunnel sees it: names with their addresses, and one server behind all public ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import ByteStream, SocketAttribute, SocketStream

PUBLIC = "93.184.215.14"
NAMES = {
    "listed.example": [PUBLIC],
    "sub.listed.example": [PUBLIC],
    "other.example": [PUBLIC],
    "loopback.example": ["127.0.0.1"],
    "metadata.example": ["169.254.169.254"],
    "private.example": ["10.0.0.8"],
    "mapped.example": ["::ffff:10.0.0.8"],
    "mixed.example": [PUBLIC, "192.168.1.1"],
}
REBINDING = ("loopback", "metadata", "private", "mapped", "mixed")
LISTED = ("listed.example", *(f"{name}.example" for name in REBINDING))
ANSWER = b"from-outside"


@dataclass
class Outside:
    """What was asked and what arrived."""

    port: int = 0
    resolved: list[str] = field(default_factory=list)
    connected: list[tuple[str, int]] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)

    async def resolve(self, host: str, _: int) -> Sequence[str]:
        self.resolved.append(host)
        if host not in NAMES:
            raise OSError("no such name")
        return NAMES[host]

    async def connect(self, address: str, port: int) -> ByteStream:
        self.connected.append((address, port))
        return await anyio.connect_tcp("127.0.0.1", self.port)

    async def serve(self, stream: SocketStream) -> None:
        async with stream:
            try:
                self.received.append(await stream.receive())
                await stream.send(ANSWER)
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return


@asynccontextmanager
async def outside() -> AsyncIterator[Outside]:
    found = Outside()
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        found.port = listener.extra(SocketAttribute.local_port)
        tasks.start_soon(listener.serve, found.serve)
        yield found
        tasks.cancel_scope.cancel()
