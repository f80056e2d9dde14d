"""Server-sent events out of bytes, with a limit: the data of each event, never more than a fixed size at once.

The ``openai`` package decodes them too, but says itself that it sets no limit to a line or an event, and tells only in
private names whether ``[DONE]`` came. What a model server needs of the WHATWG specification is this little: lines end
with CR, LF or CRLF; ``data`` fields of one event are joined with line feeds; comments and other fields mean nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pullwright.agents.llm.failure import AttemptFailed, Failure, FailureKind

LONGEST_EVENT = 8_000_000
"""Bytes of one event, or of one line."""
_LINE_END = re.compile(rb"\r\n|\r|\n")


class EventReader:
    """Takes pieces of a stream, cut anywhere; gives the data of the events that are complete.

    What comes after the last empty line is no event, as the specification says.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_cr = False
        self._data: list[bytes] = []
        self._held = 0

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """Take a piece; yield the data of each event that it ends.

        Raises:
            AttemptFailed: An event or a line is longer than ``LONGEST_EVENT``.
        """
        if not piece:
            return
        if self._after_cr:
            piece = piece.removeprefix(b"\n")
        self._after_cr = piece.endswith(b"\r")
        start = 0
        for end in _LINE_END.finditer(piece):
            line = piece[start : end.start()]
            if self._line:
                line = bytes(self._line) + line
                self._line.clear()
            start = end.end()
            if line:
                self._take(line)
            elif data := self._taken():
                yield data
        self._line += piece[start:]
        self._bound(len(self._line))

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name != b"data":
            return
        value = value.removeprefix(b" ")
        self._bound(len(value) + 1)
        self._held += len(value) + 1
        self._data.append(value)

    def _taken(self) -> bytes:
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data.clear()
        self._held = 0
        return data

    def _bound(self, more: int) -> None:
        if self._held + more > LONGEST_EVENT:
            detail = f"one event of more than {LONGEST_EVENT} bytes"
            raise AttemptFailed(Failure(kind=FailureKind.OVERSIZED, detail=detail))
