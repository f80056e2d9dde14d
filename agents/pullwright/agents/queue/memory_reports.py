"""The part of the store in memory that remembers what is shown of tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import anyio

from pullwright.agents.events import JournalEntry
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.report import DUTY_SECONDS, Report
from pullwright.agents.queue.reports import turn_over
from pullwright.agents.task import Task, TaskStatus


class MemoryReports(ABC):
    """Reports; tasks are known to the class that inherits this."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reports: dict[str, Report] = {}
        self._duty_of = ""
        self._turn_of_duty = 0
        self._duty_until = 0.0

    @abstractmethod
    def _tasks(self) -> Sequence[Task]: ...

    @abstractmethod
    async def journal(self, task_id: str, *, after: int = 0) -> Sequence[JournalEntry]: ...

    async def take_duty(self, worker_id: str) -> int | None:
        await anyio.lowlevel.checkpoint()
        now = self._clock.now().timestamp()
        if self._duty_until <= now and self._duty_of != worker_id:
            self._duty_of = worker_id
            self._turn_of_duty += 1
        if self._duty_of != worker_id:
            return None
        self._duty_until = now + DUTY_SECONDS
        return self._turn_of_duty

    async def open_reports(self, turn: int) -> Sequence[Report]:
        tasks = {task.id: task for task in self._tasks()}
        found = []
        for report in [one for one in self._reports.values() if not one.ended]:
            last = len(await self.journal(report.task_id))
            task = tasks[report.task_id]
            stands = {"stands": task.status.value, "ahead": self._ahead(task)}
            found.append(replace(report, turn=turn, last=last, **stands))  # type: ignore[arg-type]  # as they are named
        return sorted(found, key=lambda report: report.task_id)

    async def note_report(self, report: Report) -> None:
        await anyio.lowlevel.checkpoint()
        self._require_turn_of_duty(report)
        self._reports[report.task_id] = report

    def _begin_report(self, task_id: str) -> None:
        self._reports.setdefault(task_id, Report(task_id=task_id, turn=0))

    def _require_turn_of_duty(self, report: Report) -> None:
        if report.turn != self._turn_of_duty:
            raise turn_over(report)

    def _confirm_duty(self, report: Report) -> None:
        self._require_turn_of_duty(report)
        if self._duty_until <= self._clock.now().timestamp():
            raise turn_over(report)

    def _free_duty(self, holder: str) -> None:
        if holder == self._duty_of:
            self._duty_until = 0.0

    def _ahead(self, task: Task) -> int:
        if task.status is not TaskStatus.QUEUED:
            return 0
        queue = [one for one in self._tasks() if one.status is TaskStatus.QUEUED and one.spec.lane == task.spec.lane]
        return sum((-one.spec.priority, one.id) < (-task.spec.priority, task.id) for one in queue)
