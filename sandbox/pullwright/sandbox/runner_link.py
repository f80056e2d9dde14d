"""One stream to a runner, shared: the reader hands each frame to the request or channel that waits for it.

The reader waits for nobody and holds nothing without a limit, so a container can neither stop the host nor fill it up.
The first thing that is wrong ends the link for everybody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count

import anyio
from anyio.abc import ByteStream, TaskGroup

from pullwright.agents.errors import ProtocolViolation, SandboxError, SandboxGone
from pullwright.sandbox.answers import Answer
from pullwright.sandbox.channels import Channels, ConnectionHandler
from pullwright.sandbox.frames import Frame, FrameDecoder, FrameType, encode

ANSWER_GRACE = 15.0
"""Seconds past its own time limit after which a silent runner counts as gone."""

_LOST = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)


@dataclass(slots=True)
class Request:
    """What was asked, what may be answered, and what was answered so far."""

    id: int
    last: FrameType
    """The frame that ends the answer, if not ``FAIL``."""
    parts: frozenset[FrameType] = frozenset()
    """The frames that may come before."""
    limit: int = 0
    """Most bytes that the parts may have together."""
    answer: Answer = field(default_factory=Answer)
    size: int = 0
    done: anyio.Event = field(default_factory=anyio.Event)

    def on_frame(self, frame: Frame) -> bool:
        """Take in a part of the answer; true when it is whole.

        Raises:
            ProtocolViolation: It does not belong there, or is more than was asked for.
        """
        if frame.type in (self.last, FrameType.FAIL):
            self.answer.last = frame
            return True
        self.size += len(frame.payload)
        if frame.type not in self.parts or self.size > self.limit or not frame.payload:
            raise ProtocolViolation(
                f"sandbox answered with {frame.type.name}, or more than the {self.limit} bytes asked for: discard it"
            )
        self.answer.add(frame)
        return False


class RunnerLink:
    """Sends requests and channel data down one stream, and reads what comes back."""

    def __init__(self, stream: ByteStream, handlers: Mapping[int, ConnectionHandler]) -> None:
        self.channels = Channels(handlers, self._send_frame)
        self._stream = stream
        self._decoder = FrameDecoder()
        self._ids = count(1)
        self._requests: dict[int, Request] = {}
        self._writing = anyio.Lock(fast_acquire=True)
        self._failure: SandboxError | None = None

    async def read(self, group: TaskGroup) -> None:
        """Read until the stream ends or something in it is wrong; handlers of channels are started in the group."""
        try:
            while self._failure is None:
                for frame in self._decoder.feed(await self._stream.receive(262_144)):
                    self._on_frame(frame, group)
        except _LOST:
            self.fail(_gone())
        except ProtocolViolation as exc:
            self.fail(exc)
        finally:
            self.fail(_gone())  # also when canceled: nobody reads from here on

    def fail(self, failure: SandboxError) -> None:
        """End the link: whoever waits, and whoever comes later, gets this error."""
        if self._failure is None:
            self._failure = failure
            self.channels.break_off()
            for request in self._requests.values():
                request.done.set()

    def check(self) -> None:
        """Raise what ended the link.

        Raises:
            SandboxGone: The stream ended, or was left in the middle of an answer.
            ProtocolViolation: The container broke the protocol.
        """
        if self._failure is not None:
            raise type(self._failure)(str(self._failure))

    @contextmanager
    def request(
        self, last: FrameType, *, parts: frozenset[FrameType] = frozenset(), limit: int = 0, hello: bool = False
    ) -> Iterator[Request]:
        """Await an answer for the length of a block, and judge it there.

        A block that is left before the answer is whole ends the link, and so does one that finds the answer wrong.

        Raises:
            SandboxError: What ended the link before.
        """
        self.check()
        request = Request(0 if hello else next(self._ids), last, parts, limit)
        self._requests[request.id] = request
        try:
            yield request
        except ProtocolViolation as exc:
            self.fail(exc)
            raise
        finally:
            if self._requests.pop(request.id, None) is not None:
                self.fail(SandboxGone("sandbox's stream was left in the middle of an answer: open a new sandbox"))

    async def exchange(self, request: Request, data: bytes, seconds: float) -> Answer:
        """Send a request and return its answer; a canceled request is canceled inside as well, then passed on.

        Raises:
            SandboxGone: The stream ended, or nothing was answered in time.
            ProtocolViolation: The answer breaks the protocol.
        """
        try:
            with anyio.fail_after(seconds):
                await self.send(data)
                await request.done.wait()
        except TimeoutError as exc:
            raise SandboxGone(f"sandbox did not answer within {seconds:g} s: open a new one") from exc
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(ANSWER_GRACE, shield=True), suppress(SandboxError):
                await self.send(encode(Frame(FrameType.CANCEL, request.id)))
                await request.done.wait()
            raise
        if request.id in self._requests:
            self.check()  # nothing else wakes us before the answer is whole
        return request.answer

    async def send(self, data: bytes) -> None:
        """Write whole frames.

        Raises:
            SandboxGone: The stream ended, or the runner takes nothing.
        """
        # Half a frame would put the runner out of step, so a frame is not interrupted; a runner that reads nothing is.
        with anyio.move_on_after(ANSWER_GRACE, shield=True) as scope:
            async with self._writing:
                self.check()
                try:
                    await self._stream.send(data)
                except _LOST as exc:
                    self.fail(_gone())
                    raise _gone() from exc
        if scope.cancelled_caught:
            self.fail(SandboxGone(f"sandbox took no bytes for {ANSWER_GRACE:g} s: open a new one"))
            self.check()

    async def _send_frame(self, frame: Frame) -> None:
        """Write a frame of a channel.

        Raises:
            BrokenResourceError: The link has ended.
        """
        try:
            await self.send(encode(frame))
        except SandboxError as exc:
            raise anyio.BrokenResourceError from exc

    def _on_frame(self, frame: Frame, group: TaskGroup) -> None:
        if frame.type >= FrameType.NET_OPEN:
            self.channels.on_frame(frame, group)
            return
        request = self._requests.get(frame.id)
        if request is None:
            raise ProtocolViolation(f"sandbox answered request {frame.id}, which was not asked: discard it")
        if request.on_frame(frame):
            del self._requests[frame.id]
            request.done.set()


def _gone() -> SandboxGone:
    return SandboxGone("sandbox ended while it was in use: open a new one (a command may have killed its runner)")
