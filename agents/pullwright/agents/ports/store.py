"""The role of the durable store: tasks and their journals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from pullwright.agents.events import JournalEntry, RunEvent
from pullwright.agents.task import Task, TaskSpec, TaskStatus


class TaskStore(Protocol):
    """Tasks and journals that survive any crash.

    Every method is one transaction: when it returns, the effect is durable; when it raises or is cancelled before it
    started, nothing has happened. A statement that has begun is finished even when the caller is cancelled.
    """

    async def create(self, spec: TaskSpec) -> Task:
        """File a task as ``queued``.

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

    async def claim(self, task_id: str | None = None) -> Task | None:
        """Make a queued task (the given one, or the oldest) ``running`` with the next attempt number.

        Returns None when there is none. Two callers never claim one task.
        """
        ...

    async def append(self, task: Task, events: Sequence[RunEvent]) -> Sequence[JournalEntry]:
        """Append events to the journal of a claimed task, all or none.

        Raises:
            LeaseLost: ``task.attempt`` is not the current attempt.
        """
        ...

    async def finish(self, task: Task, status: TaskStatus, event: RunEvent, *, reason: str = "") -> Task:
        """End an attempt: change the status and append the event in one transaction.

        Branch, pull request and patch path of the task are taken from the journal's ``change.published`` and
        ``run.finished`` events.

        Raises:
            LeaseLost: ``task.attempt`` is not the current attempt.
            IllegalTransition: The current status does not allow it.
        """
        ...

    async def cancel(self, task_id: str, *, reason: str) -> Task:
        """Ask for an end: a queued task is ``canceled`` at once, a running one becomes ``canceling``.

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

    async def journal(self, task_id: str, *, after: int = 0) -> Sequence[JournalEntry]:
        """Return the entries with a number greater than ``after``, in order."""
        ...

    async def wait(self, task_id: str, *, after: int) -> None:
        """Return as soon as the journal may have an entry with a number greater than ``after``; may return early."""
        ...
