"""RunRecorder: makes the events of one attempt durable and keeps the fold of them at hand."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from anyio import Lock

from pullwright.agents.conversation import Fold, RunState
from pullwright.agents.events import JournalEntry, RunEvent, RunFinished
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.task import Task, TaskStatus


class RunRecorder:
    """The only writer of a run's journal. ``state`` never knows anything that is not durable.

    Attributes:
        task: The task as this attempt has it.
        earlier: The journal that earlier attempts left.
        folded: The fold of everything until now.
    """

    def __init__(self, store: TaskStore, task: Task, earlier: Iterable[JournalEntry] = ()) -> None:
        self._store = store
        self.task = task
        self.earlier = tuple(earlier)
        self.folded = Fold(images=task.spec.images)
        for entry in self.earlier:
            self.folded.add(entry)
        self._one_at_a_time = Lock()

    @classmethod
    async def resume(cls, store: TaskStore, task: Task) -> RunRecorder:
        """Fold the journal that earlier attempts left, which has no run in it for a new task."""
        return cls(store, task, await store.journal(task.id))

    @property
    def state(self) -> RunState:
        """The run as its journal tells it."""
        return self.folded.state

    async def record(self, *events: RunEvent, consumed: Collection[str] = ()) -> None:
        """Append events and take the signals ``consumed`` away, all or none.

        Raises:
            LeaseLost: Another attempt owns the run; nothing was written.
        """
        if not events:
            return
        async with self._one_at_a_time:
            for entry in await self._store.append(self.task, events, consumed=consumed):
                self.folded.add(entry)

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
