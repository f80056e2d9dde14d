"""Reports on a database; a part of the store, with which it shares the transactions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from pullwright.agents.ports.report import Report
from pullwright.agents.queue import reports
from pullwright.agents.queue.database import Database


class SqlReports:
    """Implements ``ReportStore``."""

    _database: Database

    async def take_duty(self, worker_id: str) -> int | None:
        turn, write = await self._database.read(partial(reports.duty_of, self._database, worker_id))
        return await self._database.write(partial(reports.take_duty, self._database, worker_id)) if write else turn

    async def open_reports(self, turn: int) -> Sequence[Report]:
        return await self._database.read(partial(reports.open_reports, turn))

    async def note_report(self, report: Report) -> None:
        await self._database.write(partial(reports.note, report))
