"""Puts the intake of signed requests of one's own systems together, for ``agent serve``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.task import TaskSpec
from pullwright.cli import wiring
from pullwright.cli.generic_settings import GenericWebhookTable
from pullwright.cli.intake import Origin, RunRequest, specify
from pullwright.cli.intake_parts import Intake, repository_of
from pullwright.cli.settings import Settings

if TYPE_CHECKING:
    from pydantic import SecretStr

    from pullwright.integrations.generic.connection import Connection
    from pullwright.integrations.generic.handler import Specify
    from pullwright.integrations.generic.payload import FileRequest

MAIN: Final = "main"
"""The connection that ``/webhooks/generic`` is."""

LIMITS: Final = ("max_steps", "max_minutes", "max_tokens", "max_fresh_tokens", "max_cost")
"""What a request may lower and not raise; 0 in the settings is no limit."""


def open_generic(settings: Settings, store: DurableStore, *, poll: bool = False) -> Intake:
    """Put together what the settings name; nothing without a secret. With ``poll`` nothing is let in.

    Raises:
        ConfigError: It is configured by half.
    """
    tables = _tables(settings)
    if not tables:
        return Intake()
    from pullwright.integrations.generic.connection import SOURCE
    from pullwright.integrations.generic.door import GenericDoor
    from pullwright.integrations.generic.handler import GenericHandler, NoReports
    from pullwright.integrations.signatures import numbered

    connections = {table.name: _connection(settings, table) for table in tables}
    doors = [
        GenericDoor(connections[table.name], numbered(one.get_secret_value() for one in table.secrets))
        for table in tables
    ]
    handler = GenericHandler(connections, store, _specified(settings))
    return Intake(doors=[] if poll else doors, handlers={SOURCE: handler}, reports={SOURCE: NoReports()})


def _tables(settings: Settings) -> Sequence[GenericWebhookTable]:
    """Return all connections, the simple one among them.

    Raises:
        ConfigError: The simple one is configured by half, or two have one name.
    """
    secrets, repositories = settings.generic_webhook_secrets, settings.generic_repositories
    if secrets and not repositories:
        raise ConfigError(
            "generic_webhook_secrets without generic_repositories would let nothing in; name the repositories in "
            'AGENT_GENERIC_REPOSITORIES, as ["owner/name"] or ["owner/*"]'
        )
    tables = [*_main(secrets, repositories), *settings.generic_webhooks]
    names = [table.name for table in tables]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        also = " (generic_webhook_secrets is one of them)" if doubled == MAIN and secrets else ""
        raise ConfigError(f"two generic webhooks are named {doubled!r}{also}; give each a name of its own")
    return tables


def _main(secrets: tuple[SecretStr, ...], repositories: tuple[str, ...]) -> Sequence[GenericWebhookTable]:
    return [GenericWebhookTable(name=MAIN, secrets=secrets, repositories=repositories)] if secrets else []


def _connection(settings: Settings, table: GenericWebhookTable) -> Connection:
    from pullwright.integrations.generic.connection import Connection

    return Connection(
        name=table.name,
        web_url=wiring.github_settings(settings).web_url,
        repositories=table.repositories,
        checks=table.checks,
        own_checks=table.own_checks,
        most=_most(settings),
    )


def _most(settings: Settings) -> Mapping[str, float]:
    found = {name: float(getattr(settings, name)) for name in LIMITS}
    return {name: most for name, most in found.items() if most}


def _specified(settings: Settings) -> Specify:
    """Return what makes a task of a request, as the HTTP API and ``agent run`` would of the same words."""
    repository, hosts = repository_of(settings), wiring.code_hosts(settings)

    async def make(request: FileRequest, connection: Connection) -> TaskSpec:
        remote = repository(request.repository)
        typed = RunRequest(
            instruction=request.instruction,
            base=request.base,
            checks=tuple(request.checks) or connection.checks,
            no_pr=not request.pull_request,
            max_steps=request.max_steps,
            max_minutes=request.max_minutes,
            max_tokens=request.max_tokens,
            max_fresh_tokens=request.max_fresh_tokens,
            max_cost=request.max_cost,
            priority=request.priority,
            not_before=request.not_before,
            plan=request.plan,
            may_ask=request.may_ask or request.plan,
        )
        origin = Origin(remote=remote, checkout=None)
        return await specify(typed, settings, origin, hosts(remote), wiring.render_issue)

    return make
