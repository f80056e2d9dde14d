"""Reports on a database; a part of the store, with which it shares the transactions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pullwright.agents.ports.report import InReview, Landing, Report
from pullwright.agents.queue import duties, reports
from pullwright.agents.queue.database import Database


class SqlReports:
    """Implements ``ReportStore``."""

    _database: Database

    async def take_duty(self, worker_id: str) -> int | None:
        return await duties.take_duty(self._database, Report.duty, worker_id)

    async def open_reports(self, turn: int) -> Sequence[Report]:
        return await self._database.read(partial(reports.open_reports, turn))

    async def landed_reports(self, turn: int) -> Sequence[Report]:
        return await self._database.read(partial(reports.landed, turn))

    async def in_review(self) -> Sequence[InReview]:
        return await self._database.read(reports.in_review)

    async def note_landing(self, pull_request_url: str, landing: Landing) -> int:
        return await self._database.write(partial(reports.land, pull_request_url, landing))

    async def note_report(self, report: Report) -> None:
        await self._database.write(partial(reports.note, report))
