"""What has to be known about a Linear workspace before anything is asked of it; no network here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pullwright.agents.errors import ConfigError

DEFAULT_URL: Final = "https://api.linear.app/graphql"
URL_VARIABLE: Final = "AGENT_LINEAR_API_URL"
TOKEN_VARIABLE: Final = "AGENT_LINEAR_TOKEN"
USER_VARIABLE: Final = "AGENT_LINEAR_USER"

_API_KEY: Final = "lin_api_"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SUSPICIOUS: Final = re.compile(r"[\s\\\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearSettings:
    """One workspace."""

    token: str = field(repr=False)
    """A personal API key of the bot's account, or the OAuth token of an app."""
    api_url: str = DEFAULT_URL
    upload_hosts: tuple[str, ...] = ("uploads.linear.app",)
    """Where pictures of issues are; only these are asked for them."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "token", self.token.strip())
        if not self.token or not self.token.isascii() or _SUSPICIOUS.search(self.token):
            raise ConfigError(f"{TOKEN_VARIABLE} is empty or holds characters that no token has; copy the token again")
        _check_url(self.api_url)

    @property
    def host(self) -> str:
        """The host, with its port if it is not the usual one."""
        return urlsplit(self.api_url).netloc.lower()

    @property
    def secure(self) -> bool:
        """Whether it is spoken to in private."""
        return urlsplit(self.api_url).scheme == "https"

    @property
    def authorization(self) -> str:
        """The header's value: API keys go as they are, tokens of OAuth as bearer."""
        return self.token if self.token.startswith(_API_KEY) else f"Bearer {self.token}"


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError(f"{URL_VARIABLE} is not a URL; leave it out for {DEFAULT_URL!r}") from None
    if "@" in parts.netloc:
        raise ConfigError(f"{URL_VARIABLE} must not hold a user or password; put the token in {TOKEN_VARIABLE}")
    if _SUSPICIOUS.search(url) or not host or parts.query or parts.fragment:
        raise ConfigError(f"{URL_VARIABLE} is {url!r}; leave it out for {DEFAULT_URL!r}")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ConfigError(f"{URL_VARIABLE} is {url!r}, which is not encrypted; use https")
