"""The role of the outbox: a change outside is noted before it is made, and looked up before it is repeated.

Whoever makes it holds a task, by its attempt, a delivery that was taken, by its turn, or the duty to report on a
task or to tell people of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.notice import Telling
from pullwright.agents.ports.report import Report
from pullwright.agents.task import Task

Holder = Task | Delivery | Report | Telling
"""What a change outside is made for, as the one who makes it has it."""


class EffectStatus(StrEnum):
    """How far a change outside has come."""

    INTENDED = "intended"
    """It may have been made, or not: look it up before it is made again."""
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One change outside: a push, a pull request, a comment, a transition."""

    task_id: str
    """The task, the delivery, the report or the notices that it is made for."""
    key: str
    """Names the effect within that, whatever attempt makes it: ``pull_request``, ``comment:started``."""
    kind: str
    status: EffectStatus
    external_id: str = ""
    """What the other side calls it."""
    url: str = ""


class OutboxStore(Protocol):
    """Effects that survive any crash. Each method is one transaction, as in ``TaskStore``."""

    async def intend(self, task: Holder, key: str, *, kind: str) -> tuple[Effect, bool]:
        """Note that an effect is about to be made; return it as it stands, and whether it is new.

        Raises:
            LeaseLost: The attempt or turn is over, or its lease has run out.
        """
        ...

    async def settle(self, task: Holder, key: str, *, external_id: str = "", url: str = "") -> Effect:
        """Note that an effect was made, or was found made.

        Raises:
            LeaseLost: The attempt or turn is not the current one; the look-up finds the effect later.
            LookupError: Nobody ever intended it.
        """
        ...

    async def effects(self, task_id: str) -> Sequence[Effect]:
        """Return the effects of a task or delivery, oldest first."""
        ...
