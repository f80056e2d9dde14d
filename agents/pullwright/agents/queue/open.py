"""Opening the store: which engine, which file or server, and tables that fit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from anyio import to_thread

from pullwright.agents.ports.clock import Clock
from pullwright.agents.queue.address import parse
from pullwright.agents.queue.migrations import prepare
from pullwright.agents.queue.sql_store import SqlStore
from pullwright.agents.queue.sqlite import open_sqlite


@asynccontextmanager
async def open_store(
    url: str, clock: Clock, *, patience: float | None = None, skew: Callable[[], float] = float
) -> AsyncIterator[SqlStore]:
    """Open the store at ``AGENT_DATABASE_URL``; its tables are made if there are none.

    Args:
        url: ``sqlite:////absolute/file.db`` or ``postgresql://user@host/database``.
        clock: SQLite's time; PostgreSQL has its own.
        patience: Seconds until a database that does not answer is given up; None for the engine's own.
        skew: Returns seconds that PostgreSQL's time is moved by; for tests.

    Raises:
        ConfigError: The URL is wrong, or the database can not be used or is of another release.
        StoreUnavailable: The server does not answer.
    """
    address = parse(url)
    await to_thread.run_sync(prepare, url)
    limit = {} if patience is None else {"patience": patience}
    if address.engine == "sqlite":
        async with open_sqlite(address.path, clock, **limit) as database:
            yield SqlStore(database, clock)
        return
    from pullwright.agents.queue.postgres import open_postgres  # psycopg takes a while to import

    async with open_postgres(address, skew=skew, **limit) as server:
        yield SqlStore(server, clock)
