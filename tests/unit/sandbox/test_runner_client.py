"""The client against a peer that does not play by the rules: what the container says is never believed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import ByteStream
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ProtocolViolation, SandboxGone
from pullwright.sandbox.frames import Frame, FrameDecoder, FrameType, encode, encode_meta
from pullwright.sandbox.runner_client import RunnerClient, trim_head, trim_tail

EXIT = {
    "code": 0, "signal": None, "timed_out": False, "seconds": 0.1, "cwd": "/", "dropped_out": 0, "dropped_err": 0,
}  # fmt: skip


class MemoryStream(ByteStream):
    """One end of a byte pipe in memory."""

    def __init__(self, incoming: list[bytes]) -> None:
        self._incoming = incoming
        self.sent = bytearray()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await anyio.lowlevel.checkpoint()
        if not self._incoming:
            raise anyio.EndOfStream
        return self._incoming.pop(0)

    async def send(self, item: bytes) -> None:
        await anyio.lowlevel.checkpoint()
        self.sent += item

    async def send_eof(self) -> None:
        raise NotImplementedError

    async def aclose(self) -> None:
        pass


def answers(*frames: bytes) -> RunnerClient:
    return RunnerClient(MemoryStream(list(frames)))


def exit_frame(request: int = 1, **changes: object) -> bytes:
    return encode(Frame(FrameType.EXIT, request, json.dumps({**EXIT, **changes}).encode()))


@pytest.mark.anyio
async def test_a_result_is_put_together_from_its_frames() -> None:
    client = answers(
        encode(Frame(FrameType.OUT_HEAD, 1, "a\u00e4".encode()[:-1])),
        encode(Frame(FrameType.OUT_TAIL, 1, "\u00e4b".encode()[1:])),
        exit_frame(code=None, signal=9, timed_out=True, dropped_out=10, cwd="/workspace/x"),
    )
    result = await client.exec("x", timeout=1)
    assert (result.exit_code, result.signal, result.timed_out, result.cwd) == (None, 9, True, "/workspace/x")
    assert (result.stdout.head, result.stdout.tail, result.stdout.dropped) == (b"a", b"b", 12)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "frames",
    [
        [b"\xff" * 100],
        [exit_frame(request=2)],
        [exit_frame(code="0")],
        [exit_frame(code=256)],
        [exit_frame(seconds=-1)],
        [exit_frame(dropped_out=-1)],
        [encode(Frame(FrameType.EXIT, 1, b"[" * 60_000))],
        [encode(Frame(FrameType.EXIT, 1, b"null"))],
        [encode(Frame(FrameType.EXIT, 1, b'{"code": 0, "pad": "' + b"x" * 70_000 + b'"}'))],
        [encode(Frame(FrameType.OUT_HEAD, 1, b"x" * 300)), exit_frame()],
        [encode(Frame(FrameType.OUT_HEAD, 1, b"")), exit_frame()],
        [encode(Frame(FrameType.FAIL, 1, b'{"errno": "ENOENT", "message": ""}'))],
    ],
    ids=range(12),
)
async def test_a_peer_that_breaks_the_protocol_is_left(frames: list[bytes]) -> None:
    client = answers(*frames)
    with pytest.raises(ProtocolViolation) as caught:
        await client.exec("x", timeout=1, output_limit=100)
    assert "\n" not in str(caught.value)


@pytest.mark.anyio
async def test_after_a_broken_answer_nothing_more_is_asked() -> None:
    client = answers(exit_frame(request=2), exit_frame(request=2))
    with pytest.raises(ProtocolViolation):
        await client.exec("x", timeout=1)
    with pytest.raises(SandboxGone, match="open a new"):
        await client.exec("x", timeout=1)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.exec("x", timeout=1),
        lambda client: client.read_file("x"),
        lambda client: client.write_file("x", b"y"),
        lambda client: client.write_file("x", b"y" * (3 << 20)),
        lambda client: client.ping(),
    ],
    ids=["exec", "read", "write", "upload", "ping"],
)
async def test_the_end_of_the_stream_is_a_sandbox_that_is_gone(ask: Callable[[RunnerClient], Awaitable[None]]) -> None:
    with pytest.raises(SandboxGone):
        await ask(answers())


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("number", "kind"),
    [(2, FileNotFoundError), (13, PermissionError), (21, IsADirectoryError), (28, OSError), (10**9, OSError)],
)
async def test_a_failure_becomes_the_builtin_error_of_a_known_number(number: int, kind: type[OSError]) -> None:
    client = answers(encode_meta(FrameType.FAIL, 1, errno=number, message="ignored"), encode(Frame(FrameType.PONG, 2)))
    with pytest.raises(kind) as caught:
        await client.read_file("some/path")
    assert caught.value.filename == "some/path"
    await client.ping()


@pytest.mark.anyio
async def test_a_command_that_fits_no_frame_is_a_result() -> None:
    client = answers(encode(Frame(FrameType.PONG, 2)))
    result = await client.exec("x" * (2 << 20), timeout=1)
    assert result.exit_code == 126
    assert "write it to a file" in result.stderr.text
    await client.ping()


class CancelingStream(MemoryStream):
    """Cancels a scope when a command is sent, and answers to the cancel frame that follows."""

    def __init__(self, scope: anyio.CancelScope) -> None:
        super().__init__([])
        self.seen: list[FrameType] = []
        self._scope = scope
        self._answer = anyio.Event()

    async def send(self, item: bytes) -> None:
        for frame in FrameDecoder().feed(item):
            self.seen.append(frame.type)
            if frame.type is FrameType.EXEC:
                self._scope.cancel()
                continue
            kind = FrameType.PONG if frame.type is FrameType.PING else FrameType.EXIT
            late = exit_frame(frame.id, code=None, signal=9)
            self._incoming.append(late if kind is FrameType.EXIT else encode(Frame(kind, frame.id)))
            self._answer.set()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        await self._answer.wait()
        return await super().receive(max_bytes)


@pytest.mark.anyio
async def test_a_canceled_command_is_canceled_inside_and_the_stream_stays_usable() -> None:
    with anyio.CancelScope() as scope:
        stream = CancelingStream(scope)
        client = RunnerClient(stream)
        await client.exec("sleep", timeout=60)
    assert scope.cancelled_caught
    await client.ping()
    assert stream.seen == [FrameType.EXEC, FrameType.CANCEL, FrameType.PING]


@given(st.text(max_size=30), st.integers(0, 120))
def test_trimming_never_leaves_half_a_character(text: str, cut: int) -> None:
    data = text.encode()
    head, tail = trim_head(data[:cut]), trim_tail(data[cut:])
    assert text.startswith(head.decode())
    assert text.endswith(tail.decode())
    assert len(data) - len(head) - len(tail) <= 4


@given(st.binary(max_size=30))
def test_trimming_binary_takes_little(data: bytes) -> None:
    assert len(data) - len(trim_head(data)) <= 3
    assert len(data) - len(trim_tail(data)) <= 3
