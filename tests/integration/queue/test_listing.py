"""What is listed is how things stood at one moment, whatever moves meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from pullwright.agents.clock import SystemClock
from pullwright.agents.queue import filing
from pullwright.agents.queue.address import parse
from pullwright.agents.queue.database import Row, Transaction, Value
from pullwright.agents.queue.postgres import open_postgres
from pullwright.agents.queue.postgres_store import PostgresStore
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.contracts_store import a_spec

pytestmark = pytest.mark.anyio

CLAIMED = "UPDATE task SET status = 'running' WHERE status = 'queued'"


class Disturbed:
    """A transaction in which others are quick: after each of its statements something happens."""

    def __init__(self, inner: Transaction, happens: Callable[[], object]) -> None:
        self._inner = inner
        self._happens = happens

    def rows(self, sql: str, **values: Value) -> Sequence[Row]:
        found = self._inner.rows(sql, **values)
        self._happens()
        return found

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)


async def test_a_task_that_is_claimed_meanwhile_is_listed_once(postgres_url: str) -> None:
    async with open_postgres(parse(postgres_url)) as database:
        task = await PostgresStore(database, SystemClock()).create(a_spec())

        def listed(tx: Transaction) -> Sequence[str]:
            disturbed = Disturbed(tx, lambda: database.run_once(lambda other: other.run(CLAIMED)))
            found = filing.newest(10, {TaskStatus.QUEUED, TaskStatus.RUNNING}, disturbed)  # type: ignore[arg-type]
            return [one.id for one in found]

        assert await database.read(listed) == [task.id]
        assert await database.read(listed) == [task.id]
