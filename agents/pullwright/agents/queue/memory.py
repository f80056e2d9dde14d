"""TaskStore in memory: the fake that unit tests trust because it passes the same contract as the real store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import anyio
from ulid import ULID

from pullwright.agents.errors import DuplicateTask, LeaseLost, TaskNotFound
from pullwright.agents.events import JournalEntry, RunEvent
from pullwright.agents.ports.clock import Clock
from pullwright.agents.queue.codec import with_outcome
from pullwright.agents.task import Task, TaskSpec, TaskStatus, require_not_begun, require_transition

_WRITABLE = frozenset({TaskStatus.RUNNING, TaskStatus.CANCELING})


class MemoryTaskStore:
    """Keeps everything until the process ends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks: dict[str, Task] = {}
        self._journals: dict[str, list[JournalEntry]] = {}
        self._appended = anyio.Event()

    async def create(self, spec: TaskSpec) -> Task:
        await anyio.lowlevel.checkpoint()
        key = spec.work_key
        if key and any(task.spec.work_key == key and not task.status.terminal for task in self._tasks.values()):
            raise DuplicateTask(f"a live task for {key!r} exists; see `agent list`")
        now = self._clock.now()
        task = Task(
            id=str(ULID.from_datetime(now)).lower(),
            spec=spec,
            status=TaskStatus.QUEUED,
            created_at=now,
            updated_at=now,
        )
        self._tasks[task.id] = task
        self._journals[task.id] = []
        return task

    async def get(self, task_id: str) -> Task:
        await anyio.lowlevel.checkpoint()
        found = [task for key, task in self._tasks.items() if task_id and key.startswith(task_id.lower())]
        if len(found) != 1:
            problem = "several tasks start" if found else "no task starts"
            raise TaskNotFound(f"{problem} with the id {task_id!r}; see `agent list`")
        return found[0]

    async def status(self, task_id: str) -> TaskStatus:
        await anyio.lowlevel.checkpoint()
        if task_id not in self._tasks:
            raise TaskNotFound(f"there is no task {task_id!r}; see `agent list`")
        return self._tasks[task_id].status

    async def list(self, *, limit: int = 50, statuses: Collection[TaskStatus] | None = None) -> Sequence[Task]:
        await anyio.lowlevel.checkpoint()
        found = [task for task in self._tasks.values() if statuses is None or task.status in statuses]
        return sorted(found, key=lambda task: task.id, reverse=True)[:limit]

    async def claim(self, task_id: str | None = None) -> Task | None:
        await anyio.lowlevel.checkpoint()
        queued = sorted(key for key, task in self._tasks.items() if task.status is TaskStatus.QUEUED)
        chosen = [key for key in queued if task_id in (None, key)][:1]
        if not chosen:
            return None
        task = self._tasks[chosen[0]]
        return self._change(replace(task, attempt=task.attempt + 1), TaskStatus.RUNNING, "")

    async def append(self, task: Task, events: Sequence[RunEvent]) -> Sequence[JournalEntry]:
        await anyio.lowlevel.checkpoint()
        return self._append(task, events)

    async def finish(self, task: Task, status: TaskStatus, event: RunEvent, *, reason: str = "") -> Task:
        await anyio.lowlevel.checkpoint()
        require_transition(self._writable(task).status, status)
        self._append(task, [event])
        current = self._tasks[task.id]
        for entry in self._journals[task.id]:
            current = with_outcome(current, entry.event)
        return self._change(current, status, reason)

    async def cancel(self, task_id: str, *, reason: str) -> Task:
        task = await self.get(task_id)
        status = TaskStatus.CANCELING if task.status is TaskStatus.RUNNING else TaskStatus.CANCELED
        require_transition(task.status, status)
        return self._change(task, status, reason)

    async def reject(self, task_id: str, *, reason: str) -> Task:
        task = await self.get(task_id)
        require_not_begun(task)
        return self._change(task, TaskStatus.REJECTED, reason)

    async def journal(self, task_id: str, *, after: int = 0) -> Sequence[JournalEntry]:
        await anyio.lowlevel.checkpoint()
        return [entry for entry in self._journals.get(task_id, []) if entry.seq > after]

    async def wait(self, task_id: str, *, after: int) -> None:
        appended = self._appended
        if len(self._journals.get(task_id, [])) <= after:
            await appended.wait()

    def _writable(self, task: Task) -> Task:
        current = self._tasks.get(task.id)
        if current is None or current.attempt != task.attempt or current.status not in _WRITABLE:
            raise LeaseLost(f"attempt {task.attempt} of task {task.id!r} is over; nothing was written")
        return current

    def _append(self, task: Task, events: Sequence[RunEvent]) -> Sequence[JournalEntry]:
        self._writable(task)
        journal = self._journals[task.id]
        now = self._clock.now()
        entries = [
            JournalEntry(task_id=task.id, seq=seq, attempt=task.attempt, at=now, event=event)
            for seq, event in enumerate(events, start=len(journal) + 1)
        ]
        journal.extend(entries)
        self._announce()
        return entries

    def _change(self, task: Task, status: TaskStatus, reason: str) -> Task:
        changed = replace(task, status=status, status_reason=reason, updated_at=self._clock.now())
        self._tasks[task.id] = changed
        self._announce()
        return changed

    def _announce(self) -> None:
        self._appended.set()
        self._appended = anyio.Event()
