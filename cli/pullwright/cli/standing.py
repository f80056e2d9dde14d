"""Why a task still stands in the queue: nobody is there who can work on it, or the day's budget is spent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

from pullwright.agents.budget import DayLimits, Level, Scope, levels
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.task import Task, TaskStatus


async def why_queued(store: DurableStore, limits: DayLimits, tasks: Sequence[Task]) -> Mapping[str, str]:
    """Return a line for each queued task, by its id, that nobody begins at present.

    Args:
        store: Where they are.
        limits: Those of this host's settings; workers go by their own.
        tasks: Any tasks; only those that are queued are looked at.
    """
    queued = [task for task in tasks if task.status is TaskStatus.QUEUED]
    if not queued:
        return {}
    places = {worker.place for worker in await store.workers() if worker.slots and not worker.draining}
    spent = await _spent_lanes(store, limits, {task.spec.lane for task in queued if not task.attempt})
    found = {task.id: _why(task, places, spent) for task in queued}
    return {task_id: line for task_id, line in found.items() if line}


def _why(task: Task, places: set[str], spent: Mapping[str, Level]) -> str:
    place = task.spec.place
    if place and place not in places:
        return f"no worker of installation {place} is alive: run `agent worker` where {task.spec.repository.url} is"
    if task.attempt or task.spec.lane not in spent:
        return ""
    level = spent[task.spec.lane]
    return f"{level.whose} have used their {level.total}; it begins tomorrow (UTC), or when {level.key} is raised"


async def _spent_lanes(store: DurableStore, limits: DayLimits, lanes: set[str]) -> Mapping[str, Level]:
    if not limits:
        return {}
    together = levels(limits.everything, await store.spent(), {}, Scope.DAY)
    found = {}
    for lane in lanes:
        own = levels(limits.repository, await store.spent(lane=lane), {}, Scope.REPOSITORY_DAY)
        reached = next((level for level in chain(together, own) if level.reached), None)
        if reached is not None:
            found[lane] = reached
    return found
