"""Puts together what keeps status comments up to date beside the intake of ``agent serve``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pullwright.agents.background import beside
from pullwright.agents.clock import SystemClock
from pullwright.agents.intake.reporting import Reporter
from pullwright.agents.llm.prices import cost_of_run
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Worker
from pullwright.agents.ports.report import Reports, Standing
from pullwright.cli.intake_wiring import Intake
from pullwright.cli.model_wiring import price_list
from pullwright.cli.settings import Settings


@asynccontextmanager
async def reporting(settings: Settings, intake: Intake, store: DurableStore, worker: Worker) -> AsyncIterator[None]:
    """Keep what is shown of tasks right for the length of a block, if no other process does."""
    sources = _sources(settings, intake)
    if not sources:
        yield
        return
    reporter = Reporter(store, sources, clock=SystemClock(), worker=worker)
    async with beside(reporter.serve):
        yield


def _sources(settings: Settings, intake: Intake) -> dict[str, Reports]:
    if not intake.handlers:
        return {}
    from pullwright.integrations.github.handler import GitHubHandler

    prices = price_list(settings)

    def cost(standing: Standing) -> str:
        return str(cost_of_run(standing.spent, prices, model=standing.model))

    return {name: one.reports(cost) for name, one in intake.handlers.items() if isinstance(one, GitHubHandler)}
