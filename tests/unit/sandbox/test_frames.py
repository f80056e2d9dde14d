from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ProtocolViolation
from pullwright.sandbox import frames as protocol
from pullwright.sandbox.frames import MAX_PAYLOAD, Frame, FrameDecoder, FrameType, encode, encode_meta
from pullwright.sandbox.runner import channels, wire

FRAMES = st.lists(
    st.builds(Frame, st.sampled_from(FrameType), st.integers(0, 2**32 - 1), st.binary(max_size=300)), max_size=12
)


@given(FRAMES, st.lists(st.integers(1, 40), min_size=1))
def test_any_chunking_gives_the_same_frames(frames: list[Frame], sizes: list[int]) -> None:
    stream = b"".join(encode(frame) for frame in frames)
    decoder = FrameDecoder()
    found: list[Frame] = []
    turn = 0
    while stream:
        size = sizes[turn % len(sizes)]
        found += decoder.feed(stream[:size])
        stream = stream[size:]
        turn += 1
    assert found == frames
    assert decoder.pending == 0


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_garbage_ends_or_waits_but_never_grows(garbage: bytes, size: int) -> None:
    decoder = FrameDecoder()
    try:
        for start in range(0, len(garbage), size):
            decoder.feed(garbage[start : start + size])
            assert decoder.pending <= MAX_PAYLOAD + 9
    except ProtocolViolation as exc:
        assert "\n" not in str(exc)


@pytest.mark.parametrize(
    "header",
    [
        b"\x00\x00\x00\x00\x01\x00\x00\x00\x00",
        b"\x46\x00\x00\x00\x01\xff\xff\xff\xff",
        b"\x46\x00\x00\x00\x01\x00\x10\x00\x01",
    ],
    ids=["unknown type", "4 GiB", "one over the limit"],
)
def test_a_bad_header_is_refused_before_its_payload(header: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        FrameDecoder().feed(header)


def test_the_longest_frame_passes() -> None:
    frame = Frame(FrameType.DATA, 7, b"x" * MAX_PAYLOAD)
    assert FrameDecoder().feed(encode(frame)) == [frame]
    with pytest.raises(ValueError, match="longer than"):
        encode(Frame(FrameType.DATA, 7, b"x" * (MAX_PAYLOAD + 1)))


def test_the_runner_speaks_the_same_protocol() -> None:
    assert {kind.name: kind.value for kind in FrameType} == {kind.name: getattr(wire, kind.name) for kind in FrameType}
    assert wire.MAX_PAYLOAD == MAX_PAYLOAD
    assert wire.meta(wire.DONE, 3, {"a": 1}).startswith(encode_meta(FrameType.DONE, 3, a=1)[:5])
    assert channels.MOST_CHANNELS == protocol.MOST_CHANNELS
    assert (channels.WINDOW, channels.PIECE) == (protocol.CHANNEL_WINDOW, protocol.CHANNEL_PIECE)
    assert channels.RESET == protocol.CHANNEL_RESET
