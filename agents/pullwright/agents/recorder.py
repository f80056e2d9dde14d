"""RunRecorder: makes the events of one attempt durable and keeps the fold of them at hand."""

from __future__ import annotations

from collections.abc import Sequence

from anyio import Lock

from pullwright.agents.conversation import RunState, fold
from pullwright.agents.events import RunEvent, RunFinished
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.task import Task, TaskStatus


class RunRecorder:
    """The only writer of a run's journal. ``state`` never knows anything that is not durable."""

    def __init__(self, store: TaskStore, task: Task, state: RunState) -> None:
        self._store = store
        self.task = task
        self.state = state
        self._one_at_a_time = Lock()

    @classmethod
    async def resume(cls, store: TaskStore, task: Task) -> RunRecorder:
        """Fold the journal that earlier attempts left, which is empty for a new task."""
        entries = await store.journal(task.id)
        state = fold((entry.event for entry in entries), images=task.spec.images)
        return cls(store, task, state)

    async def record(self, *events: RunEvent) -> None:
        """Append events, all or none.

        Raises:
            LeaseLost: Another attempt owns the run; nothing was written.
        """
        await self._append(events)

    async def _append(self, events: Sequence[RunEvent]) -> None:
        if not events:
            return
        async with self._one_at_a_time:
            await self._store.append(self.task, events)
            for event in events:
                self.state = self.state.apply(event)

    async def finish(self, status: TaskStatus, reason: str, *, patch_path: str = "") -> Task:
        """End the run.

        Raises:
            LeaseLost: Another attempt owns the run; nothing was written.
        """
        event = RunFinished(
            status=status.value,
            reason=reason,
            usage=self.state.usage,
            steps=self.state.steps,
            patch_path=patch_path,
            first_token_seconds=round(self.state.pace.mean_first_token_seconds, 3),
            tokens_per_second=round(self.state.pace.tokens_per_second, 1),
        )
        self.task = await self._store.finish(self.task, status, event, reason=reason)
        return self.task
