"""What the pool knows about one replica before it asks it anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pullwright.agents.errors import ConfigError
from pullwright.agents.llm.profile import profile
from pullwright.agents.ports.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One server."""

    name: str
    """Unique in the pool; part of the hash that places conversations, so it must not change without need."""
    url: str
    """Base of the OpenAI-compatible API, with its ``/v1``."""
    profile: str = "vllm"
    key: str = field(default="", repr=False)
    kv_tokens: int = 0
    """Tokens that fit in its KV cache; 0 to believe what the engine's metrics say, if anything."""

    def __post_init__(self) -> None:
        profile(self.profile)
        if not _is_url(self.url):
            raise ConfigError(f"endpoint {self.name!r} has no usable URL; give it one like http(s)://HOST:PORT/v1")

    @property
    def root(self) -> str:
        """The URL without its ``/v1``: health and metrics are there."""
        return self.url.rstrip("/").removesuffix("/v1")


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """An endpoint and the client that speaks with it."""

    endpoint: Endpoint
    model: Model
