"""Egress channels: what connects to a loopback port is carried to the host, and decided there."""

# ruff: noqa: I001, SIM105 - must run on Python 3.8
from __future__ import annotations

import select
import _socket as socket
import struct
from collections import deque
from collections.abc import Iterable
from functools import partial
from itertools import count

from pullwright.sandbox.runner.reactor import Reactor
from pullwright.sandbox.runner.wire import NET_CLOSE, NET_DATA, NET_END, NET_OPEN, NET_WINDOW, Wire, frame

MOST_CHANNELS = 64
WINDOW = 1 << 19
"""Bytes that each side may send before the other says that it took some."""
PIECE = 1 << 16
RESET = b"\1"
NO_LINGER = struct.pack("ii", 1, 0)


class Channel:
    """One connection. Each side ends its own direction, and each says once that it is done with the channel."""

    def __init__(self, channels: Channels, number: int, sock: socket.socket) -> None:
        self.channels, self.number, self.sock = channels, number, sock
        self.credit = WINDOW
        self.taken = 0
        self.queue: deque[memoryview] = deque()
        self.read_end = self.write_end = self.shut = self.host_done = self.done = False
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def refresh(self) -> None:
        """Watch for what can be gone on with now."""
        if self.done:
            return
        may_read = not self.read_end and self.credit > 0 and not self.channels.wire.full and not self.host_done
        events = (select.POLLIN if may_read else 0) | (select.POLLOUT if self.queue else 0)
        self.channels.reactor.watch(self.sock.fileno(), events, self.on_ready)

    def on_ready(self, events: int) -> None:
        try:
            if self.queue and events & (select.POLLOUT | select.POLLERR | select.POLLHUP):
                self.flush()
            if events & ~select.POLLOUT and self.credit > 0 and not (self.read_end or self.host_done):
                self.pump()
        except OSError:
            self.close(RESET)
        self.settle()

    def pump(self) -> None:
        try:
            piece = self.sock.recv(min(PIECE, self.credit))
        except BlockingIOError:
            return
        self.credit -= len(piece)
        self.read_end = not piece
        self.channels.wire.send(frame(NET_DATA if piece else NET_END, self.number, piece))

    def flush(self) -> None:
        while self.queue:
            try:
                written = self.sock.send(self.queue[0])
            except BlockingIOError:
                break
            rest = self.queue.popleft()[written:]
            if rest:
                self.queue.appendleft(rest)
            self.taken += written
        if self.taken >= WINDOW // 2 and not self.host_done:
            self.channels.wire.send(frame(NET_WINDOW, self.number, struct.pack("!I", self.taken)))
            self.taken = 0

    def on_frame(self, kind: int, payload: bytes) -> None:
        if kind == NET_WINDOW:
            self.credit += struct.unpack("!I", payload)[0]
        elif kind == NET_END:
            self.write_end = True
        elif kind == NET_CLOSE:
            self.host_done = self.write_end = True
            if payload == RESET:
                self.close(RESET)
        elif not self.done:
            self.queue.append(memoryview(payload))
        if not self.done and len(self.queue) == 1:
            self.on_ready(select.POLLOUT)
        else:
            self.settle()

    def settle(self) -> None:
        """Pass on what has ended, once everything before it has gone."""
        if not self.done and self.write_end and not self.queue and not self.shut:
            self.shut = True
            try:
                self.sock.shutdown(socket.SHUT_WR)
            except OSError:  # the peer is gone already
                pass
        if self.shut and (self.read_end or self.host_done):
            self.close()
        if self.done and self.host_done:
            self.channels.forget(self.number)
        self.refresh()

    def close(self, how: bytes = b"") -> None:
        if self.done:
            return
        self.done = True
        self.channels.reactor.forget(self.sock.fileno())
        if how:  # what is inside must not take a broken transfer for a whole one
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.sock.close()
        self.queue.clear()
        self.channels.wire.send(frame(NET_CLOSE, self.number, how))


class Channels:
    """The ports that are listened on, and the connections that came in."""

    def __init__(self, wire: Wire, reactor: Reactor, ports: Iterable[int]) -> None:
        self.wire, self.reactor = wire, reactor
        self.numbers = count(1)
        self.open: dict[int, Channel] = {}
        self.listeners = {port: self._listen(port) for port in ports}
        self._watch()

    def refresh(self) -> None:
        """Go on with what waited for the host to take its bytes."""
        for channel in self.open.values():
            channel.refresh()

    def on_frame(self, kind: int, number: int, payload: bytes) -> None:
        channel = self.open.get(number)
        if channel is not None:
            channel.on_frame(kind, payload)

    def forget(self, number: int) -> None:
        if self.open.pop(number, None) is not None:
            self._watch()

    def _listen(self, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind(("127.0.0.1", port))
        sock.listen(128)
        return sock

    def _watch(self) -> None:
        # Without room further connections wait in the kernel's queue.
        events = select.POLLIN if len(self.open) < MOST_CHANNELS else 0
        for port, sock in self.listeners.items():
            self.reactor.watch(sock.fileno(), events, partial(self._accept, port))

    def _accept(self, port: int, _: int) -> None:
        try:
            fd, _ = self.listeners[port]._accept()  # type: ignore[attr-defined]
        except OSError:  # gone before we came, or no descriptor left: it is tried again
            return
        number = next(self.numbers)
        self.open[number] = Channel(self, number, socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fd))
        self.wire.send(frame(NET_OPEN, number, struct.pack("!H", port)))
        self.open[number].refresh()
        self._watch()
