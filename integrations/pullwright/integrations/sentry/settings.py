"""What has to be known about a Sentry before anything is asked of it; no network here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from pullwright.agents.errors import ConfigError, NotFound

DEFAULT_URL: Final = "https://sentry.io"
URL_VARIABLE: Final = "AGENT_SENTRY_URL"
TOKEN_VARIABLE: Final = "AGENT_SENTRY_TOKEN"
ORGANIZATION_VARIABLE: Final = "AGENT_SENTRY_ORGANIZATION"

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SUSPICIOUS: Final = re.compile(r"[\s\\\x00-\x1f\x7f]")
_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,99}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentrySettings:
    """One organization of one Sentry: sentry.io, one of its regions, or a self-hosted one."""

    organization: str
    """Slug."""
    url: str = DEFAULT_URL
    """Where people open it; a self-hosted one may lie under a path."""
    token: str = field(default="", repr=False)
    """Of an internal integration: event:read, project:read, org:read, and event:write to comment."""
    installation: str = ""
    """Uuid of the integration's installation, to show pull requests in an issue's sidebar; empty for not."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "url", self.url.rstrip("/"))
        object.__setattr__(self, "token", self.token.strip())
        _check_url(self.url)
        if not _SLUG.fullmatch(self.organization):
            raise ConfigError(
                f"{ORGANIZATION_VARIABLE} is {self.organization!r}; use the slug in the address of your organization"
            )
        if not self.token.isascii() or _SUSPICIOUS.search(self.token):
            raise ConfigError(f"{TOKEN_VARIABLE} holds characters that no token has; copy the token again")

    @property
    def host(self) -> str:
        """The host, with its port if it is not the usual one, and the path that it lies under."""
        parts = urlsplit(self.url)
        return f"{parts.netloc.lower()}{parts.path}"

    @property
    def secure(self) -> bool:
        """Whether it is spoken to in private."""
        return urlsplit(self.url).scheme == "https"

    def organization_path(self, *names: str) -> str:
        """Return the path of something below the organization."""
        return self.path("organizations", self.organization, *names)

    def path(self, *names: str) -> str:
        """Return the path of something in the API; every name is one part, whatever it holds.

        Raises:
            NotFound: A name would lead elsewhere; nothing is named like that.
        """
        if any(name in ("", ".", "..") for name in names):
            raise NotFound(f"nothing in Sentry is named {'/'.join(names)!r}; look there for what is meant")
        return "/api/0/" + "".join(f"{quote(name, safe='')}/" for name in names)

    def issue_url(self, issue_id: str) -> str:
        """Return where a browser shows an issue."""
        return f"{self.url}/organizations/{self.organization}/issues/{quote(issue_id, safe='')}/"


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError(f"{URL_VARIABLE} is not a URL; use {DEFAULT_URL!r} or that of your own Sentry") from None
    if parts.username or parts.password or "@" in parts.netloc:
        raise ConfigError(f"{URL_VARIABLE} must not hold a user or password; put the token in {TOKEN_VARIABLE}")
    if _SUSPICIOUS.search(url) or not host or parts.query or parts.fragment or "/api/" in f"{parts.path}/":
        raise ConfigError(f"{URL_VARIABLE} is {url!r}; use {DEFAULT_URL!r} or where people open your own Sentry")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ConfigError(f"{URL_VARIABLE} is {url!r}, which is not encrypted; use https")
