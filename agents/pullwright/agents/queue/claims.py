"""Claims, heartbeats, and what is taken back, inside one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Final

from pullwright.agents.errors import DamagedTask, LeaseLost
from pullwright.agents.events import TaskMoved
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.lease import AttemptOutcome, Held, Terms
from pullwright.agents.ports.outbox import Holder
from pullwright.agents.queue import duties, inbox, spending
from pullwright.agents.queue import life as rules
from pullwright.agents.queue.database import Database, Row, Transaction, Value, one
from pullwright.agents.queue.fair import Lane, after_claim
from pullwright.agents.queue.records import (
    LOCK,
    SAVE,
    SAVE_LANE,
    fail_damaged,
    found,
    insert_events,
    locked_lane,
    move,
    write,
)
from pullwright.agents.queue.rows import damage, lane_of, lane_values, life_of, task_with
from pullwright.agents.task import LIVE, Task, TaskStatus

READY: Final = "queued > 0 AND running < max_running AND NOT paused AND place IN ('', :place)"
TASK: Final = "SELECT task.*, (SELECT max(seq) FROM event WHERE task_id = task.id) AS last_seq FROM task"
NAMED: Final = f"{TASK} WHERE id = :id FOR UPDATE"
NEXT: Final = f"""{TASK}
WHERE lane = :lane AND status = 'queued' ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED"""
NEXT_BEGUN: Final = f"""{TASK}
WHERE lane = :lane AND status = 'queued' AND attempt > 0 ORDER BY priority DESC, id LIMIT 1 FOR UPDATE SKIP LOCKED"""
BEGIN_ATTEMPT: Final = """
INSERT INTO attempt (task_id, number, worker_id, started_at, ended_at, outcome)
VALUES (:id, :attempt, :worker_id, :now, 0, '')"""
BEAT: Final = """
UPDATE task SET lease_until = :until
WHERE worker_id = :worker_id AND status IN ('running', 'canceling') AND lease_until > 0
RETURNING id, attempt, status,
(SELECT count(*) FROM signal WHERE signal.task_id = task.id AND signal.consumed_at = 0) AS signals"""
SEEN: Final = "UPDATE worker SET seen_at = :now WHERE id = :worker_id"
LEASE: Final = "SELECT attempt, status, lease_until FROM task WHERE id = :id"
DUE: Final = "SELECT id FROM task WHERE status = 'scheduled' AND run_at <= :now ORDER BY run_at, id LIMIT 200"
HOLDERS: Final = "SELECT DISTINCT worker_id FROM task WHERE status IN ('running', 'canceling')"
SILENT: Final = """
SELECT id FROM task WHERE status IN ('running', 'canceling') AND (lease_until <= :now OR lease_until > :far)
ORDER BY id"""
HELD_BY: Final = "SELECT id FROM task WHERE worker_id = :worker_id AND status IN ('running', 'canceling') ORDER BY id"
GIVE_UP: Final = "UPDATE task SET lease_until = 0 WHERE worker_id = :worker_id AND status IN ('running', 'canceling')"
COUNT: Final = """
SELECT (SELECT max(place) FROM task WHERE lane = :lane AND status = 'queued') AS place,
(SELECT count(*) FROM task WHERE lane = :lane AND status = 'queued') AS queued,
(SELECT count(*) FROM task WHERE lane = :lane AND status IN ('running', 'canceling')) AS running"""
USED_LANES: Final = """
SELECT key FROM lane UNION SELECT lane FROM task WHERE status = 'queued'
UNION SELECT lane FROM task WHERE status IN ('running', 'canceling') ORDER BY 1"""


def claim(worker_id: str, task_id: str | None, terms: Terms, tx: Transaction) -> Task | None:
    """Take a named task, or the next one of the lane whose turn it is; one that can not be read fails instead."""
    if task_id is not None:
        row = one(tx.rows(NAMED, id=task_id))
        if row is None or row["status"] != TaskStatus.QUEUED.value or row["place"] not in ("", terms.place):
            return None
        return _claimed(tx, locked_lane(tx, row["lane"]), row, worker_id)
    over = spending.is_over(terms.limits, tx)
    ready, values = _ready(terms, tx, over=over)
    # Lanes that others are busy with are passed over; when no other is left, their turn is waited for.
    turns = (_next_lane(ready, "FOR UPDATE SKIP LOCKED"), _next_lane(ready, "FOR UPDATE"))
    while lane := one(tx.rows(turns[0], **values)) or one(tx.rows(turns[1], **values)):
        only_begun = over or spending.lane_is_over(lane["key"], terms.limits, tx)
        row = one(tx.rows(NEXT_BEGUN if only_begun else NEXT, lane=lane["key"]))
        if row is None and not recount(lane["key"], tx):
            return None  # others hold its tasks at this moment
        task = _claimed(tx, lane_of(lane), row, worker_id) if row else None
        if task is not None:
            return task
    return None


def backlog(terms: Terms, tx: Transaction) -> bool:
    """Say whether a lane has something to claim."""
    ready, values = _ready(terms, tx, over=spending.is_over(terms.limits, tx))
    return bool(tx.rows(f"SELECT key FROM lane WHERE {ready} LIMIT 1", **values))


def beat(worker_id: str, tx: Transaction) -> Mapping[str, Held]:
    """Extend every lease of a worker."""
    rows = tx.rows(BEAT, worker_id=worker_id, until=tx.now + rules.LEASE_SECONDS)
    tx.run(SEEN, worker_id=worker_id, now=tx.now)
    return {
        row["id"]: Held(attempt=row["attempt"], status=TaskStatus(row["status"]), signals=row["signals"])
        for row in rows
    }


def confirm(task: Holder, tx: Transaction) -> None:
    """Check that the lease of an attempt, or the time of a turn, holds.

    Raises:
        LeaseLost: It does not.
    """
    if isinstance(task, Delivery):
        inbox.confirm(task, tx)
        return
    if not isinstance(task, Task):
        duties.confirm(task, tx)
        return
    row = one(tx.rows(LEASE, id=task.id))
    if row is None or row["attempt"] != task.attempt or row["status"] not in LIVE:
        raise LeaseLost(f"attempt {task.attempt} of task {task.id!r} is over; nothing was written")
    if row["lease_until"] <= tx.now:
        raise LeaseLost(f"the lease of attempt {task.attempt} of task {task.id!r} has run out")


def what_is_due(tx: Transaction) -> Sequence[str]:
    """Return the scheduled tasks whose moment has come."""
    return [row["id"] for row in tx.rows(DUE, now=tx.now)]


def queue_due(task_id: str, tx: Transaction) -> None:
    """Queue a task, if it is still due."""
    row = one(tx.rows(LOCK, id=task_id))
    if row is None:
        return
    life = life_of(row)
    after = rules.due(life, tx.now)
    if after != life:
        move(tx, row, after)


def what_is_lost(database: Database, tx: Transaction) -> Collection[tuple[str, str]]:
    """Return the tasks to take back, each with the worker that is known to be dead, or "" if only its lease is over."""
    holders = [row["worker_id"] for row in tx.rows(HOLDERS)]
    lost = {
        row["id"]: worker_id
        for worker_id in (database.dead(tx, holders) if holders else ())
        for row in tx.rows(HELD_BY, worker_id=worker_id)
    }
    for row in tx.rows(SILENT, now=tx.now, far=tx.now + 2 * rules.LEASE_SECONDS) if holders else ():
        lost.setdefault(row["id"], "")
    return sorted(lost.items())


def take_back(database: Database, task_id: str, dead: str, max_losses: int, tx: Transaction) -> Task | None:
    """Take a task from a worker that died or fell silent, if that is still so."""
    row = one(tx.rows(LOCK, id=task_id))
    if row is None:
        return None
    life = life_of(row)
    given_up = life.leased and not life.lease_until
    over = rules.silent(life, tx.now) and not database.unsure(tx.now)
    if not (given_up or over or (dead and life.leased and life.worker_id == dead)):
        return None
    return move(tx, row, rules.lost(life, max_losses), ended=AttemptOutcome.LOST, worker_id=life.worker_id)


def used_lanes(tx: Transaction) -> Sequence[str]:
    """Return the keys of all lanes, and of those that lost their row."""
    return [row["key"] for row in tx.rows(USED_LANES)]


def recount(key: str, tx: Transaction) -> bool:
    """Count a lane's tasks while it is locked, so that nobody changes its counters, and say whether it was wrong."""
    lane = locked_lane(tx, key)
    counted = tx.rows(COUNT, lane=key)[0]
    place = lane.place if counted["place"] is None else counted["place"]
    right = replace(lane, queued=counted["queued"], running=counted["running"], place=place)
    if right != lane:
        tx.run(SAVE_LANE, **lane_values(right))
        tx.ring()
    return right != lane


def set_lane(key: str, change: Callable[[Lane], Lane], tx: Transaction) -> None:
    """Change the settings of a lane."""
    tx.run(SAVE_LANE, **lane_values(change(locked_lane(tx, key))))
    tx.ring()


def _ready(terms: Terms, tx: Transaction, *, over: bool) -> tuple[str, dict[str, Value]]:
    """Return the condition of lanes that a worker may claim from, with its values."""
    values: dict[str, Value] = {"place": terms.place}
    if over:
        return f"{READY} AND {spending.BEGUN}", values
    if terms.limits.repository:
        return f"{READY} AND {spending.WITHIN}", {**values, **spending.most(terms.limits, tx)}
    return READY, values


@cache
def _next_lane(ready: str, locking: str) -> str:
    return f"SELECT * FROM lane WHERE {ready} ORDER BY vtime, key LIMIT 1 {locking}"


def _claimed(tx: Transaction, lane: Lane, row: Row, worker_id: str) -> Task | None:
    problem = _problem(row)
    if problem:
        fail_damaged(tx, row, problem)
        return None
    life = rules.claimed(life_of(row), worker_id, tx.now)
    moved = TaskMoved(old=row["status"], new=life.status.value, worker_id=worker_id)
    lane = replace(lane, vtime=after_claim(lane), queued=lane.queued - 1, running=lane.running + 1)
    values = lane_values(lane)
    statements = [SAVE, insert_events(1), BEGIN_ATTEMPT, SAVE_LANE]
    outcome = {name: row[name] for name in ("branch", "pull_request_url", "patch_path")}
    write(tx, row, life, [moved], statements, **values, **outcome)
    return task_with(row, life, tx.now)


def _problem(row: Row) -> str:
    """Say why nobody can work on a task, because of what its rows hold; empty when nothing is wrong."""
    try:
        life_of(row)
    except DamagedTask as exc:
        return str(exc)
    if row["last_seq"] is None or row["next_seq"] != row["last_seq"] + 1:
        return f"the journal of task {row['id']!r} does not end where it should (entry {row['last_seq']})"
    return damage(row)


def give_up(task_id: str, problem: str, tx: Transaction) -> Task:
    """End a task that stands in everybody's way."""
    return fail_damaged(tx, found(tx, task_id), problem)
