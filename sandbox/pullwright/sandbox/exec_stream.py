"""Takes the engine's multiplexed exec output apart: 8 bytes say which stream a chunk belongs to. Pure, no I/O."""

from __future__ import annotations

import struct

from pullwright.agents.errors import ProtocolViolation

STDOUT = 1
STDERR = 2
MAX_CHUNK = 1 << 24
"""The engine sends 32 KiB chunks; anything near this size is not the engine's framing."""

_HEADER = struct.Struct("!BxxxI")


class Demultiplexer:
    """Turns any chunking of the engine's stream into (stream, bytes) pieces, passed on as they come."""

    def __init__(self) -> None:
        self._header = bytearray()
        self._stream = 0
        self._left = 0

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        """Add bytes and return the pieces in them.

        Raises:
            ProtocolViolation: The bytes are not the engine's framing.
        """
        pieces: list[tuple[int, bytes]] = []
        view = memoryview(data)
        while view:
            if not self._left:
                view = self._take_header(view)
                continue
            piece = bytes(view[: self._left])
            self._left -= len(piece)
            view = view[len(piece) :]
            pieces.append((self._stream, piece))
        return pieces

    def _take_header(self, view: memoryview) -> memoryview:
        taken = min(_HEADER.size - len(self._header), len(view))
        self._header += view[:taken]
        if len(self._header) == _HEADER.size:
            self._stream, self._left = _HEADER.unpack(self._header)
            self._header.clear()
            if self._stream not in (STDOUT, STDERR) or self._left > MAX_CHUNK:
                raise ProtocolViolation(
                    f"container engine sent stream {self._stream} with {self._left} bytes: not its exec framing"
                )
        return view[taken:]
