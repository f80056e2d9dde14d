"""The host's side of the runner: the ``Sandbox`` port over any byte stream that ends in a runner."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import AsyncIterable
from contextlib import suppress
from itertools import count
from typing import TypeVar

import anyio
from anyio.abc import ByteStream
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pullwright.agents.errors import ProtocolViolation, SandboxError, SandboxGone
from pullwright.agents.ports.sandbox import OUTPUT_LIMIT, ExecResult, Output
from pullwright.sandbox.frames import MAX_META, MAX_PAYLOAD, Frame, FrameDecoder, FrameType, encode, encode_meta

START_LIMIT = 60.0
"""Seconds a container may take to bring its runner up."""
ANSWER_GRACE = 15.0
"""Seconds past its own time limit after which a silent runner counts as gone."""

_BOOTSTRAP = """import os
def r(n):
 b=b''
 while len(b)<n:
  c=os.read(0,n-len(b))
  if not c:raise SystemExit(1)
  b+=c
 return b
exec(compile(r(int.from_bytes(r(4),'big')),'runner','exec'),{'__name__':'__main__'})"""

RUNNER_ARGV = ("python3", "-I", "-S", "-X", "utf8", "-c", _BOOTSTRAP)
"""The command whose standard input and output the client speaks to."""


class _Exit(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    code: int | None = Field(ge=0, le=255)
    signal: int | None = Field(ge=1, le=64)
    timed_out: bool
    seconds: float = Field(ge=0, allow_inf_nan=False)
    cwd: str = Field(max_length=8192)
    dropped_out: int = Field(ge=0)
    dropped_err: int = Field(ge=0)


class _Fail(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True)

    errno: int
    message: str


_Model = TypeVar("_Model", bound=BaseModel)


class RunnerClient:
    """Speaks to one runner. Requests wait for each other; an answer that breaks the protocol ends the client."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._decoder = FrameDecoder()
        self._frames: deque[Frame] = deque()
        self._lock = anyio.Lock()
        self._ids = count(1)
        self._settled = True

    @classmethod
    async def start(cls, stream: ByteStream, *, workspace: str, home: str) -> RunnerClient:
        """Send the runner's source down a stream that ends in ``RUNNER_ARGV`` and wait until it serves.

        Raises:
            SandboxGone: The stream ended, or nothing answered in time.
            ProtocolViolation: Something else than the runner answered.
        """
        client = cls(stream)
        source = await anyio.Path(__file__).with_name("runner.py").read_bytes()
        hello = encode_meta(FrameType.HELLO, 0, workspace=workspace, home=home)
        data = len(source).to_bytes(4, "big") + source + hello
        await client._exchange(0, data, last=FrameType.READY, limit=0, seconds=START_LIMIT)
        return client

    async def ping(self) -> None:
        """Wait until the runner answers.

        Raises:
            SandboxGone: It does not.
        """
        async with self._lock:
            request = self._begin()
            data = encode(Frame(FrameType.PING, request))
            await self._exchange(request, data, last=FrameType.PONG, limit=0, seconds=ANSWER_GRACE)

    async def exec(
        self, command: str, *, timeout: float, cwd: str | None = None, output_limit: int = OUTPUT_LIMIT
    ) -> ExecResult:
        """Run a shell command line; see the port."""
        async with self._lock:
            request = self._begin()
            try:
                data = encode_meta(
                    FrameType.EXEC, request, command=command, timeout=timeout, cwd=cwd, limit=output_limit
                )
            except ValueError:
                self._settled = True
                return _refused(f"the command has more than {MAX_PAYLOAD} bytes: write it to a file first")
            frames = await self._exchange(
                request, data, last=FrameType.EXIT, limit=2 * output_limit + 4, seconds=timeout + ANSWER_GRACE
            )
        if frames[-1].type is FrameType.FAIL:
            return _refused(f"the command could not be started: {_parse(_Fail, frames[-1]).message}")
        return _result(frames)

    async def read_file(self, path: str, *, offset: int = 0, limit: int = 1 << 20) -> bytes:
        """Read a part of a file; see the port."""
        async with self._lock:
            request = self._begin()
            data = encode_meta(FrameType.READ, request, path=path, offset=offset, limit=limit)
            frames = await self._exchange(request, data, last=FrameType.DONE, limit=limit, seconds=START_LIMIT)
        _raise_failure(frames[-1], path)
        return b"".join(frame.payload for frame in frames if frame.type is FrameType.DATA)

    async def write_file(self, path: str, content: bytes) -> None:
        """Write a file whole; see the port."""
        if len(content) > MAX_PAYLOAD:
            await self.upload(path, _slices(content))
            return
        async with self._lock:
            request = self._begin()
            data = encode_meta(FrameType.WRITE, request, path=path)
            data += encode(Frame(FrameType.CHUNK, request, content)) + encode(Frame(FrameType.END, request))
            frames = await self._exchange(request, data, last=FrameType.DONE, limit=0, seconds=START_LIMIT)
        _raise_failure(frames[-1], path)

    async def upload(self, path: str, chunks: AsyncIterable[bytes]) -> None:
        """Write a file of any size from chunks of at most ``MAX_PAYLOAD`` bytes. Cancellation ends the client.

        Raises:
            OSError: The file system refused it.
            SandboxGone: The container or its stream ended.
        """
        async with self._lock:
            request = self._begin()
            try:
                await self._stream.send(encode_meta(FrameType.WRITE, request, path=path))
                async for chunk in chunks:
                    await self._stream.send(encode(Frame(FrameType.CHUNK, request, chunk)))
            except (anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
                raise _gone() from exc
            end = encode(Frame(FrameType.END, request))
            frames = await self._exchange(request, end, last=FrameType.DONE, limit=0, seconds=START_LIMIT)
        _raise_failure(frames[-1], path)

    def _begin(self) -> int:
        if not self._settled:
            raise SandboxGone("sandbox's stream was left in the middle of an answer: open a new sandbox")
        self._settled = False
        return next(self._ids)

    async def _exchange(self, request: int, data: bytes, *, last: FrameType, limit: int, seconds: float) -> list[Frame]:
        """Send a request and return its answer; a canceled request is canceled inside as well, then passed on."""
        try:
            with anyio.fail_after(seconds):
                await self._send(data)
                frames = await self._collect(request, last, limit)
        except TimeoutError as exc:
            raise SandboxGone(f"sandbox did not answer within {seconds:g} s: open a new one") from exc
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(ANSWER_GRACE, shield=True), suppress(SandboxError):
                await self._send(encode(Frame(FrameType.CANCEL, request)))
                await self._collect(request, last, limit)
                self._settled = True
            raise
        self._settled = True
        return frames

    async def _send(self, data: bytes) -> None:
        # Half a frame would put the runner out of step, so a frame is not interrupted; a runner that reads nothing is.
        with anyio.move_on_after(ANSWER_GRACE, shield=True) as scope:
            try:
                await self._stream.send(data)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
                raise _gone() from exc
        if scope.cancelled_caught:
            raise SandboxGone(f"sandbox took no bytes for {ANSWER_GRACE:g} s: open a new one")

    async def _collect(self, request: int, last: FrameType, limit: int) -> list[Frame]:
        frames: list[Frame] = []
        size = 0
        while True:
            frame = await self._receive()
            if frame.id != request:
                raise ProtocolViolation(f"sandbox answered request {frame.id} instead of {request}: discard it")
            frames.append(frame)
            if frame.type in (last, FrameType.FAIL):
                return frames
            size += len(frame.payload)
            if size > limit or not frame.payload:
                raise ProtocolViolation(f"sandbox answered with more than the {limit} bytes asked for: discard it")

    async def _receive(self) -> Frame:
        while not self._frames:
            try:
                data = await self._stream.receive(262_144)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError) as exc:
                raise _gone() from exc
            self._frames.extend(self._decoder.feed(data))
        return self._frames.popleft()


def _gone() -> SandboxGone:
    return SandboxGone("sandbox ended while it was in use: open a new one (a command may have killed its runner)")


def _refused(reason: str) -> ExecResult:
    return ExecResult(exit_code=126, stderr=Output(head=f"pullwright: {reason}\n".encode()))


async def _slices(content: bytes) -> AsyncIterable[bytes]:
    for start in range(0, len(content), MAX_PAYLOAD):
        yield content[start : start + MAX_PAYLOAD]


def _parse(model: type[_Model], frame: Frame) -> _Model:
    try:
        return model.model_validate_json(frame.payload[: MAX_META + 1])
    except ValidationError as exc:
        raise ProtocolViolation(f"sandbox sent a malformed {frame.type.name} frame: discard it") from exc


def _raise_failure(frame: Frame, path: str) -> None:
    if frame.type is FrameType.FAIL:
        failure = _parse(_Fail, frame)
        number = failure.errno if failure.errno in errno.errorcode else errno.EIO
        raise OSError(number, os.strerror(number), path)


def _result(frames: list[Frame]) -> ExecResult:
    report = _parse(_Exit, frames[-1])
    kept = {kind: b"".join(frame.payload for frame in frames if frame.type is kind) for kind in FrameType}
    return ExecResult(
        exit_code=report.code,
        signal=report.signal,
        timed_out=report.timed_out,
        stdout=_output(kept[FrameType.OUT_HEAD], kept[FrameType.OUT_TAIL], report.dropped_out),
        stderr=_output(kept[FrameType.ERR_HEAD], kept[FrameType.ERR_TAIL], report.dropped_err),
        seconds=report.seconds,
        cwd=report.cwd,
    )


def _output(head: bytes, tail: bytes, dropped: int) -> Output:
    if not dropped:
        return Output(head=head + tail)
    whole_head, whole_tail = trim_head(head), trim_tail(tail)
    lost = len(head) - len(whole_head) + len(tail) - len(whole_tail)
    return Output(head=whole_head, tail=whole_tail, dropped=dropped + lost)


def trim_head(data: bytes) -> bytes:
    """Cut an unfinished UTF-8 character from the end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte & 0xC0 != 0x80:
            length = 4 if byte >= 0xF0 else 3 if byte >= 0xE0 else 2 if byte >= 0xC0 else 1
            return data[:-back] if length > back else data
    return data


def trim_tail(data: bytes) -> bytes:
    """Cut the rest of a UTF-8 character from the start."""
    rest = next((index for index, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), len(data[:4]))
    return data[rest:] if rest < 4 else data
