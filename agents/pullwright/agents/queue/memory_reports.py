"""The part of the store in memory that remembers what is shown of tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import anyio

from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.report import InReview, Landing, Report
from pullwright.agents.queue.memory_duties import MemoryDuties
from pullwright.agents.task import Task, TaskStatus


class MemoryReports(MemoryDuties):
    """Reports; tasks are known to the class that inherits this."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._reports: dict[str, Report] = {}

    async def take_duty(self, worker_id: str) -> int | None:
        await anyio.lowlevel.checkpoint()
        return self._take_duty(Report.duty, worker_id)

    async def open_reports(self, turn: int) -> Sequence[Report]:
        tasks = {task.id: task for task in self._tasks()}
        found = []
        for report in [one for one in self._reports.values() if not one.ended]:
            last = len(await self.journal(report.task_id))
            task = tasks[report.task_id]
            stands = {"stands": task.status.value, "ahead": self._ahead(task)}
            found.append(replace(report, turn=turn, last=last, **stands))  # type: ignore[arg-type]  # as they are named
        return sorted(found, key=lambda report: report.task_id)

    async def landed_reports(self, turn: int) -> Sequence[Report]:
        tasks = {task.id: task for task in self._tasks()}
        found = []
        for report in self._landing(Landing.MERGED, Landing.CLOSED):
            last = len(await self.journal(report.task_id))
            found.append(replace(report, turn=turn, last=last, stands=tasks[report.task_id].status.value, ahead=0))
        return found

    async def in_review(self) -> Sequence[InReview]:
        await anyio.lowlevel.checkpoint()
        tasks = {task.id: task for task in self._tasks()}
        ended = [tasks[report.task_id] for report in self._landing(Landing.OPEN)]
        return [
            InReview(
                task_id=task.id,
                pull_request_url=task.pull_request_url,
                lane=task.spec.lane,
                ended_at=task.updated_at,
            )
            for task in ended
        ]

    async def note_landing(self, pull_request_url: str, landing: Landing) -> int:
        found = [one for one in await self.in_review() if pull_request_url and one.pull_request_url == pull_request_url]
        for one in found:
            self._reports[one.task_id] = replace(self._reports[one.task_id], landing=landing)
        return len(found)

    async def note_report(self, report: Report) -> None:
        await anyio.lowlevel.checkpoint()
        self._require_turn_of_duty(report)
        self._reports[report.task_id] = report

    def _landing(self, *landings: Landing) -> list[Report]:
        found = [report for report in self._reports.values() if report.landing in landings]
        return sorted(found, key=lambda report: report.task_id)

    def _begin_report(self, task_id: str) -> None:
        self._reports.setdefault(task_id, Report(task_id=task_id, turn=0))

    def _ahead(self, task: Task) -> int:
        if task.status is not TaskStatus.QUEUED:
            return 0
        queue = [one for one in self._tasks() if one.status is TaskStatus.QUEUED and one.spec.lane == task.spec.lane]
        return sum((-one.spec.priority, one.id) < (-task.spec.priority, task.id) for one in queue)
