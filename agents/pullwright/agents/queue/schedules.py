"""Schedules, inside one transaction each.

Locks are taken in one order: the schedule, the tasks that it filed by their ids, and then lanes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Final

from pullwright.agents import schedule as rules
from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ConfigError, DamagedTask
from pullwright.agents.queue import filing
from pullwright.agents.queue import life as lives
from pullwright.agents.queue.codec import spec_from_data, spec_to_data
from pullwright.agents.queue.database import Row, Transaction, Value, one
from pullwright.agents.queue.records import fail_damaged, found, move
from pullwright.agents.queue.rows import life_of, maybe, moment, to_json
from pullwright.agents.schedule import Due, Firing, FiringOutcome, Overlap, Schedule, ScheduleSpec
from pullwright.agents.task import TaskSpec, TaskStatus

SCHEDULES: Final = "schedules"
"""The topic of the bell; no task has such an id."""

AT_ONCE: Final = 100
"""How many that are due are dealt with before somebody looks again."""

_COLUMNS: Final = (
    "cron, tz, template, overlap, catch_up, origin, paused, next_at, last_at, last_outcome, last_reason, last_task_id"
)
_VALUES: Final = ", ".join(f":{name}" for name in _COLUMNS.split(", "))
_SETTINGS: Final = ", ".join(f"{name} = :{name}" for name in _COLUMNS.split(", "))

KEEP: Final = f"""
INSERT INTO schedule (name, {_COLUMNS}) VALUES (:name, {_VALUES}) ON CONFLICT (name) DO UPDATE SET {_SETTINGS}"""
ONE: Final = "SELECT * FROM schedule WHERE name = :name FOR UPDATE"
ALL: Final = "SELECT * FROM schedule ORDER BY name"
REMOVE: Final = "DELETE FROM schedule WHERE name = :name"
REMOVE_OF: Final = "DELETE FROM schedule WHERE name = :name AND origin = :origin"
FIRST: Final = "SELECT min(next_at) AS next_at FROM schedule WHERE NOT paused AND next_at > 0"
DUE: Final = """
SELECT name FROM schedule WHERE NOT paused AND next_at > 0 AND next_at <= :now ORDER BY next_at LIMIT :limit"""
TAKE: Final = """
SELECT * FROM schedule WHERE name = :name AND NOT paused AND next_at > 0 AND next_at <= :now FOR UPDATE SKIP LOCKED"""
FIRED: Final = """
UPDATE schedule SET next_at = :next_at, last_at = :last_at, last_outcome = :last_outcome, last_reason = :last_reason,
last_task_id = :last_task_id WHERE name = :name"""
STOP: Final = """
UPDATE schedule SET paused = :paused, last_at = :now, last_outcome = 'failed', last_reason = :reason
WHERE name = :name"""
LIVE: Final = """
SELECT id FROM task WHERE work_key <> '' AND status NOT IN ('succeeded', 'failed', 'canceled', 'rejected')
AND (work_key = :key OR work_key >= :first AND work_key < :beyond) ORDER BY id"""


class DamagedSchedule(Exception):  # not an error that anybody sees: what it says is kept with the schedule
    """What the database has of a schedule can not be read: somebody edited it, or a newer release wrote it."""


def put(spec: ScheduleSpec, tx: Transaction) -> Schedule:
    """Keep a schedule in the place of the one that has its name.

    Raises:
        ConfigError: The specification is wrong.
    """
    row = one(tx.rows(ONE, name=spec.name))
    old = _readable(row) if row else None
    new = rules.put(old, spec, moment(tx.now))
    if new != old:
        _keep(new, tx)
    return new


def remove(name: str, origin: str | None, tx: Transaction) -> bool:
    """Remove a schedule, if it comes from there."""
    return bool(tx.run(REMOVE, name=name) if origin is None else tx.run(REMOVE_OF, name=name, origin=origin))


def pause(name: str, pause: bool, tx: Transaction) -> Schedule:
    """Pause a schedule or let it go on.

    Raises:
        ConfigError: There is none, or it can not be used.
    """
    row = one(tx.rows(ONE, name=name))
    if row is None:
        raise rules.unknown(name)
    try:
        old = _read(row)
    except DamagedSchedule as exc:
        raise ConfigError(f"{exc}; remove it, or add it anew") from exc
    new = rules.paused(old, moment(tx.now), pause=pause)
    if new != old:
        _keep(new, tx)
    return new


def every(tx: Transaction) -> list[Schedule]:
    """Return all schedules, as people see them."""
    return [_shown(row) for row in tx.rows(ALL)]


def due(tx: Transaction) -> list[str]:
    """Return the names of those that are due."""
    return [row["name"] for row in tx.rows(DUE, now=tx.now, limit=AT_ONCE)]


def until_due(tx: Transaction) -> float | None:
    """Return the seconds until one is due; None when none ever is."""
    first = tx.rows(FIRST)[0]["next_at"]
    return None if first is None else first - tx.now


def fire(name: str, task_id: str, tx: Transaction) -> Firing | None:
    """Do what is to be done about a schedule if it is still due and nobody else does so; None otherwise.

    Args:
        name: Which one.
        task_id: For the task, if one is filed.
        tx: The transaction.

    Raises:
        DuplicateTask: Somebody has just filed a task with its work key.
    """
    row = one(tx.rows(TAKE, name=name, now=tx.now))
    if row is None:
        return None
    try:
        schedule = _read(row)
        due = rules.what_is_due(schedule.spec, moment(row["next_at"]), moment(tx.now))
    except (DamagedSchedule, ConfigError) as exc:
        return stop(name, str(exc), tx)
    firing = _file(schedule, due, task_id, tx)
    after = _values(rules.fired(schedule, firing, due.next_at))
    columns = ("next_at", "last_at", "last_outcome", "last_reason", "last_task_id")
    tx.run(FIRED, name=name, **{column: after[column] for column in columns})
    return firing


def stop(name: str, problem: str, tx: Transaction) -> Firing:
    """Pause a schedule that can not be read or filed, and say why."""
    reason = f"{problem}; add it anew, or let it go on when that is mended"
    tx.run(STOP, name=name, reason=reason, paused=True, now=tx.now)
    return Firing(name=name, outcome=FiringOutcome.FAILED, at=moment(tx.now), reason=reason)


def _file(schedule: Schedule, due: Due, task_id: str, tx: Transaction) -> Firing:
    spec = schedule.spec
    key = rules.work_key(spec.name)
    live = [row["id"] for row in tx.rows(LIVE, key=key, first=f"{key}@", beyond=f"{key}A")]
    firing = rules.firing_of(schedule, due, live)
    if firing.outcome is FiringOutcome.REPLACED:
        for row in [found(tx, one_of) for one_of in live]:
            _cancel(row, rules.replaced_reason(spec.name), tx)
    if not firing.outcome.files:
        return firing
    return replace(firing, task_id=filing.create(rules.task_for(spec, firing.at), task_id, tx).id)


def _cancel(row: Row, reason: str, tx: Transaction) -> None:
    """End a locked task, unless it ends already."""
    try:
        life = life_of(row)
    except DamagedTask as exc:
        fail_damaged(tx, row, str(exc))
        return
    if not life.status.terminal and life.status is not TaskStatus.CANCELING:
        move(tx, row, lives.canceled(life, reason))


def _keep(schedule: Schedule, tx: Transaction) -> None:
    tx.run(KEEP, **_values(schedule))
    tx.ring(SCHEDULES)


def _read(row: Row) -> Schedule:
    """Turn a row of the schedule table into a schedule.

    Raises:
        DamagedSchedule: It can not be read.
    """
    try:
        spec = ScheduleSpec(
            name=row["name"],
            cron=row["cron"],
            tz=row["tz"],
            template=spec_from_data(json.loads(row["template"])),
            overlap=Overlap(row["overlap"]),
            catch_up=row["catch_up"],
            origin=row["origin"],
        )
        return Schedule(
            spec=spec,
            next_at=maybe(row["next_at"]),
            paused=bool(row["paused"]),
            last_at=maybe(row["last_at"]),
            last_outcome=FiringOutcome(row["last_outcome"]) if row["last_outcome"] else None,
            last_reason=row["last_reason"],
            last_task_id=row["last_task_id"],
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError) as exc:
        problem = f"what is kept of schedule {row['name']!r} can not be read ({type(exc).__name__}: {exc})"
        raise DamagedSchedule(problem) from exc


def _readable(row: Row) -> Schedule | None:
    """Return a schedule, or None when it has to be made anew."""
    try:
        return _read(row)
    except DamagedSchedule:
        return None


def _shown(row: Row) -> Schedule:
    """Return a schedule; one that can not be read is shown paused, with the reason."""
    try:
        return _read(row)
    except DamagedSchedule as exc:
        nothing = TaskSpec(instruction="", repository=RepositoryRef(url="", name=""))
        spec = ScheduleSpec(name=row["name"], cron=row["cron"], tz=row["tz"], template=nothing, origin=row["origin"])
        failed = FiringOutcome.FAILED
        return Schedule(spec=spec, next_at=None, paused=True, last_outcome=failed, last_reason=str(exc))


def _values(schedule: Schedule) -> dict[str, Value]:
    spec = schedule.spec
    return {
        "name": spec.name,
        "cron": spec.cron,
        "tz": spec.tz,
        "template": to_json(spec_to_data(spec.template)),
        "overlap": spec.overlap.value,
        "catch_up": float(spec.catch_up),
        "origin": spec.origin,
        "paused": schedule.paused,
        "next_at": schedule.next_at.timestamp() if schedule.next_at else 0.0,
        "last_at": schedule.last_at.timestamp() if schedule.last_at else 0.0,
        "last_outcome": schedule.last_outcome.value if schedule.last_outcome else "",
        "last_reason": schedule.last_reason,
        "last_task_id": schedule.last_task_id,
    }
