"""Keeper: turns the files of a running sandbox into checkpoints, step by step."""

from __future__ import annotations

import logging
from typing import Final

from pullwright.agents.errors import ChangeError, SandboxError
from pullwright.agents.events import CheckpointMade
from pullwright.agents.ports.mirror import Checkpoint, Mirror
from pullwright.agents.ports.sandbox import Base, Sandbox
from pullwright.agents.recorder import RunRecorder

logger = logging.getLogger(__name__)

DELTA_BYTES: Final = 32 << 20
"""Largest difference between two checkpoints; a larger one is not kept until it has become smaller."""


class Keeper:
    """Keeps the files of one run. A checkpoint that can not be made costs the run nothing but the checkpoint."""

    def __init__(self, *, mirror: Mirror, recorder: RunRecorder, base: Base) -> None:
        self._mirror = mirror
        self._recorder = recorder
        self._base = base
        self._last: tuple[Sandbox, Checkpoint | None] | None = None

    async def keep(self, sandbox: Sandbox) -> None:
        """Make a checkpoint when the files differ from the last one.

        Raises:
            LeaseLost: Another attempt owns the run.
        """
        known = self._last is not None and self._last[0] is sandbox
        parent = self._last[1] if self._last is not None and known else None
        self._last = None  # whatever fails from here on, the next one counts from the base again
        try:
            patch = await sandbox.delta(whole=not known, limit=DELTA_BYTES)
            made = parent if patch is None else await self._make(patch, parent)
        except (SandboxError, ChangeError) as exc:
            logger.info("no checkpoint after step %d: %s", self._recorder.state.steps, exc)
            return
        self._last = (sandbox, made)

    async def _make(self, patch: bytes, parent: Checkpoint | None) -> Checkpoint:
        task, state = self._recorder.task, self._recorder.state
        number = state.checkpoint.number + 1 if state.checkpoint else 1
        made = await self._mirror.checkpoint(self._base, patch, task_id=task.id, number=number, parent=parent)
        await self._recorder.record(CheckpointMade(step=state.steps, number=made.number, sha=made.sha, tree=made.tree))
        return made
