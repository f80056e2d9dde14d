"""Limits of talking with Jira. Seconds, bytes and counts."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JiraTuning:
    """How long and how much."""

    timeout: float = 20.0
    """Of one request."""
    threads: int = 4
    longest_rate_limit: float = 3600.0
    """What is believed when Jira says how long to wait."""
    comments: int = 100
    """Newest comments of a ticket that are read."""
    linked: int = 20
    """Linked tickets that are named."""
    images: int = 8
    text_each: int = 20_000
    """Characters of one attached text."""
    text_total: int = 60_000
    """Characters of all attached texts together."""
    attachment_bytes: int = 10 << 20
    attachment_seconds: float = 30.0
    """For all attachments together."""
    media_hosts: tuple[str, ...] = (".atlassian.com", ".atlassian.net", ".atl-paas.net")
    """Ends of the host names that an attachment may be redirected to, besides Jira itself."""
    page: int = 50
    """Changed tickets that are asked for at once."""
