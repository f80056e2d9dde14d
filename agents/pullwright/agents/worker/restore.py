"""Restorer: brings the files of a run to this host, whichever host they were made on."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from anyio import to_thread

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import BlobMissing, ChangeError, NotFound
from pullwright.agents.events import CheckpointMade, RunStarted
from pullwright.agents.ports.blobs import BlobStore
from pullwright.agents.ports.mirror import Checkpoint, Credential, Mirror
from pullwright.agents.ports.sandbox import Base
from pullwright.agents.task import Task
from pullwright.agents.worker.keeper import DELTA_BYTES, blob_name

logger = logging.getLogger(__name__)

RESTORE_BYTES: Final = 256 << 20
"""Largest difference between the base and a checkpoint that is brought into a workspace."""

PATCH_BLOB: Final = "patch"
"""The name of the blob that holds the last patch of a task's work."""

PATCH_BYTES: Final = 16 << 20
"""Largest patch that is taken out of a workspace."""


async def base_of_run(
    mirror: Mirror, repository: RepositoryRef, started: RunStarted, credential: Credential | None
) -> Base:
    """Return the base that a run was begun on, whatever became of the branch since; errors as of ``Mirror.sync``."""
    try:
        base = await mirror.sync(repository, started.base_sha, credential)
    except NotFound:  # not every host hands out a commit by its id, but it came with its branch
        await mirror.sync(repository, started.base_ref, credential)
        base = await mirror.sync(repository, started.base_sha, credential)
    return replace(base, ref=started.base_ref)


async def keep_patch(blobs: BlobStore, task: Task, patch: bytes) -> None:
    """Keep the patch of a task's work for whoever asks on another host.

    Raises:
        LeaseLost: Another attempt owns the task.
    """
    await blobs.put(task, PATCH_BLOB, await to_thread.run_sync(zlib.compress, patch))


async def kept_patch(blobs: BlobStore, task_id: str) -> bytes:
    """Return the last patch of a task's work.

    Raises:
        BlobMissing: There is none, or it is damaged.
    """
    packed = await blobs.read(task_id, PATCH_BLOB)
    return await to_thread.run_sync(_unpacked, packed, f"the patch of task {task_id!r}", PATCH_BYTES)


class Restorer:
    """Finds checkpoints in this host's mirror, or makes them again of the patches in the blob store."""

    def __init__(self, *, mirror: Mirror, blobs: BlobStore) -> None:
        self._mirror = mirror
        self._blobs = blobs

    async def patch(
        self, base: Base, made: CheckpointMade, known: Mapping[int, CheckpointMade], *, task_id: str
    ) -> bytes:
        """Return what a checkpoint changes on the base.

        Args:
            base: The base of the task.
            made: The checkpoint.
            known: Every checkpoint of the task by its number.
            task_id: Whose checkpoint it is.

        Raises:
            BlobMissing: A part of it is not there, or is not what was kept.
            ChangeError: It does not fit together any more, or is too large.
        """
        checkpoint = await self.restore(base, made, known, task_id=task_id)
        try:
            return await self._mirror.difference(base, base.sha, checkpoint.sha, limit=RESTORE_BYTES)
        except NotFound as exc:
            raise BlobMissing(f"checkpoint {made.number} of task {task_id!r} is damaged: {exc}") from exc

    async def restore(
        self, base: Base, made: CheckpointMade, known: Mapping[int, CheckpointMade], *, task_id: str
    ) -> Checkpoint:
        """See to it that a checkpoint is in this host's mirror, and return it; errors as of ``patch``."""
        here = {one.number: one for one in await self._mirror.checkpoints(base, task_id=task_id)}
        missing: list[CheckpointMade] = []
        at: CheckpointMade | None = made
        while at is not None and not _is(here.get(at.number), at):
            missing.append(at)
            parent, at = at.parent, known.get(at.parent) if at.parent < at.number else None
            if parent and at is None:
                raise BlobMissing(f"checkpoint {parent} of task {task_id!r} is not in the journal")
        checkpoint = here[at.number] if at is not None else None
        for event in reversed(missing):
            checkpoint = await self._again(base, event, checkpoint, task_id)
        assert checkpoint is not None  # ``made`` was here, or was made again
        return checkpoint

    async def _again(self, base: Base, event: CheckpointMade, parent: Checkpoint | None, task_id: str) -> Checkpoint:
        packed = await self._blobs.read(task_id, blob_name(event.number))
        patch = await to_thread.run_sync(_unpacked, packed, f"the patch of checkpoint {event.number}", DELTA_BYTES)
        made = await self._mirror.checkpoint(base, patch, task_id=task_id, number=event.number, parent=parent)
        if made.tree != event.tree:
            raise BlobMissing(f"checkpoint {event.number} of task {task_id!r} is not what was kept")
        logger.info("checkpoint %d was made again from its patch", event.number, extra={"task": task_id})
        return made


UNUSABLE: Final = (BlobMissing, ChangeError)
"""What says that a checkpoint's files can not be had."""


def _is(found: Checkpoint | None, wanted: CheckpointMade) -> bool:
    return found is not None and found.tree == wanted.tree


def _unpacked(packed: bytes, what: str, limit: int) -> bytes:
    reader = zlib.decompressobj()
    try:
        patch = reader.decompress(packed, limit)
    except zlib.error as exc:
        raise BlobMissing(f"{what} is damaged: {exc}") from exc
    # What is exactly as long as it may be has its end still to come.
    if not reader.eof and (reader.decompress(reader.unconsumed_tail, 1) or not reader.eof):
        raise BlobMissing(f"{what} is not whole")
    return patch
