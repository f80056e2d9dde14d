"""Who comes for a task: a worker that is there, a process of its own, or nobody because it can not even begin."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import move_on_after, to_thread

from pullwright.agents.errors import IllegalTransition, PullwrightError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import LeaseStore
from pullwright.agents.task import Task, TaskStatus
from pullwright.cli.settings import Settings
from pullwright.cli.speech import complain
from pullwright.cli.wiring import instance_name

STEP_BACK_SECONDS = 10.0


async def somebody_comes(store: LeaseStore, task: Task) -> bool:
    """Say whether a worker is there that takes such a task from the queue."""
    there = [worker for worker in await store.workers() if worker.slots > 0 and not worker.draining]
    return any(task.spec.place in ("", worker.place) for worker in there)


async def see_to_it(store: LeaseStore, settings: Settings, task: Task) -> None:
    """Start a process for a queued task, unless a worker comes for it or it can only be worked on elsewhere."""
    if await somebody_comes(store, task):
        return
    if task.spec.place not in ("", await instance_name(settings)):
        complain(f"task {task.id} can only go on where {task.spec.repository.url} is: run `agent worker` there")
    else:
        await to_thread.run_sync(_start_worker, task, settings)


def _start_worker(task: Task, settings: Settings) -> None:
    log = settings.home.expanduser() / "logs" / f"{task.id}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        subprocess.Popen(
            [sys.executable, "-P", "-m", "pullwright.cli", "worker", "--task", task.id],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )


@asynccontextmanager
async def begun_or_ended(store: DurableStore, task_id: str) -> AsyncIterator[None]:
    """End a task that has not begun when the block fails and nobody else comes for it.

    It is canceled when the block was, otherwise rejected with the reason; one that was begun before stays as it is.
    What the block raised goes on.
    """
    try:
        yield
    except BaseException as exc:
        with move_on_after(STEP_BACK_SECONDS, shield=True):
            await _end(store, task_id, exc)
        raise


async def _end(store: DurableStore, task_id: str, trouble: BaseException) -> None:
    task = await store.get(task_id)
    fresh = not task.attempt
    # One that waits for its next attempt goes on when its time has come, if somebody is there then.
    if task.status is not TaskStatus.QUEUED and not (fresh and task.status is TaskStatus.SCHEDULED):
        return
    try:
        if not isinstance(trouble, PullwrightError):
            await store.cancel(task_id, reason="canceled before it began")
        elif fresh and not await somebody_comes(store, task):
            await store.reject(task_id, reason=str(trouble))
    except IllegalTransition:
        return  # somebody took it in between
