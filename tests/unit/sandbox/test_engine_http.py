"""What is said to an engine, and what comes back, against a peer in memory."""

from __future__ import annotations

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import ByteStream
from hypothesis import given
from hypothesis import strategies as st

from pullwright.sandbox.engine_http import MAX_ANSWER, EngineAnswer, ask, upgrade

pytestmark = [pytest.mark.anyio]

SWITCHED = (
    b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
    b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
)
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"


class Peer(ByteStream):
    """Answers with the given chunks, then ends."""

    def __init__(self, *chunks: bytes) -> None:
        self.chunks = list(chunks)
        self.sent = b""
        self.ended = False

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await anyio.lowlevel.checkpoint()
        if not self.chunks:
            raise anyio.EndOfStream
        return self.chunks.pop(0)

    async def send(self, item: bytes) -> None:
        self.sent += item

    async def send_eof(self) -> None:
        self.ended = True

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize("head", [SWITCHED, PLAIN], ids=["101", "200"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_what_follows_the_answer_is_the_stream(head: bytes, size: int) -> None:
    whole = head + b"\x01\0\0\0\0\0\0\x02hi"
    peer = Peer(*(whole[start : start + size] for start in range(0, len(whole), size)))
    stream = await upgrade(peer, "/v1.41/exec/1/start", {"Tty": False})
    received = b"".join([chunk async for chunk in stream])
    assert received == b"\x01\0\0\0\0\0\0\x02hi"
    head_sent, _, body = peer.sent.partition(b"\r\n\r\n")
    assert head_sent.startswith(b"POST /v1.41/exec/1/start HTTP/1.1\r\n")
    assert {b"Upgrade: tcp", b"Connection: Upgrade", b"Content-Length: 14"} <= set(head_sent.split(b"\r\n"))
    assert body == b'{"Tty": false}'
    await stream.send(b"more")
    await stream.send_eof()
    assert peer.sent.endswith(b"more")
    assert peer.ended


async def test_a_refusal_is_told_in_the_engines_words() -> None:
    body = b'{"message": "container 1 is\\nnot running"}'
    answer = b"HTTP/1.1 409 Conflict\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with pytest.raises(EngineAnswer, match="container 1 is not running") as caught:
        await upgrade(Peer(answer), "/x", {})
    assert caught.value.status == 409


async def test_a_version_is_read_to_the_end_of_the_connection() -> None:
    assert await ask(Peer(b"HTTP/1.1 200 OK\r\n\r\n", b'{"ApiVersion":', b' "1.41"}'), "/version") == {
        "ApiVersion": "1.41"
    }


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0-OpenSSH_9\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", b"\x15\x03\x01\0\x02"]
)
async def test_what_is_no_engine_is_a_lost_connection(answer: bytes) -> None:
    with pytest.raises(OSError, match="no container engine"):
        await ask(Peer(*([answer] if answer else [])), "/version")


async def test_an_answer_without_end_is_given_up() -> None:
    piece = b"x" * 65536
    with pytest.raises(EngineAnswer):
        await ask(Peer(b"HTTP/1.1 200 OK\r\n\r\n", *[piece] * (MAX_ANSWER // len(piece) + 2)), "/version")


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=6))
def test_garbage_never_becomes_an_answer(chunks: list[bytes]) -> None:
    async def attempt() -> None:
        with pytest.raises((EngineAnswer, OSError)):
            await ask(Peer(b"HTTP/1.1 4", *chunks), "/version")

    anyio.run(attempt)
