"""``agent sentry setup``: what has to be right before issues of Sentry become tasks. It changes nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from pullwright.agents.errors import ConfigError
from pullwright.agents.finding import Finding, Mark
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.sentry_settings import SentryFields
from pullwright.cli.sentry_wiring import RepositoryOf, check_sentry

SIGNS = {Mark.OK: "✔", Mark.WARN: "!", Mark.MISSING: "✘"}
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def setup_command(fields: SentryFields, repository: RepositoryOf, url: str) -> int:
    """Check everything; 0 when nothing is missing, 1 otherwise. ``url`` is where this server is reached from outside.

    Raises:
        ConfigError: Sentry is not configured, or by half.
    """
    if not fields.sentry_organization:
        raise ConfigError("no Sentry is configured; set AGENT_SENTRY_ORGANIZATION to the slug of your organization")
    address = hook_address(url, fields.sentry_connection)

    async def examine() -> int:
        return show(await check_sentry(fields, repository, address))

    return run_async(interruptible, examine)


def hook_address(url: str, connection: str) -> str:
    """Return where Sentry has to send hooks; empty where nothing reaches in.

    Raises:
        ConfigError: Hooks would travel unencrypted.
    """
    parts = urlsplit(url)
    if url and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ConfigError(f"{url!r} is not encrypted; give the https address at which this server is reached")
    return f"{url.rstrip('/')}/webhooks/sentry/{connection}" if url else ""


def show(findings: Sequence[Finding]) -> int:
    """Print findings; 0 when nothing is missing."""
    sys.stdout.write("".join(f"{SIGNS[one.mark]} {one.name}: {one.text}\n" for one in findings))
    return 1 if any(one.mark is Mark.MISSING for one in findings) else 0
