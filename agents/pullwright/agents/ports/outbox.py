"""The role of the outbox: a change outside is noted before it is made, and looked up before it is repeated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pullwright.agents.task import Task


class EffectStatus(StrEnum):
    """How far a change outside has come."""

    INTENDED = "intended"
    """It may have been made, or not: look it up before it is made again."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One change outside: a push, a pull request, a comment, a transition."""

    task_id: str
    key: str
    """Names the effect within the task, whatever attempt makes it: ``pull_request``, ``comment:started``."""
    kind: str
    status: EffectStatus
    external_id: str = ""
    """What the other side calls it."""
    url: str = ""


class OutboxStore(Protocol):
    """Effects that survive any crash. Each method is one transaction, as in ``TaskStore``."""

    async def intend(self, task: Task, key: str, *, kind: str) -> tuple[Effect, bool]:
        """Note that an effect is about to be made; return it as it stands, and whether it is new.

        Raises:
            LeaseLost: The attempt is over, or its lease has run out.
        """
        ...

    async def settle(self, task: Task, key: str, *, external_id: str = "", url: str = "") -> Effect:
        """Note that an effect was made, or was found made.

        Raises:
            LeaseLost: ``task.attempt`` is not the current attempt; the look-up finds the effect later.
            LookupError: Nobody ever intended it.
        """
        ...

    async def effects(self, task_id: str) -> Sequence[Effect]:
        """Return the effects of a task, oldest first."""
        ...
