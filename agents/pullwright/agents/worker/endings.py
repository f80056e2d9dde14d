"""Endings: what becomes of a task whose run stopped without ending its attempt itself."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Final

from anyio import move_on_after

from pullwright.agents.budget import Usage
from pullwright.agents.errors import DamagedTask, LeaseLost, PullwrightError, StoreError
from pullwright.agents.events import ConversationCompacted, ModelReplied, RunEvent, RunFinished
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.worker.segments import Ending, LeasedSegment

logger = logging.getLogger(__name__)

LAST_WORD_SECONDS: Final = 10.0
"""How long the store may take for what is written about a run after it has stopped."""

BUG: Final = "internal error; the traceback is in the log, please report it"


async def let_go(store: DurableStore, segment: LeasedSegment) -> None:
    """Give back what a stopped run may have left open; of one that ended by itself, or is lost, nothing is written."""
    if segment.ending in (None, Ending.LOST):
        return
    with move_on_after(LAST_WORD_SECONDS, shield=True):
        try:
            await store.release(segment.task, reason="its worker stopped")
        except LeaseLost:
            return  # the run has ended its attempt itself
        except StoreError as exc:
            logger.warning("task %s was not given back: %s", segment.task.id, exc)


async def ended_by(store: DurableStore, segment: LeasedSegment, error: Exception) -> None:
    """End a task whose run raised, but for what says that it is not ours, or that nothing can be written now."""
    task, causes = segment.task, _causes(error)
    if segment.ending is Ending.LOST or all(isinstance(cause, LeaseLost) for cause in causes):
        logger.info("task %s goes on elsewhere: %s", task.id, causes[0])
    elif all(isinstance(cause, LeaseLost | StoreError) for cause in causes):
        logger.warning("task %s stopped here: %s", task.id, causes[0])
    elif segment.ending is not None:
        logger.warning("task %s did not stop in order", task.id, exc_info=error)
        await let_go(store, segment)
    elif len(causes) == 1 and isinstance(causes[0], PullwrightError):
        await _fail(store, task, str(causes[0]))
    else:
        logger.error("task %s ended by a bug", task.id, exc_info=error)
        await _fail(store, task, BUG)


def spent(events: Iterable[RunEvent]) -> tuple[Usage, int]:
    """Return what the model calls in a journal cost, and how many steps there were."""
    usage, steps = Usage(), 0
    for event in events:
        if isinstance(event, ModelReplied):
            usage, steps = usage + event.usage, steps + 1
        elif isinstance(event, ConversationCompacted):
            usage += event.usage
    return usage, steps


async def _fail(store: DurableStore, task: Task, reason: str) -> None:
    with move_on_after(LAST_WORD_SECONDS, shield=True):
        try:
            usage, steps = await _spent(store, task)
            event = RunFinished(status=TaskStatus.FAILED.value, reason=reason, usage=usage, steps=steps)
            await store.finish(task, TaskStatus.FAILED, event, reason=reason)
        except (LeaseLost, StoreError) as exc:
            logger.warning("task %s was not ended: %s", task.id, exc)


async def _spent(store: DurableStore, task: Task) -> tuple[Usage, int]:
    try:
        entries = await store.journal(task.id)
    except DamagedTask:
        return Usage(), 0  # a journal that can not be read may be the very reason
    return spent(entry.event for entry in entries)


def _causes(error: BaseException) -> Sequence[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [cause for inner in error.exceptions for cause in _causes(inner)]
    return [error]
