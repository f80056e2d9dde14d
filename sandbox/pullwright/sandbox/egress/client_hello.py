"""Reads the server name out of a TLS ClientHello (RFC 8446 4.1.2, RFC 6066 3). Pure, no I/O; any doubt is an error.

Source of the layout: RFC 8446 5.1 (records) and 4 (handshake). TLS 1.2 and 1.3 both start with this message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_HELLO: Final = 16_384
"""Bytes of a ClientHello with its record headers; real ones have 200 to 2,000."""

_HANDSHAKE, _CLIENT_HELLO, _HOST_NAME = 22, 1, 0
_SERVER_NAME = 0
_HIDDEN_NAMES = frozenset({0xFE0D, 0xFFCE})
"""encrypted_client_hello, and the encrypted_server_name that it replaced."""


class BadHello(ValueError):
    """These bytes are not a ClientHello that says in the open where it goes."""


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a ClientHello says."""

    server_name: str | None
    """In lower case, as sent otherwise."""
    hidden: bool
    """Whether the true name may be encrypted."""


class _Reader:
    """Takes fields off the front; running out of bytes is an error."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def bytes(self, count: int) -> bytes:
        if count > len(self.data):
            raise BadHello("a field of the ClientHello is cut short")
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.bytes(size), "big")

    def vector(self, size: int) -> _Reader:
        return _Reader(self.bytes(self.number(size)))


def parse_client_hello(data: bytes) -> ClientHello | None:
    """Return what the first bytes of a connection say, or None when more of them are needed.

    Raises:
        BadHello: They are no ClientHello, or one that no ordinary client sends.
    """
    if len(data) > MAX_HELLO:
        raise BadHello("the ClientHello is too long")
    message = _handshake_bytes(data)
    if message[:1] not in (b"", bytes([_CLIENT_HELLO])):
        raise BadHello("the first TLS message is not a ClientHello")
    if len(message) < 4:
        return None
    length = int.from_bytes(message[1:4], "big")
    if length > MAX_HELLO:
        raise BadHello("the ClientHello is too long")
    if len(message) < 4 + length:
        return None
    if len(message) > 4 + length:
        raise BadHello("another message follows in the record of the ClientHello")
    return _parse_body(message[4:])


def _handshake_bytes(data: bytes) -> bytes:
    """Join the payloads of the handshake records, the last of which may be incomplete."""
    message = b""
    while data:
        if data[0] != _HANDSHAKE or data[1:2] not in (b"", b"\x03"):
            raise BadHello("these bytes are not TLS")
        if len(data) < 5:
            break
        length = int.from_bytes(data[3:5], "big")
        if not 0 < length <= MAX_HELLO:
            raise BadHello("a TLS record has no valid length")
        message += data[5 : 5 + length]
        data = data[5 + length :]
    return message


def _parse_body(body: bytes) -> ClientHello:
    reader = _Reader(body)
    if reader.bytes(1) != b"\x03":
        raise BadHello("the ClientHello is of an unknown TLS version")
    reader.bytes(1 + 32)
    session, ciphers, compressions = reader.vector(1), reader.vector(2), reader.vector(1)
    if len(session.data) > 32 or len(ciphers.data) < 2 or len(ciphers.data) % 2 or not compressions.data:
        raise BadHello("a field of the ClientHello has no valid length")
    found: dict[int, bytes] = {}
    extensions = reader.vector(2) if reader.data else _Reader(b"")
    if reader.data:
        raise BadHello("bytes follow the extensions of the ClientHello")
    while extensions.data:
        kind = extensions.number(2)
        if kind in found:
            raise BadHello("an extension of the ClientHello is there twice")
        found[kind] = extensions.vector(2).data
    name = _server_name(found[_SERVER_NAME]) if _SERVER_NAME in found else None
    return ClientHello(name, not _HIDDEN_NAMES.isdisjoint(found))


def _server_name(extension: bytes) -> str:
    outer = _Reader(extension)
    names = outer.vector(2)
    kind, name = names.number(1), names.vector(2).data
    if kind != _HOST_NAME or names.data or outer.data:
        raise BadHello("the ClientHello does not name exactly one server")
    if not name or not name.isascii() or not all(0x21 <= byte <= 0x7E for byte in name):
        raise BadHello("the server name in the ClientHello is not plain ASCII")
    return name.decode("ascii").lower()
