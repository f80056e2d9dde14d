r"""The tables, for migrations and for people; the hot statements are plain SQL beside the methods that run them.

Moments are seconds since 1970 UTC, a form that both engines compare and add. JSON is kept as ASCII text: PostgreSQL's
``json`` would check it once more and its ``jsonb`` refuses ``\u0000``; ``data::json`` reads it by hand. Text that is
compared has the collation ``C``, so that both engines sort as Python does and prefixes use the index.

There are no foreign keys: whoever writes a row holds the lock of its task already, and nothing ever deletes a task.
Indexes are partial, so that finished tasks cost the queue nothing. ``lease_until`` is in none, so that a heartbeat
rewrites no index. Tenants have no table.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Double, Index, LargeBinary, Text, desc, text
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

NAME: Any = Text().with_variant(TEXT(collation="C"), "postgresql")
"""Text that is compared: ids, keys, statuses. (SQLModel's signature knows classes only, hence ``Any``.)"""

LIVE_WORK = text("work_key <> '' AND status NOT IN ('succeeded', 'failed', 'canceled', 'rejected')")
QUEUED = text("status = 'queued'")
BEGUN = text("status = 'queued' AND attempt > 0")
SCHEDULED = text("status = 'scheduled'")
LEASED = text("status IN ('running', 'canceling')")
READY = text("queued > 0 AND NOT paused")
NOT_TAKEN = text("consumed_at = 0")
KEYED = text("key <> ''")
WORK = text("work_key <> ''")
PUBLISHED = text("pull_request_url <> ''")
MEANT = text("meaning_key <> ''")
TO_COME = text("status = 'waiting'")
FILED = text("status = 'filed'")
AHEAD = text("NOT paused AND next_at > 0")
OPEN = text("NOT ended")
NOT_LANDED = text("landing IN ('open', 'merged', 'closed')")


class TaskRow(SQLModel, table=True):
    """One task; ``attempt`` is the fence of every write to it."""

    __tablename__ = "task"
    __table_args__ = (
        Index("task_live_work_key", "work_key", unique=True, sqlite_where=LIVE_WORK, postgresql_where=LIVE_WORK),
        Index("task_queued", "lane", desc("priority"), "id", sqlite_where=QUEUED, postgresql_where=QUEUED),
        Index("task_begun", "lane", sqlite_where=BEGUN, postgresql_where=BEGUN),
        Index("task_scheduled", "run_at", sqlite_where=SCHEDULED, postgresql_where=SCHEDULED),
        Index("task_leased", "worker_id", sqlite_where=LEASED, postgresql_where=LEASED),
        Index("task_status", "status", "id"),
        Index("task_work_key", "work_key", "id", sqlite_where=WORK, postgresql_where=WORK),
        Index("task_updated", "updated_at"),
        Index("task_pull_request", "pull_request_url", sqlite_where=PUBLISHED, postgresql_where=PUBLISHED),
    )

    id: str = Field(primary_key=True, sa_type=NAME)
    lane: str = Field(sa_type=NAME)
    work_key: str = Field(sa_type=NAME)
    priority: int = Field(sa_type=BigInteger)
    status: str = Field(sa_type=NAME)
    status_reason: str = Field(sa_type=Text)
    wait: str = Field(sa_type=Text)
    run_at: float = Field(sa_type=Double)
    attempt: int
    worker_id: str = Field(sa_type=NAME)
    lease_until: float = Field(sa_type=Double)
    steps: int
    steps_at_claim: int
    losses: int
    retries: int
    next_seq: int
    spec: str = Field(sa_type=Text)
    branch: str = Field(sa_type=Text)
    pull_request_url: str = Field(sa_type=Text)
    patch_path: str = Field(sa_type=Text)
    created_at: float = Field(sa_type=Double)
    updated_at: float = Field(sa_type=Double)
    place: str = Field(sa_type=NAME)
    """The only installation that can work on it; empty where any can. All tasks of a lane have the same."""


class EventRow(SQLModel, table=True):
    """One entry of a journal; written once."""

    __tablename__ = "event"

    task_id: str = Field(primary_key=True, sa_type=NAME)
    seq: int = Field(primary_key=True)
    attempt: int
    at: float = Field(sa_type=Double)
    type: str = Field(sa_type=Text)
    data: str = Field(sa_type=Text)


class AttemptRow(SQLModel, table=True):
    """One lease of a task; ``ended_at`` is 0 while it holds."""

    __tablename__ = "attempt"

    task_id: str = Field(primary_key=True, sa_type=NAME)
    number: int = Field(primary_key=True)
    worker_id: str = Field(sa_type=Text)
    started_at: float = Field(sa_type=Double)
    ended_at: float = Field(sa_type=Double)
    outcome: str = Field(sa_type=Text)


class LaneRow(SQLModel, table=True):
    """The queue of one repository; its counters change in the transaction of every change of status."""

    __tablename__ = "lane"
    __table_args__ = (Index("lane_ready", "vtime", "key", sqlite_where=READY, postgresql_where=READY),)

    key: str = Field(primary_key=True, sa_type=NAME)
    weight: float = Field(sa_type=Double)
    max_running: int
    paused: bool
    queued: int
    running: int
    vtime: float = Field(sa_type=Double)
    place: str = Field(sa_type=NAME)


class SignalRow(SQLModel, table=True):
    """What a person told a run; ``consumed_at`` is 0 until the run has taken it into its journal."""

    __tablename__ = "signal"
    __table_args__ = (
        Index("signal_open", "task_id", "id", sqlite_where=NOT_TAKEN, postgresql_where=NOT_TAKEN),
        Index("signal_key", "key", unique=True, sqlite_where=KEYED, postgresql_where=KEYED),
    )

    id: str = Field(primary_key=True, sa_type=NAME)
    """The task's id and the signal's number in it, so that the order of ids is the order of arrival."""
    task_id: str = Field(sa_type=NAME)
    kind: str = Field(sa_type=Text)
    text: str = Field(sa_type=Text)
    author: str = Field(sa_type=Text)
    key: str = Field(sa_type=NAME)
    created_at: float = Field(sa_type=Double)
    consumed_at: float = Field(sa_type=Double)


class EffectRow(SQLModel, table=True):
    """One change outside; ``task_id`` may be a delivery's, a report's or of notices, and ``attempt`` its turn."""

    __tablename__ = "effect"

    task_id: str = Field(primary_key=True, sa_type=NAME)
    key: str = Field(primary_key=True, sa_type=NAME)
    number: int
    """Counts from 1 within the task."""
    kind: str = Field(sa_type=Text)
    status: str = Field(sa_type=Text)
    external_id: str = Field(sa_type=Text)
    url: str = Field(sa_type=Text)
    attempt: int
    """The attempt that wrote the row last."""
    updated_at: float = Field(sa_type=Double)


class DeliveryRow(SQLModel, table=True):
    """What another system told us; ``turn`` is the fence of every write to it."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index("delivery_key", "source", "connection", "key", unique=True),
        Index("delivery_meaning", "source", "meaning_key", unique=True, sqlite_where=MEANT, postgresql_where=MEANT),
        Index("delivery_waiting", "work_key", "id", sqlite_where=TO_COME, postgresql_where=TO_COME),
        Index("delivery_filed", "task_id", sqlite_where=FILED, postgresql_where=FILED),
    )

    id: str = Field(primary_key=True, sa_type=NAME)
    source: str = Field(sa_type=NAME)
    connection: str = Field(sa_type=NAME)
    key: str = Field(sa_type=NAME)
    meaning_key: str = Field(sa_type=NAME)
    work_key: str = Field(sa_type=NAME)
    kind: str = Field(sa_type=Text)
    content: str = Field(sa_type=Text)
    status: str = Field(sa_type=NAME)
    reason: str = Field(sa_type=Text)
    task_id: str = Field(sa_type=NAME)
    put_off: int
    turn: int
    taken_by: str = Field(sa_type=NAME)
    taken_until: float = Field(sa_type=Double)
    """0 while nobody has it."""
    received_at: float = Field(sa_type=Double)
    run_at: float = Field(sa_type=Double)


class ScheduleRow(SQLModel, table=True):
    """A task that is filed again and again."""

    __tablename__ = "schedule"
    __table_args__ = (Index("schedule_due", "next_at", sqlite_where=AHEAD, postgresql_where=AHEAD),)

    name: str = Field(primary_key=True, sa_type=NAME)
    cron: str = Field(sa_type=Text)
    tz: str = Field(sa_type=Text)
    template: str = Field(sa_type=Text)
    """The specification of its tasks, as in ``task.spec``."""
    overlap: str = Field(sa_type=Text)
    catch_up: float = Field(sa_type=Double)
    """Seconds."""
    origin: str = Field(sa_type=NAME)
    """The installation whose settings hold it; empty when it was made by a command."""
    paused: bool
    next_at: float = Field(sa_type=Double)
    """When it is due; 0 when it never is again."""
    last_at: float = Field(sa_type=Double)
    """The time that was due last; 0 before the first."""
    last_outcome: str = Field(sa_type=Text)
    last_reason: str = Field(sa_type=Text)
    last_task_id: str = Field(sa_type=NAME)
    """The task that it filed last."""


class WitnessRow(SQLModel, table=True):
    """The last transaction that a connection to a server made, of those that leave no entry in a journal."""

    __tablename__ = "witness"

    connection: str = Field(primary_key=True, sa_type=NAME)
    number: int = Field(sa_type=BigInteger)
    at: float = Field(sa_type=Double)
    """Rows of connections that are long gone are removed."""


class ReportRow(SQLModel, table=True):
    """What is shown of a task where it came from."""

    __tablename__ = "report"
    __table_args__ = (
        Index("report_open", "task_id", sqlite_where=OPEN, postgresql_where=OPEN),
        Index("report_landing", "task_id", sqlite_where=NOT_LANDED, postgresql_where=NOT_LANDED),
    )

    task_id: str = Field(primary_key=True, sa_type=NAME)
    seq: int
    """The last journal entry that is shown."""
    status: str = Field(sa_type=NAME)
    number: int
    comment: str = Field(sa_type=Text)
    ended: bool
    note: str = Field(sa_type=Text)
    landing: str = Field(sa_type=NAME)


class DutyRow(SQLModel, table=True):
    """What one process does for all of them; ``turn`` is the fence of whoever does it."""

    __tablename__ = "duty"

    name: str = Field(primary_key=True, sa_type=NAME)
    holder: str = Field(sa_type=NAME)
    turn: int
    held_until: float = Field(sa_type=Double)


class WorkerRow(SQLModel, table=True):
    """A process that advances tasks."""

    __tablename__ = "worker"

    id: str = Field(primary_key=True, sa_type=NAME)
    name: str = Field(sa_type=Text)
    host: str = Field(sa_type=Text)
    pid: int = Field(sa_type=BigInteger)
    version: str = Field(sa_type=Text)
    slots: int
    draining: bool
    lock_key: int = Field(sa_type=BigInteger)
    """Of the advisory lock that its process holds; 0 where only its lease tells that it lives."""
    database_start: float = Field(sa_type=Double)
    """When the server was started that the lock was taken on; after another start the lock says nothing."""
    started_at: float = Field(sa_type=Double)
    seen_at: float = Field(sa_type=Double)
    place: str = Field(sa_type=NAME)
    """The installation that it belongs to."""


class BlobRow(SQLModel, table=True):
    """One piece of a blob; ``sha256`` and ``size`` (bytes) are those of the whole."""

    __tablename__ = "blob"

    task_id: str = Field(primary_key=True, sa_type=NAME)
    name: str = Field(primary_key=True, sa_type=NAME)
    part: int = Field(primary_key=True)
    sha256: str = Field(sa_type=Text)
    size: int = Field(sa_type=BigInteger)
    content: bytes = Field(sa_type=LargeBinary)


class SpendingRow(SQLModel, table=True):
    """What the runs of one lane spent on one day."""

    __tablename__ = "spending"

    day: str = Field(primary_key=True, sa_type=NAME)
    """``2026-12-31``, in UTC."""
    lane: str = Field(primary_key=True, sa_type=NAME)
    steps: int = Field(sa_type=BigInteger)
    prompt_tokens: int = Field(sa_type=BigInteger)
    cached_tokens: int = Field(sa_type=BigInteger)
    """The part of ``prompt_tokens`` that was in a prefix cache."""
    completion_tokens: int = Field(sa_type=BigInteger)
    seconds: float = Field(sa_type=Double)
    dollars: float = Field(sa_type=Double)
