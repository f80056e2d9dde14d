"""The frame protocol between host and runner: a type, an id and a length, then the payload. Pure, no I/O.

The id of a request is the host's choice, the id of a channel the runner's. The side inside the container is not
trusted: every length is checked before a byte of it is waited for, and whatever does not fit raises
``ProtocolViolation``.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from enum import IntEnum

from pullwright.agents.errors import ProtocolViolation

MAX_PAYLOAD = 1 << 20
"""Longest payload of one frame; longer content is sent in several."""
MAX_META = 1 << 16
"""Longest JSON payload that is accepted from the container."""
CHANNEL_PIECE = 1 << 16
"""Longest payload of one frame of a channel."""
CHANNEL_WINDOW = 1 << 19
"""Bytes that may be under way in one direction of a channel; more are sent when the other side took some."""
MOST_CHANNELS = 64
"""Channels that may be open at once; further connections wait in the container."""

_HEADER = struct.Struct("!BII")


class FrameType(IntEnum):
    """What a frame means. Below 64 the host speaks, from 64 on the runner does, from 128 on both do."""

    HELLO = 1
    PING = 2
    EXEC = 3
    CANCEL = 4
    READ = 5
    WRITE = 6
    CHUNK = 7
    END = 8
    SERVICE_START = 9
    SERVICE_READ = 10
    SERVICE_STOP = 11
    READY = 64
    PONG = 65
    OUT_HEAD = 66
    OUT_TAIL = 67
    ERR_HEAD = 68
    ERR_TAIL = 69
    EXIT = 70
    DATA = 71
    DONE = 72
    FAIL = 73
    SERVICE = 74
    NET_OPEN = 128
    """The runner's: a connection to the port in the payload (two bytes) is a channel now."""
    NET_DATA = 129
    NET_END = 130
    """No more data from this side."""
    NET_CLOSE = 131
    """The last frame of this side; a channel is over when both have sent it. Payload: ``CHANNEL_RESET`` or nothing."""
    NET_WINDOW = 132
    """This side took that many bytes (four bytes) of the other's."""


CHANNEL_RESET = b"\1"
"""Payload of a close that breaks the connection; without it, what was sent before is still delivered."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message."""

    type: FrameType
    id: int
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    """Return the bytes of a frame.

    Raises:
        ValueError: The payload is longer than a frame may be.
    """
    if len(frame.payload) > MAX_PAYLOAD:
        raise ValueError(
            f"payload of {len(frame.payload)} bytes is longer than {MAX_PAYLOAD}: send it in several frames"
        )
    return _HEADER.pack(frame.type, frame.id, len(frame.payload)) + frame.payload


def as_json(**meta: object) -> bytes:
    """Return a JSON payload."""
    return json.dumps(meta, separators=(",", ":")).encode()


def encode_meta(kind: FrameType, request: int, **meta: object) -> bytes:
    """Return the bytes of a frame with a JSON payload."""
    return encode(Frame(kind, request, as_json(**meta)))


class FrameDecoder:
    """Turns any chunking of a byte stream into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def pending(self) -> int:
        """Bytes of an unfinished frame that are held."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Frame]:
        """Add bytes and return the frames that are complete now.

        Raises:
            ProtocolViolation: The bytes are not frames of this protocol.
        """
        self._buffer += data
        frames: list[Frame] = []
        offset = 0
        while len(self._buffer) - offset >= _HEADER.size:
            number, request, length = _HEADER.unpack_from(self._buffer, offset)
            kind = _check(number, length)
            end = offset + _HEADER.size + length
            if len(self._buffer) < end:
                break
            frames.append(Frame(kind, request, bytes(self._buffer[offset + _HEADER.size : end])))
            offset = end
        del self._buffer[:offset]
        return frames


def _check(number: int, length: int) -> FrameType:
    if length > MAX_PAYLOAD:
        raise ProtocolViolation(f"sandbox announced a frame of {length} bytes, more than {MAX_PAYLOAD}: discard it")
    try:
        return FrameType(number)
    except ValueError as exc:
        raise ProtocolViolation(f"sandbox sent a frame of unknown type {number}: discard it") from exc
