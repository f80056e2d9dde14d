"""The host's side of egress channels: each connection that a process inside made is a byte stream here.

The reader of the frame stream calls ``on_frame`` and never waits: what a channel may hold is bounded by its window, and
a container that sends more breaks the protocol.
"""

from __future__ import annotations

import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import anyio
import anyio.lowlevel
from anyio.abc import ByteStream, TaskGroup

from pullwright.agents.errors import ProtocolViolation
from pullwright.sandbox.frames import CHANNEL_PIECE, CHANNEL_RESET, CHANNEL_WINDOW, MOST_CHANNELS, Frame, FrameType

ConnectionHandler = Callable[[ByteStream], Awaitable[None]]
"""Serves one connection; the stream is closed when it returns, and broken off when it raises or is canceled."""

SendFrame = Callable[[Frame], Awaitable[None]]

_GONE = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


class Channel(ByteStream):
    """One connection from inside; made by ``Channels``."""

    def __init__(self, number: int, send: SendFrame) -> None:
        self._number = number
        self._send = send
        self._buffer = bytearray()
        self._granted = CHANNEL_WINDOW
        self._taken = 0
        self._credit = CHANNEL_WINDOW
        self._ended = self._closed = self._broken = self._sent_end = False
        self._peer_done = False
        self._change = anyio.Event()
        self._reading = anyio.ResourceGuard("reading from")
        self._writing = anyio.ResourceGuard("writing to")

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Return the next bytes that came from inside.

        Raises:
            EndOfStream: The process inside will send no more.
            BrokenResourceError: The connection or the sandbox is gone.
            ClosedResourceError: This side was closed.
        """
        with self._reading:
            await anyio.lowlevel.checkpoint()
            while not self._buffer:
                if self._closed:
                    raise anyio.ClosedResourceError
                if self._ended or self._broken:
                    raise anyio.EndOfStream if self._ended else anyio.BrokenResourceError
                await self._changed()
            piece = bytes(memoryview(self._buffer)[:max_bytes])
            del self._buffer[:max_bytes]
            self._taken += len(piece)
            if self._taken >= CHANNEL_WINDOW // 2 and not (self._ended or self._broken):
                taken, self._taken = self._taken, 0
                self._granted += taken
                with suppress(anyio.BrokenResourceError):
                    await self._send(Frame(FrameType.NET_WINDOW, self._number, struct.pack("!I", taken)))
            return piece

    async def send(self, item: bytes) -> None:
        """Send bytes inside, no faster than they are taken there.

        Raises:
            BrokenResourceError: The connection or the sandbox is gone.
            ClosedResourceError: This side was closed.
        """
        view = memoryview(item)
        with self._writing:
            while view:
                await self._room()
                piece = view[: min(CHANNEL_PIECE, self._credit)]
                self._credit -= len(piece)
                await self._send(Frame(FrameType.NET_DATA, self._number, bytes(piece)))
                view = view[len(piece) :]

    async def send_eof(self) -> None:
        """Say that nothing more is sent; receiving goes on."""
        with self._writing:
            if not (self._sent_end or self._closed or self._broken):
                self._sent_end = True
                await self._send(Frame(FrameType.NET_END, self._number))

    async def aclose(self) -> None:
        """Close both directions; what was sent before is still delivered."""
        await self.finish(b"")

    async def finish(self, how: bytes) -> None:
        """Close with the payload of a close frame."""
        if self._closed:
            return
        self._closed = True
        self._buffer.clear()
        self._change.set()
        with suppress(anyio.BrokenResourceError):
            await self._send(Frame(FrameType.NET_CLOSE, self._number, how))

    @property
    def over(self) -> bool:
        """Whether both sides have said that they are done."""
        return self._closed and self._peer_done

    def on_frame(self, frame: Frame) -> None:
        """Take in a frame of the container.

        Raises:
            ProtocolViolation: The channel's state does not allow it.
        """
        match frame.type:
            case _ if self._peer_done:
                raise self._violation("went on after its end")
            case FrameType.NET_DATA:
                self._on_data(frame.payload)
            case FrameType.NET_WINDOW:
                self._on_window(frame.payload)
            case FrameType.NET_END if not self._ended:
                self._ended = True
            case FrameType.NET_CLOSE:
                self._peer_done = True
                self._broken = True
            case _:
                raise self._violation("ended twice")
        self._change.set()

    def break_off(self) -> None:
        """The stream below is gone."""
        self._broken = self._peer_done = True
        self._change.set()

    def _on_data(self, data: bytes) -> None:
        if self._ended or not data or len(data) > min(CHANNEL_PIECE, self._granted):
            raise self._violation("sent more than it may")
        self._granted -= len(data)
        if not self._closed:
            self._buffer += data

    def _on_window(self, payload: bytes) -> None:
        taken = int.from_bytes(payload, "big") if len(payload) == 4 else 0
        if not 0 < taken <= CHANNEL_WINDOW - self._credit:
            raise self._violation("took more than was sent")
        self._credit += taken

    def _violation(self, what: str) -> ProtocolViolation:
        return ProtocolViolation(f"channel {self._number} of the sandbox {what}: discard it")

    async def _room(self) -> None:
        while True:
            if self._closed or self._sent_end:
                raise anyio.ClosedResourceError
            if self._broken:
                raise anyio.BrokenResourceError
            if self._credit:
                return
            await self._changed()

    async def _changed(self) -> None:
        if self._change.is_set():
            self._change = anyio.Event()
        await self._change.wait()


class Channels:
    """The channels of one sandbox.

    Args:
        handlers: Who serves a connection, by the loopback port inside.
        send: Writes a frame; raises ``BrokenResourceError`` when the stream is gone.
    """

    def __init__(self, handlers: Mapping[int, ConnectionHandler], send: SendFrame) -> None:
        self.ports = tuple(handlers)
        self._handlers = handlers
        self._send = send
        self._open: dict[int, Channel] = {}

    def on_frame(self, frame: Frame, group: TaskGroup) -> None:
        """Take in a frame of the container; a new channel's handler is started in the group.

        Raises:
            ProtocolViolation: No channel can be in the state that it claims.
        """
        if frame.type is FrameType.NET_OPEN:
            group.start_soon(self._serve, *self._accept(frame))
            return
        channel = self._open.get(frame.id)
        if channel is None:
            raise ProtocolViolation(f"sandbox spoke on channel {frame.id}, which is not open: discard it")
        channel.on_frame(frame)
        self._forget(frame.id, channel)

    def break_off(self) -> None:
        """End every channel: the stream below is gone."""
        for channel in self._open.values():
            channel.break_off()

    def _accept(self, frame: Frame) -> tuple[int, Channel, ConnectionHandler]:
        handler = self._handlers.get(int.from_bytes(frame.payload, "big")) if len(frame.payload) == 2 else None
        if handler is None or frame.id in self._open:
            raise ProtocolViolation(f"sandbox opened channel {frame.id} to a port that is not served: discard it")
        if len(self._open) >= MOST_CHANNELS:
            raise ProtocolViolation(f"sandbox opened more than {MOST_CHANNELS} channels: discard it")
        channel = self._open[frame.id] = Channel(frame.id, self._send)
        return frame.id, channel, handler

    async def _serve(self, number: int, channel: Channel, handler: ConnectionHandler) -> None:
        how = CHANNEL_RESET
        try:
            await handler(channel)
            how = b""
        except* _GONE:
            pass  # the other side went away, which is its right
        finally:
            await channel.finish(how)
            self._forget(number, channel)

    def _forget(self, number: int, channel: Channel) -> None:
        if channel.over:
            self._open.pop(number, None)
