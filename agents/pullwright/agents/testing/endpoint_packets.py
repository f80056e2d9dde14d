"""How a stream's events are cut into packets; used by ``ScriptedEndpoint``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

from pullwright.agents.testing.endpoint_quirks import Quirk

KEEP_ALIVES = 30
"""Comments before the reply of a server that sends them."""


def packets(events: Iterable[str], quirks: Set[Quirk]) -> Iterator[bytes]:
    """Write events down, and cut them as proxies and networks do."""
    end = "\r\n" if Quirk.F25_CRLF in quirks else "\n"
    blocks = (f"data: {event}{end}{end}".encode() for event in events)
    if Quirk.F25_TWO_EVENTS in quirks:
        yield from _pairs(blocks)
        return
    for block in blocks:
        if Quirk.F25_ONE_BYTE in quirks:
            yield from (bytes([byte]) for byte in block)
        elif Quirk.F25_SPLIT_CHARACTER in quirks:
            yield from _split_characters(block)
        else:
            yield block


def _pairs(blocks: Iterable[bytes]) -> Iterator[bytes]:
    held = b""
    for block in blocks:
        if held:
            yield held + block
            held = b""
        else:
            held = block
    if held:
        yield held


def _split_characters(block: bytes) -> Iterator[bytes]:
    start = 0
    for position, byte in enumerate(block):
        if 0x80 <= byte < 0xC0:  # the second and later bytes of a character
            yield block[start:position]
            start = position
    yield block[start:]
