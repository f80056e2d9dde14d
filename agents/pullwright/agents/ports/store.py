"""The role of the durable store: tasks, their journals, and what people tell a run while it goes on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Protocol

from pullwright.agents.budget import NOTHING, Spent
from pullwright.agents.events import JournalEntry, RunEvent
from pullwright.agents.task import Task, TaskSpec, TaskStatus


class SignalKind(StrEnum):
    """What a person tells a run."""

    MESSAGE = "message"
    """Words for the model at its next step."""
    ANSWER = "answer"
    """What a waiting task waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Something a person told a run; it stays until the run has taken it into its journal."""

    id: str
    task_id: str
    kind: SignalKind
    text: str
    author: str = ""
    created_at: datetime


class TaskStore(Protocol):
    """Tasks and journals that survive any crash.

    Every method is one transaction: when it returns, the effect is durable; when it raises or is cancelled before it
    started, nothing has happened. A statement that has begun is finished even when the caller is cancelled. A database
    that does not answer for a while is waited for; ``StoreUnavailable`` comes only after that.
    """

    async def create(self, spec: TaskSpec) -> Task:
        """File a task as ``queued``, or as ``scheduled`` when ``spec.not_before`` is still to come.

        Raises:
            DuplicateTask: A live task has the same work key.
        """
        ...

    async def get(self, task_id: str) -> Task:
        """Return a task by its id, or by a prefix of it that fits exactly one.

        Raises:
            TaskNotFound: None fits, or several do.
        """
        ...

    async def status(self, task_id: str) -> TaskStatus:
        """Return the status of the task with exactly this id; cheap enough to be asked often.

        Raises:
            TaskNotFound: There is none.
        """
        ...

    async def list(self, *, limit: int = 50, statuses: Collection[TaskStatus] | None = None) -> Sequence[Task]:
        """Return the newest tasks first, those with one of ``statuses`` only if that is given."""
        ...

    async def append(
        self, task: Task, events: Sequence[RunEvent], *, consumed: Collection[str] = (), spent: Spent = NOTHING
    ) -> Sequence[JournalEntry]:
        """Append events to the journal of a claimed task and take the signals ``consumed`` away, all or none.

        In the same transaction ``spent`` is added to what the task's lane has spent today.

        Raises:
            LeaseLost: ``task.attempt`` is not the current attempt.
        """
        ...

    async def finish(self, task: Task, status: TaskStatus, event: RunEvent, *, reason: str = "") -> Task:
        """End an attempt and its task: change the status and append the event in one transaction.

        Branch, pull request and patch path of the task are taken from the journal's ``change.published`` and
        ``run.finished`` events.

        Raises:
            LeaseLost: ``task.attempt`` is not the current attempt.
            IllegalTransition: The current status does not allow it.
        """
        ...

    async def cancel(self, task_id: str, *, reason: str) -> Task:
        """Ask for an end: a task that nobody works on is ``canceled`` at once, a running one becomes ``canceling``.

        Raises:
            TaskNotFound, IllegalTransition.
        """
        ...

    async def reject(self, task_id: str, *, reason: str) -> Task:
        """End a task that can not be begun: a queued one becomes ``rejected``.

        Raises:
            TaskNotFound, IllegalTransition.
        """
        ...

    async def send(self, task_id: str, kind: SignalKind, text: str, *, author: str = "", key: str = "") -> Task:
        """Tell a run something. An answer makes a waiting task ``queued`` in the same transaction.

        Args:
            task_id: Exactly the task's id.
            kind: A message for the next step, or the answer that the task waits for.
            text: The words.
            author: Who says so, for the journal.
            key: Names this signal for ever; a second one with the same key changes nothing. Empty for none.

        Raises:
            TaskNotFound: There is no such task.
            IllegalTransition: The task is over, or does not wait for an answer.
        """
        ...

    async def signals(self, task_id: str) -> Sequence[Signal]:
        """Return what was told and not taken into the journal yet, oldest first."""
        ...

    async def spent(self, *, lane: str = "", day: date | None = None) -> Spent:
        """Return what was spent on a day (UTC, by the database's clock), which is today when none is given.

        Of its tokens only prompt, cached and completion tokens are known. Dollars are 0 where nothing had a price.

        Args:
            lane: Only this one; empty for all together.
            day: Which day.
        """
        ...

    async def journal(self, task_id: str, *, after: int = 0) -> Sequence[JournalEntry]:
        """Return the entries with a number greater than ``after``, in order and without gaps."""
        ...

    async def wait(self, task_id: str, *, after: int) -> None:
        """Return as soon as the journal may have an entry with a number greater than ``after``; may return early."""
        ...
