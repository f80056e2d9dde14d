"""Puts the intake from GitHub together: its door, who understands it, and what looks for what got lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from anyio import to_thread

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError
from pullwright.agents.intake.source import Source
from pullwright.agents.ports.durable import DurableStore
from pullwright.cli import wiring
from pullwright.cli.intake_parts import Intake, budget_of, cost_words, marker_key
from pullwright.cli.settings import Settings

if TYPE_CHECKING:
    from pullwright.integrations.github.client import GitHubClient
    from pullwright.integrations.github.credentials import Credentials
    from pullwright.integrations.github.handler import GitHubHandler
    from pullwright.integrations.github.meanings import BotIdentity
    from pullwright.integrations.github.settings import GitHubSettings


UNWATCHED: Final = '{}: name the repositories in AGENT_GITHUB_REPOSITORIES, as ["owner/name"]'


async def open_github(settings: Settings, store: DurableStore, *, poll: bool = False) -> Intake:
    """Put together what the settings name; nothing without a secret for webhooks, unless GitHub is polled.

    Raises:
        ConfigError: It is configured by half.
    """
    if not settings.github_webhook_secrets and not poll:
        return Intake()  # the door stays closed: without a secret nothing can be verified
    if not settings.github_webhook_secrets and not settings.github_bot_login:
        return Intake(notes=("nothing is polled: AGENT_GITHUB_BOT_LOGIN is not set",))
    from pullwright.integrations.github.door import SOURCE, GitHubDoor
    from pullwright.integrations.signatures import numbered

    bot, github = bot_identity(settings), wiring.github_settings(settings)
    secrets = numbered(one.get_secret_value() for one in settings.github_webhook_secrets)
    doors = [] if poll else [GitHubDoor(settings.github_connection, secrets, bot)]
    client, credentials = await to_thread.run_sync(_signed_in, github)
    sources = _sources(settings, client, credentials, bot, store, alone=poll)
    handler = await to_thread.run_sync(_handler, settings, github, bot, store, client, credentials)
    lacking = "nothing is polled" if poll else "what gets lost on its way to the webhook is not looked for"
    return Intake(
        doors=doors,
        handlers={SOURCE: handler},
        sources=sources,
        reports={SOURCE: handler.reports(cost_words(settings))},
        notes=() if sources else (UNWATCHED.format(lacking),),
    )


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

    markers = MarkerKey(marker_key(settings))
    policy = AuthorityPolicy(
        users=frozenset(settings.github_users),
        teams=frozenset(settings.github_teams),
        denied=frozenset(settings.github_denied_users),
        apps=frozenset(settings.github_allowed_apps),
    )
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
            budget=budget_of(settings),
            tasks_per_hour=settings.github_tasks_per_hour,
            settle_seconds=settings.github_settle_seconds,
            ready_when_green=settings.github_ready_when_green,
        ),
    )
