"""The part of the store in memory that keeps deliveries."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import anyio

from pullwright.agents.errors import LeaseLost
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.inbox import TAKEN_SECONDS, Delivery, DeliveryStatus, NewDelivery, Receipt
from pullwright.agents.ports.outbox import Effect
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.duties import OnDuty
from pullwright.agents.queue.inbox import put_off_status, signal_key, turn_over
from pullwright.agents.queue.memory_reports import MemoryReports
from pullwright.agents.queue.task_ids import TaskIds
from pullwright.agents.task import Task, TaskSpec, TaskStatus


@dataclass(slots=True)
class _Entry:
    delivery: Delivery
    taken_by: str = ""
    taken_until: float = 0.0


class MemoryInbox(MemoryReports):
    """Deliveries; tasks are known to the class that inherits this."""

    _effects: dict[tuple[str, str], Effect]

    def __init__(self, clock: Clock, ids: TaskIds) -> None:
        super().__init__(clock)
        self._ids = ids
        self._entries: dict[str, _Entry] = {}
        self._arrived = anyio.Event()

    @abstractmethod
    def _create(self, spec: TaskSpec) -> Task: ...

    @abstractmethod
    def _send(self, task_id: str, kind: SignalKind, text: str, author: str, key: str) -> Task: ...

    @abstractmethod
    def _cancel(self, task_id: str, reason: str) -> Task: ...

    @abstractmethod
    async def get(self, task_id: str) -> Task: ...

    @abstractmethod
    async def status(self, task_id: str) -> TaskStatus: ...

    async def receive(self, delivery: NewDelivery) -> Receipt:
        await anyio.lowlevel.checkpoint()
        meaning_key = "" if delivery.ignored else delivery.meaning_key
        known = self._known(delivery, meaning_key)
        if known:
            failed = [one for one in known if one.delivery.status is DeliveryStatus.FAILED and not delivery.ignored]
            for one in failed:
                again = replace(one.delivery, status=DeliveryStatus.WAITING, reason="", put_off=0, run_at=None)
                one.delivery = again
            self._tell_of_deliveries()
            return Receipt.ACCEPTED if failed else Receipt.DUPLICATE
        now = self._clock.now()
        new = Delivery(
            id=self._ids.new(now),
            source=delivery.source,
            connection=delivery.connection,
            key=delivery.key,
            meaning_key=meaning_key,
            work_key=delivery.work_key,
            kind=delivery.kind,
            content=delivery.content,
            status=DeliveryStatus.IGNORED if delivery.ignored else DeliveryStatus.WAITING,
            reason=delivery.ignored,
            received_at=now,
        )
        self._entries[new.id] = _Entry(new)
        self._tell_of_deliveries()
        return Receipt.ACCEPTED

    async def take(self, worker_id: str, *, limit: int = 1) -> Sequence[Delivery]:
        await anyio.lowlevel.checkpoint()
        now, busy, taken = self._clock.now(), set[str](), list[Delivery]()
        for entry in self._entries.values():
            one = entry.delivery
            if one.status.settled or one.work_key in busy or len(taken) == limit:
                continue
            busy |= {one.work_key} - {""}
            if entry.taken_until <= now.timestamp() and (one.run_at is None or one.run_at <= now):
                entry.delivery = replace(one, turn=one.turn + 1)
                entry.taken_by = worker_id
                entry.taken_until = now.timestamp() + TAKEN_SECONDS
                taken.append(entry.delivery)
        return taken

    async def file(self, delivery: Delivery, spec: TaskSpec) -> Task:
        await anyio.lowlevel.checkpoint()
        entry = self._turn(delivery)
        task = self._create(spec)
        self._begin_report(task.id)
        self._settled(entry, DeliveryStatus.FILED, "", task.id)
        return task

    async def tell(self, delivery: Delivery, task_id: str, kind: SignalKind, text: str, *, author: str = "") -> Task:
        await anyio.lowlevel.checkpoint()
        entry = self._turn(delivery)
        task = self._send(task_id, kind, text, author, signal_key(delivery))
        self._settled(entry, DeliveryStatus.TOLD, "", task_id)
        return task

    async def stop(self, delivery: Delivery, task_id: str, *, reason: str) -> Task:
        ended = await self.status(task_id)
        entry = self._turn(delivery)
        if not ended.terminal and ended is not TaskStatus.CANCELING:
            self._cancel(task_id, reason)
        self._settled(entry, DeliveryStatus.TOLD, reason, task_id)
        return await self.get(task_id)

    async def name(self, delivery: Delivery, meaning_key: str) -> bool:
        await anyio.lowlevel.checkpoint()
        entry = self._turn(delivery)
        others = (one.delivery for one in self._entries.values() if one is not entry)
        if any((one.source, one.meaning_key) == (delivery.source, meaning_key) for one in others):
            return False
        entry.delivery = replace(entry.delivery, meaning_key=meaning_key)
        return True

    async def conclude(self, delivery: Delivery, status: DeliveryStatus, reason: str, *, task_id: str = "") -> Delivery:
        await anyio.lowlevel.checkpoint()
        return self._settled(self._turn(delivery), status, reason, task_id)

    async def put_off(self, delivery: Delivery, *, seconds: float, reason: str) -> Delivery:
        await anyio.lowlevel.checkpoint()
        entry = self._turn(delivery)
        times = entry.delivery.put_off + 1
        later = self._clock.now() + timedelta(seconds=seconds)
        off = replace(entry.delivery, status=put_off_status(times), reason=reason, put_off=times, run_at=later)
        entry.delivery, entry.taken_until = off, 0.0
        self._tell_of_deliveries()
        return off

    async def deliveries(
        self, *, limit: int = 50, status: DeliveryStatus | None = None, source: str = ""
    ) -> Sequence[Delivery]:
        await anyio.lowlevel.checkpoint()
        newest = (entry.delivery for entry in reversed(self._entries.values()))
        return [one for one in newest if status in (None, one.status) and source in ("", one.source)][:limit]

    async def tasks_of(self, work_key: str) -> Sequence[Task]:
        await anyio.lowlevel.checkpoint()
        return [task for task in reversed(self._tasks()) if work_key and task.spec.work_key == work_key]

    async def tasks_behind(self, pull_request_url: str) -> Sequence[Task]:
        await anyio.lowlevel.checkpoint()
        found = reversed(self._tasks())
        return [task for task in found if pull_request_url and task.pull_request_url == pull_request_url]

    async def origin(self, task_id: str) -> Delivery | None:
        await anyio.lowlevel.checkpoint()
        found = (entry.delivery for entry in self._entries.values())
        return next((one for one in found if one.status is DeliveryStatus.FILED and one.task_id == task_id), None)

    async def wait_for_deliveries(self, seconds: float) -> None:
        arrived = self._arrived
        with anyio.move_on_after(seconds):
            await arrived.wait()

    async def forget_deliveries(self, *, before: datetime) -> int:
        await anyio.lowlevel.checkpoint()
        entries = self._entries.values()
        needed = {report.task_id for report in self._reports.values() if not (report.ended and report.landing.settled)}
        settled = [one.delivery for one in entries if one.delivery.status.settled]
        old = {one.id for one in settled if one.received_at < before and one.task_id not in needed}
        self._entries = {key: entry for key, entry in self._entries.items() if key not in old}
        for key in [key for key in self._effects if key[0] in old]:
            del self._effects[key]
        return len(old)

    def _free(self, holder: str) -> None:
        self._free_duties(holder)
        for entry in self._entries.values():
            if entry.taken_by == holder:
                entry.taken_until = 0.0
        self._tell_of_deliveries()

    def _decide_again(self, keys: Collection[str]) -> None:
        """Let deliveries wait again whose signals have these keys."""
        for entry in self._entries.values():
            if entry.delivery.status is DeliveryStatus.TOLD and signal_key(entry.delivery) in keys:
                entry.delivery = replace(entry.delivery, status=DeliveryStatus.WAITING, task_id="", run_at=None)

    def _known(self, new: NewDelivery, meaning_key: str) -> list[_Entry]:
        def same(one: Delivery) -> bool:
            delivered = (one.connection, one.key) == (new.connection, new.key)
            return one.source == new.source and (delivered or (bool(meaning_key) and one.meaning_key == meaning_key))

        return [entry for entry in self._entries.values() if same(entry.delivery)]

    def _fence_turn(self, holder: Delivery | OnDuty) -> None:
        if isinstance(holder, Delivery):
            self._turn(holder)
        else:
            self._require_turn_of_duty(holder)

    def _turn(self, delivery: Delivery) -> _Entry:
        entry = self._entries.get(delivery.id)
        if entry is None or entry.delivery.turn != delivery.turn or entry.delivery.status.settled:
            raise turn_over(delivery)
        return entry

    def _confirm_turn(self, holder: Delivery | OnDuty) -> None:
        if not isinstance(holder, Delivery):
            self._confirm_duty(holder)
        elif self._turn(holder).taken_until <= self._clock.now().timestamp():
            raise LeaseLost(f"the time of turn {holder.turn} of delivery {holder.id!r} has run out")

    def _settled(self, entry: _Entry, status: DeliveryStatus, reason: str, task_id: str) -> Delivery:
        entry.delivery = replace(entry.delivery, status=status, reason=reason, task_id=task_id)
        entry.taken_until = 0.0
        self._tell_of_deliveries()
        return entry.delivery

    def _tell_of_deliveries(self) -> None:
        self._arrived.set()
        self._arrived = anyio.Event()
