"""Frames in on file descriptor 0, frames out on 1; neither direction waits for the other."""

from __future__ import annotations

import json
import os
import select
import struct
from collections import deque
from collections.abc import Mapping

from pullwright.sandbox.runner.reactor import Reactor

HELLO, PING, EXEC, CANCEL, READ, WRITE, CHUNK, END, SERVICE_START, SERVICE_READ, SERVICE_STOP = range(1, 12)
READY, PONG, OUT_HEAD, OUT_TAIL, ERR_HEAD, ERR_TAIL, EXIT, DATA, DONE, FAIL, SERVICE = range(64, 75)
NET_OPEN, NET_DATA, NET_END, NET_CLOSE, NET_WINDOW = range(128, 133)
MAX_PAYLOAD = 1 << 20
OUT_MOST = 1 << 20
HEADER = struct.Struct("!BII")


def frame(kind: int, request: int, payload: bytes = b"") -> bytes:
    """Return the bytes of one frame."""
    return HEADER.pack(kind, request, len(payload)) + payload


def frames(kind: int, request: int, content: bytes) -> bytes:
    """Return content of any length in as many frames as it takes."""
    starts = range(0, len(content), MAX_PAYLOAD)
    return b"".join(frame(kind, request, content[start : start + MAX_PAYLOAD]) for start in starts)


def meta(kind: int, request: int, value: Mapping[str, object]) -> bytes:
    """Return the bytes of a frame with a JSON payload."""
    return frame(kind, request, json.dumps(value).encode())


class Wire:
    """The stream to the host."""

    def __init__(self, reactor: Reactor) -> None:
        self.reactor = reactor
        self.buffer = bytearray()
        self.queue: deque[memoryview] = deque()
        self.waiting = 0
        os.set_blocking(1, False)

    @property
    def full(self) -> bool:
        """Whether the host is so far behind that nothing more should be read on its behalf."""
        return self.waiting >= OUT_MOST

    def fill(self) -> None:
        chunk = os.read(0, 262144)
        if not chunk:
            raise EOFError
        self.buffer += chunk

    def take(self) -> tuple[int, int, bytes] | None:
        if len(self.buffer) < HEADER.size:
            return None
        kind, request, length = HEADER.unpack_from(self.buffer)
        end = HEADER.size + length
        if len(self.buffer) < end:
            return None
        payload = bytes(memoryview(self.buffer)[HEADER.size : end])
        del self.buffer[:end]
        return kind, request, payload

    def wait(self) -> tuple[int, int, bytes]:
        while True:
            message = self.take()
            if message is not None:
                return message
            self.fill()

    def send(self, *messages: bytes) -> None:
        """Write what the host takes now; the rest goes when it takes more."""
        whole = b"".join(messages)
        self.queue.append(memoryview(whole))
        self.waiting += len(whole)
        if len(self.queue) == 1:
            self.flush()

    def flush(self, _: int = 0) -> None:
        while self.queue:
            try:
                written = os.write(1, self.queue[0])
            except BlockingIOError:
                break
            self.waiting -= written
            rest = self.queue.popleft()[written:]
            if rest:
                self.queue.appendleft(rest)
        self.reactor.watch(1, select.POLLOUT if self.queue else 0, self.flush)
