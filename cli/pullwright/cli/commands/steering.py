"""``agent say``, ``answer`` and ``cancel``: telling a run something while it goes on, or waits, or is to end."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio import move_on_after

from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskStatus
from pullwright.cli import wiring
from pullwright.cli.begin import see_to_it
from pullwright.cli.commands.tasks import with_store
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import Settings, load_settings

CANCEL_SECONDS: Final = 2.0
"""How long ``agent cancel`` waits for the run to stop."""


def say_command(task_id: str, text: str) -> int:
    """Tell a run something; it reads it at its next step."""
    return with_store(partial(_say, task_id=task_id, text=text))


def answer_command(task_id: str, text: str) -> int:
    """Answer a task that waits, and see to it that somebody goes on with it."""
    settings = load_settings(Path.cwd())

    async def run() -> int:
        async with wiring.open_store(settings) as store:
            return await _answer(store, settings, task_id, text)

    return run_async(interruptible, run)


def cancel_command(task_id: str) -> int:
    """Stop a task."""
    return with_store(partial(_cancel, task_id=task_id))


async def _say(store: DurableStore, *, task_id: str, text: str) -> int:
    task = await _send(store, task_id, SignalKind.MESSAGE, text)
    when = "when somebody answers it" if task.status is TaskStatus.WAITING else "at its next step"
    _print(f"task {task.id} is {task.status.value} and reads it {when}")
    return 0


async def _answer(store: DurableStore, settings: Settings, task_id: str, text: str) -> int:
    task = await _send(store, task_id, SignalKind.ANSWER, text)
    await see_to_it(store, settings, task)
    _print(f"task {task.id} goes on; follow it with: agent watch {task.id}")
    return 0


async def _send(store: DurableStore, task_id: str, kind: SignalKind, text: str) -> Task:
    if not text.strip():
        raise ConfigError("there is nothing to say; give some words")
    task = await store.get(task_id)
    return await store.send(task.id, kind, text)


async def _cancel(store: DurableStore, *, task_id: str) -> int:
    task = await store.get(task_id)
    task = await store.cancel(task.id, reason="canceled by `agent cancel`")
    with move_on_after(CANCEL_SECONDS):
        while not (await store.status(task.id)).terminal:  # noqa: ASYNC110 - its worker is elsewhere
            await anyio.sleep(0.05)
    task = await store.get(task.id)
    later = "" if task.status.terminal else "; its work is being kept"
    _print(f"task {task.id} is {task.status.value}{later}")
    return 0


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
