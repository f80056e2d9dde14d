"""How patient we are with GitHub. Nobody has to change these; tests do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubTuning:
    """Limits of one client."""

    timeout: int = 15
    """Seconds for one request."""
    retries: int = 3
    """How often a read is repeated; writes never are."""
    backoff: float = 0.5
    rate_limit_wait: int = 10
    """Seconds that a thread may sleep because GitHub asks for it; a longer wait is the worker's business."""
    threads: int = 4
    comments: int = 50
    """The newest comments of an issue that are read."""
    images: int = 8
    image_bytes: int = 10_000_000
    image_seconds: float = 20.0
    """For all pictures of an issue together."""
