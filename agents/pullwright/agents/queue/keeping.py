"""What is kept for a task beside its journal, inside one transaction each: effects outside, blobs, workers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from pullwright.agents.errors import BlobMissing, LeaseLost
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.lease import Worker
from pullwright.agents.ports.outbox import Effect, EffectStatus, Holder
from pullwright.agents.queue import duties, inbox
from pullwright.agents.queue.database import Transaction, Value, one
from pullwright.agents.queue.records import held
from pullwright.agents.queue.rows import effect_of
from pullwright.agents.task import Task

PART_BYTES: Final = 1 << 20

EFFECT: Final = "SELECT * FROM effect WHERE task_id = :task_id AND key = :key"
EFFECTS: Final = "SELECT * FROM effect WHERE task_id = :task_id ORDER BY number"
INTEND: Final = """
INSERT INTO effect (task_id, key, number, kind, status, external_id, url, attempt, updated_at)
VALUES (:task_id, :key, (SELECT count(*) + 1 FROM effect WHERE task_id = :task_id), :kind, 'intended', '', '', :attempt,
:now)"""
SETTLE: Final = """
UPDATE effect SET status = 'done', external_id = :external_id, url = :url, attempt = :attempt, updated_at = :now
WHERE task_id = :task_id AND key = :key RETURNING *"""
DROP_BLOB: Final = "DELETE FROM blob WHERE task_id = :task_id AND name = :name"
PUT_PART: Final = """
INSERT INTO blob (task_id, name, part, sha256, size, content)
VALUES (:task_id, :name, :part, :sha256, :size, :content)"""
PARTS: Final = "SELECT sha256, size, content FROM blob WHERE task_id = :task_id AND name = :name ORDER BY part"
BLOBS: Final = "SELECT count(DISTINCT name) AS blobs FROM blob WHERE task_id = :task_id"
FORGET: Final = "DELETE FROM blob WHERE task_id = :task_id"
ENLIST: Final = """
INSERT INTO worker (id, name, host, pid, version, place, slots, draining, lock_key, database_start, started_at, seen_at)
VALUES (:id, :name, :host, :pid, :version, :place, :slots, :draining, 0, 0, :now, :now)
ON CONFLICT (id) DO UPDATE SET slots = :slots, draining = :draining, started_at = :now, seen_at = :now"""


def intend(holder: Holder, key: str, kind: str, tx: Transaction) -> tuple[Effect, bool]:
    """Note that an effect is about to be made, or find it noted.

    Raises:
        LeaseLost: The attempt or turn is over, or its lease has run out.
    """
    number = _fenced(holder, tx, in_time=True)
    known = one(tx.rows(EFFECT, task_id=holder.id, key=key))
    if known is not None:
        return effect_of(known), False
    tx.run(INTEND, task_id=holder.id, key=key, kind=kind, attempt=number, now=tx.now)
    return Effect(task_id=holder.id, key=key, kind=kind, status=EffectStatus.INTENDED), True


def settle(holder: Holder, key: str, external_id: str, url: str, tx: Transaction) -> Effect:
    """Note that an effect was made.

    Raises:
        LeaseLost: The attempt or turn is over.
    """
    number = _fenced(holder, tx)
    values: dict[str, Value] = {"external_id": external_id, "url": url, "attempt": number, "now": tx.now}
    row = one(tx.rows(SETTLE, task_id=holder.id, key=key, **values))
    if row is None:
        raise never_meant(holder.id, key)
    return effect_of(row)


def put(task: Task, name: str, content: bytes, tx: Transaction) -> None:
    """Keep bytes under a name, in parts that no database chokes on.

    Raises:
        LeaseLost: The attempt is over.
    """
    held(tx, task)
    tx.run(DROP_BLOB, task_id=task.id, name=name)
    digest = hashlib.sha256(content).hexdigest()
    for part, start in enumerate(range(0, max(len(content), 1), PART_BYTES)):
        piece = content[start : start + PART_BYTES]
        tx.run(PUT_PART, task_id=task.id, name=name, part=part, sha256=digest, size=len(content), content=piece)


def read(task_id: str, name: str, tx: Transaction) -> bytes:
    """Return what was kept.

    Raises:
        BlobMissing: Nothing has the name, or what is there is not what was kept.
    """
    rows = tx.rows(PARTS, task_id=task_id, name=name)
    if not rows:
        raise BlobMissing(f"task {task_id!r} has no blob {name!r}")
    content = b"".join(row["content"] for row in rows)
    if len(content) != rows[0]["size"] or hashlib.sha256(content).hexdigest() != rows[0]["sha256"]:
        raise BlobMissing(f"the blob {name!r} of task {task_id!r} is damaged; an older one has to do")
    return content


def forget(task_id: str, tx: Transaction) -> int:
    """Remove all blobs of a task and return how many there were."""
    blobs: int = tx.rows(BLOBS, task_id=task_id)[0]["blobs"]
    tx.run(FORGET, task_id=task_id)
    return blobs


def effects(task_id: str, tx: Transaction) -> Sequence[Effect]:
    """Return the effects of a task, oldest first."""
    return [effect_of(row) for row in tx.rows(EFFECTS, task_id=task_id)]


def enlist(worker: Worker, tx: Transaction) -> None:
    """Write a worker down."""
    values: dict[str, Value] = {"name": worker.name, "host": worker.host, "pid": worker.pid, "version": worker.version}
    values |= {"place": worker.place, "slots": worker.slots, "draining": worker.draining}
    tx.run(ENLIST, id=worker.id, now=tx.now, **values)


def never_meant(holder_id: str, key: str) -> LookupError:
    """Return the error of an effect that nobody intended."""
    return LookupError(f"{holder_id!r} never meant to make the effect {key!r}")


def _fenced(holder: Holder, tx: Transaction, *, in_time: bool = False) -> int:
    """Lock what the effect is for and return the number of the attempt or turn."""
    if isinstance(holder, Delivery):
        row = inbox.held(holder, tx)
        if in_time:
            inbox.require_time(holder, row, tx)
        return holder.turn
    if not isinstance(holder, Task):
        row = duties.held(holder, tx)
        if in_time:
            duties.require_time(holder, row, tx)
        return holder.turn
    row = held(tx, holder)
    if in_time and row["lease_until"] <= tx.now:
        raise LeaseLost(f"the lease of attempt {holder.attempt} of task {holder.id!r} has run out")
    return holder.attempt
