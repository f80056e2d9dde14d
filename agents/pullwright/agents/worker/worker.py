"""Worker: claims queued tasks and takes each through a pipeline."""

from __future__ import annotations

import logging
from typing import Final

from anyio import CancelScope, create_task_group

from pullwright.agents.errors import LeaseLost
from pullwright.agents.file_lock import file_lock
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.worker.life_line import life_line
from pullwright.agents.worker.pipeline import Parts, Pipeline

logger = logging.getLogger(__name__)

CANCEL_LOOK_SECONDS: Final = 0.5
"""How often a worker looks whether somebody canceled the task it runs."""


class Worker:
    """Runs tasks one after another with the same parts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def run(self, task_id: str) -> Task | None:
        """Claim a task and take it to its end; None when it can not be claimed.

        Cancellation ends the task as ``canceled`` and is passed on.
        """
        async with file_lock(life_line(self._parts.locks, task_id)):
            task = await self._parts.store.claim(task_id)
            if task is None:
                return None
            async with create_task_group() as group:
                group.start_soon(self._cancel_when_asked, task, group.cancel_scope)
                await self._attempt(task)
                group.cancel_scope.cancel()
        return await self._parts.store.get(task.id)

    async def _attempt(self, task: Task) -> None:
        recorder = await RunRecorder.resume(self._parts.store, task)
        try:
            await Pipeline(self._parts, recorder).run()
        except LeaseLost as exc:
            logger.warning("%s", exc, extra={"task": task.id})
        except Exception:
            logger.exception("task %s ended by a bug", task.id, extra={"task": task.id})
            reason = "internal error; the traceback is in the log, please report it"
            await recorder.finish(TaskStatus.FAILED, reason)

    async def _cancel_when_asked(self, task: Task, scope: CancelScope) -> None:
        while True:
            if await self._parts.store.status(task.id) is TaskStatus.CANCELING:
                scope.cancel()
                return
            await self._parts.clock.sleep(CANCEL_LOOK_SECONDS)
