"""The inbox on a database; a part of the store, with which it shares the transactions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial

import anyio

from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.inbox import Delivery, DeliveryStatus, NewDelivery, Receipt
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue import inbox
from pullwright.agents.queue.bell import INBOX
from pullwright.agents.queue.database import Database
from pullwright.agents.queue.inbox import Arrival
from pullwright.agents.queue.task_ids import TaskIds
from pullwright.agents.task import Task, TaskSpec


class Door:
    """Lets deliveries in: those that arrive while one transaction is written go together into the next."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._line: list[Arrival] = []
        self._open = anyio.Lock()

    async def pass_through(self, arrival: Arrival) -> Receipt:
        """Return when the delivery is kept; when the caller is cancelled before, it may be kept or not."""
        self._line.append(arrival)
        try:
            async with self._open:
                if arrival.receipt is None:
                    await self._let_in()
        finally:
            if arrival in self._line:
                self._line.remove(arrival)
        assert arrival.receipt is not None
        return arrival.receipt

    async def _let_in(self) -> None:
        batch = list(self._line)
        receipts = await self._database.write(partial(inbox.receive, batch))
        for arrival, receipt in zip(batch, receipts, strict=True):
            arrival.receipt = receipt
            if arrival in self._line:
                self._line.remove(arrival)


class SqlInbox:
    """Implements ``InboxStore``."""

    def __init__(self, database: Database, clock: Clock, ids: TaskIds) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._door = Door(database)
        self._heard = 0

    async def receive(self, delivery: NewDelivery) -> Receipt:
        return await self._door.pass_through(Arrival(self._ids.new(self._clock.now()), delivery))

    async def take(self, worker_id: str, *, limit: int = 1) -> Sequence[Delivery]:
        self._heard = self._database.bell.inbox
        if not await self._database.read(partial(inbox.waiting, self._database)):
            return []
        return await self._database.write(partial(inbox.take, self._database, worker_id, limit))

    async def file(self, delivery: Delivery, spec: TaskSpec) -> Task:
        return await self._database.write(partial(inbox.file, delivery, spec, self._ids.new(self._clock.now())))

    async def tell(self, delivery: Delivery, task_id: str, kind: SignalKind, text: str, *, author: str = "") -> Task:
        return await self._database.write(partial(inbox.tell, delivery, task_id, kind, text, author))

    async def stop(self, delivery: Delivery, task_id: str, *, reason: str) -> Task:
        return await self._database.write(partial(inbox.stop, delivery, task_id, reason))

    async def name(self, delivery: Delivery, meaning_key: str) -> bool:
        return await self._database.write(partial(inbox.name, delivery, meaning_key))

    async def conclude(self, delivery: Delivery, status: DeliveryStatus, reason: str, *, task_id: str = "") -> Delivery:
        return await self._database.write(partial(inbox.conclude, delivery, status, reason, task_id))

    async def put_off(self, delivery: Delivery, *, seconds: float, reason: str) -> Delivery:
        return await self._database.write(partial(inbox.put_off, delivery, seconds, reason))

    async def deliveries(
        self, *, limit: int = 50, status: DeliveryStatus | None = None, source: str = ""
    ) -> Sequence[Delivery]:
        return await self._database.read(partial(inbox.newest, limit, status, source))

    async def tasks_of(self, work_key: str) -> Sequence[Task]:
        return await self._database.read(partial(inbox.tasks_of, work_key))

    async def tasks_behind(self, pull_request_url: str) -> Sequence[Task]:
        return await self._database.read(partial(inbox.tasks_behind, pull_request_url))

    async def origin(self, task_id: str) -> Delivery | None:
        return await self._database.read(partial(inbox.origin, task_id))

    async def wait_for_deliveries(self, seconds: float) -> None:
        with self._database.bell.listening(INBOX) as rung:
            if self._database.bell.inbox != self._heard:
                rung.set()
            with anyio.move_on_after(seconds):
                await rung.wait()
        self._heard = self._database.bell.inbox

    async def forget_deliveries(self, *, before: datetime) -> int:
        return await self._database.write(partial(inbox.forget, before.timestamp()))
