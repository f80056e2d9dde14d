"""What has to be known about a GitHub before anything is asked of it; no network and no PyGithub here."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ConfigError

DEFAULT_API_URL = "https://api.github.com"
API_URL_VARIABLE = "AGENT_GITHUB_API_URL"
TOKEN_VARIABLE = "AGENT_GITHUB_TOKEN"
APP_ID_VARIABLE = "AGENT_GITHUB_APP_ID"
APP_KEY_VARIABLE = "AGENT_GITHUB_APP_PRIVATE_KEY"
APP_KEY_FILE_VARIABLE = f"{APP_KEY_VARIABLE}_FILE"
CA_FILE_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_DEFAULT_PORTS = {"https": 443, "http": 80}
_ENTERPRISE_PATH = "/api/v3"
_SUSPICIOUS = re.compile(r"[\s\\\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubSettings:
    """One GitHub: github.com, a company's cloud, or an Enterprise Server."""

    api_url: str = DEFAULT_API_URL
    """``https://api.github.com``, or ``https://HOST/api/v3`` of an Enterprise Server."""
    token: str = field(default="", repr=False)
    """Of a user; empty for anonymous reads, or with an App."""
    app_id: str = ""
    """The number or client id of the App as which we act, if it has a key."""
    app_key: str = field(default="", repr=False)
    """PEM."""
    app_key_file: Path | None = None
    """Where that is, if it is not here."""
    workflows: bool = False
    """Whether pushes may change ``.github/workflows``, for which an App needs a permission of its own."""
    ca_file: Path | None = None
    """Certificates to trust instead of the system's."""

    def __post_init__(self) -> None:
        url = self.api_url.rstrip("/")
        object.__setattr__(self, "api_url", url)
        _check_api_url(url)
        object.__setattr__(self, "token", self.token.strip())
        if not self.token.isascii() or _SUSPICIOUS.search(self.token):
            raise ConfigError(f"{TOKEN_VARIABLE} holds characters that no token has; copy the token again")
        if self.ca_file is not None and not self.ca_file.is_file():
            raise ConfigError(f"the CA file {str(self.ca_file)!r} does not exist; correct {CA_FILE_VARIABLES[0]}")
        if self.is_app and not self.app_id:
            raise ConfigError(f"there is a key of an App, but not its id; set {APP_ID_VARIABLE}")
        if self.app_id and not (self.is_app or self.token):
            raise ConfigError(
                f"{APP_ID_VARIABLE} is set without the App's key; set {APP_KEY_FILE_VARIABLE} to its file"
            )

    @property
    def is_app(self) -> bool:
        """Whether we act as an App; then the token is not used."""
        return bool(self.app_key or self.app_key_file)

    @property
    def web_host(self) -> str:
        """The host that people and git use, with its port if that is not the usual one."""
        parts = urlsplit(self.api_url)
        host = (parts.hostname or "").removeprefix("api.") if not parts.path else parts.hostname or ""
        return _with_port(host, parts)

    @property
    def web_url(self) -> str:
        """Where a browser goes."""
        return f"{urlsplit(self.api_url).scheme}://{self.web_host}"

    def clone_url(self, owner: str, name: str) -> str:
        """Return what git clones a repository from."""
        return f"{self.web_url}/{owner}/{name}.git"

    def matches(self, repository: RepositoryRef) -> bool:
        """Whether a repository is on this host, so that the token may be used for it.

        Both its host and the address that git would use must be this one: the token is sent to the latter.
        """
        if _SUSPICIOUS.search(repository.url) or not (repository.owner and repository.name):
            return False
        try:
            parts = urlsplit(repository.url)
            address = _with_port(parts.hostname or "", parts)
        except ValueError:
            return False
        same_scheme = parts.scheme == urlsplit(self.api_url).scheme
        plain = same_scheme and "@" not in parts.netloc
        return plain and address == self.web_host and repository.host.lower() == self.web_host


def _with_port(host: str, parts: SplitResult) -> str:
    shown = f"[{host}]" if ":" in host else host
    usual = parts.port is None or parts.port == _DEFAULT_PORTS.get(parts.scheme)
    return shown if usual else f"{shown}:{parts.port}"


def _check_api_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigError(_advice("is not a URL")) from None
    if parts.username or parts.password or "@" in parts.netloc:
        raise ConfigError(_advice(f"must not hold a user or password; put the token in {TOKEN_VARIABLE} and"))
    if _SUSPICIOUS.search(url) or not host or parts.query or parts.fragment:
        raise ConfigError(_advice(f"is {url!r}"))
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ConfigError(_advice(f"is {url!r}, which is not encrypted"))
    if not (parts.path == _ENTERPRISE_PATH or (not parts.path and host.startswith("api."))):
        raise ConfigError(_advice(f"is {url!r}"))


def _advice(what: str) -> str:
    return f"{API_URL_VARIABLE} {what}; use {DEFAULT_API_URL!r}, or 'https://HOST/api/v3' for an Enterprise Server"
