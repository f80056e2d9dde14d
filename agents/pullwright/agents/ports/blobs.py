"""The role of blob storage: what belongs to a run and is too large for an event, above all its checkpoints."""

from __future__ import annotations

from typing import Protocol

from pullwright.agents.task import Task


class BlobStore(Protocol):
    """Named bytes of a task. Each method is one transaction, as in ``TaskStore``."""

    async def put(self, task: Task, name: str, content: bytes) -> None:
        """Keep bytes under a name, in place of what had it before; large ones are stored in pieces.

        Raises:
            LeaseLost: ``task.attempt`` is not the current attempt.
        """
        ...

    async def read(self, task_id: str, name: str) -> bytes:
        """Return what was kept, checked against its SHA-256.

        Raises:
            BlobMissing: Nothing has the name, or what is there is not what was kept.
        """
        ...

    async def forget(self, task_id: str) -> int:
        """Remove all blobs of a task and return how many there were."""
        ...
