"""One endpoint's HTTP side: the only file that imports the ``openai`` package.

The package carries the connection, the key, the events of a stream and the errors. Its typed requests and chunks are
passed by: bodies arrive here serialised (``body``) and chunks leave as plain JSON (``wire``), which costs a fraction
of the CPU and keeps the fields it does not know. Every failure leaves as ``AttemptFailed``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Self

import anyio
from httpx2 import HTTPError, Response
from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    AsyncOpenAI,
    AsyncStream,
    DefaultAsyncHttpxClient,
    Timeout,
)
from openai._streaming import ServerSentEvent

from pullwright.agents.errors import ConfigError
from pullwright.agents.llm.failure import AttemptFailed, Failure, FailureKind, classify
from pullwright.agents.llm.settings import EndpointSettings

ChunkListener = Callable[[object], object]

_PATH = "/chat/completions"
_CLOSE_SECONDS = 2.0
_DEADLINE_SLACK = 1.0
"""The deadline between chunks is moved at most this often: moving a timer costs more than reading a chunk."""
_REQUEST_IDS = ("x-request-id", "mistral-correlation-id")
_LONGEST_REQUEST_ID = 100
_END = object()
_NO_CONNECTION = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"})


@dataclass(slots=True, kw_only=True)
class Receipt:
    """What is known of a reply besides its chunks; filled in when the reply is complete."""

    request_id: str = ""
    done: bool = False
    """Whether the server said that this is all."""

    def fill(self, response: Response, *, done: bool) -> None:
        """Take over what the response says."""
        named = (response.headers.get(name) for name in _REQUEST_IDS)
        self.request_id = next(filter(None, named), "")[:_LONGEST_REQUEST_ID]
        self.done = done


class Connection:
    """Sends bodies and hands back JSON. Make it with ``open``."""

    def __init__(self, client: AsyncOpenAI, settings: EndpointSettings) -> None:
        self._client = client
        self._timeouts = settings.timeouts
        self._key = settings.key

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: EndpointSettings) -> AsyncIterator[Self]:
        """Make a client for the endpoint, without asking it anything yet, and close it at the end.

        Raises:
            ConfigError: The URL is none.
        """
        if not settings.url.startswith(("http://", "https://")):
            raise ConfigError(f"{settings.url!r} is no URL of an endpoint; set AGENT_ENDPOINT_URL to http(s)://…/v1")
        limit = Timeout(None, connect=settings.timeouts.connect, write=settings.timeouts.between_chunks)
        client = AsyncOpenAI(
            base_url=settings.url,
            # The package insists on a key; servers without one ignore it.
            api_key=settings.key or "none",
            max_retries=0,
            timeout=limit,
            http_client=_plain_client() if settings.url.startswith("http://") else None,
        )
        try:
            yield cls(client, settings)
        finally:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await client.close()

    async def models(self) -> object:
        """Return the endpoint's list of models."""
        limit = self._timeouts.connect
        with self._translated(), _limited(limit, limit, limit):
            return await self._client.get("/models", cast_to=object)

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
        if first_byte is None:
            first_byte = limits.first_byte_after(0)
        with _limited(first_byte, limits.between_chunks, limits.total) as deadline:
            with self._translated():
                stream = await self._client.post(
                    _PATH,
                    cast_to=object,
                    content=body,
                    options={"headers": headers},
                    stream=True,
                    stream_cls=_Stream,
                )
            try:
                while (chunk := await self._next(stream)) is not _END:
                    deadline.put_off()
                    on_chunk(chunk)
            finally:
                # A closed connection is what makes the engine stop generating.
                with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                    await stream.close()
        if receipt is not None:
            receipt.fill(stream.response, done=stream.done)

    async def _next(self, stream: _Stream) -> object:
        with self._translated():
            chunk = await anext(stream, _END)
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
        with self._translated(), _limited(total, total, total):
            response = await self._client.post(_PATH, cast_to=Response, content=body, options={"headers": headers})
            reply: object = json.loads(response.content)
            _refuse_error(reply)
        if receipt is not None:
            receipt.fill(response, done=True)
        on_chunk(reply)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what the package raises into one failed attempt, without the key in what the server said."""
        try:
            with _as_attempt():
                yield
        except AttemptFailed as failed:
            if self._key and self._key in failed.failure.detail:
                hidden = failed.failure.detail.replace(self._key, "…")
                raise AttemptFailed(replace(failed.failure, detail=hidden)) from None
            raise


class _Stream(AsyncStream[object]):
    """A stream that knows whether it was ended by the server's word."""

    done = False

    async def _iter_events(self) -> AsyncIterator[ServerSentEvent]:
        async for event in super()._iter_events():
            if event.data.startswith("[DONE]"):
                self.done = True
            yield event


def _refuse_error(reply: object) -> None:
    """Notice an error inside a 200, nested or flat."""
    if isinstance(reply, Mapping) and (reply.get("error") or reply.get("object") == "error"):
        raise AttemptFailed(classify(0, reply))


def _plain_client() -> DefaultAsyncHttpxClient:
    """A client for URLs without TLS: loading the trusted certificates would take 25 ms for nothing.

    Its context trusts nobody, so that a redirect to TLS fails instead of going unchecked.
    """
    return DefaultAsyncHttpxClient(verify=SSLContext(PROTOCOL_TLS_CLIENT), follow_redirects=False)


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
