"""What happens to a task whose run can not even begin."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import move_on_after

from pullwright.agents.errors import IllegalTransition, PullwrightError
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.task import TaskStatus

STEP_BACK_SECONDS = 10.0


@asynccontextmanager
async def begun_or_ended(store: TaskStore, task_id: str) -> AsyncIterator[None]:
    """End a task that is still queued when the block fails: nobody would come for it.

    It is rejected with the reason, or canceled when the block was. What the block raised goes on.
    """
    try:
        yield
    except BaseException as exc:
        with move_on_after(STEP_BACK_SECONDS, shield=True):
            await _end(store, task_id, exc)
        raise


async def _end(store: TaskStore, task_id: str, trouble: BaseException) -> None:
    if await store.status(task_id) is not TaskStatus.QUEUED:
        return
    try:
        if isinstance(trouble, PullwrightError):
            await store.reject(task_id, reason=str(trouble))
        else:
            await store.cancel(task_id, reason="canceled before it began")
    except IllegalTransition:
        return  # somebody took it in between
