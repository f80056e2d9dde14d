"""Rows for the benchmark of the queue, thousands of them by one statement, as the store itself would leave them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Final

import psycopg

from pullwright.agents.change import RepositoryRef
from pullwright.agents.queue.codec import spec_to_data
from pullwright.agents.queue.rows import to_json
from pullwright.agents.task import TaskSpec
from tests.benchmarks.queue_places import sqlite_path

INSTRUCTION: Final = "Fix the rounding of invoice totals: 0.125 becomes 0.12 where the law wants 0.13. " * 4

SERIES: Final = {
    True: "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})",
    False: "WITH numbers(n) AS (SELECT generate_series(1, {count}))",
}
TASKS: Final = """
{series} INSERT INTO task (id, lane, work_key, priority, status, status_reason, wait, run_at, attempt, worker_id,
lease_until, steps, steps_at_claim, losses, retries, next_seq, spec, branch, pull_request_url, patch_path, created_at,
updated_at) SELECT '{prefix}' || substr('0000000' || n, -7), '{lane}', '', 0, '{status}', '', '', 0, {attempt}, '',
0, 0, 0, 0, 0, 2, '{spec}', '', '', '', 1700000000, 1700000000 FROM numbers"""
FILED: Final = """
INSERT INTO event (task_id, seq, attempt, at, type, data)
SELECT id, 1, 0, created_at, 'task.moved', '{"old":"","new":"queued","reason":"","worker_id":""}'
FROM task WHERE status = 'queued'"""
LANE: Final = """
INSERT INTO lane (key, weight, max_running, paused, queued, running, vtime)
VALUES ('{key}', {weight}, 4, false, {queued}, 0, 0)"""


def spec_of(lane: str) -> TaskSpec:
    """Return a task of a lane ``h.test/o/NAME``."""
    host, owner, name = lane.split("/")
    repository = RepositoryRef(url=f"https://{lane}", host=host, owner=owner, name=name)
    return TaskSpec(instruction=INSTRUCTION, repository=repository)


def lane_name(number: int) -> str:
    return f"h.test/o/r{number:03}"


def fill(url: str, queued: Mapping[str, int], *, finished: int = 0, weights: Mapping[str, float] | None = None) -> None:
    """Write queued tasks by lane, and finished ones that are older; the statistics are up to date afterwards."""
    statements = [_tasks(url, "f", lane_name(0), "succeeded", finished)] if finished else []
    for number, (lane, count) in enumerate(queued.items()):
        statements.append(_tasks(url, f"q{number:04}", lane, "queued", count))
        statements.append(LANE.format(key=lane, weight=(weights or {}).get(lane, 1.0), queued=count))
    statements.append(FILED)
    path = sqlite_path(url)
    if path is None:
        with psycopg.connect(url, autocommit=True) as server:
            for statement in [*statements, "VACUUM ANALYZE", "CHECKPOINT"]:
                server.execute(statement.encode())
        return
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA synchronous = OFF")
        for statement in statements:
            file.execute(statement)
        file.commit()
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()


def _tasks(url: str, prefix: str, lane: str, status: str, count: int) -> str:
    embedded = sqlite_path(url) is not None
    number = "substr('0000000' || n, -7)" if embedded else "lpad(n::text, 7, '0')"
    return TASKS.replace("substr('0000000' || n, -7)", number).format(
        series=SERIES[embedded].format(count=count),
        prefix=prefix,
        lane=lane,
        status=status,
        attempt=int(status == "succeeded"),
        spec=to_json(spec_to_data(spec_of(lane))).replace("'", "''"),
    )
