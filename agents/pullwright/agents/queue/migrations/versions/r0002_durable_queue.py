"""The durable queue: lanes, leases, attempts, signals, effects, workers and blobs.

Moments become seconds since 1970 and JSON becomes text. Runs that were in flight go back into the queue: whoever still
works on one finds its attempt over and can write nothing, and a worker of this release takes it up.
"""

from __future__ import annotations

import json
import time
from typing import Final

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, LargeBinary, Text, TextClause, text
from sqlalchemy.dialects.postgresql import TEXT

revision = "0002"
down_revision = "0001"

NAME: Final = Text().with_variant(TEXT(collation="C"), "postgresql")
LIVE_WORK = text("work_key <> '' AND status NOT IN ('succeeded', 'failed', 'canceled', 'rejected')")
REASON: Final = "pullwright was upgraded"
BATCH: Final = 500


def upgrade() -> None:
    """Make the tables, and take everything over from the old ones."""
    _put_aside()
    _make_task()
    _make_event()
    _make_lane()
    _make_attempt()
    _make_signal()
    _make_effect()
    _make_worker()
    _make_blob()
    _take_over()
    op.drop_table("event_1")
    op.drop_table("task_1")


def _put_aside() -> None:
    op.drop_index("task_live_work_key", "task")
    op.drop_index("task_queued", "task")
    for name in ("task", "event"):
        op.rename_table(name, f"{name}_1")
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"ALTER INDEX {name}_pkey RENAME TO {name}_1_pkey")


def _make_task() -> None:
    op.create_table(
        "task",
        Column("id", NAME, primary_key=True),
        Column("lane", NAME, nullable=False),
        Column("work_key", NAME, nullable=False),
        Column("priority", BigInteger, nullable=False),
        Column("status", NAME, nullable=False),
        Column("status_reason", Text, nullable=False),
        Column("wait", Text, nullable=False),
        Column("run_at", Double, nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("worker_id", NAME, nullable=False),
        Column("lease_until", Double, nullable=False),
        Column("steps", Integer, nullable=False),
        Column("steps_at_claim", Integer, nullable=False),
        Column("losses", Integer, nullable=False),
        Column("retries", Integer, nullable=False),
        Column("next_seq", Integer, nullable=False),
        Column("spec", Text, nullable=False),
        Column("branch", Text, nullable=False),
        Column("pull_request_url", Text, nullable=False),
        Column("patch_path", Text, nullable=False),
        Column("created_at", Double, nullable=False),
        Column("updated_at", Double, nullable=False),
    )
    _index("task_live_work_key", "task", ["work_key"], LIVE_WORK.text, unique=True)
    _index("task_queued", "task", ["lane", "priority DESC", "id"], "status = 'queued'")
    _index("task_scheduled", "task", ["run_at"], "status = 'scheduled'")
    _index("task_leased", "task", ["worker_id"], "status IN ('running', 'canceling')")
    op.create_index("task_status", "task", ["status", "id"])


def _make_event() -> None:
    op.create_table(
        "event",
        Column("task_id", NAME, primary_key=True),
        Column("seq", Integer, primary_key=True),
        Column("attempt", Integer, nullable=False),
        Column("at", Double, nullable=False),
        Column("type", Text, nullable=False),
        Column("data", Text, nullable=False),
    )


def _make_lane() -> None:
    op.create_table(
        "lane",
        Column("key", NAME, primary_key=True),
        Column("weight", Double, nullable=False),
        Column("max_running", Integer, nullable=False),
        Column("paused", Boolean, nullable=False),
        Column("queued", Integer, nullable=False),
        Column("running", Integer, nullable=False),
        Column("vtime", Double, nullable=False),
    )
    _index("lane_ready", "lane", ["vtime", "key"], "queued > 0 AND NOT paused")


def _make_attempt() -> None:
    op.create_table(
        "attempt",
        Column("task_id", NAME, primary_key=True),
        Column("number", Integer, primary_key=True),
        Column("worker_id", Text, nullable=False),
        Column("started_at", Double, nullable=False),
        Column("ended_at", Double, nullable=False),
        Column("outcome", Text, nullable=False),
    )


def _make_signal() -> None:
    op.create_table(
        "signal",
        Column("id", NAME, primary_key=True),
        Column("task_id", NAME, nullable=False),
        Column("kind", Text, nullable=False),
        Column("text", Text, nullable=False),
        Column("author", Text, nullable=False),
        Column("key", NAME, nullable=False),
        Column("created_at", Double, nullable=False),
        Column("consumed_at", Double, nullable=False),
    )
    _index("signal_open", "signal", ["task_id", "id"], "consumed_at = 0")
    _index("signal_key", "signal", ["key"], "key <> ''", unique=True)


def _make_effect() -> None:
    op.create_table(
        "effect",
        Column("task_id", NAME, primary_key=True),
        Column("key", NAME, primary_key=True),
        Column("number", Integer, nullable=False),
        Column("kind", Text, nullable=False),
        Column("status", Text, nullable=False),
        Column("external_id", Text, nullable=False),
        Column("url", Text, nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("updated_at", Double, nullable=False),
    )


def _make_worker() -> None:
    op.create_table(
        "worker",
        Column("id", NAME, primary_key=True),
        Column("name", Text, nullable=False),
        Column("host", Text, nullable=False),
        Column("pid", BigInteger, nullable=False),
        Column("version", Text, nullable=False),
        Column("slots", Integer, nullable=False),
        Column("draining", Boolean, nullable=False),
        Column("lock_key", BigInteger, nullable=False),
        Column("database_start", Double, nullable=False),
        Column("started_at", Double, nullable=False),
        Column("seen_at", Double, nullable=False),
    )


def _make_blob() -> None:
    op.create_table(
        "blob",
        Column("task_id", NAME, primary_key=True),
        Column("name", NAME, primary_key=True),
        Column("part", Integer, primary_key=True),
        Column("sha256", Text, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("content", LargeBinary, nullable=False),
    )


def _index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = text(where)
    op.create_index(
        name,
        table,
        [text(column) if " " in column else column for column in columns],
        unique=unique,
        sqlite_where=condition,
        postgresql_where=condition,
    )


def _take_over() -> None:
    _take_events()
    _take_tasks()
    _take_attempts()
    op.execute(
        "INSERT INTO lane (key, weight, max_running, paused, queued, running, vtime) "
        "SELECT lane, 1, 4, false, sum(CASE WHEN status = 'queued' THEN 1 ELSE 0 END), 0, 0 FROM task GROUP BY lane"
    )


def _take_events() -> None:
    op.execute(
        "INSERT INTO event (task_id, seq, attempt, at, type, data) "
        f"SELECT task_id, seq, attempt, {_seconds('at')}, type, CAST(data AS TEXT) FROM event_1"
    )


def _take_tasks() -> None:
    """Take each task over; its lane is in its specification, which SQL of both engines does not read alike."""
    taken = op.get_bind().execute(
        text(
            "SELECT id, work_key, status, status_reason, attempt, next_seq, CAST(spec AS TEXT) AS spec, branch, "
            f"pull_request_url, patch_path, {_seconds('created_at')} AS created_at, {_seconds('updated_at')} AS "
            "updated_at, (SELECT count(*) FROM event WHERE task_id = task_1.id AND type = 'model.replied') AS steps, "
            "0 AS priority, '' AS wait, 0 AS run_at, '' AS worker_id, 0 AS lease_until, 0 AS steps_at_claim, "
            "0 AS losses, 0 AS retries FROM task_1"
        )
    )
    for rows in taken.mappings().partitions(BATCH):
        tasks = [{**row, "lane": _lane(row["spec"])} for row in rows]
        op.get_bind().execute(_insert("task", list(tasks[0])), [_put_back(task) for task in tasks])


def _put_back(task: dict[str, object]) -> dict[str, object]:
    """Put a run that was in flight back into the queue, or end it if it was to be canceled, and say so."""
    if task["status"] not in ("running", "canceling"):
        return task
    status, reason = ("queued", REASON) if task["status"] == "running" else ("canceled", task["status_reason"])
    moved = {"old": task["status"], "new": status, "reason": reason, "worker_id": ""}
    event = {
        "task_id": task["id"],
        "seq": task["next_seq"],
        "attempt": task["attempt"],
        "at": time.time(),
        "type": "task.moved",
        "data": json.dumps(moved),
    }
    op.get_bind().execute(_insert("event", list(event)), event)
    return {**task, "status": status, "status_reason": reason, "next_seq": int(str(task["next_seq"])) + 1}


def _take_attempts() -> None:
    """Note the attempts that journals know of; the last one of a task that is over has finished it."""
    op.execute(
        "INSERT INTO attempt (task_id, number, worker_id, started_at, ended_at, outcome) "
        "SELECT event.task_id, event.attempt, '', min(event.at), max(event.at), CASE WHEN event.attempt = task.attempt "
        "AND task.status IN ('succeeded', 'failed', 'canceled') THEN 'finished' ELSE 'lost' END "
        "FROM event JOIN task ON task.id = event.task_id WHERE event.attempt > 0 "
        "GROUP BY event.task_id, event.attempt, task.attempt, task.status"
    )


def _lane(spec: str) -> str:
    repository = json.loads(spec)["repository"]
    host, owner, name = (repository.get(key, "") for key in ("host", "owner", "name"))
    if not host:
        return str(repository["url"])
    return f"{host}/{owner}/{name}" if owner else f"{host}/{name}"


def _seconds(column: str) -> str:
    """Return SQL for a moment in seconds since 1970; SQLite has it as text, without a zone and meant as UTC."""
    if op.get_bind().dialect.name == "postgresql":
        return f"CAST(extract(epoch FROM {column}) AS double precision)"
    return f"(CAST(strftime('%s', substr({column}, 1, 19)) AS REAL) + CAST('0' || substr({column}, 20) AS REAL))"


def _insert(table: str, columns: list[str]) -> TextClause:
    values = ", ".join(f":{column}" for column in columns)
    return text(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})")
