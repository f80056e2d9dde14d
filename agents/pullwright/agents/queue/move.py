"""Moving everything from one database to another, of either engine: one transaction on the target, all or nothing.

Nobody can write to the source meanwhile. In the end its lanes and schedules are paused and its leases fenced: a task
that is in both must not be worked on in both. Rows of workers stay behind, for they are processes that know the source
only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Table, func, insert, select, text, update
from sqlmodel import SQLModel

from pullwright.agents.errors import ConfigError, StoreError
from pullwright.agents.queue.address import Address, parse
from pullwright.agents.queue.database import Value, plain
from pullwright.agents.queue.life import LEASE_SECONDS
from pullwright.agents.queue.migrations import check, require_head, upgrade
from pullwright.agents.queue.migrations.running import connect, only_writer, plain_errors
from pullwright.agents.queue.tables import (
    AttemptRow,
    BlobRow,
    DeliveryRow,
    EffectRow,
    EventRow,
    LaneRow,
    ReportRow,
    ScheduleRow,
    SignalRow,
    SpendingRow,
    TaskRow,
    WorkerRow,
)

BATCH: Final = 500
"""Rows that are read and written at once."""

BLOB_BATCH: Final = 8
"""Pieces of blobs that are; one may have a megabyte."""

LOCK_SECONDS: Final = 30


_TABLES: Final = SQLModel.metadata.tables
_ROWS: Final[tuple[type[SQLModel], ...]] = (
    LaneRow,
    TaskRow,
    EventRow,
    AttemptRow,
    SignalRow,
    EffectRow,
    BlobRow,
    DeliveryRow,
    ReportRow,
    SpendingRow,
    ScheduleRow,
)

MOVED: Final = tuple(_TABLES[str(row.__tablename__)] for row in _ROWS)
TASK: Final = _TABLES[str(TaskRow.__tablename__)]
LANE: Final = _TABLES[str(LaneRow.__tablename__)]
WORKER: Final = _TABLES[str(WorkerRow.__tablename__)]
DELIVERY: Final = _TABLES[str(DeliveryRow.__tablename__)]
REPORT: Final = _TABLES[str(ReportRow.__tablename__)]
SCHEDULE: Final = _TABLES[str(ScheduleRow.__tablename__)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """One table that was copied, and that was found equal afterwards."""

    table: str
    rows: int
    sha256: str
    """Of all rows in the order of their keys; the same on both engines."""


def move(source: str, target: str, *, done: Callable[[Copied], None] = lambda _: None) -> tuple[Copied, ...]:
    """Copy every row, compare, and pause the lanes and the schedules of the source.

    Args:
        source: URL of the database to copy; it has the schema of this release.
        target: URL of the other one; its tables are made if they are missing.
        done: Called for each table when it has been copied.

    Raises:
        ConfigError: The databases are the same, the target holds something, workers are alive, or a schema is wrong.
        StoreUnavailable: A server does not answer, or others hold its tables.
        StoreError: What arrived is not what was sent; nothing was changed.
    """
    old, new = parse(source), parse(target)
    if (old.conninfo, old.path.resolve()) == (new.conninfo, new.path.resolve()):
        raise ConfigError(f"{new.shown!r} is the database that is in use; give --to another one")
    require_head(check(source), source)
    upgrade(target)
    with _alone(old) as reading, _alone(new) as writing:
        _refuse_living(reading, old)
        _refuse_living(writing, new)
        _refuse_full(writing, new)
        copied = []
        for table in MOVED:
            with plain_errors(new, "filled"):
                copied.append(_copy(table, reading, writing))
            done(copied[-1])
        _close(reading)
        # The target is committed first: after a crash between the two, everything is in both, and nothing in none.
        return tuple(copied)


@contextmanager
def _alone(address: Address) -> Iterator[Connection]:
    """Open a transaction in which nobody else can write; it is committed at the end of the block."""
    with ExitStack() as stack:
        with plain_errors(address, "locked"):
            engine = connect(address)
            stack.callback(engine.dispose)
            stack.enter_context(only_writer(address))
            connection = stack.enter_context(engine.connect())
            _lock(connection)
        yield connection
        with plain_errors(address, "written"):
            connection.commit()


def _lock(connection: Connection) -> None:
    connection.begin()
    if connection.dialect.name == "postgresql":
        names = ", ".join(table.name for table in (*MOVED, WORKER))
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))
        connection.execute(text(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE"))


def _refuse_living(connection: Connection, address: Address) -> None:
    sqlite = address.engine == "sqlite"
    now = "(julianday('now') - 2440587.5) * 86400.0" if sqlite else "extract(epoch FROM clock_timestamp())"
    alive = select(func.count()).select_from(WORKER).where(text(f"abs({now} - seen_at) < {LEASE_SECONDS}"))
    count = connection.execute(alive).scalar_one()
    if count:
        noun = "worker is" if count == 1 else "workers are"
        raise ConfigError(
            f"{count} {noun} alive on {address.shown!r}; stop them, and try again {LEASE_SECONDS:.0f} seconds later"
        )


def _refuse_full(connection: Connection, address: Address) -> None:
    for table in MOVED:
        count = connection.execute(select(func.count()).select_from(table)).scalar_one()
        if count:
            raise ConfigError(
                f"the database {address.shown!r} is not empty ({count} rows in {table.name!r}); give --to an empty one"
            )


def _close(connection: Connection) -> None:
    """Let nothing be begun from the source, and nothing be written there by a worker that froze and comes to life."""
    connection.execute(update(LANE).values(paused=True))
    connection.execute(update(SCHEDULE).values(paused=True))
    fenced = update(TASK).where(TASK.c.status.in_(["running", "canceling"]))
    connection.execute(fenced.values(attempt=TASK.c.attempt + 1, worker_id="", lease_until=0.0))
    waiting = update(DELIVERY).where(DELIVERY.c.status == "waiting")
    connection.execute(waiting.values(status="ignored", reason="moved to another database", turn=DELIVERY.c.turn + 1))
    awaited = update(REPORT).where(REPORT.c.landing.in_(["open", "merged", "closed"]))
    connection.execute(awaited.values(landing="gone"))  # its origin hears of it from the target


def _copy(table: Table, reading: Connection, writing: Connection) -> Copied:
    rows = 0
    sent = hashlib.sha256()
    for batch in _batches(table, reading):
        writing.execute(insert(table), [dict(zip(table.columns.keys(), row, strict=True)) for row in batch])
        rows += len(batch)
        _add(sent, batch)
    arrived = hashlib.sha256()
    for batch in _batches(table, writing):
        _add(arrived, batch)
    if sent.digest() != arrived.digest():
        raise StoreError(f"table {table.name!r} did not arrive as it was sent; nothing was moved, and this is a bug")
    return Copied(table=table.name, rows=rows, sha256=sent.hexdigest())


def _batches(table: Table, connection: Connection) -> Iterator[list[tuple[Value, ...]]]:
    """Read a table in the order of its keys, as a store would have written it."""
    size = BLOB_BATCH if table.name == "blob" else BATCH
    ordered = select(table).order_by(*table.primary_key.columns)
    streamed = ordered.execution_options(stream_results=True, max_row_buffer=size)
    for batch in connection.execute(streamed).partitions(size):
        yield [tuple(map(plain, row)) for row in batch]


def _add(digest: hashlib._Hash, batch: list[tuple[Value, ...]]) -> None:
    for row in batch:
        plain = tuple(hashlib.sha256(cell).digest() if isinstance(cell, bytes) else cell for cell in row)
        digest.update(repr(plain).encode())
