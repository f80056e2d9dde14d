"""RunRecorder: makes the events of one attempt durable, with what they cost, and keeps the fold of them at hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Final

from anyio import Lock

from pullwright.agents.budget import NOTHING, Spent, Usage
from pullwright.agents.conversation import Fold, RunState
from pullwright.agents.events import ConversationCompacted, JournalEntry, ModelReplied, RunEvent, RunFinished
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.task import Task, TaskStatus

METER_SECONDS: Final = 10.0
"""Less time than this waits for the next reply, so that most appends have nothing to add up."""

CallPrice = Callable[[str, Usage], float | None]
"""What the tokens of one call cost at an endpoint, in dollars."""


class Meter:
    """Reads what one attempt spends, from the moment that it is made."""

    def __init__(self, clock: Clock, price: CallPrice) -> None:
        self._clock = clock
        self._price = price
        self._read = clock.monotonic()

    def read(self, events: Iterable[RunEvent], endpoint: str) -> Spent:
        """Return what was spent since the last time that this returned something.

        Args:
            events: What is about to be written.
            endpoint: Where the last reply came from; a compaction's tokens count there.
        """
        spent = NOTHING
        for event in events:
            match event:
                case ModelReplied(usage=usage, endpoint=endpoint):
                    spent += Spent(steps=1, usage=usage, dollars=self._price(endpoint, usage))
                case ConversationCompacted(usage=usage):
                    spent += Spent(usage=usage, dollars=self._price(endpoint, usage))
        now = self._clock.monotonic()
        if spent == NOTHING and now - self._read < METER_SECONDS:
            return NOTHING
        spent += Spent(seconds=now - self._read)
        self._read = now
        return spent


class RunRecorder:
    """The only writer of a run's journal. ``state`` never knows anything that is not durable.

    Attributes:
        task: The task as this attempt has it.
        earlier: The journal that earlier attempts left.
        folded: The fold of everything until now.
    """

    def __init__(
        self, store: TaskStore, task: Task, earlier: Iterable[JournalEntry] = (), meter: Meter | None = None
    ) -> None:
        self._store = store
        self._meter = meter
        self.task = task
        self.earlier = tuple(earlier)
        self.folded = Fold(images=task.spec.images)
        for entry in self.earlier:
            self.folded.add(entry)
        self._one_at_a_time = Lock()

    @classmethod
    async def resume(cls, store: TaskStore, task: Task, meter: Meter | None = None) -> RunRecorder:
        """Fold the journal that earlier attempts left, which has no run in it for a new task.

        Args:
            store: Where it is.
            task: As it was claimed.
            meter: Reads what is spent; without one nothing is added to the sums of the day.
        """
        return cls(store, task, await store.journal(task.id), meter)

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
            spent = self._meter.read(events, self.state.endpoint) if self._meter else NOTHING
            for entry in await self._store.append(self.task, events, consumed=consumed, spent=spent):
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
