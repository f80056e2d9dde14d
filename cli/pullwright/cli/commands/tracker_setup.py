"""What ``agent jira setup``, ``agent linear setup`` and ``agent sentry setup`` have in common."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from pullwright.agents.errors import ConfigError
from pullwright.agents.finding import Finding, Mark

SIGNS: Final = {Mark.OK: "✔", Mark.WARN: "!", Mark.MISSING: "✘"}
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def hook_address(url: str, source: str, connection: str) -> str:
    """Return where hooks of a connection have to be sent; empty where nothing reaches in.

    Args:
        url: Where this server is reached from outside; empty for nowhere.
        source: As in the address.
        connection: As in the address.

    Raises:
        ConfigError: Hooks would travel unencrypted.
    """
    parts = urlsplit(url)
    if url and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ConfigError(f"{url!r} is not encrypted; give the https address at which this server is reached")
    return f"{url.rstrip('/')}/webhooks/{source}/{connection}" if url else ""


def show(findings: Sequence[Finding]) -> int:
    """Print findings; 0 when nothing is missing, 1 otherwise."""
    sys.stdout.write("".join(f"{SIGNS[one.mark]} {one.name}: {one.text}\n" for one in findings))
    return 1 if any(one.mark is Mark.MISSING for one in findings) else 0
