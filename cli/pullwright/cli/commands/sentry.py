"""``agent sentry setup``: what has to be right before issues of Sentry become tasks. It changes nothing."""

from __future__ import annotations

from pullwright.agents.errors import ConfigError
from pullwright.cli.commands.tracker_setup import hook_address, show
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.sentry_settings import SentryFields
from pullwright.cli.sentry_wiring import RepositoryOf, check_sentry


def setup_command(fields: SentryFields, repository: RepositoryOf, url: str) -> int:
    """Check everything; 0 when nothing is missing, 1 otherwise. ``url`` is where this server is reached from outside.

    Raises:
        ConfigError: Sentry is not configured, or by half.
    """
    if not fields.sentry_organization:
        raise ConfigError("no Sentry is configured; set AGENT_SENTRY_ORGANIZATION to the slug of your organization")
    address = hook_address(url, "sentry", fields.sentry_connection)

    async def examine() -> int:
        return show(await check_sentry(fields, repository, address))

    return run_async(interruptible, examine)
