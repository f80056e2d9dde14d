"""Which server answers at a URL, and how many tokens a request there really has."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from types import MappingProxyType

import httpx2

from pullwright.agents.llm.settings import EndpointSettings

_SECONDS = 10.0
"""For one question; these paths cost a server nothing."""
_LONGEST = 1_000_000
"""Bytes of an answer."""
HEALTH: Mapping[str, str] = MappingProxyType(
    {
        "vllm": "/health",
        "sglang": "/health",
        "llamacpp": "/health",
        "ollama": "/api/version",
        "nim-vllm": "/v1/health/ready",
        "nim-sglang": "/v1/health/ready",
    }
)
"""Where each kind of server says that it is well."""
_OWNERS = ("vllm", "sglang", "llamacpp")


class Facts:
    """Asks a server about itself, outside of the chat API. Make it with ``open``."""

    def __init__(self, client: httpx2.AsyncClient, settings: EndpointSettings) -> None:
        self.client = client
        """For others that ask the same server."""
        self._root = settings.url.rstrip("/").removesuffix("/v1")

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: EndpointSettings) -> AsyncIterator[Facts]:
        """Make a client that sends the endpoint's key, and close it at the end."""
        headers = {"Authorization": f"Bearer {settings.key}"} if settings.key else {}
        # Without TLS there is nothing to verify, and loading the trusted certificates takes time.
        verify = SSLContext(PROTOCOL_TLS_CLIENT) if settings.url.startswith("http://") else True
        async with httpx2.AsyncClient(headers=headers, timeout=_SECONDS, verify=verify) as client:
            yield cls(client, settings)

    async def suggest_profile(self, models: object) -> str:
        """Name the profile that fits; empty where the server gives no sign.

        Args:
            models: The body of ``/v1/models``.
        """
        owner = next((entry.get("owned_by") for entry in _entries(models, "data")), "")
        if owner in _OWNERS:
            on_nim = owner != "llamacpp" and await self.ask("/v1/health/ready") is not None
            return f"nim-{owner}" if on_nim else str(owner)
        if owner == "mistralai":
            return "mistral"
        return "ollama" if await self.ask("/api/version") is not None else ""

    async def served_window(self, server: str, model: str) -> int:
        """Ask for the window that a request has, where the list of models does not tell; 0 where nothing does.

        Args:
            server: Name of the profile.
            model: The model's name there.
        """
        if server == "llamacpp":
            settings = _mapping(await self.ask("/props")).get("default_generation_settings")
            return _number(_mapping(settings).get("n_ctx"))
        if server == "ollama":
            return _number((await self._loaded(model)).get("context_length"))
        return 0

    async def is_loaded(self, server: str, model: str) -> bool:
        """Whether the model is in memory already; only Ollama loads it with the first request."""
        return server != "ollama" or bool(await self._loaded(model))

    async def _loaded(self, model: str) -> Mapping[str, object]:
        for entry in _entries(await self.ask("/api/ps"), "models"):
            if str(entry.get("model", "")).removesuffix(":latest") == model.removesuffix(":latest"):
                return entry
        return {}

    async def is_well(self, path: str) -> bool:
        """Whether a GET is answered with 200, whatever it says."""
        try:
            async with self.client.stream("GET", self._root + path) as response:
                return response.status_code == 200
        except httpx2.HTTPError:
            return False

    async def ask(self, path: str) -> object:
        """Return what a GET answers with 200, as JSON; None for anything else."""
        try:
            async with self.client.stream("GET", self._root + path) as response:
                if response.status_code != 200:
                    return None
                content = b""
                async for piece in response.aiter_bytes():
                    content += piece
                    if len(content) > _LONGEST:
                        return None
            answer: object = json.loads(content)
        except (httpx2.HTTPError, ValueError, RecursionError):
            return None
        return answer


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _entries(body: object, key: str) -> list[Mapping[str, object]]:
    entries = _mapping(body).get(key)
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _number(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0
