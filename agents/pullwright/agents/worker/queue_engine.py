"""QueueEngine: the engine that is the project's own store and nothing else. A worker pulls what it has slots for."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import anyio
from anyio import CancelScope, create_task_group, move_on_after
from anyio.abc import TaskGroup
from ulid import ULID

from pullwright.agents.budget import DayLimits
from pullwright.agents.errors import StoreError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.engine import Advance, EngineStats
from pullwright.agents.ports.lease import Terms, Worker
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.life import LEASE_SECONDS
from pullwright.agents.schedule import Schedule, ScheduleSpec
from pullwright.agents.task import Task, TaskSpec, TaskStatus
from pullwright.agents.worker.beat import Beat
from pullwright.agents.worker.endings import LAST_WORD_SECONDS, ended_by, let_go
from pullwright.agents.worker.segments import Ending, LeasedSegment, Roster
from pullwright.agents.worker.tender import Tender, spread
from pullwright.agents.worker.timekeeper import LOOK_SECONDS, Timekeeper

logger = logging.getLogger(__name__)

DRAIN_SECONDS: Final = 120.0
"""How long a worker that drains waits for step boundaries."""

NO_LIMITS: Final = DayLimits()

COUNTED: Final = 10_000
"""More tasks than this are not counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often a worker does what, in seconds. Only tests need another one."""

    beat: float = 1.0
    """Between two heartbeats; also how long a cancel or a message takes to arrive."""
    patience: float = LEASE_SECONDS - 3.0
    """How long a run goes on without a heartbeat: what it has under way outside must end before its lease does."""
    tend: float = 0.5
    """Between two looks after dead workers and due tasks."""
    idle: float = 1.0
    """How long a worker with a free slot relies on being told of work."""
    look: float = LOOK_SECONDS
    """How long it relies on being told that a schedule was changed."""


class QueueEngine:
    """Implements ``Engine`` over any durable store. Make one for each worker."""

    def __init__(
        self,
        store: DurableStore,
        worker: Worker | None = None,
        *,
        only: str = "",
        until_empty: bool = False,
        drain_seconds: float = DRAIN_SECONDS,
        held: bool = False,
        limits: DayLimits = NO_LIMITS,
        rhythm: Rhythm | None = None,
    ) -> None:
        """Make an engine.

        Args:
            store: Where everything is.
            worker: Name, host, version and slots; its id is made anew whenever it serves.
            only: Serve the task with this id and no other, until it has ended or waits for somebody. Such a worker is
                known to have no slots, because it comes for nothing that stands in the queue.
            until_empty: Serve until nothing is in hand and nothing can be claimed.
            drain_seconds: How long runs may take to their step boundary after ``stop``; then they are cancelled.
            held: Claim nothing before ``go`` is called: what runs need is not there yet.
            limits: What runs may spend on a day; when they have, no further task is begun.
            rhythm: How often it does what.
        """
        self._store = store
        self._worker = worker or this_worker()
        self._only = only
        self._until_empty = until_empty
        self._drain_seconds = drain_seconds
        self._terms = Terms(place=self._worker.place, limits=limits)
        self._rhythm = rhythm or Rhythm()
        self._roster = Roster(1 if only else self._worker.slots)
        self._held = held
        self._idle: CancelScope | None = None

    async def submit(self, spec: TaskSpec) -> Task:
        return await self._store.create(spec)

    async def wake(self, task_id: str, kind: SignalKind, text: str, *, author: str = "", key: str = "") -> Task:
        return await self._store.send(task_id, kind, text, author=author, key=key)

    async def cancel(self, task_id: str, *, reason: str) -> Task:
        return await self._store.cancel(task_id, reason=reason)

    async def schedule(self, spec: ScheduleSpec) -> Schedule:
        return await self._store.put_schedule(spec)

    async def unschedule(self, name: str) -> bool:
        return await self._store.remove_schedule(name)

    async def schedules(self) -> Sequence[Schedule]:
        return await self._store.schedules()

    async def stats(self) -> EngineStats:
        lanes = tuple(await self._store.lanes())
        return EngineStats(
            scheduled=len(await self._store.list(limit=COUNTED, statuses={TaskStatus.SCHEDULED})),
            queued=sum(lane.queued for lane in lanes),
            running=sum(lane.running for lane in lanes),
            waiting=len(await self._store.list(limit=COUNTED, statuses={TaskStatus.WAITING})),
            workers=tuple(await self._store.workers()),
            lanes=lanes,
        )

    def stop(self) -> None:
        self._roster.draining = True
        self._roster.announce()
        if self._idle is not None:
            self._idle.cancel()

    def go(self) -> None:
        """Begin to claim."""
        self._held = False
        self._roster.announce()

    def holds(self, task_id: str) -> bool:
        """Say whether a run of this task is in hand here, one that cleans up included."""
        return any(segment.task.id == task_id for segment in self._roster.segments)

    async def serve(self, advance: Advance) -> None:
        worker_id = str(ULID())
        slots = 0 if self._only else self._worker.slots
        await self._store.enlist(replace(self._worker, id=worker_id, slots=slots))
        try:
            await self._serve(worker_id, advance)
        finally:
            with move_on_after(LAST_WORD_SECONDS, shield=True):
                await self._retire(worker_id)

    async def _serve(self, worker_id: str, advance: Advance) -> None:
        rhythm, roster = self._rhythm, self._roster
        beat = Beat(self._store, worker_id, roster, every=rhythm.beat, patience=rhythm.patience)
        beating = CancelScope(shield=True)

        async def keep() -> None:
            with beating:  # goes on while cancelled runs clean up
                await beat.go_on()

        async with create_task_group() as group:
            group.start_soon(keep)
            group.start_soon(Tender(self._store, roster, terms=self._terms, every=rhythm.tend).go_on)
            if not self._only:  # who takes nothing from the queue puts nothing into it
                group.start_soon(Timekeeper(self._store, every=rhythm.look).go_on)
            try:
                await self._work(worker_id, advance)
            finally:
                beating.cancel()
            group.cancel_scope.cancel()

    async def _work(self, worker_id: str, advance: Advance) -> None:
        """Claim and advance; returns when there is nothing more to do here and every run has left its slot."""
        async with create_task_group() as runs:
            await self._claim_all(worker_id, advance, runs)
            if self._roster.draining:
                await self._say_so(worker_id)
                with move_on_after(self._drain_seconds):
                    await self._emptied()
                self._roster.stop_all(Ending.RELEASED)

    async def _claim_all(self, worker_id: str, advance: Advance, runs: TaskGroup) -> None:
        while not self._roster.draining:
            if self._held or self._roster.full:
                await self._roster.change()
                continue
            try:
                segment = await self._claim(worker_id)
                if segment is not None:
                    runs.start_soon(self._run, segment, advance)
                elif await self._nothing_is_left():
                    return
                else:
                    await self._rest(told=True)
            except StoreError as exc:
                logger.warning("no work was claimed: %s", exc)
                await self._rest(told=False)

    async def _claim(self, worker_id: str) -> LeasedSegment | None:
        roster = self._roster
        roster.claims += 1
        roster.claiming = True
        sent = anyio.current_time()
        try:
            task = await self._store.claim(worker_id, self._only or None, terms=self._terms)
        finally:
            roster.claiming = False
        return None if task is None else roster.add(task, sent)

    async def _nothing_is_left(self) -> bool:
        if not self._only:
            return self._until_empty and not self._roster.segments
        status = await self._store.status(self._only)
        return status.terminal or status is TaskStatus.WAITING

    async def _rest(self, *, told: bool) -> None:
        """Wait until there may be work, if the store can tell, and not for long; ``stop`` ends the wait."""
        seconds = spread(self._rhythm.idle)
        with CancelScope() as self._idle:
            if not self._roster.draining:
                await (self._store.wait_for_work(seconds) if told else anyio.sleep(seconds))

    async def _emptied(self) -> None:
        while self._roster.segments:
            await self._roster.change()

    async def _run(self, segment: LeasedSegment, advance: Advance) -> None:
        try:
            with segment.scope:
                for older in self._roster.before(segment):
                    await older.done.wait()
                await advance(segment)
            await let_go(self._store, segment)
        except Exception as exc:  # noqa: BLE001 - a bug in one run must not end the others; it is logged and told
            await ended_by(self._store, segment, exc)
        except anyio.get_cancelled_exc_class():
            segment.ending = segment.ending or Ending.RELEASED
            await let_go(self._store, segment)
            raise
        finally:
            self._roster.remove(segment)

    async def _say_so(self, worker_id: str) -> None:
        try:
            await self._store.drain(worker_id)
        except StoreError as exc:
            logger.warning("nobody was told that this worker drains: %s", exc)

    async def _retire(self, worker_id: str) -> None:
        try:
            await self._store.retire(worker_id)
        except StoreError as exc:
            logger.warning("this worker did not sign off: %s", exc)


def this_worker(*, slots: int = 1, name: str = "", version: str = "", place: str = "") -> Worker:
    """Return this process as a worker; the engine gives it its id."""
    host = socket.gethostname()
    return Worker(id="", name=name or host, host=host, pid=os.getpid(), version=version, place=place, slots=slots)
