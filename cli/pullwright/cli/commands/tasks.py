"""``agent list``, ``show``, ``watch``, ``diff`` and ``cancel``: looking at tasks and stopping them."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from anyio import to_thread

from pullwright.agents.errors import TaskError
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.task import Task
from pullwright.cli import wiring
from pullwright.cli.commands.checkpoints import show_patch
from pullwright.cli.follow import Follower, exit_code, make_view, shown_live
from pullwright.cli.model_wiring import price_list
from pullwright.cli.render import JsonView, View, printable
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings, load_settings


def list_command(*, json: bool) -> int:
    """Print the newest tasks."""
    return _with_store(partial(_list, json=json))


def show_command(task_id: str, *, json: bool) -> int:
    """Print a task and its journal so far."""
    settings = load_settings(Path.cwd())
    view = make_view(json=json, prices=price_list(settings), calls=True)
    return _with_store(partial(_show, task_id=task_id, view=view), settings)


def watch_command(task_id: str, *, json: bool) -> int:
    """Follow a task until it ends."""
    settings = load_settings(Path.cwd())
    view = make_view(json=json, prices=price_list(settings))
    return _with_store(partial(_watch, task_id=task_id, view=view), settings)


def diff_command(task_id: str) -> int:
    """Print the patch of a task as it is."""
    return _with_store(partial(_diff, task_id=task_id))


def cancel_command(task_id: str) -> int:
    """Stop a task."""
    return _with_store(partial(_cancel, task_id=task_id))


def _with_store(command: Callable[[TaskStore], Awaitable[int]], settings: Settings | None = None) -> int:
    chosen = settings or load_settings(Path.cwd())

    async def run() -> int:
        async with wiring.open_store(chosen) as store:
            return await command(store)

    return run_async(interruptible, run)


async def _list(store: TaskStore, *, json: bool) -> int:
    tasks = await store.list()
    if json:
        for task in tasks:
            _say(json_.dumps(_task_data(task)))
        return 0
    from rich.console import Console
    from rich.table import Column, Table

    fixed = [Column("id", no_wrap=True, min_width=26), Column("status", no_wrap=True, min_width=9)]
    cut = [Column(name, no_wrap=True, overflow="ellipsis") for name in ("repository", "task", "result")]
    table = Table(*fixed, *cut, box=None, pad_edge=False)
    for task in tasks:
        result = task.pull_request_url or task.branch or task.status_reason
        cells = (task.id, task.status.value, task.spec.repository.slug, task.spec.title[:60], result[:80])
        table.add_row(*(printable(cell).replace("[", "\\[") for cell in cells))
    Console().print(table if tasks else 'no tasks yet; file one with: agent run "fix issue #42"')
    return 0


async def _show(store: TaskStore, *, task_id: str, view: View) -> int:
    task = await store.get(task_id)
    if not isinstance(view, JsonView):
        view.note(f"task {task.id} · {task.status} · {task.spec.repository.slug} · {task.spec.title}")
    for entry in await store.journal(task.id):
        view.entry(entry)
    return 0


async def _watch(store: TaskStore, *, task_id: str, view: View) -> int:
    task = await store.get(task_id)
    if task.status.terminal and not await store.journal(task.id):
        return exit_code(task)  # canceled before it ran: there is no last entry to wait for
    with shown_live(view):
        await Follower(store, task.id, view).follow()
    return exit_code(await store.get(task.id))


async def _diff(store: TaskStore, *, task_id: str) -> int:
    task = await store.get(task_id)
    if not task.patch_path:
        raise TaskError(f"task {task.id!r} has no patch; it is {task.status.value}")
    show_patch(await to_thread.run_sync(Path(task.patch_path).read_bytes))
    return 0


async def _cancel(store: TaskStore, *, task_id: str) -> int:
    task = await store.get(task_id)
    task = await store.cancel(task.id, reason="canceled by `agent cancel`")
    _say(f"task {task.id} is {task.status.value}")
    return 0


def _task_data(task: Task) -> dict[str, Any]:
    return {
        "task": task.id,
        "status": task.status.value,
        "reason": task.status_reason,
        "repository": task.spec.repository.slug,
        "title": task.spec.title,
        "created_at": task.created_at.isoformat(),
        "branch": task.branch,
        "pull_request_url": task.pull_request_url,
        "patch_path": task.patch_path,
    }


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
