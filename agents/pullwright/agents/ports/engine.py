"""The role of the engine: it decides which worker advances which run, and when.

The journal stays the truth whatever engine is used. An engine may call ``advance`` for a task twice or on two hosts:
the store's fence lets only one of them write.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from pullwright.agents.ports.lease import LaneStats, Worker
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.schedule import Schedule, ScheduleSpec
from pullwright.agents.task import Task, TaskSpec

SEGMENT_STEPS: Final = 50
SEGMENT_SECONDS: Final = 900.0
"""After so many steps or seconds a run lets others go first, if there are any."""


class Segment(Protocol):
    """One attempt's share of a worker: the task, and what the engine wants of the run meanwhile."""

    @property
    def task(self) -> Task:
        """The task as it was claimed."""
        ...

    @property
    def signals(self) -> bool:
        """Whether people may have told the run something that is not in its journal yet; a hint, seconds old."""
        ...

    def must_yield(self, steps: int) -> bool:
        """Say, at a step boundary after so many steps of this attempt, whether the run is to be released now.

        That is so when the worker drains, or when the segment is over and another task waits for the slot.
        """
        ...


Advance = Callable[[Segment], Awaitable[None]]
"""Takes a claimed task as far as one segment goes, and ends the attempt in the store before it returns.

Cancellation means that the work must stop: the lease was lost, the task is to be canceled, or the worker stops.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStats:
    """The queue as it stands."""

    scheduled: int
    queued: int
    running: int
    waiting: int
    workers: tuple[Worker, ...]
    lanes: tuple[LaneStats, ...]


class Engine(Protocol):
    """Files tasks and sees to it that each is advanced until it ends."""

    async def submit(self, spec: TaskSpec) -> Task:
        """File a task; durable when this returns.

        Raises:
            DuplicateTask: A live task has the same work key.
        """
        ...

    async def serve(self, advance: Advance) -> None:
        """Be a worker until ``stop`` is called and what was begun has come to a step boundary, or until cancelled.

        Cancellation stops every run at once; others take them over from their journals.
        """
        ...

    def stop(self) -> None:
        """Claim nothing more; ``serve`` returns when the runs that are in flight have reached a step boundary."""
        ...

    async def wake(self, task_id: str, kind: SignalKind, text: str, *, author: str = "", key: str = "") -> Task:
        """Tell a run something; as ``TaskStore.send``."""
        ...

    async def cancel(self, task_id: str, *, reason: str) -> Task:
        """End a task; its worker stops within 2 s and keeps the work."""
        ...

    async def schedule(self, spec: ScheduleSpec) -> Schedule:
        """File a task again and again; in the place of the schedule that has the name. Durable when this returns.

        While engines serve, each time that is due is dealt with once, by one of them.

        Raises:
            ConfigError: The specification is wrong.
        """
        ...

    async def unschedule(self, name: str) -> bool:
        """File no more tasks under this name, and say whether it was there; those that were filed stay."""
        ...

    async def schedules(self) -> Sequence[Schedule]:
        """Return all schedules by name, with what they did last and when they are due."""
        ...

    async def stats(self) -> EngineStats:
        """Return the queue as it stands."""
        ...
