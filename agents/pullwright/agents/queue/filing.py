"""Tasks and what people do to them, inside one transaction each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from pullwright.agents.errors import DamagedTask, DuplicateTask, IllegalTransition, TaskNotFound
from pullwright.agents.events import JournalEntry, RunEvent, TaskMoved
from pullwright.agents.ports.lease import AttemptOutcome
from pullwright.agents.ports.store import Signal, SignalKind
from pullwright.agents.queue import life as rules
from pullwright.agents.queue.codec import spec_to_data
from pullwright.agents.queue.database import Transaction, Value, one
from pullwright.agents.queue.life import Life
from pullwright.agents.queue.records import enter_lane, found, held, insert_events, move
from pullwright.agents.queue.rows import (
    LIFE_COLUMNS,
    entry_of,
    event_values,
    life_of,
    signal_of,
    task_of,
    to_json,
    values_of,
)
from pullwright.agents.task import Task, TaskSpec, TaskStatus

CREATE: Final = f"""
INSERT INTO task (id, lane, work_key, priority, {LIFE_COLUMNS}, next_seq, spec, branch, pull_request_url, patch_path,
created_at, updated_at, place)
VALUES (:id, :lane, :work_key, :priority, {", ".join(f":{name}" for name in LIFE_COLUMNS.split(", "))}, 2, :spec,
'', '', '', :now, :now, :place) ON CONFLICT DO NOTHING"""
FIND: Final = "SELECT * FROM task WHERE id >= :first AND id < :beyond ORDER BY id LIMIT 2"
NAMED: Final = "SELECT * FROM task WHERE id = :id"
STATUS: Final = "SELECT status FROM task WHERE id = :id"
NEWEST: Final = "SELECT * FROM task ORDER BY id DESC LIMIT :limit"
NEWEST_OF: Final = """
SELECT * FROM (SELECT * FROM task WHERE status = '{status}' ORDER BY id DESC LIMIT :limit) AS {status}"""
JOURNAL: Final = "SELECT * FROM event WHERE task_id = :task_id AND seq > :after ORDER BY seq"
LAST: Final = "SELECT next_seq - 1 AS last FROM task WHERE id = :id"
SIGNALS: Final = "SELECT * FROM signal WHERE task_id = :task_id AND consumed_at = 0 ORDER BY id"
KNOWN_KEY: Final = "SELECT id FROM signal WHERE key = :key AND key <> ''"
TOLD: Final = "SELECT count(*) AS told FROM signal WHERE id > :first AND id < :beyond"
SIGNAL: Final = """
INSERT INTO signal (id, task_id, kind, text, author, key, created_at, consumed_at)
VALUES (:id, :task_id, :kind, :text, :author, :key, :now, 0) ON CONFLICT DO NOTHING"""


Decide = Callable[[Life, float], Life]
"""Says what becomes of a life at a moment."""


def create(spec: TaskSpec, task_id: str, tx: Transaction) -> Task:
    """File a task.

    Raises:
        DuplicateTask: A live task has the same work key.
    """
    life = rules.submitted(tx.now, spec.not_before.timestamp() if spec.not_before else 0.0)
    filed: dict[str, Value] = {"id": task_id, "lane": spec.lane, "work_key": spec.work_key, "priority": spec.priority}
    if not tx.run(CREATE, spec=to_json(spec_to_data(spec)), place=spec.place, now=tx.now, **filed, **values_of(life)):
        raise DuplicateTask(f"a live task for {spec.work_key!r} exists; see `agent list`")
    if life.status is TaskStatus.QUEUED:
        enter_lane(tx, spec.lane, spec.place)
        tx.ring()
    moved = event_values(TaskMoved(old="", new=life.status.value, seconds=life.pause(tx.now)), 0)
    tx.run(insert_events(1), id=task_id, seq0=1, attempt=0, now=tx.now, **moved)
    tx.wrote(task_id, 1)
    return task_of(tx.rows(NAMED, id=task_id)[0])


def get(task_id: str, tx: Transaction) -> Task:
    """Return the task whose id begins so.

    Raises:
        TaskNotFound: None does, or several do.
    """
    first = task_id.lower()
    rows = tx.rows(FIND, first=first, beyond=f"{first}\U0010ffff") if first else []
    if len(rows) != 1:
        problem = "several tasks start" if rows else "no task starts"
        raise TaskNotFound(f"{problem} with the id {task_id!r}; see `agent list`")
    return task_of(rows[0])


def status(task_id: str, tx: Transaction) -> TaskStatus:
    """Return a task's status.

    Raises:
        TaskNotFound: There is none with exactly this id.
    """
    row = one(tx.rows(STATUS, id=task_id))
    if row is None:
        raise TaskNotFound(f"there is no task {task_id!r}; see `agent list`")
    known = row["status"] in set(TaskStatus)
    return TaskStatus(row["status"]) if known else TaskStatus.FAILED  # as ``task_of`` shows it


def newest(limit: int, statuses: Collection[TaskStatus] | None, tx: Transaction) -> Sequence[Task]:
    """Return the newest tasks first.

    Each status uses the index by itself, but all in one statement: between two, a task that moves from one status to
    another would be missed, or be there twice.
    """
    if statuses is None:
        return [task_of(row) for row in tx.rows(NEWEST, limit=limit)]
    wanted = sorted(one_of.value for one_of in set(statuses))
    if not wanted:
        return []
    each = " UNION ALL ".join(NEWEST_OF.format(status=status) for status in wanted)
    return [
        task_of(row) for row in tx.rows(f"SELECT * FROM ({each}) AS found ORDER BY id DESC LIMIT :limit", limit=limit)
    ]


def change(task_id: str, decide: Callable[[Life], Life], tx: Transaction) -> Task:
    """Let a function decide what becomes of the task whose id begins so.

    Raises:
        TaskNotFound: There is none.
        IllegalTransition: The function says so.
    """
    row = found(tx, get(task_id, tx).id)
    return move(tx, row, decide(life_of(row)))


def end(
    task: Task,
    decide: Decide,
    outcome: AttemptOutcome,
    event: RunEvent | None,
    tells: TaskStatus | None,
    tx: Transaction,
) -> Task:
    """End an attempt as a function decides.

    Args:
        task: As it was claimed.
        decide: Takes the life and the moment.
        outcome: How the attempt ends.
        event: What it has to say, if anything.
        tells: The status that the event tells by itself; None for any.
        tx: The transaction.

    Raises:
        LeaseLost: The attempt is over already.
        IllegalTransition: The function says so.
    """
    row = held(tx, task)
    life = decide(life_of(row), tx.now)
    told = event is not None and tells in (None, life.status)
    return move(tx, row, life, events=[event] if event else [], told=told, ended=outcome)


def send(task_id: str, kind: SignalKind, text: str, author: str, key: str, tx: Transaction) -> Task:
    """Tell a run something.

    Raises:
        TaskNotFound: There is no such task.
        IllegalTransition: It is over, or does not wait for an answer.
    """
    row = found(tx, task_id)
    if key and tx.rows(KNOWN_KEY, key=key):
        return task_of(row)
    life = life_of(row)
    after = rules.answered(life) if kind is SignalKind.ANSWER else life
    if after.status.terminal:
        raise IllegalTransition(f"task {task_id!r} is {after.status.value} and hears nothing any more")
    told = tx.rows(TOLD, first=f"{task_id}-", beyond=f"{task_id}.")[0]["told"]
    values = {"task_id": task_id, "kind": kind.value, "text": text, "author": author, "key": key, "now": tx.now}
    if not tx.run(SIGNAL, id=f"{task_id}-{told + 1:06d}", **values):
        return task_of(row)  # somebody used the key for another task a moment ago
    return task_of(row) if after.status is life.status else move(tx, row, after)


def signals(task_id: str, tx: Transaction) -> Sequence[Signal]:
    """Return what was told and not taken yet.

    Raises:
        TaskNotFound: There is no such task.
    """
    status(task_id, tx)
    return [signal_of(row) for row in tx.rows(SIGNALS, task_id=task_id)]


def journal(task_id: str, after: int, tx: Transaction) -> Sequence[JournalEntry]:
    """Return the entries with a greater number.

    Raises:
        DamagedTask: One can not be read, or is missing.
    """
    entries = [entry_of(row) for row in tx.rows(JOURNAL, task_id=task_id, after=after)]
    for seq, entry in enumerate(entries, start=after + 1):
        if entry.seq != seq:
            raise DamagedTask(f"entry {seq} of the journal of task {task_id!r} is missing; restore it from a backup")
    return entries


def last(task_id: str, tx: Transaction) -> int:
    """Return the number of a journal's last entry, 0 if there is none."""
    row = one(tx.rows(LAST, id=task_id))
    return int(row["last"]) if row else 0
