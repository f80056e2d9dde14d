"""Advancer: takes a claimed task as far as one segment goes, and ends the attempt in the store."""

from __future__ import annotations

import logging

import anyio
from anyio import move_on_after

from pullwright.agents.calls import Pause
from pullwright.agents.compaction import conversation_id
from pullwright.agents.errors import LeaseLost, PullwrightError, StoreError
from pullwright.agents.ports.engine import Segment
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.task import TaskStatus, WaitReason
from pullwright.agents.worker.parts import Parts
from pullwright.agents.worker.pipeline import GRACE_SECONDS, INFRASTRUCTURE, Pipeline

logger = logging.getLogger(__name__)

STOPPED = "its worker stopped"


class Advancer:
    """What an engine serves: implements ``Advance``. One for all runs of a worker."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(self, segment: Segment) -> None:
        """Advance the run of a segment; the attempt has ended in the store when this returns.

        Expected trouble ends in a failed or a rescheduled task, not in an exception. Cancellation ends the attempt as
        the store's status says: ``canceled`` with the work kept when that was asked for, else released; it goes on.

        Raises:
            LeaseLost: Another attempt owns the task; nothing more was written.
            StoreUnavailable: The database did not answer; the lease will run out.
        """
        recorder = await RunRecorder.resume(self._parts.store, segment.task, self._parts.meter())
        pipeline = Pipeline(self._parts, recorder, segment)
        try:
            outcome = await pipeline.run()
        except anyio.get_cancelled_exc_class():
            with move_on_after(GRACE_SECONDS, shield=True):
                await self._stopped(recorder, pipeline.patch_path)
            raise
        except LeaseLost:
            raise
        except INFRASTRUCTURE as exc:
            with move_on_after(GRACE_SECONDS, shield=True):
                await self._parts.store.retry(recorder.task, reason=str(exc))
        except PullwrightError as exc:
            with move_on_after(GRACE_SECONDS, shield=True):
                await recorder.finish(TaskStatus.FAILED, str(exc), patch_path=pipeline.patch_path)
        else:
            await self._end(recorder, outcome, pipeline.patch_path)
        finally:
            state = recorder.state
            self._parts.model.release(conversation_id(recorder.task.id, state.compactions))

    async def _end(self, recorder: RunRecorder, outcome: str | Pause, patch_path: str) -> None:
        store, task = self._parts.store, recorder.task
        if isinstance(outcome, str):
            await recorder.finish(TaskStatus.SUCCEEDED, outcome, patch_path=patch_path)
        elif outcome.question is None:
            await store.release(task, reason=outcome.reason)
        else:
            wait = WaitReason(outcome.question.wait)
            await store.park(task, wait, outcome.question, question=outcome.reason)

    async def _stopped(self, recorder: RunRecorder, patch_path: str) -> None:
        """End the attempt of a run that was cancelled, if it is still ours."""
        store = self._parts.store
        try:
            task = await store.get(recorder.task.id)
            if task.status is TaskStatus.CANCELING:
                await recorder.finish(TaskStatus.CANCELED, task.status_reason or "canceled", patch_path=patch_path)
            elif task.status is TaskStatus.RUNNING:
                await store.release(recorder.task, reason=STOPPED)
        except (LeaseLost, StoreError) as exc:
            logger.info("%s", exc, extra={"task": recorder.task.id})
