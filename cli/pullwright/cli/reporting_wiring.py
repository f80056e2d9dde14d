"""Puts together what tells others how tasks stand, and what became of them, beside the intake of ``agent serve``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pullwright.agents.background import beside
from pullwright.agents.clock import SystemClock
from pullwright.agents.intake.reporting import Reporter
from pullwright.agents.intake.review_watch import HostOf, no_host
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Worker
from pullwright.cli.intake_parts import Intake


@asynccontextmanager
async def reporting(
    intake: Intake, store: DurableStore, worker: Worker, *, host_of: HostOf = no_host
) -> AsyncIterator[None]:
    """Keep what is shown of tasks right for the length of a block, if no other process does.

    Args:
        intake: Who shows it, and who hears what became of pull requests.
        store: Where tasks are.
        worker: What others see of this process.
        host_of: Whom to ask what became of them.
    """
    if not intake.reports:
        yield
        return
    reporter = Reporter(
        store, intake.reports, clock=SystemClock(), worker=worker, landings=intake.landings, host_of=host_of
    )
    async with beside(reporter.serve):
        yield
