"""Opening the store: which engine, which file or server, and tables that fit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio import to_thread

from pullwright.agents.errors import StoreUnavailable
from pullwright.agents.ports.clock import Clock
from pullwright.agents.queue.address import parse
from pullwright.agents.queue.database import FIRST_PAUSE, LONGEST_PAUSE
from pullwright.agents.queue.life import MAX_LOSSES
from pullwright.agents.queue.migrations import prepare
from pullwright.agents.queue.sql_store import SqlStore
from pullwright.agents.queue.sqlite import open_sqlite

OPEN_SECONDS: Final = 10.0
"""Until a server that does not answer is given up when the store is opened, while a person waits."""


@asynccontextmanager
async def open_store(
    url: str,
    clock: Clock,
    *,
    patience: float | None = None,
    skew: Callable[[], float] = float,
    max_losses: int = MAX_LOSSES,
) -> AsyncIterator[SqlStore]:
    """Open the store at ``AGENT_DATABASE_URL``; its tables are made if there are none.

    Args:
        url: ``sqlite:////absolute/file.db`` or ``postgresql://user@host/database``.
        clock: SQLite's time; PostgreSQL has its own.
        patience: Seconds until a database that does not answer is given up; None for the engine's own.
        skew: Returns seconds that PostgreSQL's time is moved by; for tests.
        max_losses: How many workers in a row may die over a run that does not get on, before it fails.

    Raises:
        ConfigError: The URL is wrong, or the database can not be used or is of another release.
        StoreUnavailable: The server does not answer, for ``OPEN_SECONDS`` or as long as ``patience`` says.
    """
    address = parse(url)
    await _prepare(url, OPEN_SECONDS if patience is None else patience)
    limit = {} if patience is None else {"patience": patience}
    if address.engine == "sqlite":
        async with open_sqlite(address.path, clock, **limit) as database:
            yield SqlStore(database, clock, max_losses=max_losses)
        return
    from pullwright.agents.queue.postgres import open_postgres  # psycopg takes a while to import
    from pullwright.agents.queue.postgres_store import PostgresStore

    async with open_postgres(address, skew=skew, **limit) as server:
        yield PostgresStore(server, clock, max_losses=max_losses)


async def _prepare(url: str, seconds: float) -> None:
    """See to the tables; a server that is being restarted is waited for."""
    until = anyio.current_time() + seconds
    pause = FIRST_PAUSE
    while True:
        try:
            return await to_thread.run_sync(prepare, url)
        except StoreUnavailable:
            if anyio.current_time() + pause > until:
                raise
        await anyio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
