"""The container's end of a stream, in memory: answers what a test tells it to, right or wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream

from pullwright.sandbox.channels import ConnectionHandler
from pullwright.sandbox.frames import Frame, FrameDecoder, FrameType, encode, encode_meta
from pullwright.sandbox.runner_client import RunnerClient

READY = encode_meta(FrameType.READY, 0, python="3.8.0", shell="/bin/sh", notices=[])
PONG = {"free_bytes": 1, "free_inodes": 2}
REQUESTS = frozenset(
    {
        FrameType.PING,
        FrameType.EXEC,
        FrameType.READ,
        FrameType.END,
        FrameType.SERVICE_START,
        FrameType.SERVICE_READ,
        FrameType.SERVICE_STOP,
    }
)


def pong(request: int) -> bytes:
    return encode_meta(FrameType.PONG, request, **PONG)


class Peer(ByteStream):
    """Gives one answer per request, in order; has no more, and the stream ends."""

    def __init__(self, *answers: bytes, ready: bytes = READY) -> None:
        self.seen: list[Frame] = []
        self.answers = deque(answers)
        self.ended = False
        self._ready = ready
        self._incoming: deque[bytes] = deque()
        self._arrived = anyio.Event()
        self._decoder = FrameDecoder()

    def say(self, data: bytes) -> None:
        """Let the host receive something."""
        if data:
            self._incoming.append(data)
        self._arrived.set()

    def end(self) -> None:
        self.ended = True
        self._arrived.set()

    def sent(self, kind: FrameType) -> list[Frame]:
        return [frame for frame in self.seen if frame.type is kind]

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await anyio.lowlevel.checkpoint()
        while not self._incoming:
            if self.ended:
                raise anyio.EndOfStream
            self._arrived = anyio.Event()
            await self._arrived.wait()
        return self._incoming.popleft()

    async def send(self, item: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        for frame in self._decoder.feed(item if self.seen else without_source(item)):
            self.seen.append(frame)
            self.on_frame(frame)

    def on_frame(self, frame: Frame) -> None:
        if frame.type is FrameType.HELLO:
            self.say(self._ready)
        elif frame.type in REQUESTS and self.answers:
            self.say(self.answers.popleft())
        elif frame.type in REQUESTS or frame.type is FrameType.CANCEL:
            self.end()

    async def send_eof(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


def without_source(data: bytes) -> bytes:
    """Cut off the runner's modules, which come before the first frame."""
    while length := int.from_bytes(data[:4], "big"):
        data = data[4 + length :]
    return data[4:]


@asynccontextmanager
async def connected(peer: Peer, ports: Mapping[int, ConnectionHandler] | None = None) -> AsyncIterator[RunnerClient]:
    async with RunnerClient.open(peer, workspace="/w", home="/h", ports=ports) as client:
        yield client


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()


def encode_all(*frames: Frame) -> bytes:
    return b"".join(encode(frame) for frame in frames)
