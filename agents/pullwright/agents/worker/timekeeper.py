"""Timekeeper: what every worker does for all of them about schedules: the tasks of those that are due are filed."""

from __future__ import annotations

import logging
from typing import Final

import anyio

from pullwright.agents.errors import StoreError
from pullwright.agents.ports.schedule import ScheduleStore
from pullwright.agents.schedule import Firing, FiringOutcome

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 5.0
"""How long it relies on being told that a schedule was changed; meanwhile it knows when the next one is due."""

PAUSE_SECONDS: Final = 0.5
"""Between two looks at least: on SQLite everybody is told of whatever any other process writes."""


class Timekeeper:
    """Looks after the schedules for as long as it is told to."""

    def __init__(self, store: ScheduleStore, *, every: float = LOOK_SECONDS, pause: float = PAUSE_SECONDS) -> None:
        self._store = store
        self._every = every
        self._pause = min(pause, every)

    async def go_on(self) -> None:
        """Fire what is due until cancelled; a store that does not answer is asked again."""
        while True:
            try:
                await self._store.wait_for_schedules(self._every)
                for firing in await self._store.fire_due():
                    _tell(firing)
            except StoreError as exc:
                logger.info("no schedule was looked at: %s", exc)
            await anyio.sleep(self._pause)


def _tell(firing: Firing) -> None:
    level = logging.WARNING if firing.outcome is FiringOutcome.FAILED else logging.INFO
    what = firing.task_id or firing.reason
    logger.log(level, "schedule %s of %s: %s (%s)", firing.name, firing.at.isoformat(), firing.outcome, what)
