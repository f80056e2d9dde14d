"""Where packages come from, and with which credentials: the only addresses that the package gateways know."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

PUBLIC_PYPI: Final = "https://pypi.org/simple"
PUBLIC_NPM: Final = "https://registry.npmjs.org"
PUBLIC_APT: Final = (
    "http://deb.debian.org/debian",
    "http://deb.debian.org/debian-security",
    "http://security.debian.org/debian-security",
    "http://archive.ubuntu.com/ubuntu",
    "http://security.ubuntu.com/ubuntu",
)


@dataclass(frozen=True, slots=True)
class Credential:
    """An Authorization header for every URL below a prefix. It never leaves the host but to that prefix."""

    prefix: str
    """``https://host[:port]/[path/]``."""
    header: str = field(repr=False)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """What must not be seen in an answer: the header's value, and what it says when it is Basic."""
        scheme, _, value = self.header.partition(" ")
        if scheme != "Basic":
            return (value.encode(),)
        user, _, password = base64.b64decode(value + "===").partition(b":")
        return (value.encode(), password or user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstreams:
    """The registries of one host; URLs hold neither credentials nor a closing slash."""

    pypi: tuple[str, ...] = (PUBLIC_PYPI,)
    """Simple indexes; the first that knows a name answers for it, so that a later one can not add to it."""
    npm: str = PUBLIC_NPM
    npm_scopes: Mapping[str, str] = field(default_factory=dict)
    """Registry of each ``@scope`` that has its own."""
    apt: Mapping[str, str] = field(default_factory=lambda: {url: url for url in PUBLIC_APT})
    """What a container asks for (``http://host/path``), and where that is fetched."""
    apt_proxy: str = field(default="", repr=False)
    """Proxy that apt itself uses on this host; empty for that of the environment."""
    redirect_hosts: frozenset[str] = frozenset()
    """Further hosts that a registry may redirect to (the object store behind a private registry)."""
    credentials: tuple[Credential, ...] = ()
    ca_files: tuple[str, ...] = ()
    """Bundles of certificate authorities that are trusted beside the system's."""
    notices: tuple[str, ...] = ()
    """One line each about host configuration that is not used, for the operator."""

    def authorization(self, url: str) -> str | None:
        """Return the Authorization header for a URL: that of the longest prefix that fits."""
        fitting = [item for item in self.credentials if url.startswith(item.prefix)]
        return max(fitting, key=lambda item: len(item.prefix)).header if fitting else None

    def echoes(self, body: bytes) -> bool:
        """Whether an upstream repeats a credential in its answer."""
        secrets = (secret for item in self.credentials for secret in item.secrets)
        return any(len(secret) >= 6 and secret in body for secret in secrets)

    @property
    def hosts(self) -> frozenset[str]:
        """Hosts that may be redirected to, whatever the registry."""
        urls = (*self.pypi, self.npm, *self.npm_scopes.values(), *self.apt.values())
        return self.redirect_hosts | {host_of(url) for url in urls}


def host_of(url: str) -> str:
    """Return the host of a URL in lower case; empty when there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def origin_of(url: str) -> str:
    """Return ``scheme://host[:port]/``."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"


def split_credential(url: str) -> tuple[str, Credential | None]:
    """Take user and password out of a registry's URL.

    Raises:
        ValueError: It is not an http(s) URL with a host. The message does not hold the URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http(s) URL")
    userinfo, _, netloc = parts.netloc.rpartition("@")
    plain = urlunsplit(SplitResult(parts.scheme, netloc, parts.path.rstrip("/"), "", ""))
    if not userinfo:
        return plain, None
    user, _, password = userinfo.partition(":")
    return plain, Credential(origin_of(plain), basic(f"{unquote(user)}:{unquote(password)}"))


def basic(user_and_password: str) -> str:
    """Return a Basic Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(user_and_password.encode()).decode("ascii")
