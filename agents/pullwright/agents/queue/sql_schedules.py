"""Schedules on a database; a part of the store, with which it shares the transactions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import anyio

from pullwright.agents.errors import DuplicateTask, StoreError, StoreUnavailable, TaskError
from pullwright.agents.ports.clock import Clock
from pullwright.agents.queue import schedules
from pullwright.agents.queue.database import Database
from pullwright.agents.queue.schedules import SCHEDULES
from pullwright.agents.queue.task_ids import TaskIds
from pullwright.agents.schedule import Firing, Schedule, ScheduleSpec


class SqlSchedules:
    """Implements ``ScheduleStore``."""

    _database: Database
    _clock: Clock
    _ids: TaskIds

    async def put_schedule(self, spec: ScheduleSpec) -> Schedule:
        return await self._database.write(partial(schedules.put, spec))

    async def remove_schedule(self, name: str, *, origin: str | None = None) -> bool:
        return await self._database.write(partial(schedules.remove, name, origin))

    async def pause_schedule(self, name: str, *, pause: bool) -> Schedule:
        return await self._database.write(partial(schedules.pause, name, pause))

    async def schedules(self) -> Sequence[Schedule]:
        return await self._database.read(schedules.every)

    async def fire_due(self) -> Sequence[Firing]:
        fired = [await self._fire(name) for name in await self._database.read(schedules.due)]
        return [firing for firing in fired if firing is not None]

    async def _fire(self, name: str) -> Firing | None:
        task_id = self._ids.new(self._clock.now())
        try:
            return await self._database.write(partial(schedules.fire, name, task_id))
        except StoreUnavailable:
            raise
        except DuplicateTask:  # filed in between; it counts at the next look
            return None
        except (StoreError, TaskError) as exc:  # it must not hold up the others
            return await self._database.write(partial(schedules.stop, name, str(exc)))

    async def wait_for_schedules(self, seconds: float) -> None:
        with self._database.bell.listening(SCHEDULES) as rung:
            left = await self._database.read(schedules.until_due)
            with anyio.move_on_after(seconds if left is None else max(0.0, min(seconds, left))):
                await rung.wait()
