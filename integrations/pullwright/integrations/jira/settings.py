"""What has to be known about a Jira before anything is asked of it; no network and no client here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pullwright.agents.errors import ConfigError

URL_VARIABLE: Final = "AGENT_JIRA_URL"
TOKEN_VARIABLE: Final = "AGENT_JIRA_TOKEN"
EMAIL_VARIABLE: Final = "AGENT_JIRA_EMAIL"

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SUSPICIOUS: Final = re.compile(r"[\s\\\x00-\x1f\x7f]")
_CLOUD: Final = (".atlassian.net", ".jira.com", ".jira-dev.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class JiraSettings:
    """One Jira."""

    url: str
    """``https://acme.atlassian.net``, or the address of a Data Center with its path: where people go."""
    api_url: str = ""
    """Where programs go, if that is elsewhere: ``https://api.atlassian.com/ex/jira/CLOUD-ID`` for scoped tokens."""
    email: str = ""
    """Of the account whose token it is; only on Cloud."""
    token: str = field(default="", repr=False)
    """API token on Cloud, personal access token on Data Center."""
    cloud: bool | None = None
    """None to tell by the address."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""

    def __post_init__(self) -> None:
        for name in ("url", "api_url"):
            value = getattr(self, name).strip().rstrip("/")
            object.__setattr__(self, name, value)
            if value or name == "url":
                _check(name, value)
        object.__setattr__(self, "token", self.token.strip())
        if not self.token or not self.token.isascii() or _SUSPICIOUS.search(self.token):
            raise ConfigError(f"{TOKEN_VARIABLE} is empty or holds characters that no token has; copy the token again")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ConfigError(f"the CA file {str(self.ca_file)!r} does not exist; correct the setting")
        if self.email and not self.is_cloud:
            raise ConfigError(
                f"{EMAIL_VARIABLE} is for Jira Cloud; Data Center takes a personal access token alone, "
                "because it has basic authentication switched off: remove it"
            )

    @property
    def is_cloud(self) -> bool:
        """Whether it is Jira Cloud."""
        host = urlsplit(self.url).hostname or ""
        return host.endswith(_CLOUD) if self.cloud is None else self.cloud

    @property
    def site(self) -> str:
        """What it is called in keys: host, port and path of where people go."""
        parts = urlsplit(self.url)
        return f"{parts.netloc}{parts.path}".lower()

    @property
    def base(self) -> str:
        """Where programs go."""
        return self.api_url or self.url

    def ticket_url(self, key: str) -> str:
        """Return where people find a ticket."""
        return f"{self.url}/browse/{key}"


def _check(name: str, url: str) -> None:
    variable = URL_VARIABLE if name == "url" else "AGENT_JIRA_API_URL"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError(f"{variable} is not a URL; write it as https://acme.atlassian.net") from None
    if "@" in parts.netloc:
        raise ConfigError(f"{variable} must not hold a user or password; put the token in {TOKEN_VARIABLE}")
    if not host or _SUSPICIOUS.search(url) or parts.query or parts.fragment:
        raise ConfigError(f"{variable} is {url!r}; write it as https://acme.atlassian.net")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ConfigError(f"{variable} is {url!r}, which is not encrypted; use https")
