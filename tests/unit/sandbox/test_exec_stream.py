from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ProtocolViolation
from pullwright.sandbox.exec_stream import Demultiplexer

PIECES = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=100)), max_size=12)


@given(PIECES, st.integers(1, 30))
def test_any_chunking_gives_the_same_streams(pieces: list[tuple[int, bytes]], size: int) -> None:
    stream = b"".join(struct.pack("!BxxxI", kind, len(piece)) + piece for kind, piece in pieces)
    demultiplexer = Demultiplexer()
    found = [part for start in range(0, len(stream), size) for part in demultiplexer.feed(stream[start : start + size])]
    for kind in (1, 2):
        expected = b"".join(piece for number, piece in pieces if number == kind)
        assert b"".join(piece for number, piece in found if number == kind) == expected


@given(st.binary(min_size=8, max_size=500))
def test_garbage_ends_or_is_passed_on(garbage: bytes) -> None:
    demultiplexer = Demultiplexer()
    try:
        assert sum(len(piece) for _, piece in demultiplexer.feed(garbage)) <= len(garbage)
    except ProtocolViolation as exc:
        assert "\n" not in str(exc)


@pytest.mark.parametrize("header", [b"\x00\0\0\0\0\0\0\x01", b"\x03\0\0\0\0\0\0\x01", b"\x01\0\0\0\xff\0\0\0"])
def test_a_header_that_is_not_the_engines_is_refused(header: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        Demultiplexer().feed(header)
