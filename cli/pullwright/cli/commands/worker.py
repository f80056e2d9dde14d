"""``agent worker``: run tasks that others filed."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from pathlib import Path

import anyio

from pullwright.agents.ports.store import TaskStore
from pullwright.agents.task import Task, TaskStatus
from pullwright.cli import model_wiring, wiring
from pullwright.cli.begin import begun_or_ended
from pullwright.cli.render import JsonView
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings, load_settings
from pullwright.cli.speech import complain

LOOK_SECONDS = 1.0


def worker_command(task_id: str | None, *, drain: bool) -> int:
    """Run queued tasks until interrupted, or until there are none when ``drain`` is set."""
    settings = load_settings(Path.cwd())
    model_wiring.require_endpoint(settings)
    return run_async(interruptible, partial(_work, settings, task_id, drain))


async def _work(settings: Settings, task_id: str | None, drain: bool) -> int:
    async with wiring.open_store(settings) as store:
        while True:
            queued = [task for task in await store.list(limit=1000) if task.status is TaskStatus.QUEUED]
            chosen = [task for task in reversed(queued) if task_id in (None, task.id)][:1]
            if chosen:
                await _run(settings, chosen[0], store, alone=task_id is not None)
            elif drain:
                return 0
            else:
                await anyio.sleep(LOOK_SECONDS)


async def _run(settings: Settings, task: Task, store: TaskStore, *, alone: bool) -> None:
    """Run a task; one that was handed to this process ``alone`` is ended when it can not begin, others stay queued."""
    async with (
        begun_or_ended(store, task.id) if alone else nullcontext(),
        wiring.open_worker(settings, task.spec, store, JsonView(complain)) as worker,
    ):
        await worker.run(task.id)
