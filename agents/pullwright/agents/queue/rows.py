"""Rows of the tables, one way and back. Rows never leave this package: they are converted at its edge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from math import inf, isfinite
from typing import Any, Final

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import DamagedTask
from pullwright.agents.events import JournalEntry, RunEvent, from_data, to_data
from pullwright.agents.ports.lease import Attempt, AttemptOutcome, Worker
from pullwright.agents.ports.outbox import Effect, EffectStatus
from pullwright.agents.ports.store import Signal, SignalKind
from pullwright.agents.queue.codec import spec_from_data
from pullwright.agents.queue.database import Row, Value
from pullwright.agents.queue.fair import Lane
from pullwright.agents.queue.life import Life
from pullwright.agents.task import Task, TaskSpec, TaskStatus, WaitReason

LIFE_COLUMNS: Final = (
    "status, status_reason, wait, run_at, attempt, worker_id, lease_until, steps, steps_at_claim, losses, retries"
)


def moment(seconds: float) -> datetime:
    """Turn seconds since 1970 into a moment."""
    return datetime.fromtimestamp(seconds, UTC)


def maybe(seconds: float) -> datetime | None:
    """Turn seconds since 1970 into a moment, and 0 into none."""
    return moment(seconds) if seconds else None


def to_json(data: Mapping[str, Any]) -> str:
    """Turn data into JSON that every engine keeps byte for byte."""
    return json.dumps(data, separators=(",", ":"))


def life_of(row: Row) -> Life:
    """Return the part of a task's row that scheduling changes.

    Raises:
        DamagedTask: Somebody has edited it.
    """
    try:
        return Life(
            status=TaskStatus(row["status"]),
            reason=row["status_reason"],
            wait=WaitReason(row["wait"]) if row["wait"] else None,
            attempt=int(row["attempt"]),
            worker_id=row["worker_id"],
            lease_until=float(row["lease_until"]),
            run_at=float(row["run_at"]),
            steps=int(row["steps"]),
            steps_at_claim=int(row["steps_at_claim"]),
            losses=int(row["losses"]),
            retries=int(row["retries"]),
        )
    except (ValueError, TypeError) as exc:
        raise DamagedTask(f"the row of task {row['id']!r} can not be read ({exc})") from exc


def values_of(life: Life) -> dict[str, Value]:
    """Return the columns of a life."""
    return {
        "status": life.status.value,
        "status_reason": life.reason,
        "wait": life.wait.value if life.wait else "",
        "attempt": life.attempt,
        "worker_id": life.worker_id,
        "lease_until": life.lease_until,
        "run_at": life.run_at,
        "steps": life.steps,
        "steps_at_claim": life.steps_at_claim,
        "losses": life.losses,
        "retries": life.retries,
    }


def task_of(row: Row) -> Task:
    """Turn a row of the task table into a task; one that can not be read is shown as failed."""
    try:
        life = life_of(row)
    except DamagedTask as exc:
        life = Life(status=TaskStatus.FAILED, reason=str(exc))
    return task_with(row, life, row["updated_at"])


def task_with(row: Row, life: Life, updated_at: float) -> Task:
    """Turn a row of the task table into a task that has come to ``life`` since.

    One whose specification can not be read has an empty one that says so, for people to look at; it is never claimed.
    """
    problem = damage(row)
    return Task(
        id=row["id"],
        spec=_nothing(row, problem) if problem else _spec(row["spec"]),
        status=life.status,
        status_reason=life.reason or problem,
        attempt=life.attempt,
        created_at=moment(row["created_at"]),
        updated_at=moment(updated_at),
        wait=life.wait,
        run_at=maybe(life.run_at),
        worker_id=life.worker_id,
        lease_until=maybe(life.lease_until),
        losses=life.losses,
        retries=life.retries,
        branch=row["branch"],
        pull_request_url=row["pull_request_url"],
        patch_path=row["patch_path"],
    )


def damage(row: Row) -> str:
    """Say what of a task's specification can not be read; empty when it can."""
    try:
        _spec(row["spec"])
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        return f"the specification of task {row['id']!r} can not be read ({type(exc).__name__}: {exc})"
    return ""


def event_values(event: RunEvent, number: int) -> dict[str, Value]:
    """Return the columns of an event, with its number in their names."""
    return {f"type{number}": event.type, f"data{number}": to_json(to_data(event))}


def entry_of(row: Row) -> JournalEntry:
    """Turn a row of the event table into an entry.

    Raises:
        DamagedTask: It can not be read.
    """
    try:
        event = from_data(row["type"], json.loads(row["data"]))
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise DamagedTask(
            f"entry {row['seq']} of the journal of task {row['task_id']!r} can not be read ({exc})"
        ) from exc
    return JournalEntry(
        task_id=row["task_id"], seq=row["seq"], attempt=row["attempt"], at=moment(row["at"]), event=event
    )


def lane_of(row: Row) -> Lane:
    """Turn a row of the lane table into a lane; a weight that makes no sense counts as 1."""
    return Lane(
        key=row["key"],
        weight=row["weight"] if 0 < row["weight"] < inf else 1.0,
        max_running=row["max_running"],
        paused=bool(row["paused"]),
        queued=row["queued"],
        running=row["running"],
        vtime=row["vtime"] if isfinite(row["vtime"]) else 0.0,
        place=row["place"],
    )


def lane_values(lane: Lane) -> dict[str, Value]:
    """Return the columns of a lane."""
    return {
        "key": lane.key,
        "weight": lane.weight,
        "max_running": lane.max_running,
        "paused": lane.paused,
        "queued": lane.queued,
        "running": lane.running,
        "vtime": lane.vtime,
        "place": lane.place,
    }


def signal_of(row: Row) -> Signal:
    """Turn a row of the signal table into a signal."""
    return Signal(
        id=row["id"],
        task_id=row["task_id"],
        kind=SignalKind(row["kind"]),
        text=row["text"],
        author=row["author"],
        created_at=moment(row["created_at"]),
    )


def effect_of(row: Row) -> Effect:
    """Turn a row of the effect table into an effect."""
    return Effect(
        task_id=row["task_id"],
        key=row["key"],
        kind=row["kind"],
        status=EffectStatus(row["status"]),
        external_id=row["external_id"],
        url=row["url"],
    )


def attempt_of(row: Row) -> Attempt:
    """Turn a row of the attempt table into an attempt."""
    return Attempt(
        task_id=row["task_id"],
        number=row["number"],
        worker_id=row["worker_id"],
        started_at=moment(row["started_at"]),
        ended_at=maybe(row["ended_at"]),
        outcome=AttemptOutcome(row["outcome"]) if row["outcome"] else None,
    )


def worker_of(row: Row) -> Worker:
    """Turn a row of the worker table, with the number of tasks it holds, into a worker."""
    return Worker(
        id=row["id"],
        name=row["name"],
        host=row["host"],
        pid=row["pid"],
        version=row["version"],
        place=row["place"],
        slots=row["slots"],
        draining=bool(row["draining"]),
        running=row["held"],
        started_at=moment(row["started_at"]),
        seen_at=moment(row["seen_at"]),
    )


def _nothing(row: Row, problem: str) -> TaskSpec:
    return TaskSpec(instruction="", title=problem, repository=RepositoryRef(url=row["lane"], name=row["lane"]))


@lru_cache(maxsize=64)
def _spec(text: str) -> TaskSpec:
    """Specifications never change, and a worker reads the same few again and again."""
    return spec_from_data(json.loads(text))
