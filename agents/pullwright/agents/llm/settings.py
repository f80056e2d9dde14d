"""What an operator may choose about one model endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of one attempt, in seconds."""

    connect: float = 10.0
    first_byte: float = 900.0
    """Time in the server's queue plus the prefill of a long prompt."""
    between_chunks: float = 120.0
    total: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """One endpoint and how to speak with it."""

    url: str
    """Base of the OpenAI-compatible API, with its ``/v1``."""
    key: str = field(default="", repr=False)
    model: str = ""
    """Name of the model as the endpoint knows it; empty for the first one it lists."""
    profile: str = "vllm"
    temperature: float | None = None
    """None for what the model card says for the effort."""
    top_p: float | None = None
    max_tokens: int = 0
    """Upper bound of a reply, below what the run asks for; 0 for none."""
    streaming: bool | None = None
    """None for what suits the server."""
    timeouts: Timeouts = field(default_factory=Timeouts)
