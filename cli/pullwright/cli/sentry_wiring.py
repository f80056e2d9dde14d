"""Puts Sentry together: what comes in, who understands it, and what is shown there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from pydantic import SecretStr

from pullwright.agents.budget import Budget
from pullwright.agents.change import RepositoryRef
from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError
from pullwright.agents.intake.door import Door
from pullwright.agents.intake.source import Handler, Source
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.report import Landings, Reports
from pullwright.cli.sentry_settings import SentryFields

if TYPE_CHECKING:
    from pullwright.agents.finding import Finding
    from pullwright.integrations.sentry.api import SentryApi
    from pullwright.integrations.sentry.gate import GateRules
    from pullwright.integrations.sentry.handler import SentryHandler
    from pullwright.integrations.sentry.meanings import SentryIdentity
    from pullwright.integrations.sentry.settings import SentrySettings
    from pullwright.integrations.sentry.texts import SentryTexts
    from pullwright.integrations.sentry.voice import SentryVoice

RepositoryOf = Callable[[str], RepositoryRef]
"""Finds a repository by ``owner/name``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What Sentry is put into."""

    store: DurableStore
    repository: RepositoryOf
    marks: bytes
    """The key by which our own comments are found; the same on every host of an installation."""
    secrets: Sequence[str] = ()
    """Everything that must not be in what is written."""
    checks: tuple[str, ...] = ()
    budget: Budget = field(default_factory=Budget)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentryParts:
    """Sentry's side of the intake."""

    doors: Sequence[Door] = ()
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    sources: Sequence[Source] = ()
    reports: Mapping[str, Reports] = field(default_factory=dict)
    """Keeps the status comment of tasks that came from Sentry."""
    landings: Mapping[str, Landings] = field(default_factory=dict)
    """Hears what became of their pull requests."""


def open_sentry(
    fields: SentryFields, around: Surroundings, *, poll: bool = False, reporter: bool = False
) -> SentryParts:
    """Put together what the settings name; nothing without an organization. Quick, and asks nobody.

    Args:
        fields: The settings.
        around: What it is put into.
        poll: Whether nothing is let in, and Sentry is only asked.
        reporter: Whether a reporter shows tasks' states, so that no comment says that work begins.

    Raises:
        ConfigError: It is configured by half.
    """
    if not fields.sentry_organization:
        return SentryParts()
    from pullwright.integrations.sentry.door import SOURCE
    from pullwright.integrations.sentry.landings import SentryLandings
    from pullwright.integrations.sentry.missed import SentrySource
    from pullwright.integrations.sentry.reports import SentryReports

    sentry, api = sentry_api(fields)
    me, rules = identity(fields, sentry), gate_rules(fields, around.repository)
    voice, texts = _speech(around, api)
    handler = _handler(fields, around, me, rules, api, voice, texts, acknowledges=not reporter)
    return SentryParts(
        doors=[] if poll else list(_doors(fields, me)),
        handlers={SOURCE: handler},
        sources=[SentrySource(fields.sentry_connection, api, me, rules, now=SystemClock().now)],
        reports={SOURCE: SentryReports(api, voice, texts, around.store, assignees=me.assignees)},
        landings={SOURCE: SentryLandings(api, voice, texts, around.store, resolves=fields.sentry_resolve_on_merge)},
    )


def sentry_api(fields: SentryFields) -> tuple[SentrySettings, SentryApi]:
    """Return where Sentry is, and what asks it.

    Raises:
        ConfigError: The address or the organization can not be right, or there is no token.
    """
    from pullwright.integrations.sentry.api import SentryApi
    from pullwright.integrations.sentry.client import SentryClient
    from pullwright.integrations.sentry.settings import TOKEN_VARIABLE, SentrySettings

    token = fields.sentry_token.get_secret_value()
    if not token:
        raise ConfigError(f"there is no token for Sentry; make an internal integration and set {TOKEN_VARIABLE}")
    settings = SentrySettings(
        organization=fields.sentry_organization,
        url=fields.sentry_url,
        token=token,
        installation=fields.sentry_installation,
    )
    return settings, SentryApi(settings, SentryClient(settings))


def identity(fields: SentryFields, sentry: SentrySettings) -> SentryIdentity:
    """Return who we are on Sentry."""
    from pullwright.integrations.sentry.meanings import SentryIdentity

    return SentryIdentity(
        host=sentry.host,
        organization=sentry.organization,
        app_ids=frozenset(filter(None, (fields.sentry_app,))),
        assignees=frozenset(fields.sentry_assignees),
    )


def gate_rules(fields: SentryFields, repository: RepositoryOf) -> GateRules:
    """Return what is worked on.

    Raises:
        ConfigError: A project is named twice.
    """
    from pullwright.integrations.sentry.gate import GateRules, Route

    names = [table.project for table in fields.sentry_projects]
    if doubled := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"two sentry_projects are named {doubled!r}; a project has one repository, drop one of them")
    routes = {
        table.project: Route(
            repository=repository(table.repo),
            base=table.base,
            stack_root=table.stack_root,
            source_root=table.source_root,
        )
        for table in fields.sentry_projects
    }
    return GateRules(
        routes=routes,
        min_events=fields.sentry_min_events,
        longest_known=_days(fields.sentry_known_days),
        longest_quiet=_days(fields.sentry_quiet_days),
        environments=frozenset(fields.sentry_environments),
        lowest_level=fields.sentry_level,
    )


async def check_sentry(fields: SentryFields, repository: RepositoryOf, address: str) -> Sequence[Finding]:
    """Return what ``agent sentry setup`` shows; ``address`` is where hooks arrive, empty where nothing reaches in.

    Raises:
        ConfigError: It is configured by half.
    """
    from pullwright.integrations.sentry.setup_check import check_setup

    sentry, api = sentry_api(fields)
    me, rules, secrets = identity(fields, sentry), gate_rules(fields, repository), len(fields.sentry_webhook_secrets)
    return await check_setup(sentry, api, me, rules, secrets=secrets, address=address)


def _doors(fields: SentryFields, me: SentryIdentity) -> Iterator[Door]:
    """Yield a door for every way that has a secret."""
    from pullwright.integrations.sentry.door import SentryDoor, SentryLegacyDoor
    from pullwright.integrations.signatures import Secret, numbered

    def named(values: Sequence[SecretStr]) -> list[Secret]:
        return numbered(one.get_secret_value() for one in values)

    header, colon, value = fields.sentry_webhook_header.get_secret_value().partition(":")
    if header and not (colon and value.strip()):
        raise ConfigError("AGENT_SENTRY_WEBHOOK_HEADER has no value; write it as the header stands: `Name: value`")
    second = [Secret(name="header", value=value.strip())] if header else []
    if fields.sentry_webhook_secrets:
        secrets = named(fields.sentry_webhook_secrets)
        yield SentryDoor(fields.sentry_connection, secrets, me, second_header=header.strip(), second_secrets=second)
    if fields.sentry_path_secrets:
        yield SentryLegacyDoor(f"{fields.sentry_connection}-legacy", named(fields.sentry_path_secrets), me)


def _handler(
    fields: SentryFields,
    around: Surroundings,
    me: SentryIdentity,
    rules: GateRules,
    api: SentryApi,
    voice: SentryVoice,
    texts: SentryTexts,
    *,
    acknowledges: bool,
) -> SentryHandler:
    from pullwright.integrations.redaction import Redactor
    from pullwright.integrations.sentry.handler import SentryHandler, SentryPolicy
    from pullwright.integrations.sentry.requested_work import WorkTerms
    from pullwright.integrations.sentry.scrubbing import Scrubber

    clock = SystemClock()
    return SentryHandler(
        me=me,
        policy=SentryPolicy(rules=rules, users=frozenset(fields.sentry_users), acknowledges=acknowledges),
        inbox=around.store,
        api=api,
        voice=voice,
        texts=texts,
        scrubber=Scrubber(Redactor(around.secrets), keep_personal=fields.sentry_personal_data),
        now=clock.now,
        monotonic=clock.monotonic,
        terms=WorkTerms(checks=around.checks, budget=around.budget),
    )


def _speech(around: Surroundings, api: SentryApi) -> tuple[SentryVoice, SentryTexts]:
    from pullwright.integrations.redaction import Redactor
    from pullwright.integrations.sentry.texts import SentryTexts
    from pullwright.integrations.sentry.voice import SentryVoice

    return SentryVoice(api, around.marks), SentryTexts(Redactor(around.secrets))


def _days(number: float) -> timedelta | None:
    return timedelta(days=number) if number else None
