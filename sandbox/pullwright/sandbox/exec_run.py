"""One script in a container: its output as it comes, and the trailer that says how it ended.

Everything that arrives is the container's word. A command can forge a trailer; it then lies about its own end.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from pullwright.agents.errors import ProtocolViolation, SandboxGone
from pullwright.agents.ports.sandbox import Output
from pullwright.sandbox.answers import trim_head, trim_tail
from pullwright.sandbox.docker_engine import LOST, ExecStream
from pullwright.sandbox.exec_stream import STDERR, STDOUT
from pullwright.sandbox.runner.capture import Capture

MOST_TRAILER = 16_384
"""Bytes at the end of standard error that may belong to the trailer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailer:
    """What a script says at its end."""

    word: str
    """The exit code, or a word of the script's own."""
    report: bytes = b""


class Transcript:
    """Takes in what a script prints, and keeps head and tail of it.

    Args:
        limit: Bytes of each stream that are kept.
    """

    def __init__(self, limit: int) -> None:
        self.token = secrets.token_hex(16)
        self.stdout = Capture(limit)
        self._stderr = Capture(limit)
        self._held = b""
        """The end of standard error, where the trailer is."""

    async def follow(self, stream: ExecStream, then: Callable[[], None] = lambda: None) -> None:
        """Take in everything up to the end of the stream.

        Args:
            stream: Where it comes from.
            then: Called after each piece.

        Raises:
            SandboxGone: The connection to the engine was lost.
            ProtocolViolation: The engine sent something else than output.
        """
        try:
            while True:
                for kind, piece in await stream.receive_pieces():
                    self.add(kind, piece)
                    then()
        except anyio.EndOfStream:
            return
        except LOST as exc:
            raise gone() from exc

    def add(self, kind: int, piece: bytes) -> None:
        """Take in a piece of one of the streams."""
        if kind == STDOUT:
            self.stdout.add(piece)
        elif kind == STDERR:
            held = self._held + piece
            self._stderr.add(held[:-MOST_TRAILER])
            self._held = held[-MOST_TRAILER:]

    def take_trailer(self) -> Trailer | None:
        """Take the last trailer out of standard error, if one is there whole."""
        mark = b"\n" + self.token.encode()
        end = self._held.rfind(mark + b"\n")
        start = self._held.rfind(mark + b" ", 0, max(end, 0))
        if start < 0:
            return None
        word, _, report = self._held[start + len(mark) + 1 : end].partition(b"\n")
        self._held = self._held[:start] + self._held[end + len(mark) + 1 :]
        return Trailer(word=word[:20].decode("ascii", "replace"), report=report)

    def stderr(self, limit: int) -> Output:
        """Return what is kept of standard error, once the stream has ended."""
        self._stderr.add(self._held)
        self._held = b""
        return output(self._stderr, limit)


def output(capture: Capture, limit: int) -> Output:
    """Return what is kept of a stream, without half a character at the cut."""
    head, tail, dropped = capture.kept(limit)
    if not dropped:
        return Output(head=head + tail)
    whole_head, whole_tail = trim_head(head), trim_tail(tail)
    lost = len(head) - len(whole_head) + len(tail) - len(whole_tail)
    return Output(head=whole_head, tail=whole_tail, dropped=dropped + lost)


def exit_code(trailer: Trailer | None) -> int:
    """Return the exit code in a trailer.

    Raises:
        SandboxGone: There is no trailer: the script was killed.
        ProtocolViolation: There is something else in it.
    """
    if trailer is None:
        raise gone()
    if not re.fullmatch(r"[0-9]{1,3}", trailer.word) or int(trailer.word) > 255:
        raise ProtocolViolation(f"sandbox ended a script with {trailer.word!r} instead of a number: discard it")
    return int(trailer.word)


def gone() -> SandboxGone:
    """Return the error for a container that went away."""
    return SandboxGone("sandbox ended while it was in use: open a new one (a command may have killed its container)")
