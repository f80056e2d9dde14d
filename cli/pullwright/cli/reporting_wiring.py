"""Puts together what keeps status comments up to date beside the intake of ``agent serve``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pullwright.agents.background import beside
from pullwright.agents.clock import SystemClock
from pullwright.agents.intake.reporting import Reporter
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Worker
from pullwright.cli.intake_parts import Intake


@asynccontextmanager
async def reporting(intake: Intake, store: DurableStore, worker: Worker) -> AsyncIterator[None]:
    """Keep what is shown of tasks right for the length of a block, if no other process does."""
    if not intake.reports:
        yield
        return
    reporter = Reporter(store, intake.reports, clock=SystemClock(), worker=worker)
    async with beside(reporter.serve):
        yield
