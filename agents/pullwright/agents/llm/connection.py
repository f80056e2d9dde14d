"""One endpoint's HTTP side: the only file that imports the ``openai`` package.

The package carries the connection, the key, the events of a stream and the errors. Its typed requests and chunks are
passed by: bodies arrive here serialised (``body``) and chunks leave as plain JSON (``wire``), which costs a fraction
of the CPU and keeps the fields it does not know. Every failure leaves as ``AttemptFailed``.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Self

import anyio
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
from pullwright.agents.llm.failure import AttemptFailed, Failure, FailureKind, classify
from pullwright.agents.llm.settings import EndpointSettings, Timeouts

ChunkListener = Callable[[object], None]

_PATH = "/chat/completions"
_CLOSE_SECONDS = 2.0
_DEADLINE_SLACK = 1.0
"""The deadline between chunks is moved at most this often: moving a timer costs more than reading a chunk."""
_NO_CONNECTION = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout", "UnsupportedProtocol"})


class Connection:
    """Sends bodies and hands back JSON. Make it with ``open``."""

    def __init__(self, client: AsyncOpenAI, timeouts: Timeouts) -> None:
        self._client = client
        self._timeouts = timeouts

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
            yield cls(client, settings.timeouts)
        finally:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                await client.close()

    async def models(self) -> object:
        """Return the endpoint's list of models."""
        limit = self._timeouts.connect
        with _translated(), _limited(limit, limit, limit):
            return await self._client.get("/models", cast_to=object)

    async def stream(self, body: bytes, headers: Mapping[str, str], on_chunk: ChunkListener) -> None:
        """Send a request for a stream and pass on its chunks until it ends."""
        limits = self._timeouts
        with _translated(), _limited(limits.first_byte, limits.between_chunks, limits.total) as deadline:
            stream = await self._client.post(
                _PATH,
                cast_to=object,
                content=body,
                options={"headers": headers},
                stream=True,
                stream_cls=AsyncStream[object],
            )
            try:
                async for chunk in stream:
                    deadline.put_off()
                    on_chunk(chunk)
            finally:
                # A closed connection is what makes the engine stop generating.
                with anyio.move_on_after(_CLOSE_SECONDS, shield=True):
                    await stream.close()

    async def whole(self, body: bytes, headers: Mapping[str, str]) -> object:
        """Send a request for a whole reply and return it."""
        total = self._timeouts.total
        with _translated(), _limited(total, total, total):
            reply = await self._client.post(_PATH, cast_to=object, content=body, options={"headers": headers})
        if isinstance(reply, Mapping) and reply.get("error"):
            raise AttemptFailed(classify(0, reply))
        return reply


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
def _translated() -> Iterator[None]:
    """Turn what the package raises into one failed attempt."""
    try:
        yield
    except APIConnectionError as exc:
        raise AttemptFailed(_no_answer(exc)) from exc
    except APIStatusError as exc:
        raise AttemptFailed(classify(exc.status_code, exc.body, exc.response.headers)) from exc
    except APIError as exc:
        raise AttemptFailed(classify(0, exc.body)) from exc
    except json.JSONDecodeError as exc:
        raise AttemptFailed(Failure(kind=FailureKind.INTERRUPTED, detail=f"no JSON: {exc}")) from exc


def _no_answer(exc: APIConnectionError) -> Failure:
    cause = exc.__cause__
    kind = FailureKind.UNREACHABLE if type(cause).__name__ in _NO_CONNECTION else FailureKind.INTERRUPTED
    return Failure(kind=kind, detail=" ".join(str(cause or exc).split()))
