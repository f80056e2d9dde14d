"""Keeper: turns the files of a running sandbox into checkpoints, step by step, that any host can restore.

Each checkpoint is a commit in this host's mirror and, before the journal names it, a patch in the blob store: on the
checkpoint before it, or on the base from time to time, so that no chain of patches gets long.
"""

from __future__ import annotations

import logging
import zlib
from dataclasses import dataclass, replace
from typing import Final

from anyio import to_thread

from pullwright.agents.errors import ChangeError, SandboxError
from pullwright.agents.events import CheckpointMade
from pullwright.agents.ports.blobs import BlobStore
from pullwright.agents.ports.mirror import Checkpoint, Mirror
from pullwright.agents.ports.sandbox import Base, Sandbox
from pullwright.agents.recorder import RunRecorder

logger = logging.getLogger(__name__)

DELTA_BYTES: Final = 32 << 20
"""Largest difference between two checkpoints; a larger one is not kept until it has become smaller."""

LONGEST_CHAIN: Final = 16
"""Patches that have to be replayed for one checkpoint, at most."""

SMALL_CHAIN: Final = 64 << 10
"""Bytes of patches since the last whole one that are never worth another whole one."""


def blob_name(number: int) -> str:
    """Return the name of the blob that holds a checkpoint's patch."""
    return f"checkpoint/{number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """The last checkpoint, and the chain of patches that leads to it."""

    event: CheckpointMade
    links: int
    linked: int
    """Bytes of the patches since the last whole one."""
    enough: int = SMALL_CHAIN
    """Bytes of such patches after which a whole one is tried."""

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint(number=self.event.number, sha=self.event.sha, tree=self.event.tree)

    @property
    def long(self) -> bool:
        return self.links >= LONGEST_CHAIN or self.linked > self.enough


class Keeper:
    """Keeps the files of one run. A checkpoint that can not be made costs the run nothing but the checkpoint."""

    def __init__(self, *, mirror: Mirror, blobs: BlobStore, recorder: RunRecorder, base: Base) -> None:
        self._mirror = mirror
        self._blobs = blobs
        self._recorder = recorder
        self._base = base
        self._last: tuple[Sandbox, _Kept] | None = None

    async def keep(self, sandbox: Sandbox, step: int) -> None:
        """Keep the files as they are after a step; when they are those of the last checkpoint, say so.

        Raises:
            LeaseLost: Another attempt owns the run.
            StoreUnavailable: The database did not answer.
        """
        last = self._last[1] if self._last is not None and self._last[0] is sandbox else None
        self._last = None  # whatever fails from here on, the next one counts from the base again
        try:
            patch = await sandbox.delta(whole=last is None, limit=DELTA_BYTES)
            if patch is None and last is not None:
                made = last
            else:
                made = await self._make(patch or b"", last, step)
        except (SandboxError, ChangeError) as exc:
            logger.info("no checkpoint after step %d: %s", step, exc)
            return
        await self._recorder.record(replace(made.event, step=step))
        self._last = (sandbox, made)

    async def _make(self, patch: bytes, last: _Kept | None, step: int) -> _Kept:
        task_id, number = self._recorder.task.id, self._recorder.state.checkpoints + 1
        parent = last.checkpoint if last else None
        made = await self._mirror.checkpoint(self._base, patch, task_id=task_id, number=number, parent=parent)
        event = CheckpointMade(step=step, number=number, sha=made.sha, tree=made.tree)
        if last is None:
            kept = _Kept(event=event, links=1, linked=0, enough=max(SMALL_CHAIN, len(patch)))
        else:
            event = replace(event, parent=last.event.number)
            linked = last.linked + len(patch)
            kept = _Kept(event=event, links=last.links + 1, linked=linked, enough=last.enough)
            if kept.long:
                patch, kept = await self._whole(patch, kept)
        await self._blobs.put(self._recorder.task, blob_name(number), await to_thread.run_sync(zlib.compress, patch))
        return kept

    async def _whole(self, patch: bytes, kept: _Kept) -> tuple[bytes, _Kept]:
        """Return the patch on the base instead of one that ends a long chain."""
        limit = DELTA_BYTES if kept.links >= LONGEST_CHAIN else kept.linked
        try:
            whole = await self._mirror.difference(self._base, self._base.sha, kept.event.sha, limit=limit)
        except ChangeError:  # the chain is still the shorter way
            return patch, replace(kept, enough=2 * kept.linked)
        enough = max(SMALL_CHAIN, len(whole))
        return whole, _Kept(event=replace(kept.event, parent=0), links=1, linked=0, enough=enough)
