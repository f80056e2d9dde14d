"""What the rehearsal remembers of Apps and hooks: keys, installations, and every delivery with its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True, kw_only=True)
class Hook:
    """Where events go: a repository's hook, or the one of an App."""

    id: int
    url: str
    secret: str = field(default="", repr=False)
    events: tuple[str, ...] = ("push",)
    content_type: str = "json"
    insecure_ssl: bool = False
    active: bool = True
    target_type: str = "repository"
    """``repository`` or ``integration``."""
    target_id: int = 0
    created: str = ""

    def wants(self, event: str) -> bool:
        """Whether an event was subscribed to."""
        return self.active and bool(self.url) and (event in self.events or "*" in self.events)


@dataclass(slots=True, kw_only=True)
class Delivery:
    """One try to send one event; sending it again makes another one with the same ``guid``."""

    id: int
    hook: Hook
    guid: str
    event: str
    action: str
    body: bytes
    at: datetime
    repository_id: int | None = None
    installation_id: int | None = None
    redelivery: bool = False
    status_code: int = 0
    """What the receiver answered; 0 when nothing did, or when it was lost on the way."""
    status: str = "pending"
    seconds: float = 0.0
    request_headers: Mapping[str, str] = field(default_factory=dict)
    response_headers: Mapping[str, str] = field(default_factory=dict)
    response_body: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it."""
        return 200 <= self.status_code < 300


@dataclass(slots=True, kw_only=True)
class Installation:
    """An App at an account."""

    id: int
    app_id: int
    account: str
    permissions: dict[str, str]
    repository_ids: set[int] | None
    """None for all of the account."""
    created: str
    suspended: str = ""


@dataclass(slots=True, kw_only=True)
class AppRecord:
    """A GitHub App."""

    id: int
    slug: str
    owner: str
    client_id: str
    private_key: str = field(repr=False)
    public_key: str
    permissions: dict[str, str]
    events: tuple[str, ...]
    hook: Hook
    created: str

    @property
    def login(self) -> str:
        """The name of its bot user."""
        return f"{self.slug}[bot]"
