"""Tender: what every worker does for all of them: due tasks are queued, dead workers' tasks are taken back."""

from __future__ import annotations

import logging
import random
from typing import Final

import anyio
from anyio import create_task_group

from pullwright.agents.errors import StoreError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import ANY_TASK, Terms
from pullwright.agents.worker.segments import Roster

logger = logging.getLogger(__name__)

TEND_SECONDS: Final = 0.5
"""Between two looks, give or take a half; many workers look at different moments."""

RECOUNT_SECONDS: Final = 60.0


class Tender:
    """Looks after the queue for as long as it is told to."""

    def __init__(
        self, store: DurableStore, roster: Roster, *, terms: Terms = ANY_TASK, every: float = TEND_SECONDS
    ) -> None:
        self._store = store
        self._roster = roster
        self._terms = terms
        self._every = every

    async def go_on(self) -> None:
        """Tend and recount until cancelled; a store that does not answer is asked again."""
        async with create_task_group() as group:
            group.start_soon(self._recount)
            while True:
                try:
                    await self._once()
                except StoreError as exc:
                    logger.info("the queue was not tended: %s", exc)
                await anyio.sleep(spread(self._every))

    async def _once(self) -> None:
        for task in await self._store.tend():
            logger.warning("task %s was taken back: its worker is gone", task.id)
        # Asked only when a run has had its share and the answer matters: this worker has no slot for anybody else.
        due = self._roster.full and any(segment.over for segment in self._roster.segments)
        self._roster.others_wait = due and await self._store.backlog(self._terms)

    async def _recount(self) -> None:
        while True:
            await anyio.sleep(spread(RECOUNT_SECONDS))
            try:
                wrong = await self._store.recount()
            except StoreError as exc:
                logger.info("lanes were not counted: %s", exc)
                continue
            if wrong:
                logger.warning("%d lanes had counted wrong; somebody edited rows by hand?", wrong)


def spread(seconds: float) -> float:
    """Return a duration between a half and one and a half of ``seconds``."""
    return seconds * random.uniform(0.5, 1.5)
