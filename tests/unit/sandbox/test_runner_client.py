"""The client against a peer that does not play by the rules: what the container says is never believed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import ProtocolViolation, SandboxGone, SandboxUnavailable, ServiceError
from pullwright.sandbox.answers import FreeSpace, trim_head, trim_tail
from pullwright.sandbox.frames import Frame, FrameType, encode, encode_meta
from pullwright.sandbox.runner_client import RunnerClient
from tests.unit.sandbox.runner_peer import Peer, connected, pong, settle

EXIT = {
    "code": 0, "signal": None, "timed_out": False, "seconds": 0.1, "cwd": "/", "dropped_out": 0, "dropped_err": 0,
}  # fmt: skip


def exit_frame(request: int = 1, **changes: object) -> bytes:
    return encode(Frame(FrameType.EXIT, request, json.dumps({**EXIT, **changes}).encode()))


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.anyio
async def test_a_result_is_put_together_from_its_frames() -> None:
    answer = (
        encode(Frame(FrameType.OUT_HEAD, 1, "a\u00e4".encode()[:-1]))
        + encode(Frame(FrameType.OUT_TAIL, 1, "\u00e4b".encode()[1:]))
        + exit_frame(code=None, signal=9, timed_out=True, dropped_out=10, cwd="/workspace/x")
    )
    async with connected(Peer(answer)) as client:
        result = await client.exec("x", timeout=1)
    assert (result.exit_code, result.signal, result.timed_out, result.cwd) == (None, 9, True, "/workspace/x")
    assert (result.stdout.head, result.stdout.tail, result.stdout.dropped) == (b"a", b"b", 12)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "answer",
    [
        b"\xff" * 100,
        exit_frame(request=2),
        exit_frame(code="0"),
        exit_frame(code=256),
        exit_frame(seconds=-1),
        exit_frame(dropped_out=-1),
        encode(Frame(FrameType.EXIT, 1, b"[" * 60_000)),
        encode(Frame(FrameType.EXIT, 1, b"null")),
        encode(Frame(FrameType.EXIT, 1, b'{"code": 0, "pad": "' + b"x" * 70_000 + b'"}')),
        encode(Frame(FrameType.OUT_HEAD, 1, b"x" * 300)) + exit_frame(),
        encode(Frame(FrameType.OUT_HEAD, 1, b"")) + exit_frame(),
        encode(Frame(FrameType.DATA, 1, b"x")) + exit_frame(),
        encode(Frame(FrameType.FAIL, 1, b'{"errno": "ENOENT", "message": ""}')),
        encode(Frame(FrameType.EXEC, 1, b"{}")),
        encode(Frame(FrameType.NET_OPEN, 1, b"\0\x50")),
        encode(Frame(FrameType.NET_DATA, 1, b"x")),
    ],
    ids=range(16),
)
async def test_a_peer_that_breaks_the_protocol_is_left(answer: bytes) -> None:
    async with connected(Peer(answer, exit_frame(request=2))) as client:
        with pytest.raises(ProtocolViolation) as caught:
            await client.exec("x", timeout=1, output_limit=100)
        assert "\n" not in str(caught.value)
        for _ in range(2):
            with pytest.raises(ProtocolViolation):
                await client.exec("x", timeout=1)


@pytest.mark.anyio
async def test_what_is_wrong_between_two_requests_is_told_to_the_next() -> None:
    peer = Peer(exit_frame(), exit_frame(request=2))
    async with connected(peer) as client:
        await client.exec("x", timeout=1)
        peer.say(exit_frame())
        await settle()
        with pytest.raises(ProtocolViolation):
            await client.ping()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("ready", "kind"),
    [
        (b"bash: python3: not found\n", ProtocolViolation),
        (encode_meta(FrameType.READY, 0, python=3), ProtocolViolation),
        (encode(Frame(FrameType.PONG, 0)), ProtocolViolation),
        (encode_meta(FrameType.FAIL, 0, errno=98, message="ignored"), SandboxUnavailable),
    ],
)
async def test_something_else_than_the_runner_is_no_sandbox(ready: bytes, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        async with connected(Peer(ready=ready)):
            raise AssertionError("it was taken for a runner")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.exec("x", timeout=1),
        lambda client: client.read_file("x"),
        lambda client: client.write_file("x", b"y"),
        lambda client: client.write_file("x", b"y" * (3 << 20)),
        lambda client: client.ping(),
        lambda client: client.start_service("x", "y"),
        lambda client: client.read_service("x"),
        lambda client: client.stop_service("x"),
    ],
    ids=["exec", "read", "write", "upload", "ping", "start", "log", "stop"],
)
async def test_the_end_of_the_stream_is_a_sandbox_that_is_gone(ask: Callable[[RunnerClient], Awaitable[None]]) -> None:
    with pytest.raises(SandboxGone):  # by itself, not in a group
        async with connected(Peer()) as client:
            await ask(client)


@pytest.mark.anyio
async def test_errors_of_the_block_come_out_as_they_are() -> None:
    with pytest.raises(KeyError):
        async with connected(Peer()):
            raise KeyError("x")
    with pytest.raises(ExceptionGroup):
        async with connected(Peer()):
            raise ExceptionGroup("theirs", [KeyError("x")])
    with anyio.CancelScope() as scope:
        async with connected(Peer()):
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught


@pytest.mark.anyio
async def test_after_the_block_nothing_is_asked() -> None:
    async with connected(Peer()) as client:
        pass
    with pytest.raises(SandboxGone, match="closed"):
        await client.ping()


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("number", "kind"),
    [(2, FileNotFoundError), (13, PermissionError), (21, IsADirectoryError), (28, OSError), (10**9, OSError)],
)
async def test_a_failure_becomes_the_builtin_error_of_a_known_number(number: int, kind: type[OSError]) -> None:
    failure = encode_meta(FrameType.FAIL, 1, errno=number, message="ignored")
    async with connected(Peer(failure, pong(2))) as client:
        with pytest.raises(kind) as caught:
            await client.read_file("some/path")
        assert caught.value.filename == "some/path"
        assert await client.ping() == FreeSpace(bytes=1, inodes=2)


@pytest.mark.anyio
@pytest.mark.parametrize("number", [17, 2, 87, 11, 10**9])
async def test_a_refused_service_is_told_in_our_words(number: int) -> None:
    failure = encode_meta(FrameType.FAIL, 1, errno=number, message="theirs")
    async with connected(Peer(failure, pong(2))) as client:
        with pytest.raises(ServiceError) as caught:
            await client.start_service("web", "true")
        assert "theirs" not in str(caught.value)
        await client.ping()


@pytest.mark.anyio
async def test_a_command_that_fits_no_frame_is_a_result() -> None:
    async with connected(Peer(pong(1))) as client:
        result = await client.exec("x" * (2 << 20), timeout=1)
        assert result.exit_code == 126
        assert "write it to a file" in result.stderr.text
        with pytest.raises(ServiceError, match="too long"):
            await client.start_service("web", "x" * (2 << 20))
        await client.ping()


class CancelingPeer(Peer):
    """Cancels a scope when a command is sent, and answers to the cancel frame that follows."""

    def __init__(self, scope: anyio.CancelScope, late: bytes) -> None:
        super().__init__()
        self._scope = scope
        self._late = late

    def on_frame(self, frame: Frame) -> None:
        if frame.type is FrameType.EXEC:
            self._scope.cancel()
        elif frame.type is FrameType.CANCEL:
            self.say(self._late)
        elif frame.type is FrameType.PING:
            self.say(pong(frame.id))
        else:
            super().on_frame(frame)


@pytest.mark.anyio
async def test_a_canceled_command_is_canceled_inside_and_the_stream_stays_usable() -> None:
    scope = anyio.CancelScope()
    peer = CancelingPeer(scope, exit_frame(code=None, signal=9))
    async with connected(peer) as client:
        with scope:
            await client.exec("sleep", timeout=60)
        assert scope.cancelled_caught
        await client.ping()
    kinds = [frame.type for frame in peer.seen]
    assert kinds == [FrameType.HELLO, FrameType.EXEC, FrameType.CANCEL, FrameType.PING]


@pytest.mark.anyio
async def test_a_wrong_answer_to_a_canceled_command_ends_the_client() -> None:
    scope = anyio.CancelScope()
    async with connected(CancelingPeer(scope, exit_frame(request=7))) as client:
        with scope:
            await client.exec("sleep", timeout=60)
        assert scope.cancelled_caught
        with pytest.raises(ProtocolViolation):
            await client.ping()


@pytest.mark.anyio
async def test_an_upload_that_was_left_ends_the_client() -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b"x"
        raise KeyError("no more")

    async with connected(Peer(pong(2))) as client:
        with pytest.raises(KeyError):
            await client.upload("f", half())
        with pytest.raises(SandboxGone, match="in the middle"):
            await client.ping()


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
