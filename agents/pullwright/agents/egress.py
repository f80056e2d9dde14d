"""Egress: what may leave a sandbox, and what was decided when something wanted to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DEFAULT_EGRESS_BYTES: Final = 2 << 30
"""Bytes that one sandbox may receive in all."""


class EgressMode(StrEnum):
    """How much of the network a sandbox sees. Whatever the mode, nothing leaves but through the host's policy point."""

    NONE = "none"
    """Nothing at all."""
    PACKAGES = "packages"
    """Reads from package registries, through a gateway that knows no other address."""
    ALLOWLIST = "allowlist"
    """Packages, and TLS to hosts that are named exactly."""
    OPEN = "open"
    """Packages, and TLS or any other TCP through a tunnel to any public address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressPolicy:
    """What one sandbox may reach."""

    mode: EgressMode = EgressMode.PACKAGES
    hosts: tuple[str, ...] = ()
    """Host names of the mode ``allowlist``, exact and in lower case; a name never stands for its sub-domains."""
    max_bytes: int = DEFAULT_EGRESS_BYTES
    """Bytes that the sandbox may receive; what would exceed them is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressDecision:
    """One wish to reach something outside, and what became of it."""

    allowed: bool
    kind: str
    """``pypi``, ``npm``, ``apt`` or ``connect``."""
    target: str
    """A package with its version (``requests 2.32.3``), an index page (``index of requests``), or ``host:port``."""
    rule: str
    """The rule that decided, in words for people: ``packages are allowed``, ``not on the allow list``."""
    received: int = 0
    """Bytes that went into the sandbox."""
    sent: int = 0
    """Bytes that left it, beyond the request itself."""
