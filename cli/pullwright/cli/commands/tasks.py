"""``agent list``, ``show``, ``watch`` and ``diff``: looking at tasks."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from pullwright.agents.budget import DayLimits
from pullwright.agents.errors import TaskError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Attempt
from pullwright.agents.task import Task, TaskStatus
from pullwright.cli import wiring
from pullwright.cli.follow import Follower, exit_code, make_view, shown_live
from pullwright.cli.kept import read_patch
from pullwright.cli.model_wiring import price_list
from pullwright.cli.render import JsonView, View, printable, task_data
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings, load_settings
from pullwright.cli.standing import why_queued


def list_command(*, json: bool) -> int:
    """Print the newest tasks."""
    settings = load_settings(Path.cwd())
    return with_store(partial(_list, limits=settings.day_limits, json=json), settings)


def show_command(task_id: str, *, json: bool) -> int:
    """Print a task and its journal so far."""
    settings = load_settings(Path.cwd())
    view = make_view(json=json, prices=price_list(settings), calls=True)
    return with_store(partial(_show, task_id=task_id, view=view, limits=settings.day_limits), settings)


def watch_command(task_id: str, *, json: bool) -> int:
    """Follow a task until it ends."""
    settings = load_settings(Path.cwd())
    view = make_view(json=json, prices=price_list(settings))
    return with_store(partial(_watch, task_id=task_id, view=view), settings)


def diff_command(task_id: str) -> int:
    """Print the patch of a task as it is."""
    return with_store(partial(_diff, task_id=task_id))


def with_store(command: Callable[[DurableStore], Awaitable[int]], settings: Settings | None = None) -> int:
    """Run a command that needs the store and nothing else."""
    chosen = settings or load_settings(Path.cwd())

    async def run() -> int:
        async with wiring.open_store(chosen) as store:
            return await command(store)

    return run_async(interruptible, run)


def show_patch(patch: bytes) -> None:
    """Print a patch: to a terminal what can not steer it, elsewhere byte by byte."""
    if sys.stdout.isatty():
        patch = printable(patch.decode("utf-8", "replace")).encode()
    sys.stdout.buffer.write(patch)


async def _list(store: DurableStore, *, limits: DayLimits, json: bool) -> int:
    tasks = await store.list()
    if json:
        for task in tasks:
            _say(json_.dumps(task_data(task)))
        return 0
    from rich.console import Console
    from rich.table import Column, Table

    fixed = [Column("id", no_wrap=True, width=26), Column("status", no_wrap=True, width=9)]
    shares = (("repository", 2), ("task", 3), ("result", 4))
    cut = [Column(name, no_wrap=True, overflow="ellipsis", ratio=share) for name, share in shares]
    table = Table(*fixed, *cut, box=None, pad_edge=False, expand=True)
    why = await why_queued(store, limits, tasks)
    for task in tasks:
        result = why.get(task.id) or _result(task)
        cells = (task.id, task.status.value, task.spec.repository.slug, task.spec.title[:60], result)
        table.add_row(*(printable(cell).replace("[", "\\[") for cell in cells))
    Console().print(table if tasks else 'no tasks yet; file one with: agent run "fix issue #42"')
    return 0


def _result(task: Task) -> str:
    """Return what matters about a task now, on a line."""
    if task.status is TaskStatus.WAITING:
        return f"? {' '.join(task.status_reason.split())[:76]}"
    if task.run_at is not None:
        when = f"at {task.run_at.astimezone():%Y-%m-%d %H:%M:%S}"
        return ": ".join(filter(None, (when, " ".join(task.status_reason.split()))))[:80]
    result = task.pull_request_url or task.branch or " ".join(task.status_reason.split())
    again = f"attempt {task.attempt}" if task.attempt > 1 and not task.status.terminal else ""
    return ": ".join(filter(None, (again, result)))[:80]


async def _show(store: DurableStore, *, task_id: str, view: View, limits: DayLimits) -> int:
    task = await store.get(task_id)
    people = not isinstance(view, JsonView)
    if people:
        view.note(f"task {task.id} · {task.status} · {task.spec.repository.slug} · {task.spec.title}")
    for entry in await store.journal(task.id):
        view.entry(entry)
    if people:
        for attempt in await store.attempts(task.id):
            view.note(_attempt_line(attempt))
        for line in (await why_queued(store, limits, [task])).values():
            view.note(line)
        if task.status is TaskStatus.WAITING:
            view.note(f'it waits for you: {task.status_reason}\ngo on with: agent answer {task.id} "…"')
    return 0


def _attempt_line(attempt: Attempt) -> str:
    began = attempt.started_at.isoformat(" ", "seconds")
    if attempt.ended_at is None:
        return f"attempt {attempt.number} by worker {attempt.worker_id} since {began}"
    seconds = (attempt.ended_at - attempt.started_at).total_seconds()
    return f"attempt {attempt.number} by worker {attempt.worker_id} at {began}: {attempt.outcome} after {seconds:.0f} s"


async def _watch(store: DurableStore, *, task_id: str, view: View) -> int:
    task = await store.get(task_id)
    with shown_live(view):
        await Follower(store, task.id, view).follow()
    return exit_code(await store.get(task.id))


async def _diff(store: DurableStore, *, task_id: str) -> int:
    task = await store.get(task_id)
    if not task.patch_path:
        raise TaskError(f"task {task.id!r} has no patch; it is {task.status.value}")
    show_patch(await read_patch(store, task))
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
