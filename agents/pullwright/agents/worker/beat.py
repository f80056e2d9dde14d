"""Beat: the heartbeat of a worker. It keeps its leases, and brings what others want of its runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import anyio
from anyio import create_task_group

from pullwright.agents.errors import LeaseLost, StoreError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Held
from pullwright.agents.task import TaskStatus
from pullwright.agents.worker.segments import Ending, LeasedSegment, Roster

logger = logging.getLogger(__name__)


class Beat:
    """Keeps the leases of one worker for as long as it is told to."""

    def __init__(self, store: DurableStore, worker_id: str, roster: Roster, *, every: float, patience: float) -> None:
        """Make one.

        Args:
            store: Where the leases are.
            worker_id: Whose leases are kept.
            roster: What the worker has in hand.
            every: Seconds between two heartbeats; also how long a cancel or a message takes to arrive.
            patience: A run whose lease was not heard of for so many seconds is stopped.
        """
        self._store = store
        self._worker_id = worker_id
        self._roster = roster
        self._every = every
        self._patience = patience

    async def go_on(self) -> None:
        """Beat until cancelled. While the store does not answer, every run is stopped before its lease runs out."""
        async with create_task_group() as group:
            group.start_soon(self._watch)
            while True:
                try:
                    await self._once()
                except StoreError as exc:
                    logger.warning("no heartbeat: %s", exc)
                await anyio.sleep(self._every)

    async def _once(self) -> None:
        sent = anyio.current_time()
        asked, claims, claiming = self._roster.segments, self._roster.claims, self._roster.claiming
        held = await self._store.beat(self._worker_id)
        for segment in asked:
            _tell(segment, held.get(segment.task.id), sent)
        if claims == self._roster.claims and not claiming:
            await self._give_back(asked, held)

    async def _give_back(self, asked: Sequence[LeasedSegment], held: Mapping[str, Held]) -> None:
        """Release what this worker holds and does not know: a claim's answer got lost, or an attempt was left open."""
        known = {segment.key for segment in asked}
        for task_id, lease in held.items():
            if (task_id, lease.attempt) in known:
                continue
            try:
                task = await self._store.get(task_id)
                await self._store.release(replace(task, attempt=lease.attempt), reason="its worker lost sight of it")
            except LeaseLost:
                continue  # it ended while we looked

    async def _watch(self) -> None:
        """Stop a run whose lease was not heard of for too long: others may take it over soon."""
        while True:
            now = anyio.current_time()
            live = [segment for segment in self._roster.segments if segment.ending is not Ending.LOST]
            silent = [segment for segment in live if segment.heard + self._patience <= now]
            for segment in silent:
                logger.warning("task %s stops here: no heartbeat for %g s", segment.task.id, self._patience)
                segment.stop(Ending.LOST)
            first = min((segment.heard for segment in live if segment not in silent), default=now)
            await anyio.sleep(first + self._patience - now)


def _tell(segment: LeasedSegment, lease: Held | None, sent: float) -> None:
    if lease is None or lease.attempt != segment.task.attempt:
        segment.stop(Ending.LOST)
        return
    segment.heard = sent
    segment.signals = lease.signals > 0
    if lease.status is TaskStatus.CANCELING:
        segment.stop(Ending.CANCELED)
