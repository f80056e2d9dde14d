"""Puts the intake of ``agent serve`` together: doors, handlers and sources of whatever is configured."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from anyio import create_task_group, to_thread

from pullwright.agents.background import beside
from pullwright.agents.budget import Budget
from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError
from pullwright.agents.intake.catch_up import EVERY_SECONDS, CatchUp
from pullwright.agents.intake.door import Door
from pullwright.agents.intake.reception import Reception
from pullwright.agents.intake.source import Handler, Source
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Worker
from pullwright.cli import wiring
from pullwright.cli.settings import Settings

if TYPE_CHECKING:
    from pullwright.integrations.github.client import GitHubClient
    from pullwright.integrations.github.credentials import Credentials
    from pullwright.integrations.github.handler import GitHubHandler
    from pullwright.integrations.github.meanings import BotIdentity
    from pullwright.integrations.github.settings import GitHubSettings


UNWATCHED = '{}: name the repositories in AGENT_GITHUB_REPOSITORIES, as ["owner/name"]'


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What comes in, and who understands it."""

    doors: Sequence[Door] = ()
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    sources: Sequence[Source] = ()
    notes: Sequence[str] = ()
    """What to tell the operator at the start."""


async def open_intake(settings: Settings, store: DurableStore, *, poll: float = 0.0) -> Intake:
    """Put together what the settings name.

    Args:
        settings: Which connections there are.
        store: Where deliveries and tasks are.
        poll: Seconds between two polls; then nothing else is let in. 0 to be told by webhooks.

    Raises:
        ConfigError: A connection is configured by half.
    """
    if not settings.github_webhook_secrets and not poll:
        return Intake()  # the door stays closed: without a secret nothing can be verified
    if not settings.github_webhook_secrets and not settings.github_bot_login:
        return Intake(notes=("nothing is polled: AGENT_GITHUB_BOT_LOGIN is not set",))
    from pullwright.integrations.github.door import SOURCE, GitHubDoor
    from pullwright.integrations.signatures import Secret

    bot, github = bot_identity(settings), wiring.github_settings(settings)
    values = [secret.get_secret_value() for secret in settings.github_webhook_secrets]
    secrets = [Secret(name=f"secret {number}", value=value) for number, value in enumerate(values, start=1)]
    doors = [] if poll else [GitHubDoor(settings.github_connection, secrets, bot)]
    client, credentials = await to_thread.run_sync(_signed_in, github)
    sources = _sources(settings, client, credentials, bot, store, alone=bool(poll))
    lacking = "nothing is polled" if poll else "what gets lost on its way to the webhook is not looked for"
    return Intake(
        doors=doors,
        handlers={SOURCE: await to_thread.run_sync(_handler, settings, github, bot, store, client, credentials)},
        sources=sources,
        notes=() if sources else (UNWATCHED.format(lacking),),
    )


@asynccontextmanager
async def serving(intake: Intake, store: DurableStore, worker: Worker, *, poll: float = 0.0) -> AsyncIterator[None]:
    """Deal with deliveries for the length of a block."""
    if not intake.handlers:
        yield
        return
    clock = SystemClock()
    reception = Reception(store, intake.handlers, clock=clock, worker=worker)
    catch_up = CatchUp(store, intake.sources, clock=clock, every=poll or EVERY_SECONDS)

    async def deal() -> None:
        async with create_task_group() as group:
            group.start_soon(reception.serve)
            group.start_soon(catch_up.go_on)

    async with beside(deal):
        yield


def bot_identity(settings: Settings) -> BotIdentity:
    """Return who the bot is on GitHub.

    Raises:
        ConfigError: The settings do not say it.
    """
    from pullwright.integrations.github.meanings import BotIdentity

    if not settings.github_bot_login or not settings.github_bot_id:
        raise ConfigError(
            "the bot does not know itself; set AGENT_GITHUB_BOT_LOGIN and AGENT_GITHUB_BOT_ID to its login and user id"
        )
    return BotIdentity(
        host=wiring.github_settings(settings).web_host,
        login=settings.github_bot_login,
        user_id=settings.github_bot_id,
        app_id=settings.github_app_id or None,
        label=settings.github_label,
        reads_new_issues=settings.github_new_issues,
    )


def _signed_in(github: GitHubSettings) -> tuple[GitHubClient, Credentials]:
    from pullwright.integrations.github.client import GitHubClient
    from pullwright.integrations.github.identity import sign_in
    from pullwright.integrations.github.tuning import GitHubTuning

    credentials = sign_in(github)
    return GitHubClient(github, GitHubTuning(), credentials), credentials


def _sources(
    settings: Settings,
    client: GitHubClient,
    credentials: Credentials,
    bot: BotIdentity,
    store: DurableStore,
    *,
    alone: bool,
) -> list[Source]:
    """Return what looks for what no hook told; nothing where it is not known where to look."""
    from pullwright.integrations.github.app_auth import AppCredentials
    from pullwright.integrations.github.missed import AppHook, HookLog, MissedHooks, RepositoryHook
    from pullwright.integrations.github.polling import GitHubPolling
    from pullwright.integrations.github.watched import Watched

    app = credentials if isinstance(credentials, AppCredentials) else None
    named, connection = settings.github_repositories, settings.github_connection
    if app is None and not named:
        return []
    watched = Watched(named, app, monotonic=SystemClock().monotonic)
    polling = GitHubPolling(client, bot, store, watched, connection=connection, alone=alone)
    if alone:
        return [polling]
    path = f"/webhooks/github/{connection}"
    logs: list[HookLog] = [AppHook(app)] if app else [RepositoryHook(client, slug, path) for slug in named]
    return [MissedHooks(logs), polling]


def _handler(
    settings: Settings,
    github: GitHubSettings,
    bot: BotIdentity,
    store: DurableStore,
    client: GitHubClient,
    credentials: Credentials,
) -> GitHubHandler:
    from pullwright.integrations.github import GitHubCodeHost
    from pullwright.integrations.github.authority import Authority, AuthorityPolicy
    from pullwright.integrations.github.checks import GitHubChecks
    from pullwright.integrations.github.collaborators import GitHubPermissions, GitHubTeams
    from pullwright.integrations.github.handler import GitHubHandler
    from pullwright.integrations.github.markers import MarkerKey
    from pullwright.integrations.github.pull_reading import GitHubPullRequests
    from pullwright.integrations.github.requested_work import WorkTerms
    from pullwright.integrations.github.speaking import GitHubMoments, GitHubVoice
    from pullwright.integrations.github.status_text import BotTexts
    from pullwright.integrations.redaction import Redactor

    markers = MarkerKey(_marker_key(settings))
    policy = AuthorityPolicy(
        users=frozenset(settings.github_users),
        teams=frozenset(settings.github_teams),
        denied=frozenset(settings.github_denied_users),
        apps=frozenset(settings.github_allowed_apps),
    )
    budget = Budget(max_steps=settings.max_steps, max_tokens=settings.max_tokens, max_seconds=60 * settings.max_minutes)
    return GitHubHandler(
        settings=github,
        inbox=store,
        authority=Authority(
            GitHubPermissions(client), bot, policy, monotonic=SystemClock().monotonic, teams=GitHubTeams(client)
        ),
        host=GitHubCodeHost(github, credentials=credentials),
        pulls=GitHubPullRequests(client, bot),
        checks=GitHubChecks(client, bot),
        moments=GitHubMoments(client, bot),
        voice=GitHubVoice(client, bot, markers),
        texts=BotTexts(Redactor(settings.secrets), name=bot.login),
        markers=markers,
        terms=WorkTerms(
            checks=settings.checks,
            budget=budget,
            tasks_per_hour=settings.github_tasks_per_hour,
            settle_seconds=settings.github_settle_seconds,
            ready_when_green=settings.github_ready_when_green,
        ),
    )


def _marker_key(settings: Settings) -> bytes:
    """Return the key for markers, made from what every host of an installation has, and nobody else.

    Markers are public. The slow function keeps them from being a quick way to try out tokens.
    """
    token = settings.api_token.get_secret_value().encode()
    return hashlib.scrypt(token, salt=b"pullwright markers", n=1 << 14, r=8, p=1, dklen=32)
