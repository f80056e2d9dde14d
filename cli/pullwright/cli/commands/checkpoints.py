"""``agent checkpoints``, ``restore``, ``fork`` and the differences of ``diff``: the files of a run at any step.

All of them work from any host: what is not in the mirror of this one is made again of what the store holds.
"""

from __future__ import annotations

import json as json_
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from pullwright.agents.errors import BlobMissing, ChangeError, ConfigError, IntegrationError, TaskError
from pullwright.agents.events import CheckpointMade
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.mirror import CommitMeta, Mirror
from pullwright.agents.task import Task
from pullwright.cli import wiring
from pullwright.cli.commands.tasks import show_patch, with_store
from pullwright.cli.kept import Files, Kept, open_files, read_kept
from pullwright.cli.settings import Settings, load_settings
from pullwright.cli.speech import complain

ANYTHING: Final = ("*",)
"""In a person's own checkout nothing starts by itself: there, every protected path may be looked at."""

ELSEWHERE: Final = (IntegrationError, BlobMissing, ChangeError)
"""What says that files can not be had on this host, or are too large to look at."""


def checkpoints_command(task_id: str, *, json: bool) -> int:
    """Print the checkpoints of a task."""
    settings = load_settings(Path.cwd())
    return with_store(partial(_list, settings=settings, task_id=task_id, json=json), settings)


def difference_command(task_id: str, *, old: int | None, new: int | None) -> int:
    """Print the patch between two checkpoints, or the base and the last one."""
    return _with_files(task_id, partial(_difference, old=old, new=new))


def restore_command(task_id: str, *, at: int) -> int:
    """Bring the files of a checkpoint into a checkout, as a branch that is not switched to."""
    return _with_files(task_id, partial(_restore, at=at))


def fork_command(task_id: str, words: str, *, at: int, json: bool) -> int:
    """File a new task that starts with the files of a checkpoint."""
    return with_store(partial(_fork, task_id=task_id, words=words, at=at, json=json))


def _with_files(task_id: str, command: Callable[[Mirror, Kept, Files], Awaitable[int]]) -> int:
    settings = load_settings(Path.cwd())

    async def run(store: DurableStore) -> int:
        mirror = wiring.git_mirror(settings)
        kept = await read_kept(store, task_id)
        return await command(mirror, kept, await open_files(settings, mirror, store, kept))

    return with_store(run, settings)


async def _list(store: DurableStore, *, settings: Settings, task_id: str, json: bool) -> int:
    kept = await read_kept(store, task_id)
    try:
        files: Files | None = await open_files(settings, wiring.git_mirror(settings), store, kept)
    except ELSEWHERE as exc:
        complain(f"changed files are not counted: {exc}")
        files = None
    rows = [await _row(kept, files, number) for number in kept.checkpoints]
    if json:
        sys.stdout.writelines(json_.dumps(row) + "\n" for row in rows)
        return 0
    from rich.console import Console
    from rich.table import Table

    table = Table("number", "step", "made", "files changed", "commit", box=None, pad_edge=False)
    for row in rows:
        made = row["at"][:19].replace("T", " ")
        count = "" if row["files"] is None else row["files"]
        table.add_row(*(str(cell) for cell in (row["number"], row["step"], made, count, row["sha"][:12])))
    Console().print(table if rows else f"task {kept.task.id} has no checkpoints")
    return 0


async def _row(kept: Kept, files: Files | None, number: int) -> dict[str, Any]:
    entry = kept.first[number]
    assert isinstance(entry.event, CheckpointMade)
    count: int | None = None
    if files is not None:
        try:
            count = len(re.findall(rb"^diff --git ", await files.difference(0, number), re.MULTILINE))
        except ELSEWHERE as exc:
            complain(f"checkpoint {number} can not be looked at: {exc}")
    return {
        "number": number,
        "step": entry.event.step,
        "at": entry.at.isoformat(),
        "files": count,
        "sha": entry.event.sha,
    }


async def _difference(mirror: Mirror, kept: Kept, files: Files, *, old: int | None, new: int | None) -> int:
    del mirror
    show_patch(await files.difference(old or 0, kept.last if new is None else new))
    return 0


async def _restore(mirror: Mirror, kept: Kept, files: Files, *, at: int) -> int:
    from pullwright.sandbox.checkout import read_branches

    patch = await files.difference(0, at)
    if not patch:
        raise TaskError(
            f"checkpoint {at} of task {kept.task.id!r} has the files of the base: nothing is to be restored"
        )
    checkout = await _checkout(kept.task, files)
    branch = _free(f"pullwright/{kept.task.id}-at-{at}", await read_branches(checkout))
    meta = CommitMeta(branch=branch, title=f"Files of task {kept.task.id} at checkpoint {at}")
    # Committed once more, so that policy looks at links and submodules before they reach a work tree.
    change = await mirror.commit(files.repository, files.base, patch, meta, allow_paths=ANYTHING)
    await mirror.deliver(change, checkout)
    sys.stdout.write(f"{branch}\n")
    complain(f"nobody has checked these files; look at them with: git diff {files.base.sha[:12]} {branch}")
    return 0


async def _checkout(task: Task, files: Files) -> Path:
    if files.repository != task.spec.repository:
        return Path(files.repository.url)
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


async def _fork(store: DurableStore, *, task_id: str, words: str, at: int, json: bool) -> int:
    if not words.strip():
        raise ConfigError("there is nothing to do; say what in words")
    kept = await read_kept(store, task_id)
    spec = replace(
        kept.task.spec,
        source="cli",
        instruction=words,
        title=words.strip().splitlines()[0][:120],
        # Without a branch of its own the new run stays on the commit that the files were made on.
        base_ref=kept.task.spec.base_ref or kept.started.base_sha,
        start=kept.commit(at),
        start_base=kept.started.base_sha,
        work_key="",
        parent_id=kept.task.id,
        not_before=None,
    )
    task = await store.create(spec)
    sys.stdout.write((json_.dumps({"task": task.id}) if json else task.id) + "\n")
    complain(f"filed; a worker takes it, or run it now with: agent worker --task {task.id}")
    return 0
