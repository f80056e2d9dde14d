"""The part of the store in memory that knows who has which duty."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import anyio

from pullwright.agents.events import JournalEntry
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.notice import NEWS_SECONDS, News, Telling
from pullwright.agents.ports.report import DUTY_SECONDS
from pullwright.agents.queue.duties import OnDuty, turn_over
from pullwright.agents.queue.notices import WORTH
from pullwright.agents.task import Task


@dataclass(slots=True)
class _Duty:
    holder: str = ""
    turn: int = 0
    until: float = 0.0


class MemoryDuties(ABC):
    """Duties, and the news that one of them is about; tasks are known to the class that inherits this."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._duties: dict[str, _Duty] = {}

    @abstractmethod
    def _tasks(self) -> Sequence[Task]: ...

    @abstractmethod
    async def journal(self, task_id: str, *, after: int = 0) -> Sequence[JournalEntry]: ...

    async def take_notice_duty(self, worker_id: str) -> int | None:
        await anyio.lowlevel.checkpoint()
        return self._take_duty(Telling.duty, worker_id)

    async def news(self, *, seconds: float) -> News:
        now = self._clock.now()
        found: list[JournalEntry] = []
        for task in self._tasks():
            if task.updated_at > now - timedelta(seconds=seconds):
                found += [entry for entry in await self.journal(task.id) if isinstance(entry.event, WORTH)]
        recent = [entry for entry in found if entry.at > now - timedelta(seconds=NEWS_SECONDS)]
        return News(now=now, entries=sorted(recent, key=lambda entry: (entry.at, entry.task_id, entry.seq)))

    def _take_duty(self, name: str, worker_id: str) -> int | None:
        duty, now = self._duties.setdefault(name, _Duty()), self._clock.now().timestamp()
        if duty.until <= now and duty.holder != worker_id:
            duty.holder = worker_id
            duty.turn += 1
        if duty.holder != worker_id:
            return None
        duty.until = now + DUTY_SECONDS
        return duty.turn

    def _require_turn_of_duty(self, work: OnDuty) -> _Duty:
        duty = self._duties.get(work.duty)
        if duty is None or duty.turn != work.turn:
            raise turn_over(work)
        return duty

    def _confirm_duty(self, work: OnDuty) -> None:
        if self._require_turn_of_duty(work).until <= self._clock.now().timestamp():
            raise turn_over(work)

    def _free_duties(self, holder: str) -> None:
        for duty in self._duties.values():
            if duty.holder == holder:
                duty.until = 0.0
