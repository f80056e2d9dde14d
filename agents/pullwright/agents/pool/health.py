"""Asks servers how they are: each has its own paths and its own patience."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ssl import PROTOCOL_TLS_CLIENT, SSLContext, create_default_context
from types import MappingProxyType
from typing import Protocol, Self

import httpx2
from anyio import move_on_after, to_thread

from pullwright.agents.llm.discovery import HEALTH
from pullwright.agents.pool.endpoint import Endpoint
from pullwright.agents.pool.load import Load
from pullwright.agents.pool.metrics import read_metrics

_METRICS_LIMIT = 5.0
_MOST_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePlan:
    """Where and how often one kind of server is asked. Times are in seconds."""

    health: str
    """Path below the server's root."""
    metrics: str = ""
    """Empty for a server that has none."""
    health_every: float = 5.0
    """Shortest time from one health request to the next, whatever the reason."""
    health_limit: float = 5.0
    routine: bool = True
    """Ask for health while all is well, and not only to close a breaker."""


_VLLM = ProbePlan(health=HEALTH["vllm"], metrics="/metrics")
_SGLANG = ProbePlan(
    health=HEALTH["sglang"],
    metrics="/metrics",
    # Its health request generates a token, and waits in the queue for it.
    health_every=15.0,
    health_limit=25.0,
)
PLANS: Mapping[str, ProbePlan] = MappingProxyType(
    {
        "vllm": _VLLM,
        "sglang": _SGLANG,
        "llamacpp": _VLLM,
        "ollama": ProbePlan(health=HEALTH["ollama"]),
        "nim-vllm": replace(_VLLM, health=HEALTH["nim-vllm"], metrics="/v1/metrics"),
        "nim-sglang": replace(_SGLANG, health=HEALTH["nim-sglang"], metrics="/v1/metrics"),
        # A hosted API has no health of its own; the list of models is the cheapest thing to ask for.
        "mistral": ProbePlan(health="/v1/models", health_every=15.0, health_limit=10.0, routine=False),
    }
)
"""By the profile's name."""


class Prober(Protocol):
    """Something that asks a server how it is. Neither method raises, except when it is canceled."""

    async def healthy(self, endpoint: Endpoint) -> bool:
        """Whether the server says that it can work."""
        ...

    async def load(self, endpoint: Endpoint) -> Load | None:
        """Return how busy its engine is, or None when it does not say."""
        ...


class HttpProber:
    """Implements ``Prober`` over HTTP. Make it with ``open``."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    @classmethod
    @asynccontextmanager
    async def open(cls, *, secure: bool = True) -> AsyncIterator[Self]:
        """Make a client and close it at the end.

        Args:
            secure: Load the trusted certificates, which takes 25 ms; not needed when every URL is plain HTTP.
        """
        # A context without certificates trusts nobody.
        trusted = await to_thread.run_sync(create_default_context) if secure else SSLContext(PROTOCOL_TLS_CLIENT)
        async with httpx2.AsyncClient(verify=trusted, follow_redirects=False, timeout=None) as client:
            yield cls(client)

    async def healthy(self, endpoint: Endpoint) -> bool:
        plan = PLANS[endpoint.profile]
        return await self._get(endpoint, plan.health, plan.health_limit) is not None

    async def load(self, endpoint: Endpoint) -> Load | None:
        text = await self._get(endpoint, PLANS[endpoint.profile].metrics, _METRICS_LIMIT)
        return None if text is None else read_metrics(text)

    async def _get(self, endpoint: Endpoint, path: str, limit: float) -> str | None:
        """Return the start of the body, or None for anything but a 200 in time."""
        # The key opens what is below /v1; the other paths do not ask for it and do not get it.
        headers = {"Accept-Encoding": "identity"}
        if endpoint.key and path.startswith("/v1/"):
            headers["Authorization"] = f"Bearer {endpoint.key}"
        with move_on_after(limit):
            try:
                async with self._client.stream("GET", endpoint.root + path, headers=headers) as response:
                    return await _text(response) if response.status_code == httpx2.codes.OK else None
            except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError):
                return None
        return None


async def _text(response: httpx2.Response) -> str:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk[: _MOST_BYTES - len(body)]
        if len(body) >= _MOST_BYTES:
            break
    return body.decode(errors="replace")
