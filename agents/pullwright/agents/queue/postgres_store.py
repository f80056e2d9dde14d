"""The store on PostgreSQL: what every worker does all day takes one round trip.

A statement here is the usual case of what ``claims.claim`` and ``filing.end`` do in several; wherever a row is not
quite as it expects, it changes nothing, and they decide. Rows are locked in the same order, and as there the lane's
lock makes its counters and its limit hold: of a row that somebody changed meanwhile, PostgreSQL takes the newest.

That is true of the locked row only: other tables a statement sees as they were when it began. So the end locks its task
in a statement of its own, as ``records.held`` does: who told the task something had its lock before, and the next
statement sees the signal; who has it later finds that the task is over. A task that did not hear all it was told is
left to ``filing.end``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import Final

from pullwright.agents.errors import IllegalTransition, LeaseLost
from pullwright.agents.events import RunEvent, TaskMoved
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.lease import ANY_TASK, AttemptOutcome, Terms
from pullwright.agents.queue import claims, filing
from pullwright.agents.queue import life as rules
from pullwright.agents.queue.bell import WORK
from pullwright.agents.queue.codec import outcome_of
from pullwright.agents.queue.database import Row, Transaction, Value, one
from pullwright.agents.queue.postgres import PostgresDatabase
from pullwright.agents.queue.postgres_link import ConnectionLost
from pullwright.agents.queue.rows import damage, event_values, moment, task_of
from pullwright.agents.queue.sql_store import SqlStore
from pullwright.agents.task import Task, TaskStatus

_NOW: Final = "extract(epoch FROM clock_timestamp())::float8 + CAST(:skew AS float8)"

_CLAIM: Final = f"""
WITH next AS MATERIALIZED (
    SELECT id, {_NOW} AS now FROM task WHERE status = 'queued' AND lane = (
        SELECT key FROM lane WHERE {claims.READY} ORDER BY vtime, key LIMIT 1 FOR UPDATE SKIP LOCKED
    ) ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE task SET status = 'running', status_reason = '', run_at = 0, attempt = attempt + 1,
    worker_id = :worker_id, lease_until = now + {rules.LEASE_SECONDS}, steps_at_claim = steps,
    next_seq = next_seq + 1, updated_at = now
    FROM next WHERE task.id = next.id AND wait = '' AND left(spec, 2) = '{{"' AND right(spec, 1) = '}}'
    AND next_seq = 1 + (SELECT max(seq) FROM event WHERE task_id = next.id)
    RETURNING task.*
), told AS (
    INSERT INTO event (task_id, seq, attempt, at, type, data)
    SELECT id, next_seq - 1, attempt, updated_at, :type0, :data0 FROM taken
), begun AS (
    INSERT INTO attempt (task_id, number, worker_id, started_at, ended_at, outcome)
    SELECT id, attempt, worker_id, updated_at, 0, '' FROM taken
), moved AS (
    UPDATE lane SET queued = queued - 1, running = running + 1,
    vtime = CASE WHEN vtime > '-Infinity' AND vtime < 'Infinity' THEN vtime ELSE 0 END
    + 1 / CASE WHEN weight > 0 AND weight < 'Infinity' THEN weight ELSE 1 END
    WHERE key = (SELECT lane FROM taken)
)
SELECT * FROM taken"""

_HOLD: Final = "SELECT FROM task WHERE id = :id FOR UPDATE"
_END: Final = f"""
WITH done AS (
    UPDATE task SET status = :status, status_reason = :reason, wait = :wait, worker_id = '', lease_until = 0,
    run_at = 0, next_seq = next_seq + 1, branch = coalesce(nullif(:branch, ''), branch),
    pull_request_url = coalesce(nullif(:pull_request_url, ''), pull_request_url),
    patch_path = coalesce(nullif(:patch_path, ''), patch_path), updated_at = {_NOW}
    WHERE id = :id AND attempt = :attempt AND status = 'running'
    AND NOT EXISTS (SELECT FROM signal WHERE task_id = :id AND consumed_at = 0)
    RETURNING lane, next_seq, branch, pull_request_url, patch_path, updated_at
), told AS (
    INSERT INTO event (task_id, seq, attempt, at, type, data)
    SELECT :id, next_seq - 1, :attempt, updated_at, :type0, :data0 FROM done
), ended AS (
    UPDATE attempt SET ended_at = (SELECT updated_at FROM done), outcome = :outcome
    WHERE task_id = :id AND number = :attempt AND EXISTS (SELECT FROM done)
), moved AS (
    UPDATE lane SET running = running - 1 WHERE key = (SELECT lane FROM done)
)
SELECT * FROM done"""

_ENDED: Final = """
SELECT task.* FROM task JOIN attempt ON attempt.task_id = task.id
WHERE task.id = :id AND attempt.number = :attempt AND attempt.ended_at > 0 AND attempt.outcome = :outcome"""

_WHATEVER_CAME_BEFORE: Final = (AttemptOutcome.FINISHED, AttemptOutcome.WAITING)
"""Ends that ask nothing of a run but that it is ``running``."""


class PostgresStore(SqlStore):
    """The same store, whose claims and ends of attempts are quick."""

    def __init__(self, database: PostgresDatabase, clock: Clock, *, max_losses: int = rules.MAX_LOSSES) -> None:
        super().__init__(database, clock, max_losses=max_losses)
        self._server = database

    async def claim(self, worker_id: str, task_id: str | None = None, *, terms: Terms = ANY_TASK) -> Task | None:
        if task_id is None and terms.limits == ANY_TASK.limits:
            self._looked = self._server.bell.work
            task = await self._claimed(worker_id, terms)
            if task is not None:
                return task
        return await super().claim(worker_id, task_id, terms=terms)

    async def _claimed(self, worker_id: str, terms: Terms) -> Task | None:
        try:
            row = await self._server.at_once(_CLAIM, worker_id=worker_id, place=terms.place, **_claim_event(worker_id))
        except ConnectionLost:
            return None  # if it was claimed, the worker's next heartbeat finds it, and gives it back
        if row is None:
            return None
        self._server.tell({row["id"]})
        problem = damage(row)  # only a closer look than the statement's finds it
        if not problem:
            return task_of(row)
        await self._server.write(partial(claims.give_up, row["id"], problem))
        return None

    async def _end(
        self,
        task: Task,
        decide: filing.Decide,
        outcome: AttemptOutcome,
        event: RunEvent | None = None,
        tells: TaskStatus | None = None,
    ) -> Task:
        the_long_way = partial(super()._end, task, decide, outcome, event, tells)
        if event is None or outcome not in _WHATEVER_CAME_BEFORE:
            return await the_long_way()
        try:
            life = decide(rules.Life(status=TaskStatus.RUNNING), 0.0)
            row = await self._server.at_once(_HOLD, _END, **_end_values(task, life, outcome, event))
        except IllegalTransition:
            return await the_long_way()
        except ConnectionLost:
            return await self._end_once(the_long_way, task, outcome)
        if row is None:
            return await the_long_way()
        self._server.tell({task.id, WORK})
        return _ended_task(task, life, row)

    async def _end_once(self, end: Callable[[], Awaitable[Task]], task: Task, outcome: AttemptOutcome) -> Task:
        """End an attempt, if that has not happened already: nobody else ends it with this outcome."""
        try:
            return await end()
        except LeaseLost:
            ended = await self._server.read(partial(_ended, task, outcome))
            if ended is None:
                raise
        self._server.tell({task.id, WORK})
        return ended


@lru_cache(maxsize=64)
def _claim_event(worker_id: str) -> Mapping[str, Value]:
    """Return the columns of the event that tells of a worker's claim."""
    moved = TaskMoved(old=TaskStatus.QUEUED.value, new=TaskStatus.RUNNING.value, worker_id=worker_id)
    return event_values(moved, 0)


def _end_values(task: Task, life: rules.Life, outcome: AttemptOutcome, event: RunEvent) -> dict[str, Value]:
    return {
        "id": task.id,
        "attempt": task.attempt,
        "status": life.status.value,
        "reason": life.reason,
        "wait": life.wait.value if life.wait else "",
        "outcome": outcome.value,
        "branch": "",
        "pull_request_url": "",
        "patch_path": "",
        **outcome_of(event),
        **event_values(event, 0),
    }


def _ended_task(task: Task, life: rules.Life, row: Row) -> Task:
    return replace(
        task,
        status=life.status,
        status_reason=life.reason,
        wait=life.wait,
        worker_id="",
        lease_until=None,
        run_at=None,
        branch=row["branch"],
        pull_request_url=row["pull_request_url"],
        patch_path=row["patch_path"],
        updated_at=moment(row["updated_at"]),
    )


def _ended(task: Task, outcome: AttemptOutcome, tx: Transaction) -> Task | None:
    row = one(tx.rows(_ENDED, id=task.id, attempt=task.attempt, outcome=outcome.value))
    return task_of(row) if row else None
