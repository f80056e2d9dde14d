"""What an operator may choose about one model endpoint."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_HOST = re.compile(r"(?:[^:@\[\]]*|\[[0-9a-fA-F:.%]*\])(?::[0-9]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of one attempt, in seconds."""

    connect: float = 10.0
    first_byte: float | None = None
    """None for ``queue`` plus the time to read the prompt at ``prefill_rate``."""
    queue: float = 300.0
    """Time in the server's queue, or until it has loaded the model."""
    prefill_rate: float = 400.0
    """Tokens of a prompt per second that the slowest server still reads."""
    between_chunks: float = 120.0
    total: float = 3600.0

    def first_byte_after(self, prompt_tokens: int) -> float:
        """Return the limit for the first byte of a streamed reply to a prompt of this length."""
        return self.queue + prompt_tokens / self.prefill_rate if self.first_byte is None else self.first_byte


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
    strict_tools: bool | None = None
    """Mark the tools ``strict``; None for what suits the server."""
    smallest_window: int = 0
    """Tokens; an endpoint that says it has less is refused."""
    timeouts: Timeouts = field(default_factory=Timeouts)

    log_prompts: bool = False
    """Log what is said too, both ways, without known secrets; else a call is one line of numbers."""

    @property
    def shown_url(self) -> str:
        """The URL for messages and logs, without a user name, a password and a query in it.

        Where it is not clear what is what, the host is left out too.
        """
        scheme, separator, rest = _parts(self.url)
        login, at, place = rest.rpartition("@")
        place = re.split(r"[?#]", place, maxsplit=1)[0]
        host, slash, path = place.partition("/")
        if (at and re.search(r"[/?#]", login)) or not _HOST.fullmatch(host):
            host, slash, path = "…", "", ""
        return f"{scheme}{separator}{host}{slash}{path}"

    def without_secrets(self, text: str) -> str:
        """Return a text without the key, and without what the URL holds of passwords and queries."""
        for secret in (self.key, *self._secrets_in_url()):
            if secret:
                text = text.replace(secret, "…")
        return text

    def _secrets_in_url(self) -> Iterator[str]:
        login, _, place = _parts(self.url)[2].rpartition("@")
        yield login
        yield login.partition(":")[2]
        yield place.partition("?")[2]


def _parts(url: str) -> tuple[str, str, str]:
    """Split off the scheme, where there is one."""
    scheme, separator, rest = url.partition("://")
    return (scheme, separator, rest) if separator else ("", "", url)
