"""One endpoint's HTTP side: the only file that imports the ``openai`` package.

The package carries the connection, the key and the errors. Its typed requests and chunks are passed by: bodies arrive
here serialised (``body``) and chunks leave as plain JSON (``wire``), which costs a fraction of the CPU and keeps the
fields it does not know; ``event_stream`` says why its decoder of events is passed by too. Every failure leaves as
``AttemptFailed``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Self

import anyio
from httpx2 import AsyncByteStream, HTTPError, InvalidURL, Response
from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AsyncOpenAI,
    AsyncStream,
    DefaultAsyncHttpxClient,
    Timeout,
)

from pullwright.agents.errors import ConfigError
from pullwright.agents.llm.event_stream import EventReader
from pullwright.agents.llm.failure import AttemptFailed, Failure, FailureKind, classify
from pullwright.agents.llm.settings import EndpointSettings

_Unread = AsyncStream[object]
"""What makes the package hand over an answer as soon as its headers are there, streamed or not."""
ChunkListener = Callable[[object], object]

_PATH = "/chat/completions"
_CLOSE_SECONDS = 2.0
_DRAIN_SECONDS = 0.1
"""For the end of the body after the server's last word: a body that was read to its end leaves its connection open."""
_LONGEST_BODY = 16_000_000
"""Bytes of an answer that is not streamed."""
_LONGEST_ERROR = 1_000_000
"""Bytes of an error's body."""
_DEADLINE_SLACK = 1.0
"""The deadline between chunks is moved at most this often: moving a timer costs more than reading a chunk."""
_REQUEST_IDS = ("x-request-id", "mistral-correlation-id")
_LONGEST_REQUEST_ID = 100
_END = object()
_NO_CONNECTION = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"})


@dataclass(slots=True, kw_only=True)
class Receipt:
    """What is known of a reply besides its chunks."""

    request_id: str = ""
    done: bool = False
    """Whether the server said that this is all."""

    def name(self, response: Response) -> None:
        """Take over the request's name."""
        named = (response.headers.get(name) for name in _REQUEST_IDS)
        self.request_id = next(filter(None, named), "")[:_LONGEST_REQUEST_ID]


class Connection:
    """Sends bodies and hands back JSON. Make it with ``open``."""

    def __init__(self, client: AsyncOpenAI, settings: EndpointSettings) -> None:
        self._client = client
        self._timeouts = settings.timeouts
        self._settings = settings

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: EndpointSettings) -> AsyncIterator[Self]:
        """Make a client for the endpoint, without asking it anything yet, and close it at the end.

        Raises:
            ConfigError: The URL is none.
        """
        if not settings.url.startswith(("http://", "https://")):
            raise _no_url(settings)
        limit = Timeout(None, connect=settings.timeouts.connect, write=settings.timeouts.between_chunks)
        try:
            client = AsyncOpenAI(
                base_url=settings.url,
                # The package insists on a key; servers without one ignore it.
                api_key=settings.key or "none",
                max_retries=0,
                timeout=limit,
                http_client=_client(settings.url),
            )
        except InvalidURL:
            raise _no_url(settings) from None
        try:
            yield cls(client, settings)
        finally:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await client.close()

    async def models(self) -> object:
        """Return the endpoint's list of models; None where it is no JSON."""
        limit = self._timeouts.connect
        with self._translated(), _limited(limit, limit, limit):
            stream = await self._client.get("/models", cast_to=object, stream=True, stream_cls=_Unread)
            async with _closed(stream) as response:
                content = await _content(response)
        try:
            listed: object = json.loads(content)
        except (ValueError, RecursionError):
            return None
        return listed

    async def stream(
        self,
        body: bytes,
        headers: Mapping[str, str],
        on_chunk: ChunkListener,
        *,
        first_byte: float | None = None,
        receipt: Receipt | None = None,
    ) -> None:
        """Send a request for a stream and pass on its chunks until it ends.

        Args:
            body: The JSON text.
            headers: Sent besides those of the package.
            on_chunk: Called with each chunk; what it raises is passed on after the connection is closed.
            first_byte: Seconds until the first chunk; None for those of the settings.
            receipt: Filled in at the end.
        """
        limits = self._timeouts
        receipt = receipt or Receipt()
        if first_byte is None:
            first_byte = limits.first_byte_after(0)
        with _limited(first_byte, limits.between_chunks, limits.total) as deadline:
            async with self._posted(body, headers) as response, aclosing(_chunks(response, receipt)) as chunks:
                receipt.name(response)
                while (chunk := await self._next(chunks)) is not _END:
                    deadline.put_off()
                    on_chunk(chunk)

    async def _next(self, chunks: AsyncIterator[object]) -> object:
        with self._translated():
            chunk = await anext(chunks, _END)
            _refuse_error(chunk)
        return chunk

    async def whole(
        self,
        body: bytes,
        headers: Mapping[str, str],
        on_chunk: ChunkListener,
        *,
        receipt: Receipt | None = None,
    ) -> None:
        """Send a request for a whole reply and pass it on."""
        total = self._timeouts.total
        receipt = receipt or Receipt()
        with _limited(total, total, total):
            async with self._posted(body, headers) as response:
                with self._translated():
                    receipt.name(response)
                    reply: object = json.loads((await _content(response)).decode())
                    _refuse_error(reply)
        receipt.done = True
        on_chunk(reply)

    @asynccontextmanager
    async def _posted(self, body: bytes, headers: Mapping[str, str]) -> AsyncIterator[Response]:
        """Send a request; give its answer with the body still to be read, and close it at the end."""
        with self._translated():
            stream = await self._client.post(
                _PATH, cast_to=object, content=body, options={"headers": headers}, stream=True, stream_cls=_Unread
            )
        async with _closed(stream) as response:
            yield response

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what the package raises into one failed attempt, without secrets in what the server said."""
        try:
            with _as_attempt():
                yield
        except AttemptFailed as failed:
            detail = self._settings.without_secrets(failed.failure.detail)
            if detail != failed.failure.detail:
                raise AttemptFailed(replace(failed.failure, detail=detail)) from None
            raise


def _no_url(settings: EndpointSettings) -> ConfigError:
    shown = settings.shown_url
    return ConfigError(f"{shown!r} is no URL of an endpoint; set AGENT_ENDPOINT_URL to http(s)://…/v1")


@asynccontextmanager
async def _closed(stream: AsyncStream[object]) -> AsyncIterator[Response]:
    """Give the response behind a stream of the package, and close it at the end."""
    try:
        yield stream.response
    finally:
        # A closed connection is what makes the engine stop generating.
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
            await stream.close()


async def _chunks(response: Response, receipt: Receipt) -> AsyncGenerator[object, None]:
    """Read the events of a stream until the server says that this is all, or just stops."""
    events = EventReader()
    async with aclosing(response.aiter_bytes()) as pieces:
        async for piece in pieces:
            for data in events.feed(piece):
                if data.startswith(b"[DONE]"):
                    receipt.done = True
                    await _drain(pieces)
                    return
                yield json.loads(data.decode())


async def _drain(pieces: AsyncIterator[bytes]) -> None:
    with anyio.move_on_after(_DRAIN_SECONDS):
        async for _ in pieces:
            pass


async def _content(response: Response) -> bytes:
    content = bytearray()
    async with aclosing(response.aiter_bytes()) as pieces:
        async for piece in pieces:
            content += piece
            if len(content) > _LONGEST_BODY:
                detail = f"a body of more than {_LONGEST_BODY} bytes"
                raise AttemptFailed(Failure(kind=FailureKind.OVERSIZED, detail=detail))
    return bytes(content)


def _refuse_error(reply: object) -> None:
    """Notice an error inside a 200, nested or flat."""
    if isinstance(reply, Mapping) and (reply.get("error") or reply.get("object") == "error"):
        raise AttemptFailed(classify(0, reply))


def _client(url: str) -> DefaultAsyncHttpxClient:
    """Make a client whose error bodies have an end.

    For URLs without TLS, loading the trusted certificates would take 25 ms for nothing; a context that trusts nobody
    lets a redirect to TLS fail instead of going unchecked.
    """
    hooks = {"response": [_bound_error]}
    if url.startswith("http://"):
        verify = SSLContext(PROTOCOL_TLS_CLIENT)
        return DefaultAsyncHttpxClient(verify=verify, follow_redirects=False, event_hooks=hooks)
    return DefaultAsyncHttpxClient(event_hooks=hooks)


async def _bound_error(response: Response) -> None:
    """Cut the body of an error, which the package reads to its end."""
    if response.is_error and isinstance(response.stream, AsyncByteStream):
        response.stream = _Beginning(response.stream)


class _Beginning(AsyncByteStream):
    """The first part of a body."""

    def __init__(self, body: AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        left = _LONGEST_ERROR
        async for piece in self._body:
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return

    async def aclose(self) -> None:
        await self._body.aclose()


class _Deadline:
    """The end of an attempt, moved on by every chunk."""

    def __init__(self, scope: anyio.CancelScope, between: float, end: float) -> None:
        self._scope = scope
        self._between = between
        self._end = end
        self._moved = float("-inf")

    def put_off(self) -> None:
        now = anyio.current_time()
        if now - self._moved > _DEADLINE_SLACK:
            self._moved = now
            self._scope.deadline = min(now + self._between, self._end)


@contextmanager
def _limited(first: float, between: float, total: float) -> Iterator[_Deadline]:
    end = anyio.current_time() + total
    with anyio.CancelScope(deadline=min(anyio.current_time() + first, end)) as scope:
        yield _Deadline(scope, between, end)
    if scope.cancelled_caught:
        raise AttemptFailed(Failure(kind=FailureKind.TIMED_OUT))


@contextmanager
def _as_attempt() -> Iterator[None]:
    try:
        yield
    except APIConnectionError as exc:
        raise AttemptFailed(_no_answer(exc)) from exc
    except APIStatusError as exc:
        raise AttemptFailed(classify(exc.status_code, exc.body, exc.response.headers)) from exc
    except APIError as exc:
        raise AttemptFailed(classify(0, exc.body)) from exc
    except HTTPError as exc:
        # Read errors outside of the package's own hands, such as a broken compression.
        raise AttemptFailed(Failure(kind=FailureKind.INTERRUPTED, detail=type(exc).__name__)) from exc
    except (ValueError, RecursionError) as exc:
        # JSON, UTF-8, or a number of too many digits.
        raise AttemptFailed(Failure(kind=FailureKind.INTERRUPTED, detail=f"no JSON: {str(exc)[:100]}")) from exc


def _no_answer(exc: APIConnectionError) -> Failure:
    cause = exc.__cause__
    kind = FailureKind.UNREACHABLE if type(cause).__name__ in _NO_CONNECTION else FailureKind.INTERRUPTED
    return Failure(kind=kind, detail=" ".join(str(cause or exc).split()))
