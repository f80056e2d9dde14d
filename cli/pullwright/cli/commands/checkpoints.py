"""``agent checkpoints``, ``restore``, ``fork`` and the differences of ``diff``: the files of a run at any step."""

from __future__ import annotations

import json as json_
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from pullwright.agents.errors import ConfigError, PatchTooLarge, TaskError
from pullwright.agents.events import CheckpointMade, JournalEntry, RunStarted
from pullwright.agents.ports.mirror import Checkpoint, CommitMeta, Mirror
from pullwright.agents.ports.sandbox import Base
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.task import Task
from pullwright.cli import wiring
from pullwright.cli.render import printable
from pullwright.cli.runtime import interruptible, run_async
from pullwright.cli.settings import load_settings
from pullwright.cli.speech import complain

DIFFERENCE_BYTES: Final = 256 << 20
"""Largest difference that is shown or brought into a checkout."""

ANYTHING: Final = ("*",)
"""In a person's own checkout nothing starts by itself: there, every protected path may be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What is kept of the files of a task."""

    task: Task
    base: Base
    checkpoints: tuple[Checkpoint, ...]
    made: Mapping[str, JournalEntry]
    """When each was made, by commit."""
    steps: tuple[tuple[int, str], ...]
    """The commit with the files of each step, as the run went; a step that was taken again comes twice."""

    def commit(self, number: int) -> str:
        """Return the commit of a checkpoint; 0 is the base.

        Raises:
            TaskError: There is no checkpoint of this number.
        """
        if number == 0:
            return self.base.sha
        found = next((made.sha for made in self.checkpoints if made.number == number), None)
        if found is None:
            raise TaskError(f"task {self.task.id!r} has no checkpoint {number}; see `agent checkpoints {self.task.id}`")
        return found

    def after(self, step: int) -> str:
        """Return the commit with the files as they were after a step; the base where no step had changed them."""
        return next((sha for taken, sha in reversed(self.steps) if taken <= step), self.base.sha)


def checkpoints_command(task_id: str, *, json: bool) -> int:
    """Print the checkpoints of a task."""
    return with_kept(task_id, partial(_list, json=json))


def difference_command(task_id: str, *, old: int | None, new: int | None) -> int:
    """Print the patch between two checkpoints, or the base and the last one."""
    return with_kept(task_id, partial(_difference, old=old, new=new))


def restore_command(task_id: str, *, at: int) -> int:
    """Bring the files of a checkpoint into a checkout, as a branch that is not switched to."""
    return with_kept(task_id, partial(_restore, at=at))


def fork_command(task_id: str, words: str, *, at: int, json: bool) -> int:
    """File a new task that starts with the files of a checkpoint."""
    return with_kept(task_id, partial(_fork, words=words, at=at, json=json))


def show_patch(patch: bytes) -> None:
    """Print a patch: to a terminal what can not steer it, elsewhere byte by byte."""
    if sys.stdout.isatty():
        patch = printable(patch.decode("utf-8", "replace")).encode()
    sys.stdout.buffer.write(patch)


def with_kept(task_id: str, command: Callable[[TaskStore, Mirror, Kept], Awaitable[int]]) -> int:
    """Run a command that needs what is kept of a task's files."""
    settings = load_settings(Path.cwd())

    async def run() -> int:
        mirror = wiring.git_mirror(settings)
        async with wiring.open_store(settings) as store:
            return await command(store, mirror, await _kept(store, mirror, task_id))

    return run_async(interruptible, run)


async def _kept(store: TaskStore, mirror: Mirror, task_id: str) -> Kept:
    task = await store.get(task_id)
    journal = await store.journal(task.id)
    started = [entry.event for entry in journal if isinstance(entry.event, RunStarted)]
    if not started:
        raise TaskError(f"task {task.id!r} has no checkpoint; it is {task.status.value}")
    kept = [(entry, entry.event) for entry in journal if isinstance(entry.event, CheckpointMade)]
    base = await mirror.sync(task.spec.repository, started[-1].base_sha, None)
    return Kept(
        task=task,
        base=base,
        checkpoints=await mirror.checkpoints(base, task_id=task.id),
        made={event.sha: entry for entry, event in reversed(kept)},
        steps=tuple((event.step, event.sha) for _, event in kept),
    )


async def _list(store: TaskStore, mirror: Mirror, kept: Kept, *, json: bool) -> int:
    del store
    rows = [await _row(mirror, kept, checkpoint) for checkpoint in kept.checkpoints]
    if json:
        sys.stdout.writelines(json_.dumps(row) + "\n" for row in rows)
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table("number", "step", "made", "files changed", "commit", box=None, pad_edge=False)
    for row in rows:
        made = row["at"][:19].replace("T", " ")
        table.add_row(*(str(cell) for cell in (row["number"], row["step"], made, row["files"], row["sha"][:12])))
    Console().print(table if rows else f"task {kept.task.id} has no checkpoints")
    return 0


async def _row(mirror: Mirror, kept: Kept, checkpoint: Checkpoint) -> dict[str, Any]:
    entry = kept.made.get(checkpoint.sha)
    step = entry.event.step if entry and isinstance(entry.event, CheckpointMade) else ""
    try:
        patch = await mirror.difference(kept.base, kept.base.sha, checkpoint.sha, limit=DIFFERENCE_BYTES)
        files: int | None = len(re.findall(rb"^diff --git ", patch, re.MULTILINE))
    except PatchTooLarge:
        files = None
    return {
        "number": checkpoint.number,
        "step": step,
        "at": entry.at.isoformat() if entry else "",
        "files": files,
        "sha": checkpoint.sha,
    }


async def _difference(store: TaskStore, mirror: Mirror, kept: Kept, *, old: int | None, new: int | None) -> int:
    del store
    last = kept.checkpoints[-1].number if kept.checkpoints else 0
    sides = kept.commit(old or 0), kept.commit(last if new is None else new)
    show_patch(await mirror.difference(kept.base, *sides, limit=DIFFERENCE_BYTES))
    return 0


async def _restore(store: TaskStore, mirror: Mirror, kept: Kept, *, at: int) -> int:
    from pullwright.sandbox.checkout import read_branches

    del store
    patch = await mirror.difference(kept.base, kept.base.sha, kept.commit(at), limit=DIFFERENCE_BYTES)
    if not patch:
        raise TaskError(
            f"checkpoint {at} of task {kept.task.id!r} has the files of the base: nothing is to be restored"
        )
    checkout = await _checkout(kept.task)
    branch = _free(f"pullwright/{kept.task.id}-at-{at}", await read_branches(checkout))
    meta = CommitMeta(branch=branch, title=f"Files of task {kept.task.id} at checkpoint {at}")
    # Committed once more, so that policy looks at links and submodules before they reach a work tree.
    change = await mirror.commit(kept.task.spec.repository, kept.base, patch, meta, allow_paths=ANYTHING)
    await mirror.deliver(change, checkout)
    sys.stdout.write(f"{branch}\n")
    complain(f"nobody has checked these files; look at them with: git diff {kept.base.sha[:12]} {branch}")
    return 0


async def _checkout(task: Task) -> Path:
    if task.spec.checkout:
        return Path(task.spec.checkout)
    origin = await wiring.read_origin("")
    wanted = task.spec.repository
    here = origin.remote
    if origin.checkout is None or here is None or (here.host, here.slug.lower()) != (wanted.host, wanted.slug.lower()):
        raise ConfigError(f"this is no checkout of {wanted.slug!r}; change into one and do it again")
    return origin.checkout


def _free(name: str, taken: frozenset[str]) -> str:
    """Return a branch name that nothing is called by, with a number after it when it must be."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free


async def _fork(store: TaskStore, mirror: Mirror, kept: Kept, *, words: str, at: int, json: bool) -> int:
    del mirror
    if not words.strip():
        raise ConfigError("there is nothing to do; say what in words")
    spec = replace(
        kept.task.spec,
        source="cli",
        instruction=words,
        title=words.strip().splitlines()[0][:120],
        # Without a branch of its own the new run stays on the commit that the files were made on.
        base_ref=kept.task.spec.base_ref or kept.base.sha,
        start=kept.commit(at),
        start_base=kept.base.sha,
        work_key="",
        parent_id=kept.task.id,
        not_before=None,
    )
    task = await store.create(spec)
    sys.stdout.write((json_.dumps({"task": task.id}) if json else task.id) + "\n")
    complain(f"filed; a worker takes it, or run it now with: agent worker --task {task.id}")
    return 0
