"""The client against everything that a container could say: it ends with one of our errors, soon, and stays small."""

from __future__ import annotations

import json
import struct
from collections.abc import Awaitable, Callable, Sequence

import anyio
import pytest
from anyio.abc import ByteStream
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pullwright.agents.errors import ProtocolViolation, SandboxGone, ServiceError
from pullwright.sandbox.frames import CHANNEL_PIECE, CHANNEL_WINDOW, MAX_PAYLOAD, Frame, FrameType, encode
from pullwright.sandbox.runner_client import RunnerClient
from tests.unit.sandbox.runner_peer import READY, Peer, connected, settle

pytestmark = pytest.mark.anyio
FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
PORT = 3128
EXPECTED = (SandboxGone, ProtocolViolation, ServiceError, OSError)
LIMIT = 5000

REQUESTS: list[Callable[[RunnerClient], Awaitable[object]]] = [
    lambda client: client.exec("x", timeout=1, output_limit=LIMIT),
    lambda client: client.ping(),
    lambda client: client.read_file("x", limit=LIMIT),
    lambda client: client.write_file("x", b"y"),
    lambda client: client.start_service("x", "y"),
    lambda client: client.read_service("x", limit=LIMIT),
    lambda client: client.stop_service("x"),
]
EXIT: dict[str, object] = {
    "code": 0,
    "signal": None,
    "timed_out": False,
    "seconds": 0.1,
    "cwd": "/",
    "dropped_out": 0,
    "dropped_err": 0,
}
METAS: dict[FrameType, dict[str, object]] = {
    FrameType.READY: {"python": "3.8", "shell": "/bin/sh", "notices": []},
    FrameType.PONG: {"free_bytes": 1, "free_inodes": 1},
    FrameType.EXIT: EXIT,
    FrameType.FAIL: {"errno": 2, "message": "x"},
    FrameType.SERVICE: {"running": True, "code": None, "dropped": 0},
}
RIGHT: list[Callable[[int], list[Frame]]] = [
    lambda number: [Frame(FrameType.OUT_HEAD, number, b"out"), meta(FrameType.EXIT, number)],
    lambda number: [meta(FrameType.PONG, number)],
    lambda number: [Frame(FrameType.DATA, number, b"content"), Frame(FrameType.DONE, number)],
    lambda number: [Frame(FrameType.DONE, number)],
    lambda number: [Frame(FrameType.DONE, number)],
    lambda number: [Frame(FrameType.OUT_HEAD, number, b"log"), meta(FrameType.SERVICE, number)],
    lambda number: [meta(FrameType.FAIL, number)],
]
"""What a runner answers to each of ``REQUESTS``."""


def meta(kind: FrameType, number: int) -> Frame:
    return Frame(kind, number, json.dumps(METAS[kind]).encode())


async def echo(stream: ByteStream) -> None:
    async for piece in stream:
        await stream.send(piece)


async def ask_everything(peer: Peer) -> None:
    """Ask all that can be asked, whatever came before; anything but the expected errors fails the test."""
    try:
        with anyio.fail_after(10):
            async with connected(peer, {PORT: echo}) as client:
                for request in REQUESTS:
                    await ask(request, client)
                    check_size(client)
    except EXPECTED as exc:
        check_error(exc)


async def ask(request: Callable[[RunnerClient], Awaitable[object]], client: RunnerClient) -> None:
    try:
        with anyio.move_on_after(0.02):  # an answer without an end is given up, which the peer takes as the end
            await request(client)
    except EXPECTED as exc:
        check_error(exc)
    await settle()


def check_error(error: BaseException) -> None:
    assert not isinstance(error, TimeoutError), "it hangs"
    assert "\n" not in str(error)


def check_size(client: RunnerClient) -> None:
    link = client._link
    assert link._decoder.pending <= MAX_PAYLOAD + 9
    assert len(link._requests) <= 1
    for channel in link.channels._open.values():
        assert len(channel._buffer) <= CHANNEL_WINDOW


NUMBERS = st.integers(0, 8) | st.integers(0, 2**32 - 1)
PAYLOADS = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([json.dumps(value).encode() for value in METAS.values()]),
    st.sampled_from([struct.pack("!H", PORT), struct.pack("!I", 1), b"\1", b"", b"x" * CHANNEL_PIECE, b"x" * 6000]),
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5).map(
        lambda value: json.dumps(value).encode()
    ),
)
FRAMES = st.builds(Frame, st.sampled_from(FrameType), NUMBERS, PAYLOADS)


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@FUZZ
@given(st.lists(st.binary(max_size=300), max_size=8), st.booleans())
async def test_any_bytes(answers: list[bytes], greeted: bool) -> None:
    first = READY if greeted else (answers.pop(0) if answers else b"x")
    peer = Peer(*answers, ready=first)
    if not greeted:
        peer.ended = True
    await ask_everything(peer)


@FUZZ
@given(st.lists(st.lists(FRAMES, max_size=6), max_size=8), st.integers(1, 5000))
async def test_any_frames_in_any_order(answers: list[list[Frame]], size: int) -> None:
    peer = Peer(*[b"".join(map(encode, frames)) for frames in answers])
    for piece in pieces(b"".join(map(encode, answers[0] if answers else [])), size):
        peer.say(piece)  # some of it before anything was asked
    await ask_everything(peer)


@FUZZ
@given(st.lists(FRAMES, max_size=12))
async def test_any_frames_instead_of_a_greeting(frames: list[Frame]) -> None:
    peer = Peer(ready=b"".join(map(encode, frames)) or b"x")
    peer.ended = True
    await ask_everything(peer)


@FUZZ
@given(st.data())
async def test_right_answers_that_are_cut_doubled_or_swapped(data: st.DataObject) -> None:
    frames = [frame for number, right in enumerate(RIGHT, start=1) for frame in right(number)]
    for _ in range(data.draw(st.integers(0, 3))):
        frames = mangled(frames, data)
    answers = [
        b"".join(encode(frame) for frame in frames if frame.id == number) for number in range(1, len(REQUESTS) + 1)
    ]
    index = data.draw(st.integers(0, len(answers) - 1))
    cut = data.draw(st.integers(0, len(answers[index])))
    answers[index] = answers[index][:cut] if data.draw(st.booleans()) else answers[index]
    peer = Peer(*answers)
    await ask_everything(peer)


def mangled(frames: Sequence[Frame], data: st.DataObject) -> list[Frame]:
    result = list(frames)
    first = data.draw(st.integers(0, len(result) - 1))
    second = data.draw(st.integers(0, len(result) - 1))
    match data.draw(st.sampled_from(["double", "swap", "readdress"])):
        case "double":
            result.insert(second, result[first])
        case "swap":
            result[first], result[second] = result[second], result[first]
        case "readdress":
            result[first] = Frame(result[first].type, result[second].id, result[first].payload)
    return result


async def test_right_answers_are_understood() -> None:
    answers = [b"".join(map(encode, right(number))) for number, right in enumerate(RIGHT, start=1)]
    async with connected(Peer(*answers)) as client:
        for request in REQUESTS[:-1]:
            await request(client)
        with pytest.raises(ServiceError):
            await REQUESTS[-1](client)
