"""Life lines: a lock file per running task that the kernel lets go of when its worker dies, however it dies."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pullwright.agents.file_lock import try_file_lock
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.task import TaskStatus

DIED: Final = "the process that ran it died; run it again"


def life_line(locks: Path, task_id: str) -> Path:
    """Return the file that a worker holds locked from before it claims a task until the task has ended."""
    return locks / f"{task_id}.lock"


async def is_alive(locks: Path, task_id: str) -> bool:
    """Say whether a worker of this host holds the task."""
    async with try_file_lock(life_line(locks, task_id)) as free:
        return not free


async def end_dead(store: TaskStore, locks: Path) -> None:
    """End the tasks of this host that say they are running and have no worker any more.

    A task that somebody wanted canceled becomes ``canceled``, any other ``failed``.
    """
    for listed in await store.list(limit=1000, statuses=(TaskStatus.RUNNING, TaskStatus.CANCELING)):
        async with try_file_lock(life_line(locks, listed.id)) as free:
            task = await store.get(listed.id)
            if not free or task.status.terminal:
                continue
            recorder = await RunRecorder.resume(store, task)
            status = TaskStatus.CANCELED if task.status is TaskStatus.CANCELING else TaskStatus.FAILED
            await recorder.finish(status, DIED)
