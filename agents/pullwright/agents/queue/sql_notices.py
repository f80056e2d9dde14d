"""News on a database; a part of the store, with which it shares the transactions."""

from __future__ import annotations

from functools import partial

from pullwright.agents.ports.notice import News, Telling
from pullwright.agents.queue import duties, notices
from pullwright.agents.queue.database import Database


class SqlNotices:
    """Implements ``NoticeStore``."""

    _database: Database

    async def take_notice_duty(self, worker_id: str) -> int | None:
        return await duties.take_duty(self._database, Telling.duty, worker_id)

    async def news(self, *, seconds: float) -> News:
        return await self._database.read(partial(notices.news, seconds))
