"""What is kept of a stream: its first and its last bytes."""

from __future__ import annotations

import os
import select

from pullwright.sandbox.runner.reactor import Reactor

MOST_READS = 16
"""Reads of 64 KiB that empty the largest pipe there is."""


class Capture:
    """Keeps the first and the last bytes of a stream and counts the rest."""

    def __init__(self, limit: int) -> None:
        self.half = max(limit // 2, 1)
        self.head, self.tail, self.total = bytearray(), bytearray(), 0

    def add(self, chunk: bytes) -> None:
        self.total += len(chunk)
        room = self.half - len(self.head)
        if room > 0:
            self.head += chunk[:room]
            chunk = chunk[room:]
        self.tail += chunk
        if len(self.tail) > 2 * self.half:
            del self.tail[: -self.half]

    def follow(self, reactor: Reactor, fd: int) -> None:
        """Take in whatever comes out of a pipe, to its end."""
        os.set_blocking(fd, False)
        reactor.watch(fd, select.POLLIN, lambda _: None if self.pump(fd) else reactor.forget(fd))

    def pump(self, fd: int) -> bool:
        """Take one chunk out of a pipe; false at its end."""
        try:
            chunk = os.read(fd, 65536)
        except BlockingIOError:
            return True
        self.add(chunk)
        return bool(chunk)

    def drain(self, fd: int) -> None:
        """Take out what a pipe holds now, and no more than that even if somebody goes on writing."""
        for _ in range(MOST_READS):
            before = self.total
            self.pump(fd)
            if before == self.total:
                break

    def kept(self, limit: int) -> tuple[bytes, bytes, int]:
        """Return head, tail and how many bytes are in neither, within a limit that may be smaller than its own."""
        half = min(max(limit // 2, 1), self.half)
        if self.total <= 2 * half:
            return bytes(self.head), bytes(self.tail), 0
        whole = bytes(self.head + self.tail)
        return whole[:half], whole[-half:], self.total - 2 * half
