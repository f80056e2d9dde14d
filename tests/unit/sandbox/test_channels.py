"""Egress channels against a peer in memory: windows, ends, and whatever a hostile container could say."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import ByteStream

from pullwright.agents.errors import ProtocolViolation, SandboxGone
from pullwright.sandbox.frames import CHANNEL_PIECE, CHANNEL_RESET, CHANNEL_WINDOW, MOST_CHANNELS, Frame, FrameType
from pullwright.sandbox.runner_client import RunnerClient
from tests.unit.sandbox.runner_peer import Peer, connected, encode_all, pong, settle

pytestmark = pytest.mark.anyio
PORT = 3128
OPEN, DATA, END = FrameType.NET_OPEN, FrameType.NET_DATA, FrameType.NET_END
CLOSE, WINDOW = FrameType.NET_CLOSE, FrameType.NET_WINDOW


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(number: int = 1) -> Frame:
    return Frame(OPEN, number, struct.pack("!H", PORT))


def window(taken: int, number: int = 1) -> Frame:
    return Frame(WINDOW, number, struct.pack("!I", taken))


class Held:
    """A handler that gives its streams to the test, and goes on until the test lets it."""

    def __init__(self) -> None:
        self.streams: list[ByteStream] = []
        self.let_go = anyio.Event()
        self.canceled = 0

    async def __call__(self, stream: ByteStream) -> None:
        self.streams.append(stream)
        try:
            await self.let_go.wait()
        except anyio.get_cancelled_exc_class():
            self.canceled += 1
            raise


@asynccontextmanager
async def with_channel(peer: Peer, held: Held) -> AsyncIterator[tuple[RunnerClient, ByteStream]]:
    async with connected(peer, {PORT: held}) as client:
        peer.say(encode_all(opened()))
        await settle()
        yield client, held.streams[0]


async def test_bytes_go_both_ways_and_each_way_ends_for_itself() -> None:
    peer, held = Peer(), Held()
    async with with_channel(peer, held) as (_, stream):
        peer.say(encode_all(Frame(DATA, 1, b"question"), Frame(END, 1)))
        assert await stream.receive(5) == b"quest"
        assert await stream.receive() == b"ion"
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
        await stream.send(b"x" * 100_000)
        await stream.send_eof()
        with pytest.raises(anyio.ClosedResourceError):
            await stream.send(b"more")
        held.let_go.set()
        await settle()
        assert [len(frame.payload) for frame in peer.sent(DATA)] == [CHANNEL_PIECE, 100_000 - CHANNEL_PIECE]
        assert len(peer.sent(END)) == 1
        assert [frame.payload for frame in peer.sent(CLOSE)] == [b""]
        peer.say(encode_all(Frame(CLOSE, 1), opened()))  # over on both sides, so the number is free
        await settle()
        assert len(held.streams) == 2


async def test_a_sender_waits_for_the_container_to_take_what_was_sent() -> None:
    peer, held = Peer(), Held()
    async with with_channel(peer, held) as (_, stream), anyio.create_task_group() as group:
        group.start_soon(stream.send, b"x" * (CHANNEL_WINDOW + 1000))
        await settle()
        assert sum(len(frame.payload) for frame in peer.sent(DATA)) == CHANNEL_WINDOW
        peer.say(encode_all(window(600)))
        await settle()
        assert sum(len(frame.payload) for frame in peer.sent(DATA)) == CHANNEL_WINDOW + 600
        peer.say(encode_all(window(600)))


async def test_a_reader_lets_more_come_only_when_it_took_some() -> None:
    peer, held = Peer(), Held()
    async with with_channel(peer, held) as (_, stream):
        peer.say(encode_all(*[Frame(DATA, 1, b"x" * CHANNEL_PIECE)] * (CHANNEL_WINDOW // CHANNEL_PIECE)))
        await settle()
        assert not peer.sent(WINDOW)
        taken = 0
        while not peer.sent(WINDOW):
            taken += len(await stream.receive())
        assert struct.unpack("!I", peer.sent(WINDOW)[0].payload) == (taken,)
        peer.say(encode_all(*[Frame(DATA, 1, b"x" * CHANNEL_PIECE)] * (taken // CHANNEL_PIECE)))
        await settle()
        assert await stream.receive()


@pytest.mark.parametrize("how", [b"", CHANNEL_RESET])
async def test_a_connection_that_breaks_is_told_after_what_came_before(how: bytes) -> None:
    peer, held = Peer(), Held()
    async with with_channel(peer, held) as (_, stream):
        peer.say(encode_all(Frame(DATA, 1, b"x"), Frame(CLOSE, 1, how)))
        assert await stream.receive() == b"x"
        with pytest.raises(anyio.BrokenResourceError):
            await stream.receive()
        with pytest.raises(anyio.BrokenResourceError):
            await stream.send(b"x")


@pytest.mark.parametrize(
    "error", [anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError], ids=lambda error: error.__name__
)
async def test_a_handler_that_lost_its_peer_takes_nobody_along(error: type[Exception]) -> None:
    async def lose(stream: ByteStream) -> None:
        async with anyio.create_task_group():
            raise error

    peer = Peer(pong(1))
    async with connected(peer, {PORT: lose}) as client:
        peer.say(encode_all(opened()))
        await settle()
        assert [frame.payload for frame in peer.sent(CLOSE)] == [CHANNEL_RESET]
        await client.ping()


async def test_a_handler_that_stops_itself_breaks_its_connection_only() -> None:
    async def give_up(stream: ByteStream) -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await stream.receive()
        raise anyio.ClosedResourceError

    peer = Peer(pong(1))
    async with connected(peer, {PORT: give_up}) as client:
        peer.say(encode_all(opened()))
        await settle()
        await client.ping()
    assert [frame.payload for frame in peer.sent(CLOSE)] == [CHANNEL_RESET]


async def test_a_bug_in_a_handler_is_not_hidden() -> None:
    async def wrong(stream: ByteStream) -> None:
        raise KeyError("a bug")

    peer = Peer()
    with pytest.raises(KeyError, match="a bug"):
        async with connected(peer, {PORT: wrong}):
            peer.say(encode_all(opened()))
            await anyio.sleep_forever()


async def test_the_end_of_the_block_ends_the_handlers() -> None:
    held = Held()
    async with with_channel(Peer(), held):
        pass
    assert held.canceled == 1


async def test_the_end_of_the_stream_breaks_every_channel() -> None:
    peer, held = Peer(), Held()
    async with with_channel(peer, held) as (client, stream):
        peer.end()
        with pytest.raises(anyio.BrokenResourceError):
            await stream.receive()
        with pytest.raises(anyio.BrokenResourceError):
            await stream.send(b"x")
        with pytest.raises(SandboxGone):
            await client.ping()


BROKEN: dict[str, Callable[[], list[Frame]]] = {
    "a port that nobody serves": lambda: [Frame(OPEN, 2, struct.pack("!H", 80))],
    "a port of the wrong size": lambda: [Frame(OPEN, 2, b"\0" + struct.pack("!H", PORT))],
    "the same number twice": lambda: [opened()],
    "one too many": lambda: [opened(number) for number in range(2, MOST_CHANNELS + 2)],
    "a channel that is not open": lambda: [Frame(DATA, 9, b"x")],
    "a piece that is too long": lambda: [Frame(DATA, 1, b"x" * (CHANNEL_PIECE + 1))],
    "a piece of nothing": lambda: [Frame(DATA, 1)],
    "more than the window": lambda: [Frame(DATA, 1, b"x" * CHANNEL_PIECE)] * (CHANNEL_WINDOW // CHANNEL_PIECE + 1),
    "more after the end": lambda: [Frame(END, 1), Frame(DATA, 1, b"x")],
    "two ends": lambda: [Frame(END, 1), Frame(END, 1)],
    "more after the close": lambda: [Frame(CLOSE, 1), window(1)],
    "two closes": lambda: [Frame(CLOSE, 1), Frame(CLOSE, 1)],
    "more taken than was sent": lambda: [window(1)],
    "a number of the wrong size": lambda: [Frame(WINDOW, 1, b"\1")],
}


@pytest.mark.parametrize("frames", BROKEN.values(), ids=BROKEN)
async def test_a_container_that_breaks_the_rules_is_left(frames: Callable[[], list[Frame]]) -> None:
    peer, held = Peer(pong(1)), Held()
    async with with_channel(peer, held) as (client, stream):
        peer.say(encode_all(*frames()))
        with pytest.raises(ProtocolViolation):
            await client.ping()
        with pytest.raises(anyio.BrokenResourceError):
            await stream.send(b"x")


async def test_what_comes_after_our_close_is_thrown_away_but_counted() -> None:
    peer, held = Peer(pong(1)), Held()
    async with with_channel(peer, held) as (client, stream):
        await stream.aclose()
        with pytest.raises(anyio.ClosedResourceError):
            await stream.receive()
        pieces = CHANNEL_WINDOW // CHANNEL_PIECE
        peer.say(encode_all(*[Frame(DATA, 1, b"x" * CHANNEL_PIECE)] * pieces))
        await client.ping()
        peer.say(encode_all(Frame(DATA, 1, b"x")))
        await settle()
        with pytest.raises(ProtocolViolation):
            await client.ping()
