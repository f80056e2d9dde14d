"""How busy an engine says that it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One reading of an engine's metrics; None for what it does not tell."""

    running: int = 0
    waiting: int = 0
    """Requests in the engine's own queue."""
    kv_share: float | None = None
    """Part of the KV cache that running requests hold, 0 to 1."""
    kv_tokens: int | None = None
    """Tokens that fit in the KV cache."""
    preemptions: int | None = None
    """Requests thrown out of the KV cache and computed again, since the engine started."""
