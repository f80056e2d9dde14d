"""How a database is: reachable, of which schema, how full, and what about it will cause trouble. Reads only."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from pullwright.agents.queue.address import Address, parse
from pullwright.agents.queue.life import LEASE_SECONDS
from pullwright.agents.queue.migrations import Schema, check
from pullwright.agents.queue.migrations.running import connect, plain_errors
from pullwright.agents.schedule import PUNCTUAL_SECONDS

CLOCK_SECONDS: Final = 5.0
"""Clocks that differ by more are worth a word."""

WRONG_LANES: Final = """
SELECT count(*) FROM (
  SELECT lane.key FROM lane LEFT JOIN task ON task.lane = lane.key AND task.status IN ('queued', 'running', 'canceling')
  GROUP BY lane.key, lane.queued, lane.running
  HAVING lane.queued <> count(CASE WHEN task.status = 'queued' THEN 1 END)
      OR lane.running <> count(CASE WHEN task.status IN ('running', 'canceling') THEN 1 END)
  UNION ALL
  SELECT DISTINCT task.lane FROM task WHERE task.status IN ('queued', 'running', 'canceling')
     AND NOT EXISTS (SELECT 1 FROM lane WHERE lane.key = task.lane)
) AS wrong
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A database as it was found."""

    shown: str
    """Where it is, without a password."""
    engine: str
    """Its name and version."""
    schema: Schema
    seconds: float
    """What the simplest statement took, there and back."""
    tasks: Mapping[str, int]
    """How many there are, by status."""
    workers: int
    """How many were seen within the length of a lease."""
    wrong_lanes: int
    """Lanes that do not count their tasks right."""
    stuck: int
    """Runs whose lease ended long ago and that nobody has taken back."""
    schedules: int
    overdue: int
    """Schedules that were due long ago and that nobody has looked at."""
    ahead: float
    """Seconds that the database's clock is ahead of this host's."""
    warnings: tuple[str, ...]
    """What is weaker than it could be, and what to do about it."""


def inspect(url: str) -> Condition:
    """Look at a database.

    Raises:
        ConfigError: The URL is wrong, or the database can not be used.
        StoreUnavailable: It does not answer.
    """
    address = parse(url)
    schema = check(url)
    engine = connect(address, reading=True)
    try:
        with plain_errors(address, "read"), engine.connect() as connection:
            return _inspect(connection, address, schema)
    finally:
        engine.dispose()


def _inspect(connection: Connection, address: Address, schema: Schema) -> Condition:
    connection.execute(text("SELECT 1"))
    began = time.perf_counter()
    now = _now(connection)
    seconds = time.perf_counter() - began
    ahead = now - (time.time() - seconds / 2)
    ours = schema.current == schema.head
    late = {"moment": now - LEASE_SECONDS}
    return Condition(
        shown=address.shown,
        engine=_engine(connection),
        schema=schema,
        seconds=seconds,
        tasks=_tasks(connection) if schema.current else {},
        workers=_count(connection, "SELECT count(*) FROM worker WHERE seen_at > :moment", late) if ours else 0,
        wrong_lanes=_count(connection, WRONG_LANES, {}) if ours else 0,
        stuck=_count(connection, _STUCK, late) if ours else 0,
        schedules=_count(connection, "SELECT count(*) FROM schedule", {}) if ours else 0,
        overdue=_count(connection, _OVERDUE, {"moment": now - PUNCTUAL_SECONDS}) if ours else 0,
        ahead=ahead,
        warnings=tuple(_warnings(connection, ahead)),
    )


_STUCK = "SELECT count(*) FROM task WHERE status IN ('running', 'canceling') AND lease_until < :moment"
_OVERDUE = "SELECT count(*) FROM schedule WHERE NOT paused AND next_at > 0 AND next_at < :moment"


def _now(connection: Connection) -> float:
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())


def _engine(connection: Connection) -> str:
    if connection.dialect.name == "sqlite":
        return f"SQLite {connection.execute(text('SELECT sqlite_version()')).scalar_one()}"
    return f"PostgreSQL {connection.execute(text('SHOW server_version')).scalar_one()}"


def _tasks(connection: Connection) -> Mapping[str, int]:
    rows = connection.execute(text("SELECT status, count(*) AS number FROM task GROUP BY status ORDER BY status"))
    return {row.status: row.number for row in rows}


def _count(connection: Connection, statement: str, values: Mapping[str, float]) -> int:
    return int(connection.execute(text(statement), values).scalar_one())


def _warnings(connection: Connection, ahead: float) -> Iterator[str]:
    if connection.dialect.name == "sqlite":
        return
    if abs(ahead) > CLOCK_SECONDS:
        where = "ahead of" if ahead > 0 else "behind"
        yield (
            f"the database's clock is {abs(ahead):.0f} s {where} this host's; no run is harmed, but the moments that "
            "are shown are the database's: keep the time of both hosts (NTP)"
        )
    if connection.execute(text("SELECT pg_is_in_recovery()")).scalar_one():
        yield "this server is a replica and takes no writes; point AGENT_DATABASE_URL at the primary"
    if _pooled(connection):
        yield (
            "there is a pooler in between (such as PgBouncer); notifications and life lines may not pass, then work is "
            "picked up within a second and a dead worker is noticed by its lease; better connect directly"
        )
    names = ("fsync", "full_page_writes", "synchronous_commit")
    off = [f"{name}=off" for name in names if connection.execute(text(f"SHOW {name}")).scalar_one() == "off"]
    if off:
        yield f"the server runs with {', '.join(off)}: a power cut may take away what was durable; set it to on"


def _pooled(connection: Connection) -> bool:
    """Say whether the process that we were told at the start is another one than that which answers."""
    told = connection.connection.driver_connection
    answers = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return told is not None and bool(told.info.backend_pid != answers)
