"""``agent retry``: the same work once more, from its start or from the files of a step."""

from __future__ import annotations

import json as json_
import sys
from dataclasses import replace
from functools import partial

from pullwright.agents.errors import TaskError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.task import Task, TaskSpec
from pullwright.cli.commands.tasks import with_store
from pullwright.cli.kept import read_kept
from pullwright.cli.speech import complain


def retry_command(task_id: str, *, from_step: int | None, json: bool) -> int:
    """File a task that has ended once more."""
    if from_step is None:
        return with_store(partial(_from_start, task_id=task_id, json=json))
    return with_store(partial(_from_step, task_id=task_id, step=from_step, json=json))


async def _from_start(store: DurableStore, *, task_id: str, json: bool) -> int:
    task = await store.get(task_id)
    return await _file(store, task, task.spec, json=json)


async def _from_step(store: DurableStore, *, task_id: str, step: int, json: bool) -> int:
    kept = await read_kept(store, task_id)
    # Without a branch of its own the new run stays on the commit that the files were made on.
    base_ref = kept.task.spec.base_ref or kept.started.base_sha
    start, start_base = kept.after(step)
    return await _file(
        store, kept.task, replace(kept.task.spec, base_ref=base_ref, start=start, start_base=start_base), json=json
    )


async def _file(store: TaskStore, task: Task, spec: TaskSpec, *, json: bool) -> int:
    if not task.status.terminal:
        raise TaskError(f"task {task.id!r} is {task.status.value}; only one that has ended can be tried again")
    again = await store.create(replace(spec, parent_id=task.id, not_before=None))
    sys.stdout.write((json_.dumps({"task": again.id}) if json else again.id) + "\n")
    complain(f"filed; a worker takes it, or run it now with: agent worker --task {again.id}")
    return 0
