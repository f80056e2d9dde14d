"""Where the queue is measured: a new SQLite file or a new database of a real PostgreSQL for each part."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pullwright.agents.clock import SystemClock
from pullwright.agents.queue.migrations import upgrade
from pullwright.agents.queue.open import open_store
from pullwright.agents.queue.sql_store import SqlStore
from tests.benchmarks.queue_table import Engine
from tests.postgres import PostgresServer, running_server

TICK: Final = os.sysconf("SC_CLK_TCK")
TEMPLATE: Final = "migrated"

SETTINGS: Final = {
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "autovacuum_naptime": "60s",
}
"""PostgreSQL's own defaults in place of what the tests take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of everything is done."""

    pickups: int = 400
    claims: int = 1600
    history: int = 1_000_000
    """Finished tasks; ``AGENT_BENCH_ROWS`` says otherwise."""
    backlog: int = 10_000
    turns: int = 2020
    """Claims over which the share of each lane is counted."""
    watched_seconds: float = 12.0
    appends: int = 1500
    rebuilds: int = 15
    kills: int = 30
    losses: int = 2
    files: int = 10_000
    checkpoints: int = 40
    restores: int = 3
    runs: int = 200
    steps: int = 10


QUICK: Final = Sizes(
    pickups=60,
    claims=320,
    history=20_000,
    turns=404,
    watched_seconds=3.0,
    appends=300,
    rebuilds=5,
    kills=4,
    losses=0,
    files=1000,
    checkpoints=8,
    restores=1,
    runs=40,
    steps=4,
)


class Place:
    """One engine, which gives a new database for everything that is measured."""

    def __init__(self, engine: Engine, folder: Path, server: PostgresServer | None = None) -> None:
        self.engine = engine
        self._folder = folder
        self._server = server
        self._count = 0

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """Yield the URL of a database with tables and without rows."""
        if self._server is not None:
            with self._server.database(TEMPLATE) as url:
                yield url
            return
        self._count += 1
        folder = self._folder / f"sqlite-{self._count}"
        folder.mkdir()
        url = f"sqlite:///{folder / 'queue.db'}"
        upgrade(url)
        yield url
        for file in folder.glob("queue.db*"):
            file.unlink()

    def cpu(self) -> float:
        """Return the CPU seconds that this process and the server have taken."""
        return time.process_time() + self.server_cpu()

    def server_cpu(self) -> float:
        """Return the CPU seconds that the server's processes have taken, those that ended included; 0 without one."""
        if self._server is None:
            return 0.0
        first = (self._server.folder / "data" / "postmaster.pid").read_text().split()[0]
        return sum(_processor_seconds(stat) for stat in _family(first))


def opened(url: str) -> AbstractAsyncContextManager[SqlStore]:
    """Open the store as a worker does."""
    return open_store(url, SystemClock())


@contextmanager
def places(engines: list[Engine], folder: Path) -> Iterator[list[Place]]:
    """Start what the engines need."""
    found = [Place("SQLite", folder)] if "SQLite" in engines else []
    if "PostgreSQL" not in engines:
        yield found
        return
    with running_server(**SETTINGS) as server:
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        upgrade(server.url(TEMPLATE))
        yield [*found, Place("PostgreSQL", folder, server)]


def sqlite_path(url: str) -> Path | None:
    """Return the file of an SQLite URL, and None for a server's."""
    address = urlsplit(url)
    return Path(address.path) if address.scheme == "sqlite" else None


def _family(first: str) -> Iterator[list[str]]:
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            stat = place.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended; its parent counts it
            continue
        if place.parent.name == first or stat[1] == first:
            yield stat


def _processor_seconds(stat: list[str]) -> float:
    """Return user and system time, of children that were waited for too (proc(5), fields 14 to 17)."""
    return sum(map(int, stat[11:15])) / TICK
