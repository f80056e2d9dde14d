from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import AsyncOpenAI, AsyncStream

from pullwright.agents.llm.event_stream import LONGEST_EVENT, EventReader
from pullwright.agents.llm.failure import AttemptFailed, FailureKind

LINES = [
    b"data: a",
    b"data:b",
    b"data:  c",
    b"data",
    b"data:",
    b": comment",
    b"event: x",
    b"dataset: no",
    b"id: 7",
    b"",
]
bodies = st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from([b"\n", b"\r\n", b"\r"]))).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


def read(*pieces: bytes) -> list[bytes]:
    reader = EventReader()
    return [data for piece in pieces for data in reader.feed(piece)]


@given(body=bodies, cuts=st.lists(st.integers(0, 200)))
def test_it_does_not_matter_where_packets_end(body: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [body[start:end] for start, end in itertools.pairwise(places)]
    assert read(*pieces) == read(body) == read(*(bytes([byte]) for byte in body))


@pytest.mark.parametrize(
    ("body", "events"),
    [
        (b"data: one\n\ndata:two\r\n\r\ndata:  three\r\r", [b"one", b"two", b" three"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b": keep-alive\n\nevent: x\nid: 1\n\n", []),
        ("data: \u2028é\n\n".encode(), ["\u2028é".encode()]),
        (b"data: never ended\n", []),
        (b"data:\n\ndata\n\ndata: a\n\n", [b"a"]),
        (b"<html>It works!</html>\n\n", []),
    ],
)
def test_events_are_read_as_the_specification_says(body: bytes, events: list[bytes]) -> None:
    assert read(body) == events


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 99_990, b"data: " + b"x" * 99_990 + b"\n"])
def test_a_line_and_an_event_have_an_end(piece: bytes) -> None:
    reader = EventReader()
    with pytest.raises(AttemptFailed) as caught:
        for _ in range(2 * LONGEST_EVENT // len(piece)):
            assert list(reader.feed(piece)) == []
    assert caught.value.failure.kind is FailureKind.OVERSIZED


def test_what_of_the_package_is_used_is_public() -> None:
    """Its own decoder sets no limit to an event and hides ``[DONE]``; we need a stream's ``response`` and no more."""
    assert AsyncStream.__annotations__.keys() >= {"response"}
    assert callable(AsyncStream.close)
    assert callable(AsyncOpenAI.post)
