"""Retention: what is kept of tasks that ended long ago is removed, a few tasks in each transaction.

The tasks themselves stay, and so does what a task needs that is not over: its own rows, and the files of the tasks that
it was forked from or tries again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

from pullwright.agents.queue.address import Address, parse
from pullwright.agents.queue.migrations import check, require_head
from pullwright.agents.queue.migrations.running import connect, only_writer, plain_errors
from pullwright.agents.task import TaskStatus

BATCH: Final = 50
"""Tasks in one transaction; workers wait meanwhile on SQLite."""

DAY_SECONDS: Final = 86_400.0

_OVER: Final = ", ".join(f"'{status}'" for status in TaskStatus if status.terminal)
_ENDED: Final = f"""
SELECT id FROM task WHERE status IN ({_OVER}) AND updated_at < :before AND id > :after AND (
EXISTS (SELECT 1 FROM blob WHERE blob.task_id = task.id)
OR (:journals = 1 AND EXISTS (SELECT 1 FROM event WHERE event.task_id = task.id))
) ORDER BY id LIMIT :batch"""
_NOT_OVER: Final = f"SELECT spec FROM task WHERE status NOT IN ({_OVER})"
_SPEC: Final = "SELECT spec FROM task WHERE id = :id"
_SIZE: Final = "SELECT count(DISTINCT name) AS blobs, coalesce(sum(length(content)), 0) AS bytes FROM blob WHERE "


@dataclass(frozen=True, slots=True, kw_only=True)
class Trimmed:
    """What was removed."""

    tasks: int = 0
    """How many lost something."""
    blobs: int = 0
    bytes: int = 0
    """Of the blobs."""
    events: int = 0

    def __add__(self, other: Trimmed) -> Trimmed:
        return Trimmed(
            tasks=self.tasks + other.tasks,
            blobs=self.blobs + other.blobs,
            bytes=self.bytes + other.bytes,
            events=self.events + other.events,
        )


def trim(url: str, *, days: float, journals: bool = False) -> Trimmed:
    """Remove the blobs (checkpoints, patches) of tasks that ended more than ``days`` days ago.

    Workers may go on meanwhile. What was removed before an error stays removed.

    Args:
        url: The database; it has the schema of this release.
        days: How long ago, by the database's clock (that of this host on SQLite).
        journals: Remove their journals too; then nobody can see any more what they did.

    Raises:
        ConfigError: The database can not be used, or its schema is another one.
        StoreUnavailable: A server does not answer.
    """
    address = parse(url)
    require_head(check(url), url)
    with closing(_Trimmer(address, days=days, journals=journals)) as trimmer:
        return sum(trimmer.batches(), Trimmed())


class _Trimmer:
    def __init__(self, address: Address, *, days: float, journals: bool) -> None:
        self._address = address
        self._engine: Engine = connect(address)
        self._journals = journals
        self._seconds = days * DAY_SECONDS

    def close(self) -> None:
        self._engine.dispose()

    def batches(self) -> Iterator[Trimmed]:
        after = ""
        while True:
            with self._transaction() as connection:
                ended = self._ended(connection, after)
                needed = _needed(connection)
                trimmed = [self._trim(connection, task_id) for task_id in ended if task_id not in needed]
            if not ended:
                return
            after = ended[-1]
            yield sum(trimmed, Trimmed())

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with plain_errors(self._address, "trimmed"), only_writer(self._address), self._engine.begin() as connection:
            yield connection

    def _ended(self, connection: Connection, after: str) -> list[str]:
        now = _now(connection)
        values = {"before": now - self._seconds, "after": after, "journals": int(self._journals), "batch": BATCH}
        return list(connection.execute(text(_ENDED), values).scalars())

    def _trim(self, connection: Connection, task_id: str) -> Trimmed:
        one = {"id": task_id}
        size = connection.execute(text(f"{_SIZE} task_id = :id"), one).one()
        connection.execute(text("DELETE FROM blob WHERE task_id = :id"), one)
        events = 0
        if self._journals:
            events = connection.execute(text("DELETE FROM event WHERE task_id = :id"), one).rowcount
        return Trimmed(tasks=1, blobs=size.blobs, bytes=int(size.bytes), events=events)


def _now(connection: Connection) -> float:
    sqlite = connection.dialect.name == "sqlite"
    moment = "(julianday('now') - 2440587.5) * 86400.0" if sqlite else "extract(epoch FROM clock_timestamp())"
    return float(connection.execute(text(f"SELECT {moment}")).scalar_one())


def _needed(connection: Connection) -> set[str]:
    """Return the tasks that those which are not over were forked from or try again, and so on back."""
    needed: set[str] = set()
    parents = {_parent(spec) for spec in connection.execute(text(_NOT_OVER)).scalars()}
    while parents := parents - needed - {""}:
        needed |= parents
        specs = [connection.execute(text(_SPEC), {"id": parent}).scalar() for parent in parents]
        parents = {_parent(spec) for spec in specs}
    return needed


def _parent(spec: str | None) -> str:
    try:
        return str(json.loads(spec or "{}").get("parent_id", ""))
    except (ValueError, AttributeError):
        return ""  # edited by hand; nobody will work on it
