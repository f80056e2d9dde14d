"""What is kept of a run's files: found in its journal, and brought to this host wherever it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Final

import anyio

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import BlobMissing, ConfigError, IntegrationError, TaskError
from pullwright.agents.events import CheckpointMade, JournalEntry, RunStarted
from pullwright.agents.ports.blobs import BlobStore
from pullwright.agents.ports.code_host import Access
from pullwright.agents.ports.mirror import Mirror
from pullwright.agents.ports.sandbox import Base
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.task import Task
from pullwright.agents.worker.restore import Restorer, base_of_run, kept_patch
from pullwright.agents.worker.signed_in import signed_in
from pullwright.cli import wiring
from pullwright.cli.settings import Settings

DIFFERENCE_BYTES: Final = 256 << 20
"""Largest difference that is shown or brought into a checkout."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What the journal of a task says about its files."""

    task: Task
    started: RunStarted
    entries: Sequence[JournalEntry]
    """Those that tell of a checkpoint, in order; one that several steps ended with is there for each."""

    @cached_property
    def steps(self) -> Sequence[CheckpointMade]:
        """The checkpoint of each step, as the run went; a step that was taken again comes twice."""
        return [entry.event for entry in self.entries if isinstance(entry.event, CheckpointMade)]

    @cached_property
    def first(self) -> Mapping[int, JournalEntry]:
        """By the number of each checkpoint, the entry of the step that it was made after."""
        found: dict[int, JournalEntry] = {}
        for entry, made in zip(self.entries, self.steps, strict=True):
            found.setdefault(made.number, entry)
        return dict(sorted(found.items()))

    @cached_property
    def checkpoints(self) -> Mapping[int, CheckpointMade]:
        """The checkpoints by number."""
        return {made.number: made for made in sorted(self.steps, key=lambda made: made.number)}

    @property
    def last(self) -> int:
        """The highest number; 0, which is the base, without a checkpoint."""
        return max(self.checkpoints, default=0)

    def commit(self, number: int) -> str:
        """Return the commit of a checkpoint; 0 is the base.

        Raises:
            TaskError: There is no checkpoint of this number.
        """
        if number == 0:
            return self.started.base_sha
        if number not in self.checkpoints:
            raise TaskError(f"task {self.task.id!r} has no checkpoint {number}; see `agent checkpoints {self.task.id}`")
        return self.checkpoints[number].sha

    def after(self, step: int) -> tuple[str, str]:
        """Return the commit with the files as they were after a step, and the base that it was made on.

        Where no step had changed them yet these are what the task itself started with.
        """
        found = next((made.sha for made in reversed(self.steps) if made.step <= step), None)
        if found is None and self.task.spec.start:
            return self.task.spec.start, self.task.spec.start_base
        return found or self.started.base_sha, self.started.base_sha


class Files:
    """The files of one task on this host; a checkpoint of another host is made again when it is asked for."""

    def __init__(self, mirror: Mirror, blobs: BlobStore, kept: Kept, repository: RepositoryRef, base: Base) -> None:
        self._mirror = mirror
        self._restorer = Restorer(mirror=mirror, blobs=blobs)
        self._kept = kept
        self.repository = repository
        self.base = base

    async def commit(self, number: int) -> str:
        """Return the commit of a checkpoint, which is in this host's mirror then; 0 is the base.

        Raises:
            TaskError: There is no checkpoint of this number.
            BlobMissing, ChangeError: It can not be made again here.
        """
        sha = self._kept.commit(number)
        if number == 0:
            return sha
        known = self._kept.checkpoints
        made = await self._restorer.restore(self.base, known[number], known, task_id=self._kept.task.id)
        return made.sha

    async def difference(self, old: int, new: int) -> bytes:
        """Return the patch between two checkpoints; errors as of ``commit``, and ``PatchTooLarge``."""
        sides = await self.commit(old), await self.commit(new)
        return await self._mirror.difference(self.base, *sides, limit=DIFFERENCE_BYTES)


async def read_kept(store: TaskStore, task_id: str) -> Kept:
    """Read what the journal says.

    Raises:
        TaskError: The task has not begun.
    """
    task = await store.get(task_id)
    journal = await store.journal(task.id)
    started = [entry.event for entry in journal if isinstance(entry.event, RunStarted)]
    if not started:
        raise TaskError(f"task {task.id!r} has no checkpoint; it is {task.status.value}")
    made = [entry for entry in journal if isinstance(entry.event, CheckpointMade)]
    return Kept(task=task, started=started[-1], entries=made)


async def open_files(settings: Settings, mirror: Mirror, blobs: BlobStore, kept: Kept) -> Files:
    """Fetch the base of a task to this host, if it is not here.

    Raises:
        IntegrationError: The repository or the commit can not be had from here.
    """
    repository = kept.task.spec.repository
    host = wiring.code_host(settings, repository) if repository.host else None
    fetch = partial(base_of_run, mirror, repository, kept.started)
    try:
        base = await signed_in(host, repository, Access.READ, fetch)
    except IntegrationError:
        # The task was filed in a checkout of another host: the same commit in the one here has the same files.
        here = None if repository.host else await _checkout_here()
        if here is None:
            raise
        repository = replace(repository, url=str(here))
        base = await base_of_run(mirror, repository, kept.started, None)
    return Files(mirror, blobs, kept, repository, base)


async def _checkout_here() -> Path | None:
    with suppress(ConfigError):
        return (await wiring.read_origin("")).checkout
    return None


async def read_patch(store: BlobStore, task: Task) -> bytes:
    """Return the patch of a task's work: as the store has it, or else as this host's file has it.

    In that order: this host may have an older attempt's file.

    Raises:
        TaskError: Neither has it.
    """
    try:
        return await kept_patch(store, task.id)
    except BlobMissing as exc:
        try:
            return await anyio.Path(task.patch_path).read_bytes()
        except OSError:
            raise TaskError(f"the patch of task {task.id!r} is gone: {exc}") from exc
