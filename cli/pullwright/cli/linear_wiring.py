"""Puts the intake from Linear together, for ``agent serve`` and ``agent linear setup``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError
from pullwright.agents.finding import Finding
from pullwright.agents.intake.door import Door
from pullwright.agents.ports.durable import DurableStore
from pullwright.cli import wiring
from pullwright.cli.intake_parts import Intake, budget_of, cost_words, marker_key, repository_of
from pullwright.cli.settings import Settings

if TYPE_CHECKING:
    from pullwright.integrations.linear.adapter import LinearTerms


def open_linear(settings: Settings, store: DurableStore, *, poll: bool = False) -> Intake:
    """Put together what the settings name; nothing without a token. It takes a moment: call it in a thread.

    Linear is asked beside hooks as well, which finds what got lost.

    Raises:
        ConfigError: It is configured by half.
    """
    if not settings.linear_token.get_secret_value():
        return Intake()
    from pullwright.integrations.linear.adapter import LinearAdapter
    from pullwright.integrations.linear.door import SOURCE
    from pullwright.integrations.redaction import Redactor

    terms = linear_terms(settings)
    if not terms.bot.user:
        raise ConfigError("the bot does not know itself; set AGENT_LINEAR_USER to what `agent linear setup` shows")
    adapter = LinearAdapter(
        terms,
        inbox=store,
        repository=repository_of(settings),
        key=marker_key(settings),
        redactor=Redactor(settings.secrets),
        clock=SystemClock(),
        cost=cost_words(settings),
    )
    return Intake(
        doors=[] if poll else linear_doors(settings),
        handlers={SOURCE: adapter.handler},
        sources=[adapter.polling(settings.linear_connection)],
        reports={SOURCE: adapter.reports},
        landings={SOURCE: adapter.landings},
    )


def linear_terms(settings: Settings) -> LinearTerms:
    """Return what the settings say about Linear.

    Raises:
        ConfigError: They are wrong.
    """
    from pullwright.integrations.linear.adapter import LinearTerms
    from pullwright.integrations.linear.authority import AuthorityPolicy
    from pullwright.integrations.linear.meanings import BotIdentity
    from pullwright.integrations.linear.repository_choice import RepositoryRule
    from pullwright.integrations.linear.requested_work import WorkTerms
    from pullwright.integrations.linear.settings import LinearSettings

    return LinearTerms(
        settings=LinearSettings(
            token=settings.linear_token.get_secret_value(),
            api_url=settings.linear_api_url,
            upload_hosts=settings.linear_upload_hosts,
            ca_file=wiring.ca_file(),
        ),
        bot=BotIdentity(
            user=settings.linear_user,
            name=settings.linear_user_name,
            label=settings.linear_label,
            listens_to_assignment=settings.linear_assignment,
            teams=frozenset(settings.linear_teams),
        ),
        policy=AuthorityPolicy(
            users=frozenset(settings.linear_users),
            teams=frozenset(settings.linear_user_teams),
            denied=frozenset(settings.linear_denied_users),
        ),
        rules=[RepositoryRule(**table.model_dump()) for table in settings.linear_repositories],
        work=WorkTerms(
            checks=settings.checks,
            budget=budget_of(settings),
            in_progress=settings.linear_in_progress,
            review=settings.linear_review,
            done=settings.linear_done_state,
        ),
    )


async def check_linear(settings: Settings, address: str) -> Sequence[Finding]:
    """Look at everything that has to be right; nothing is changed. ``address`` is where hooks arrive from outside.

    Raises:
        ConfigError: The settings are wrong.
    """
    from pullwright.integrations.linear.api import LinearApi
    from pullwright.integrations.linear.client import LinearClient
    from pullwright.integrations.linear.setup_check import check_setup

    terms = linear_terms(settings)
    api = LinearApi(LinearClient(terms.settings))
    secrets = len(settings.linear_webhook_secrets)
    return await check_setup(api, terms.bot, terms.work, terms.rules, secrets=secrets, address=address)


def linear_doors(settings: Settings) -> list[Door]:
    """Return the door, if there is a secret for it."""
    from pullwright.integrations.linear.door import LinearDoor
    from pullwright.integrations.signatures import numbered

    secrets = numbered(one.get_secret_value() for one in settings.linear_webhook_secrets)
    return [LinearDoor(settings.linear_connection, secrets, linear_terms(settings).bot)] if secrets else []
