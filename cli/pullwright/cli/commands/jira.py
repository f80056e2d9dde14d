"""``agent jira setup``: what has to be right before tickets become tasks. It changes nothing."""

from __future__ import annotations

import sys
from typing import Final

from pullwright.agents.errors import ConfigError
from pullwright.agents.finding import Finding, Mark
from pullwright.cli.commands.tracker_setup import hook_address, show
from pullwright.cli.jira_wiring import check_jira, jira_doors
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings

AUTOMATION_BODY: Final = (
    '{"key": "{{issue.key}}", "id": "{{issue.id}}", "actor": "{{initiator.accountId}}", '
    '"rule": "a name for this rule", "updated": "{{issue.updated}}"}'
)
"""What a rule of Automation sends as its web request; see ``jira.automation``."""


APP_HOOKS: Final = Finding(
    name="Jira, webhooks of the app",
    mark=Mark.WARN,
    text="they end 30 days after the app made or refreshed them, and nobody but the app can see or refresh them; "
    "have it do so (PUT /rest/api/3/webhook/refresh), or use a webhook of an administrator, which does not end",
)


def setup_command(settings: Settings, url: str) -> int:
    """Check everything; 0 when nothing is missing, 1 otherwise. ``url`` is where this server is reached from outside.

    Raises:
        ConfigError: Jira is not configured, or by half.
    """
    if not settings.jira_url:
        raise ConfigError("no Jira is configured; set AGENT_JIRA_URL to its address, https://acme.atlassian.net")
    addresses = ways_in(settings, url)

    async def examine() -> int:
        return show([*await check_jira(settings), *addresses])

    code = run_async(interruptible, examine)
    if settings.jira_automation_secrets:
        sys.stdout.write(f"  A rule of Automation sends, with its secret in X-Pullwright-Secret: {AUTOMATION_BODY}\n")
    return code


def ways_in(settings: Settings, url: str) -> list[Finding]:
    """Return where Jira has to send what; the secrets themselves are not shown.

    Raises:
        ConfigError: Hooks would travel unencrypted, or the settings are wrong.
    """
    doors = jira_doors(settings)
    if not doors:
        text = "no secret is set, so no hook is let in; Jira is asked every 15 minutes, or as `agent serve --poll` says"
        return [Finding(name="Jira, webhook", mark=Mark.WARN, text=text)]
    where = [hook_address(url or "https://HOST", door.source, door.connection) for door in doors]
    shown = [f"{one}/SECRET" if one.endswith("-path") else one for one in where]
    found = [Finding(name="Jira, webhook", mark=Mark.OK, text=f"have it sent to {one}") for one in shown]
    return [*found, *([APP_HOOKS] if settings.jira_app_secrets else [])]
