"""Puts the intake of ``agent serve`` together: doors, handlers and sources of whatever is configured."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import create_task_group, to_thread

from pullwright.agents.background import beside
from pullwright.agents.clock import SystemClock
from pullwright.agents.intake.catch_up import EVERY_SECONDS, CatchUp
from pullwright.agents.intake.reception import Reception
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Worker
from pullwright.cli.generic_wiring import open_generic
from pullwright.cli.github_wiring import open_github
from pullwright.cli.intake_parts import Intake, budget_of, marker_key, repository_of
from pullwright.cli.jira_wiring import open_jira
from pullwright.cli.linear_wiring import open_linear
from pullwright.cli.sentry_wiring import Surroundings, open_sentry
from pullwright.cli.settings import Settings


async def open_intake(settings: Settings, store: DurableStore, *, poll: float = 0.0) -> Intake:
    """Put together what the settings name.

    Args:
        settings: Which connections there are.
        store: Where deliveries and tasks are.
        poll: Seconds between two polls; then nothing else is let in. 0 to be told by webhooks.

    Raises:
        ConfigError: A connection is configured by half.
    """
    jira = await to_thread.run_sync(lambda: open_jira(settings, store, poll=bool(poll)))
    sentry = await to_thread.run_sync(lambda: _sentry(settings, store, poll=bool(poll)))
    others = jira | sentry
    others |= await to_thread.run_sync(lambda: open_linear(settings, store, poll=bool(poll)))
    others |= await to_thread.run_sync(lambda: open_generic(settings, store, poll=bool(poll)))
    if poll and others.sources and not settings.github_bot_login and not settings.github_webhook_secrets:
        return others  # whoever polls something else does not have to poll GitHub
    return await open_github(settings, store, poll=bool(poll)) | others


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


def _sentry(settings: Settings, store: DurableStore, *, poll: bool) -> Intake:
    if not settings.sentry_organization:
        return Intake()
    around = Surroundings(
        store=store,
        repository=repository_of(settings),
        marks=marker_key(settings),
        secrets=settings.secrets,
        checks=settings.checks,
        budget=budget_of(settings),
    )
    parts = open_sentry(settings, around, poll=poll, reporter=True)
    return Intake(
        doors=parts.doors,
        handlers=parts.handlers,
        sources=parts.sources,
        reports=parts.reports,
        landings=parts.landings,
    )
