"""Deliveries, inside one transaction each.

Locks are taken in one order: deliveries, those of one work key by their ids, and then tasks and lanes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from pullwright.agents.errors import LeaseLost
from pullwright.agents.ports.inbox import (
    MAX_PUT_OFF,
    TAKEN_SECONDS,
    Delivery,
    DeliveryStatus,
    NewDelivery,
    Receipt,
)
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue import filing, reports
from pullwright.agents.queue import life as rules
from pullwright.agents.queue.bell import INBOX
from pullwright.agents.queue.database import Database, Row, Transaction, Value, one
from pullwright.agents.queue.records import DELIVERED
from pullwright.agents.queue.rows import maybe, moment, task_of
from pullwright.agents.task import Task, TaskSpec, TaskStatus

AHEAD: Final = 100
"""How many of one work key are locked to see whether one is taken: more than can have arrived within a transaction."""

FREE: Final = "(taken_until <= :now OR taken_until > :far)"
"""Nobody has it; a time far ahead was written before the clock went back."""

RECEIVE: Final = """
INSERT INTO delivery (id, source, connection, key, meaning_key, work_key, kind, content, status, reason, task_id,
put_off, turn, taken_by, taken_until, received_at, run_at)
VALUES (:id, :source, :connection, :key, :meaning_key, :work_key, :kind, :content, :status, :reason, '', 0, 0, '', 0,
:now, 0) ON CONFLICT DO NOTHING"""
AGAIN: Final = """
UPDATE delivery SET status = 'waiting', reason = '', put_off = 0, run_at = 0 WHERE status = 'failed'
AND source = :source
AND (connection = :connection AND key = :key OR meaning_key <> '' AND meaning_key = :meaning_key)"""
DUE: Final = f"""
SELECT id, work_key FROM delivery WHERE status = 'waiting' AND run_at <= :now AND {FREE}
AND (work_key = '' OR NOT EXISTS (SELECT 1 FROM delivery AS older WHERE older.work_key = delivery.work_key
AND older.status = 'waiting' AND older.id < delivery.id)) ORDER BY id LIMIT :limit"""
HOLDERS: Final = "SELECT DISTINCT taken_by FROM delivery WHERE status = 'waiting' AND taken_until > 0"
FREE_FROM: Final = """
UPDATE delivery SET taken_until = 0 WHERE status = 'waiting' AND taken_until > 0 AND taken_by = :holder"""
LOCK_WORK: Final = """
SELECT id, run_at, taken_until FROM delivery WHERE work_key = :work_key AND status = 'waiting' ORDER BY id
LIMIT :limit FOR UPDATE"""
LOCK_ONE: Final = "SELECT id, run_at, taken_until FROM delivery WHERE id = :id AND status = 'waiting' FOR UPDATE"
TAKE: Final = """
UPDATE delivery SET turn = turn + 1, taken_by = :worker_id, taken_until = :until WHERE id = :id RETURNING *"""
HELD: Final = "SELECT status, turn, put_off, taken_until FROM delivery WHERE id = :id FOR UPDATE"
TURN: Final = "SELECT status, turn, taken_until FROM delivery WHERE id = :id"
SETTLE: Final = """
UPDATE delivery SET status = :status, reason = :reason, task_id = :task_id, taken_until = 0 WHERE id = :id
RETURNING *"""
PUT_OFF: Final = """
UPDATE delivery SET status = :status, reason = :reason, put_off = put_off + 1, run_at = :run_at, taken_until = 0
WHERE id = :id RETURNING *"""
NAME: Final = """
UPDATE delivery SET meaning_key = :meaning_key WHERE id = :id AND NOT EXISTS (SELECT 1 FROM delivery AS other
WHERE other.source = :source AND other.meaning_key = :meaning_key AND other.id <> :id)"""
NEWEST: Final = """
SELECT * FROM delivery WHERE (:status = '' OR status = :status) AND (:source = '' OR source = :source)
ORDER BY id DESC LIMIT :limit"""
TASKS_OF: Final = "SELECT * FROM task WHERE work_key = :work_key AND work_key <> '' ORDER BY id DESC LIMIT 50"
TASKS_BEHIND: Final = """
SELECT * FROM task WHERE pull_request_url = :url AND pull_request_url <> '' ORDER BY id DESC LIMIT 50"""
ORIGIN: Final = "SELECT * FROM delivery WHERE task_id = :task_id AND status = 'filed' ORDER BY id LIMIT 1"
OLD: Final = f"""
status <> 'waiting' AND received_at < :before
AND NOT EXISTS (SELECT 1 FROM report WHERE report.task_id = delivery.task_id
AND (NOT report.ended OR {reports.NOT_LANDED}))"""
FORGET_EFFECTS: Final = f"DELETE FROM effect WHERE task_id IN (SELECT id FROM delivery WHERE {OLD})"
FORGET: Final = f"DELETE FROM delivery WHERE {OLD}"


@dataclass(slots=True, eq=False)
class Arrival:
    """A delivery at the door."""

    id: str
    new: NewDelivery
    receipt: Receipt | None = None


def receive(arrivals: Sequence[Arrival], tx: Transaction) -> list[Receipt]:
    """Keep deliveries, unless they are known already."""
    return [_receive(arrival, tx) for arrival in arrivals]


def waiting(database: Database, tx: Transaction) -> bool:
    """Say whether there is something to take."""
    return bool(tx.rows(DUE, limit=1, **_times(tx)) or _dead(database, tx))


def take(database: Database, worker_id: str, limit: int, tx: Transaction) -> list[Delivery]:
    """Take what is due, oldest first, and of each work key the oldest only."""
    for holder in _dead(database, tx):
        free(holder, tx)
    due = tx.rows(DUE, limit=limit, **_times(tx))
    # By work key, so that two who take never wait for each other in a circle.
    taken = [_take(row, worker_id, tx) for row in sorted(due, key=lambda row: (row["work_key"], row["id"]))]
    return sorted((one for one in taken if one is not None), key=lambda delivery: delivery.id)


def file(delivery: Delivery, spec: TaskSpec, task_id: str, tx: Transaction) -> Task:
    """Make the task of a delivery.

    Raises:
        DuplicateTask: A live task has the work key.
        LeaseLost: Somebody else has the delivery.
    """
    held(delivery, tx)
    task = filing.create(spec, task_id, tx)
    reports.begin(task.id, tx)
    _settled(delivery, DeliveryStatus.FILED, "", task.id, tx)
    return task


def tell(delivery: Delivery, task_id: str, kind: SignalKind, text: str, author: str, tx: Transaction) -> Task:
    """Tell a task what a delivery says.

    Raises:
        TaskNotFound, IllegalTransition: It hears nothing.
        LeaseLost: Somebody else has the delivery.
    """
    held(delivery, tx)
    task = filing.send(task_id, kind, text, author, signal_key(delivery), tx)
    _settled(delivery, DeliveryStatus.TOLD, "", task_id, tx)
    return task


def stop(delivery: Delivery, task_id: str, reason: str, tx: Transaction) -> Task:
    """Ask for the end of a task, unless that was asked for already.

    Raises:
        TaskNotFound: There is none.
        LeaseLost: Somebody else has the delivery.
    """
    held(delivery, tx)
    ended = filing.status(task_id, tx)
    if ended.terminal or ended is TaskStatus.CANCELING:
        task = filing.get(task_id, tx)
    else:
        task = filing.change(task_id, partial(rules.canceled, reason=reason), tx)
    _settled(delivery, DeliveryStatus.TOLD, reason, task_id, tx)
    return task


def conclude(delivery: Delivery, status: DeliveryStatus, reason: str, task_id: str, tx: Transaction) -> Delivery:
    """End a delivery.

    Raises:
        LeaseLost: Somebody else has it.
    """
    held(delivery, tx)
    return _settled(delivery, status, reason, task_id, tx)


def put_off(delivery: Delivery, seconds: float, reason: str, tx: Transaction) -> Delivery:
    """Leave a delivery for later, or for ever.

    Raises:
        LeaseLost: Somebody else has it.
    """
    row = held(delivery, tx)
    status = put_off_status(row["put_off"] + 1)
    if status.settled:
        tx.ring(INBOX)
    values: dict[str, Value] = {"status": status.value, "reason": reason, "run_at": tx.now + seconds}
    return delivery_of(tx.rows(PUT_OFF, id=delivery.id, **values)[0])


def free(holder: str, tx: Transaction) -> None:
    """Let go of what a worker has taken."""
    if tx.run(FREE_FROM, holder=holder):
        tx.ring(INBOX)


def name(delivery: Delivery, meaning_key: str, tx: Transaction) -> bool:
    """Note what a delivery means, unless another one means it.

    Raises:
        LeaseLost: Somebody else has it.
    """
    held(delivery, tx)
    return bool(tx.run(NAME, id=delivery.id, source=delivery.source, meaning_key=meaning_key))


def held(delivery: Delivery, tx: Transaction) -> Row:
    """Lock a delivery that this turn may write to.

    Raises:
        LeaseLost: It may not.
    """
    row = one(tx.rows(HELD, id=delivery.id))
    return _of_turn(row, delivery)


def confirm(delivery: Delivery, tx: Transaction) -> None:
    """Check that a turn holds.

    Raises:
        LeaseLost: It does not.
    """
    require_time(delivery, _of_turn(one(tx.rows(TURN, id=delivery.id)), delivery), tx)


def require_time(delivery: Delivery, row: Row, tx: Transaction) -> None:
    """Check that the time of a turn has not run out.

    Raises:
        LeaseLost: It has.
    """
    if row["taken_until"] <= tx.now:
        raise LeaseLost(f"the time of turn {delivery.turn} of delivery {delivery.id!r} has run out")


def newest(limit: int, status: DeliveryStatus | None, source: str, tx: Transaction) -> list[Delivery]:
    """Return the newest deliveries first."""
    rows = tx.rows(NEWEST, limit=limit, status=status.value if status else "", source=source)
    return [delivery_of(row) for row in rows]


def tasks_of(work_key: str, tx: Transaction) -> list[Task]:
    """Return the tasks of a piece of work, newest first."""
    return [task_of(row) for row in tx.rows(TASKS_OF, work_key=work_key)]


def tasks_behind(url: str, tx: Transaction) -> list[Task]:
    """Return the tasks that a pull request came from, newest first."""
    return [task_of(row) for row in tx.rows(TASKS_BEHIND, url=url)]


def origin(task_id: str, tx: Transaction) -> Delivery | None:
    """Return the delivery that became a task."""
    row = one(tx.rows(ORIGIN, task_id=task_id))
    return delivery_of(row) if row else None


def forget(before: float, tx: Transaction) -> int:
    """Remove what is settled and older."""
    tx.run(FORGET_EFFECTS, before=before)
    return tx.run(FORGET, before=before)


def delivery_of(row: Row) -> Delivery:
    """Turn a row of the delivery table into a delivery."""
    columns = ("id", "source", "connection", "key", "meaning_key", "work_key", "kind", "content", "reason", "task_id")
    return Delivery(
        **{column: row[column] for column in columns},
        status=DeliveryStatus(row["status"]),
        put_off=row["put_off"],
        turn=row["turn"],
        received_at=moment(row["received_at"]),
        run_at=maybe(row["run_at"]),
    )


def signal_key(delivery: Delivery) -> str:
    """Return the key of the signal that a delivery becomes."""
    return f"{DELIVERED}{delivery.id}"


def put_off_status(times: int) -> DeliveryStatus:
    """Return what becomes of a delivery that was put off so often."""
    return DeliveryStatus.FAILED if times >= MAX_PUT_OFF else DeliveryStatus.WAITING


def turn_over(delivery: Delivery) -> LeaseLost:
    """Return the error of a writer whose turn is over."""
    return LeaseLost(f"turn {delivery.turn} of delivery {delivery.id!r} is over; nothing was written")


def _receive(arrival: Arrival, tx: Transaction) -> Receipt:
    new = arrival.new
    keys: dict[str, Value] = {
        "source": new.source,
        "connection": new.connection,
        "key": new.key,
        "meaning_key": "" if new.ignored else new.meaning_key,
    }
    status = DeliveryStatus.IGNORED if new.ignored else DeliveryStatus.WAITING
    rest = {"work_key": new.work_key, "kind": new.kind, "content": new.content, "reason": new.ignored}
    if tx.run(RECEIVE, id=arrival.id, status=status.value, now=tx.now, **keys, **rest):
        accepted = True
    else:
        accepted = not new.ignored and bool(tx.run(AGAIN, **keys))
    if accepted and not new.ignored:
        tx.ring(INBOX)
    return Receipt.ACCEPTED if accepted else Receipt.DUPLICATE


def _take(due: Row, worker_id: str, tx: Transaction) -> Delivery | None:
    if due["work_key"]:
        rows = tx.rows(LOCK_WORK, work_key=due["work_key"], limit=AHEAD)
    else:
        rows = tx.rows(LOCK_ONE, id=due["id"])
    far = tx.now + 2 * TAKEN_SECONDS
    if not rows or rows[0]["run_at"] > tx.now or any(tx.now < row["taken_until"] <= far for row in rows):
        return None
    taken = tx.rows(TAKE, id=rows[0]["id"], worker_id=worker_id, until=tx.now + TAKEN_SECONDS)
    return delivery_of(taken[0])


def _dead(database: Database, tx: Transaction) -> Collection[str]:
    holders = [row["taken_by"] for row in tx.rows(HOLDERS)]
    return database.dead(tx, holders) if holders else ()


def _times(tx: Transaction) -> dict[str, Value]:
    return {"now": tx.now, "far": tx.now + 2 * TAKEN_SECONDS}


def _of_turn(row: Row | None, delivery: Delivery) -> Row:
    if row is None or row["turn"] != delivery.turn or row["status"] != DeliveryStatus.WAITING.value:
        raise turn_over(delivery)
    return row


def _settled(delivery: Delivery, status: DeliveryStatus, reason: str, task_id: str, tx: Transaction) -> Delivery:
    tx.ring(INBOX)  # the next one of the same work may be taken
    return delivery_of(tx.rows(SETTLE, id=delivery.id, status=status.value, reason=reason, task_id=task_id)[0])
