"""One task inside one transaction: lock it, let a pure function say what becomes of it, write that down.

Locks are taken in one order, first the task and then its lane; only a claim begins with the lane, and skips tasks that
somebody holds.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from typing import Final

from pullwright.agents.budget import NOTHING, Spent
from pullwright.agents.errors import LeaseLost, TaskNotFound
from pullwright.agents.events import (
    ChangePublished,
    JournalEntry,
    ModelReplied,
    RunEvent,
    RunFinished,
    TaskMoved,
)
from pullwright.agents.ports.lease import AttemptOutcome
from pullwright.agents.queue.codec import outcome_of
from pullwright.agents.queue.database import Row, Transaction, Value, one
from pullwright.agents.queue.fair import Lane, on_return
from pullwright.agents.queue.life import Life, leaves_words
from pullwright.agents.queue.rows import (
    event_values,
    lane_of,
    lane_values,
    life_of,
    moment,
    task_of,
    task_with,
    values_of,
)
from pullwright.agents.queue.spending import SPEND
from pullwright.agents.queue.spending import values_of as spending_values
from pullwright.agents.task import LIVE, Task, TaskStatus

DELIVERED: Final = "delivery:"
"""How the key of a signal begins that a delivery has become; the delivery's id follows."""

LOCK: Final = "SELECT * FROM task WHERE id = :id FOR UPDATE"
SAVE: Final = """
UPDATE task SET status = :status, status_reason = :status_reason, wait = :wait, run_at = :run_at, attempt = :attempt,
worker_id = :worker_id, lease_until = :lease_until, steps = :steps, steps_at_claim = :steps_at_claim, losses = :losses,
retries = :retries, next_seq = :next_seq, branch = :branch, pull_request_url = :pull_request_url,
patch_path = :patch_path, updated_at = :now WHERE id = :id"""
LEAVE_LANE: Final = "UPDATE lane SET queued = queued - :left_queue, running = running - :left_work WHERE key = :lane"
LANE: Final = "SELECT * FROM lane WHERE key = :key FOR UPDATE"
ADD_LANE: Final = """
INSERT INTO lane (key, weight, max_running, paused, queued, running, vtime, place)
VALUES (:key, :weight, :max_running, :paused, :queued, :running, :vtime, :place) ON CONFLICT (key) DO NOTHING"""
SAVE_LANE: Final = """
UPDATE lane SET weight = :weight, max_running = :max_running, paused = :paused, queued = :queued, running = :running,
vtime = :vtime, place = :place WHERE key = :key"""
FURTHEST_BEHIND: Final = "SELECT min(vtime) AS vtime FROM lane WHERE queued > 0 AND key <> :key"
ADVANCE: Final = """
UPDATE task SET next_seq = next_seq + :count, steps = steps + :replies
WHERE id = :id AND attempt = :attempt AND status IN ('running', 'canceling') RETURNING *"""
OUTCOME: Final = """
UPDATE task SET branch = :branch, pull_request_url = :pull_request_url, patch_path = :patch_path WHERE id = :id"""
TAKE_SIGNAL: Final = "UPDATE signal SET consumed_at = :now WHERE id = :id AND task_id = :task_id AND consumed_at = 0"
NOT_HEARD: Final = f"task_id = :id AND consumed_at = 0 AND substr(key, 1, {len(DELIVERED)}) = '{DELIVERED}'"
DECIDE_AGAIN: Final = f"""
UPDATE delivery SET status = 'waiting', task_id = '', run_at = 0 WHERE status = 'told'
AND id IN (SELECT substr(key, {len(DELIVERED) + 1}) FROM signal WHERE {NOT_HEARD})"""
FORGET_KEYS: Final = f"UPDATE signal SET key = '' WHERE {NOT_HEARD}"
END_ATTEMPT: Final = """
UPDATE attempt SET ended_at = :now, outcome = :outcome WHERE task_id = :id AND number = :attempt"""

END_ATTEMPTS: Final = "UPDATE attempt SET ended_at = :now, outcome = 'lost' WHERE task_id = :id AND ended_at = 0"
FAIL: Final = """
UPDATE task SET status = 'failed', status_reason = :reason, wait = '', worker_id = '', lease_until = 0, run_at = 0,
next_seq = :next_seq, updated_at = :now WHERE id = :id"""
LAST: Final = "SELECT coalesce(max(seq), 0) AS last FROM event WHERE task_id = :id"


def found(tx: Transaction, task_id: str) -> Row:
    """Lock a task and return its row.

    Raises:
        TaskNotFound: There is none with exactly this id.
    """
    row = one(tx.rows(LOCK, id=task_id))
    if row is None:
        raise TaskNotFound(f"there is no task {task_id!r}; see `agent list`")
    return row


def held(tx: Transaction, task: Task) -> Row:
    """Lock a task that this attempt may write to and return its row.

    Raises:
        LeaseLost: It may not.
    """
    row = one(tx.rows(LOCK, id=task.id))
    if row is None or row["attempt"] != task.attempt or row["status"] not in LIVE:
        raise lease_lost(task)
    return row


def lease_lost(task: Task) -> LeaseLost:
    """Return the error of a writer whose attempt is over."""
    return LeaseLost(f"attempt {task.attempt} of task {task.id!r} is over; nothing was written")


def append(
    tx: Transaction, task: Task, events: Sequence[RunEvent], consumed: Collection[str] = (), spent: Spent = NOTHING
) -> Sequence[JournalEntry]:
    """Write events of an attempt that holds the lease, and what it spent."""
    replies = sum(isinstance(event, ModelReplied) for event in events)
    row = one(tx.rows(ADVANCE, id=task.id, attempt=task.attempt, count=len(events), replies=replies))
    if row is None:
        raise lease_lost(task)
    first = row["next_seq"] - len(events)
    if events:
        values = _event_rows(first, events)
        tx.run(insert_events(len(events)), id=task.id, attempt=task.attempt, now=tx.now, **values)
        tx.wrote(task.id, first)
    if spent != NOTHING:
        tx.together((SPEND,), **spending_values(row["lane"], spent, tx))
    if any(isinstance(event, ChangePublished | RunFinished) for event in events):
        tx.run(OUTCOME, id=task.id, **_outcome(row, events))
    for signal_id in consumed:
        tx.run(TAKE_SIGNAL, id=signal_id, task_id=task.id, now=tx.now)
    return [
        JournalEntry(task_id=task.id, seq=seq, attempt=task.attempt, at=moment(tx.now), event=event)
        for seq, event in enumerate(events, start=first)
    ]


def move(
    tx: Transaction,
    row: Row,
    life: Life,
    *,
    events: Sequence[RunEvent] = (),
    told: bool = False,
    worker_id: str = "",
    ended: AttemptOutcome | None = None,
) -> Task:
    """Write down what becomes of a locked task.

    Args:
        tx: The transaction that holds the lock.
        row: The task as it is.
        life: What becomes of it, with another status.
        events: What its attempt has to say about that.
        told: Those events tell that the status changed.
        worker_id: For the event that tells it otherwise.
        ended: How its attempt ended, if one did.
    """
    old = life_of(row).status
    if not told:
        moved = TaskMoved(
            old=old.value,
            new=life.status.value,
            reason=life.reason,
            worker_id=worker_id,
            seconds=life.pause(tx.now),
        )
        events = [*events, moved]
    statements = [SAVE, insert_events(len(events))]
    lane_change = _leave(old, life.status)
    if life.status is TaskStatus.QUEUED:
        enter_lane(tx, row["lane"], row["place"], left_work=old in LIVE)
    elif any(lane_change.values()):
        statements.append(LEAVE_LANE)
    if ended:
        statements.append(END_ATTEMPT)
    if leaves_words(life.status):
        statements += [DECIDE_AGAIN, FORGET_KEYS]
    outcome = _outcome(row, events)
    write(tx, row, life, events, statements, **lane_change, **outcome, outcome=ended.value if ended else "")
    if life.status is TaskStatus.QUEUED or old in LIVE:
        tx.ring()
    return task_with({**dict(row), **outcome}, life, tx.now)


def fail_damaged(tx: Transaction, row: Row, problem: str) -> Task:
    """End a locked task that can not be read as it is, whatever its row and its journal hold."""
    reason = f"{problem}; restore it from a backup, or file it anew"
    seq = 1 + max(tx.rows(LAST, id=row["id"])[0]["last"], 0)
    moved = event_values(TaskMoved(old=row["status"], new=TaskStatus.FAILED.value, reason=reason), 0)
    tx.run(FAIL, id=row["id"], reason=reason, now=tx.now, next_seq=seq + 1)
    tx.run(insert_events(1), id=row["id"], seq0=seq, attempt=0, now=tx.now, **moved)
    left = {"left_queue": int(row["status"] == TaskStatus.QUEUED), "left_work": int(row["status"] in LIVE)}
    tx.run(LEAVE_LANE, lane=row["lane"], **left)
    tx.run(END_ATTEMPTS, id=row["id"], now=tx.now)
    for statement in (DECIDE_AGAIN, FORGET_KEYS):
        tx.run(statement, id=row["id"])
    tx.wrote(row["id"], seq)
    tx.ring()
    return task_of(tx.rows(LOCK, id=row["id"])[0])


def write(
    tx: Transaction, row: Row, life: Life, events: Sequence[RunEvent], statements: Sequence[str], **values: Value
) -> None:
    """Run the statements of a change, the last event's first."""
    first = row["next_seq"]
    values |= {"id": row["id"], "lane": row["lane"], "now": tx.now, "next_seq": first + len(events)}
    tx.together(tuple(statements), **values, **values_of(life), **_event_rows(first, events))
    tx.wrote(row["id"], first)


def enter_lane(tx: Transaction, key: str, place: str, *, left_work: bool = False) -> None:
    """Count one more queued task of a lane; one that was empty starts where the others are."""
    lane = locked_lane(tx, key)
    if lane.queued == 0:
        behind = tx.rows(FURTHEST_BEHIND, key=key)[0]["vtime"]
        others = [] if behind is None else [Lane(key="", queued=1, vtime=behind)]
        lane = replace(lane, vtime=on_return(lane, others))
    lane = replace(lane, queued=lane.queued + 1, running=lane.running - left_work, place=place)
    tx.run(SAVE_LANE, **lane_values(lane))


def locked_lane(tx: Transaction, key: str) -> Lane:
    """Lock a lane, which is made if there was none."""
    row = one(tx.rows(LANE, key=key))
    if row is None:
        tx.run(ADD_LANE, **lane_values(Lane(key=key)))
        row = tx.rows(LANE, key=key)[0]
    return lane_of(row)


@cache
def insert_events(count: int) -> str:
    """Return the statement that writes so many events."""
    rows = ", ".join(f"(:id, :seq{n}, :attempt, :now, :type{n}, :data{n})" for n in range(count))
    return f"INSERT INTO event (task_id, seq, attempt, at, type, data) VALUES {rows}"


def _event_rows(first: int, events: Sequence[RunEvent]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for number, event in enumerate(events):
        values |= {f"seq{number}": first + number, **event_values(event, number)}
    return values


def _outcome(row: Row, events: Sequence[RunEvent]) -> dict[str, str]:
    """Return where the change went: as the row says, and then the events."""
    fields = ("branch", "pull_request_url", "patch_path")
    known: dict[str, str] = {name: row[name] for name in fields}
    for event in events:
        known |= outcome_of(event)
    return known


def _leave(old: TaskStatus, new: TaskStatus) -> dict[str, Value]:
    return {
        "left_queue": int(old is TaskStatus.QUEUED),
        "left_work": int(old in LIVE) - int(new in LIVE),
    }
