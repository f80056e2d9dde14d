"""``agent linear setup``: what has to be right before issues of Linear become tasks. It changes nothing."""

from __future__ import annotations

from pullwright.agents.errors import ConfigError
from pullwright.cli.commands.tracker_setup import hook_address, show
from pullwright.cli.linear_wiring import check_linear
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings


def setup_command(settings: Settings, url: str) -> int:
    """Check everything; 0 when nothing is missing, 1 otherwise. ``url`` is where this server is reached from outside.

    Raises:
        ConfigError: Linear is not configured, or by half.
    """
    if not settings.linear_token.get_secret_value():
        raise ConfigError("no Linear is configured; set AGENT_LINEAR_TOKEN to an API key of the bot's account")
    address = hook_address(url, "linear", settings.linear_connection)

    async def examine() -> int:
        return show(await check_linear(settings, address))

    return run_async(interruptible, examine)
