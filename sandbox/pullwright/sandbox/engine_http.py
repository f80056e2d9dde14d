"""The two things that are said to an engine without the SDK: what version are you, and a stream to a command.

A request that asks to upgrade is answered with 101, or with 200 where something in between dropped the wish. From then
on the connection carries the command's input and output (Docker Engine API, "Start an exec instance").
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import anyio
import h11
from anyio.abc import ByteStream

from pullwright.agents.errors import SandboxUnavailable

HOST = "docker"
MAX_ANSWER = 1 << 20
"""Most bytes of an answer that are read."""


class EngineAnswer(SandboxUnavailable):
    """An engine answered with something else than success.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class PrefixedStream(ByteStream):
    """A stream whose first bytes were read already."""

    def __init__(self, prefix: bytes, stream: ByteStream) -> None:
        self._prefix = prefix
        self._stream = stream

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Return the next bytes."""
        if self._prefix:
            taken, self._prefix = self._prefix[:max_bytes], self._prefix[max_bytes:]
            return taken
        return await self._stream.receive(max_bytes)

    async def send(self, item: bytes) -> None:
        """Send bytes."""
        await self._stream.send(item)

    async def send_eof(self) -> None:
        """End what we send."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()


async def ask(stream: ByteStream, path: str) -> dict[str, object]:
    """Get one JSON object. The stream is of no further use.

    Raises:
        EngineAnswer: The engine answered something else.
        OSError: What answered is no engine, or it ended the connection; the stream's own errors are passed on.
    """
    connection = h11.Connection(h11.CLIENT)
    await _request(connection, stream, "GET", path, {"Connection": "close"}, b"")
    response = await _response(connection, stream)
    value = _json(await _body(connection, stream))
    if response.status_code != 200:
        raise _refused(response.status_code, value)
    return value


async def upgrade(stream: ByteStream, path: str, body: Mapping[str, object]) -> ByteStream:
    """Post a request that turns the connection into a stream of bytes, and return that.

    Raises:
        EngineAnswer: The engine refused.
        OSError: What answered is no engine, or it ended the connection; the stream's own errors are passed on.
    """
    connection = h11.Connection(h11.CLIENT)
    headers = {"Content-Type": "application/json", "Connection": "Upgrade", "Upgrade": "tcp"}
    await _request(connection, stream, "POST", path, headers, json.dumps(body).encode())
    response = await _response(connection, stream)
    if response.status_code not in (101, 200):
        raise _refused(response.status_code, _json(await _body(connection, stream)))
    return PrefixedStream(connection.trailing_data[0], stream)


async def _request(
    connection: h11.Connection, stream: ByteStream, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> None:
    fields = {"Host": HOST, **headers, "Content-Length": str(len(body))}
    request = h11.Request(method=method, target=path, headers=list(fields.items()))
    pieces = [connection.send(event) for event in (request, h11.Data(data=body), h11.EndOfMessage())]
    await stream.send(b"".join(piece for piece in pieces if piece))


async def _response(connection: h11.Connection, stream: ByteStream) -> h11.Response | h11.InformationalResponse:
    while True:
        event = await _next_event(connection, stream)
        if isinstance(event, h11.Response) or (
            isinstance(event, h11.InformationalResponse) and event.status_code == 101
        ):
            return event


async def _body(connection: h11.Connection, stream: ByteStream) -> bytes:
    body = bytearray()
    while isinstance(event := await _next_event(connection, stream), h11.Data):
        body += event.data
        if len(body) > MAX_ANSWER:
            raise EngineAnswer(f"container engine's answer has more than {MAX_ANSWER} bytes: is it an engine?", 502)
    return bytes(body)


async def _next_event(connection: h11.Connection, stream: ByteStream) -> object:
    try:
        while (event := connection.next_event()) is h11.NEED_DATA:
            try:
                data = await stream.receive()
            except anyio.EndOfStream:
                data = b""
            connection.receive_data(data)
    except h11.RemoteProtocolError as exc:
        raise ConnectionResetError(f"what answers is no container engine, or ended the connection: {exc}") from exc
    return event


def _json(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body or b"{}")
    except ValueError:
        value = {"message": body[:200].decode("utf-8", "replace")}
    return value if isinstance(value, dict) else {}


def _refused(status: int, value: Mapping[str, object]) -> EngineAnswer:
    return EngineAnswer(" ".join(str(value.get("message") or f"status {status}").split())[:500], status)
