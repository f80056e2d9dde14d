"""The role of the scheduler: which worker advances which task, and for how long nobody else may.

A lease is a task's attempt number. It holds while its worker's heartbeats come; a writer with an older number is
refused by every method of the store (the fence), so that a worker which only thinks that it holds a task does no harm.
All times are the database's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from pullwright.agents.budget import DayLimits
from pullwright.agents.events import RunEvent
from pullwright.agents.ports.outbox import Holder
from pullwright.agents.task import Task, TaskStatus, WaitReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a heartbeat says about one task that the worker holds."""

    attempt: int
    status: TaskStatus
    """``running``, or ``canceling`` when the worker is to stop."""
    signals: int = 0
    """How many signals wait to be taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A process that advances tasks."""

    id: str
    """Made fresh by each process: two that were started with one name do not mix."""
    name: str = ""
    host: str = ""
    pid: int = 0
    version: str = ""
    place: str = ""
    """The installation that it belongs to; it can take tasks that only this one can work on."""
    slots: int = 1
    """How many runs it advances at once."""
    draining: bool = False
    """It finishes what it has and claims nothing more."""
    running: int = 0
    started_at: datetime | None = None
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Which tasks a worker claims."""

    place: str = ""
    """Besides those that any worker can do, those that only this installation can."""
    limits: DayLimits = field(default_factory=DayLimits)
    """No task is begun of a lane that has spent this much today; those that were begun go on."""


ANY_TASK: Final = Terms()


class AttemptOutcome(StrEnum):
    """How a lease ended."""

    FINISHED = "finished"
    WAITING = "waiting"
    YIELDED = "yielded"
    RETRIED = "retried"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One lease of a task, for people who ask what happened."""

    task_id: str
    number: int
    worker_id: str
    started_at: datetime
    ended_at: datetime | None = None
    outcome: AttemptOutcome | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneStats:
    """One lane as it stands."""

    key: str
    weight: float
    max_running: int
    paused: bool
    queued: int
    running: int


class LeaseStore(Protocol):
    """What workers need of the store. Each method is one transaction, as in ``TaskStore``."""

    async def claim(self, worker_id: str, task_id: str | None = None, *, terms: Terms = ANY_TASK) -> Task | None:
        """Make a queued task ``running`` with the next attempt number and a lease of ``LEASE_SECONDS``.

        Without ``task_id`` it is the next task of the lane whose turn it is: by priority, then by age. A lane never has
        more than its ``max_running`` tasks running this way, and only what the terms allow is claimed; lanes that have
        nothing else keep nobody waiting. A named task is taken whatever its lane and the limits of the day say, but
        at its place only.

        Returns None when there is nothing to claim. Two callers never claim one task.
        """
        ...

    async def beat(self, worker_id: str) -> Mapping[str, Held]:
        """Extend every lease of a worker and return what it holds, by task id; in one statement.

        A task that is missing from the answer belongs to somebody else now: its work must stop at once. One that the
        worker does not know of was claimed by a call whose answer got lost: the worker gives it back.
        """
        ...

    async def confirm(self, task: Holder) -> None:
        """Check the lease right before something outside is changed.

        Raises:
            LeaseLost: The attempt or turn is over, or its lease has run out.
        """
        ...

    async def park(self, task: Task, wait: WaitReason, event: RunEvent, *, question: str) -> Task:
        """End an attempt: the task waits, without lease, slot or container, until somebody answers.

        A task that is ``canceling`` becomes ``canceled`` instead.

        Raises:
            LeaseLost: ``task.attempt`` is not the current attempt.
        """
        ...

    async def release(self, task: Task, *, reason: str) -> Task:
        """End an attempt at a step boundary: the task is ``queued`` again, or ``canceled`` if that was asked for.

        Raises:
            LeaseLost: ``task.attempt`` is not the current attempt.
        """
        ...

    async def retry(self, task: Task, *, reason: str) -> Task:
        """End an attempt that trouble around it stopped: ``scheduled`` after a growing pause, ``failed`` in the end.

        Raises:
            LeaseLost: ``task.attempt`` is not the current attempt.
        """
        ...

    async def backlog(self, terms: Terms = ANY_TASK) -> bool:
        """Say whether a task stands in the queue that could be claimed now."""
        ...

    async def tend(self) -> Sequence[Task]:
        """Do what is due: queue scheduled tasks, and take back those whose lease ran out or whose worker has died.

        Any number of workers may call this at any time. Returns the tasks that were taken back. When the database was
        restarted or could not be reached, leases are not taken back until every worker had time for a heartbeat.
        """
        ...

    async def wait_for_work(self, seconds: float) -> None:
        """Return as soon as there may be something new to claim, at the latest after ``seconds``."""
        ...

    async def enlist(self, worker: Worker) -> None:
        """Make a worker known, and hold its life line for as long as the store is open."""
        ...

    async def drain(self, worker_id: str) -> None:
        """Note that a worker claims nothing more."""
        ...

    async def retire(self, worker_id: str) -> None:
        """Note that a worker has ended; what it still holds is taken back at the next ``tend``, whatever it beats."""
        ...

    async def workers(self) -> Sequence[Worker]:
        """Return the workers that are alive."""
        ...

    async def attempts(self, task_id: str) -> Sequence[Attempt]:
        """Return the attempts at a task, oldest first."""
        ...

    async def lanes(self) -> Sequence[LaneStats]:
        """Return the lanes that have work or settings of their own, by key."""
        ...

    async def set_lane(
        self, key: str, *, weight: float | None = None, max_running: int | None = None, paused: bool | None = None
    ) -> None:
        """Change the settings of a lane, which need not have had a task yet.

        Raises:
            ConfigError: ``weight`` is not above 0, or ``max_running`` is below 0.
        """
        ...

    async def recount(self) -> int:
        """Count the lanes' tasks again and return how many lanes were wrong; rows may have been edited by hand."""
        ...
