"""Puts the intake from Jira together, for ``agent serve`` and ``agent jira setup``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError
from pullwright.agents.finding import Finding, Mark
from pullwright.agents.intake.door import Door
from pullwright.agents.ports.durable import DurableStore
from pullwright.cli import wiring
from pullwright.cli.intake_parts import Intake, budget_of, cost_words, marker_key, repository_of
from pullwright.cli.settings import Settings

if TYPE_CHECKING:
    from pullwright.integrations.jira.adapter import JiraAdapter, JiraTerms
    from pullwright.integrations.jira.meanings import BotIdentity
    from pullwright.integrations.jira.settings import JiraSettings


def open_jira(settings: Settings, store: DurableStore, *, poll: bool = False) -> Intake:
    """Put together what the settings name; nothing without an address. It takes a moment: call it in a thread.

    Jira is polled beside hooks as well, which finds what got lost.

    Raises:
        ConfigError: It is configured by half.
    """
    if not settings.jira_url:
        return Intake()
    from pullwright.integrations.jira.door import SOURCE

    adapter = jira_adapter(settings, store)
    return Intake(
        doors=[] if poll else jira_doors(settings),
        handlers={SOURCE: adapter.handler},
        sources=[adapter.polling(settings.jira_connection)],
        reports={SOURCE: adapter.reports},
        landings={SOURCE: adapter.landings},
    )


def jira_terms(settings: Settings) -> JiraTerms:
    """Return what the settings say about Jira.

    Raises:
        ConfigError: They are wrong, or half of them is missing.
    """
    from pullwright.integrations.jira.adapter import JiraTerms
    from pullwright.integrations.jira.authority import AuthorityPolicy
    from pullwright.integrations.jira.repository_choice import RepositoryRule
    from pullwright.integrations.jira.requested_work import WorkTerms

    jira = _site(settings)
    policy = AuthorityPolicy(
        users=frozenset(settings.jira_users),
        groups=frozenset(settings.jira_groups),
        roles=frozenset(settings.jira_roles),
        denied=frozenset(settings.jira_denied_users),
    )
    work = WorkTerms(
        checks=settings.checks,
        budget=budget_of(settings),
        tasks_per_hour=settings.jira_tasks_per_hour,
        give_back=settings.jira_give_back,
        in_progress=settings.jira_in_progress,
        review=settings.jira_review,
        done=settings.jira_done,
    )
    return JiraTerms(
        settings=jira,
        bot=_bot(settings, jira),
        policy=policy,
        rules=[RepositoryRule(**table.model_dump()) for table in settings.jira_repositories],
        repository_field=settings.jira_repository_field,
        acceptance_field=settings.jira_acceptance_field,
        work=work,
    )


def _site(settings: Settings) -> JiraSettings:
    from pullwright.integrations.jira.settings import JiraSettings

    return JiraSettings(
        url=settings.jira_url,
        api_url=settings.jira_api_url,
        email=settings.jira_email,
        token=settings.jira_token.get_secret_value(),
        cloud=settings.jira_cloud,
        ca_file=wiring.ca_file(),
    )


def _bot(settings: Settings, jira: JiraSettings) -> BotIdentity:
    from pullwright.integrations.jira.meanings import BotIdentity

    if not settings.jira_account:
        raise ConfigError("the bot does not know itself; set AGENT_JIRA_ACCOUNT to its account id (or user name)")
    return BotIdentity(
        site=jira.site,
        account=settings.jira_account,
        key=settings.jira_account_key,
        cloud=jira.is_cloud,
        label=settings.jira_label,
        statuses=frozenset(settings.jira_trigger_statuses),
        listens_to_assignment=settings.jira_assignment,
        projects=frozenset(settings.jira_projects),
    )


async def check_jira(settings: Settings) -> Sequence[Finding]:
    """Look at everything that has to be right; nothing is changed.

    Raises:
        ConfigError: The settings are wrong.
    """
    from pullwright.integrations.jira.client import JiraClient
    from pullwright.integrations.jira.setup_check import check_setup

    terms = jira_terms(settings)
    found = await check_setup(JiraClient(terms.settings, terms.tuning), terms.facts)
    marks = {True: Mark.OK, False: Mark.MISSING}
    return [
        Finding(name=f"Jira, {one.about}".removesuffix(", Jira"), mark=marks[one.good], text=one.says) for one in found
    ]


def jira_adapter(settings: Settings, store: DurableStore) -> JiraAdapter:
    """Return the parts for the Jira of the settings; makes a key, which takes a moment: call it in a thread."""
    from pullwright.integrations.jira.adapter import JiraAdapter
    from pullwright.integrations.redaction import Redactor

    return JiraAdapter(
        jira_terms(settings),
        store=store,
        repository=repository_of(settings),
        marker_key=marker_key(settings),
        redactor=Redactor(settings.secrets),
        clock=SystemClock(),
        cost=cost_words(settings),
    )


def jira_doors(settings: Settings) -> list[Door]:
    """Return a door for each way in that has a secret: ``…/CONNECTION``, ``-app``, ``-rule``, ``-path``."""
    from pullwright.integrations.jira.admission import (
        Admission,
        HeaderAdmission,
        PathAdmission,
        SignedAdmission,
        TokenAdmission,
    )
    from pullwright.integrations.jira.door import JiraDoor
    from pullwright.integrations.signatures import numbered

    bot, name = jira_terms(settings).bot, settings.jira_connection
    kept = {
        name: settings.jira_webhook_secrets,
        f"{name}-app": settings.jira_app_secrets,
        f"{name}-rule": settings.jira_automation_secrets,
        f"{name}-path": settings.jira_path_secrets,
    }
    named = {connection: numbered(one.get_secret_value() for one in values) for connection, values in kept.items()}
    made: list[tuple[str, Admission]] = []
    if found := named[name]:
        made.append((name, SignedAdmission(found)))
    if found := named[f"{name}-app"]:
        made.append((f"{name}-app", TokenAdmission(found, f"/webhooks/jira/{name}-app")))
    if found := named[f"{name}-rule"]:
        made.append((f"{name}-rule", HeaderAdmission(found)))
    if found := named[f"{name}-path"]:
        made.append((f"{name}-path", PathAdmission(found)))
    return [JiraDoor(connection, admission, bot) for connection, admission in made]
