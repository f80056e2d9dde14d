"""The role of the inbox: what other systems told us, kept until it has become a task, a message or a reasoned no.

A webhook's request does nothing but ``receive``. Everything else, asking the other system included, happens later to
deliveries that were taken under a lease, one at a time for each piece of work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskSpec

TAKEN_SECONDS: Final = 60.0
"""How long a delivery that was taken is left to who took it."""

MAX_PUT_OFF: Final = 15
"""How often a delivery is put off before it has failed; with the growing pauses that is about a day."""


class Receipt(StrEnum):
    """What became of a delivery at the door."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """This delivery, or another one with the same meaning, is known already."""


class DeliveryStatus(StrEnum):
    """How far a delivery has come."""

    WAITING = "waiting"
    FILED = "filed"
    """It became a task."""
    TOLD = "told"
    """It was told to a live task: as a message, an answer or a stop."""
    IGNORED = "ignored"
    REFUSED = "refused"
    """Somebody who may not, or something that can not be done; ``reason`` says which."""
    ANSWERED = "answered"
    """It was a question, and is answered."""
    FAILED = "failed"
    """It was put off too often. When the other system delivers it once more, it waits again."""

    @property
    def settled(self) -> bool:
        """Whether nothing more happens to it."""
        return self is not DeliveryStatus.WAITING


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDelivery:
    """What came through the door, verified and understood, but not acted on."""

    source: str
    """The adapter that understands ``content``: ``github``, ``jira`` …"""
    connection: str
    """Which hook, app or account of that source it came through."""
    key: str
    """The other system's own id of the delivery; unique within the source and connection."""
    meaning_key: str = ""
    """Names what it means, however often and by whichever hook of the source it is told; empty for what has no such
    name."""
    work_key: str = ""
    """The piece of work that it is about; deliveries of one piece are taken in order, one at a time."""
    kind: str = ""
    """What it means, in a word, for people."""
    content: str = ""
    """The adapter's own JSON."""
    ignored: str = ""
    """Why nothing needs to be done about it; it is noted as ``ignored`` at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A delivery as it stands."""

    id: str
    source: str
    connection: str
    key: str
    meaning_key: str
    work_key: str
    kind: str
    content: str
    status: DeliveryStatus
    reason: str = ""
    task_id: str = ""
    """The task that it became, or that was told."""
    put_off: int = 0
    """How often it could not be dealt with."""
    turn: int = 0
    """Counts how often it was taken, and is the fence of who has it."""
    received_at: datetime
    run_at: datetime | None = None


class InboxStore(Protocol):
    """Deliveries that survive any crash. Each method is one transaction, as in ``TaskStore``."""

    async def receive(self, delivery: NewDelivery) -> Receipt:
        """Keep a delivery, unless it or its meaning is known already. Cheap: this is all that a request waits for."""
        ...

    async def take(self, worker_id: str, *, limit: int = 1) -> Sequence[Delivery]:
        """Return deliveries that are due, oldest first, for ``TAKEN_SECONDS``; of one work key the oldest only.

        Two callers never have one delivery at the same time, nor two deliveries of one work key. What a worker holds
        that is retired, or known to be dead, is taken over at once.
        """
        ...

    async def file(self, delivery: Delivery, spec: TaskSpec) -> Task:
        """Make the task and settle the delivery as ``filed``, in one transaction.

        Raises:
            DuplicateTask: A live task has the work key; nothing was changed.
            LeaseLost: Somebody else has taken the delivery since.
        """
        ...

    async def tell(self, delivery: Delivery, task_id: str, kind: SignalKind, text: str, *, author: str = "") -> Task:
        """Tell a task something, as ``TaskStore.send`` with the delivery's key, and settle the delivery as ``told``.

        When the task ends without having heard it, and nobody stopped it, the delivery waits again.

        Raises:
            TaskNotFound, IllegalTransition: Nothing was changed.
            LeaseLost: Somebody else has taken the delivery since.
        """
        ...

    async def stop(self, delivery: Delivery, task_id: str, *, reason: str) -> Task:
        """Ask for the end of a task, as ``TaskStore.cancel``, and settle the delivery as ``told``.

        A task that is ``canceling`` already, or over, stays as it is.

        Raises:
            TaskNotFound: Nothing was changed.
            LeaseLost: Somebody else has taken the delivery since.
        """
        ...

    async def name(self, delivery: Delivery, meaning_key: str) -> bool:
        """Note what a delivery means, now that it is known; False when another one with that meaning is known.

        Raises:
            LeaseLost: Somebody else has taken the delivery since.
        """
        ...

    async def conclude(self, delivery: Delivery, status: DeliveryStatus, reason: str, *, task_id: str = "") -> Delivery:
        """End a delivery without a task of its own; ``status`` is one that is settled.

        Raises:
            LeaseLost: Somebody else has taken the delivery since.
        """
        ...

    async def put_off(self, delivery: Delivery, *, seconds: float, reason: str) -> Delivery:
        """Leave a delivery for later, or as ``failed`` when that happened too often.

        Raises:
            LeaseLost: Somebody else has taken the delivery since.
        """
        ...

    async def deliveries(
        self, *, limit: int = 50, status: DeliveryStatus | None = None, source: str = ""
    ) -> Sequence[Delivery]:
        """Return the newest first; only those of a status or a source, if one is given."""
        ...

    async def tasks_of(self, work_key: str) -> Sequence[Task]:
        """Return the tasks of a piece of work, newest first."""
        ...

    async def tasks_behind(self, pull_request_url: str) -> Sequence[Task]:
        """Return the tasks that a pull request came from, newest first."""
        ...

    async def origin(self, task_id: str) -> Delivery | None:
        """Return the delivery that became a task."""
        ...

    async def wait_for_deliveries(self, seconds: float) -> None:
        """Return as soon as there may be something to take, at the latest after ``seconds``."""
        ...

    async def forget_deliveries(self, *, before: datetime) -> int:
        """Remove settled deliveries that are older, and their effects; return how many. Keep at least 14 days."""
        ...
