"""Schedule: a task that is filed again and again. When it is due, and what then happens, as pure functions.

A cron expression has the five fields of Debian's ``cron(8)`` and means what it means there, in the time zone of the
schedule: fixed times that a clock change skips come right after it and those that it repeats come once, while ``*`` and
``*/n`` in the minute or the hour go by real time. Day of month and day of week: either is enough where both are given.

Every store applies these functions and nothing else. Moments are in UTC; durations are seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from pullwright.agents.errors import ConfigError
from pullwright.agents.task import TaskSpec

PUNCTUAL_SECONDS: Final = 60.0
"""A time that is fired so late counts as fired in time, whatever the window says."""

CATCH_UP_SECONDS: Final = 3600.0
"""The window where nobody chose one."""

MAX_CATCH_UP_SECONDS: Final = 7 * 86_400.0

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_LONGEST_CRON: Final = 200


class Overlap(StrEnum):
    """What happens when a schedule is due and a task that it filed before is not over."""

    SKIP = "skip"
    """Nothing is filed this time."""
    QUEUE = "queue"
    """The new task stands in the queue beside the old one."""
    REPLACE = "replace"
    """The old one is canceled, and the new one is filed."""


class FiringOutcome(StrEnum):
    """What became of a time that was due."""

    FILED = "filed"
    SKIPPED = "skipped"
    """A task that was filed before is not over."""
    REPLACED = "replaced"
    """It was canceled, and the new one filed."""
    MISSED = "missed"
    """Nobody was there until the window had passed."""
    FAILED = "failed"
    """The schedule can not be read or can not be filed; it is paused."""

    @property
    def files(self) -> bool:
        """Whether a task is filed."""
        return self in (FiringOutcome.FILED, FiringOutcome.REPLACED)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSpec:
    """What a person asked for."""

    name: str
    """Unique; also decides which tasks count as filed before."""
    cron: str
    """Five fields: minute, hour, day of month, month, day of week."""
    tz: str = "UTC"
    """IANA name of the time zone."""
    template: TaskSpec
    """The task to file; its work key and moment are the schedule's business."""
    overlap: Overlap = Overlap.SKIP
    catch_up: float = CATCH_UP_SECONDS
    """How late a time may still be fired, when nobody was there; of several the latest."""
    origin: str = ""
    """The installation whose settings hold it; empty when it was made by a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A schedule and where it stands."""

    spec: ScheduleSpec
    next_at: datetime | None
    """When it is due; None when it never is again."""
    paused: bool = False
    last_at: datetime | None = None
    """The time that was due last."""
    last_outcome: FiringOutcome | None = None
    last_reason: str = ""
    last_task_id: str = ""
    """The task that it filed last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """What was done about one schedule that was due."""

    name: str
    outcome: FiringOutcome
    at: datetime
    """The time that was due."""
    task_id: str = ""
    """The task that was filed, if one was."""
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What is due of a schedule at a moment."""

    at: datetime | None
    """The time to file a task for: the latest that the window still holds; None when it holds none."""
    next_at: datetime | None
    """The first time to come; None when there is none."""


def require_spec(spec: ScheduleSpec, now: datetime) -> None:
    """Check what a person asked for.

    Raises:
        ConfigError: Name, expression, time zone or window are wrong, or it would never be due.
    """
    if not _NAME.fullmatch(spec.name):
        raise ConfigError(f"{spec.name[:80]!r} can not name a schedule; use 1 to 64 of A-Z a-z 0-9 . _ -")
    if not 0 <= spec.catch_up <= MAX_CATCH_UP_SECONDS:
        raise ConfigError(f"schedule {spec.name!r}: the catch-up window has from 0 to 7 days")
    if next_time(spec.cron, spec.tz, now) is None:
        raise ConfigError(f"schedule {spec.name!r}: {spec.cron!r} never comes; there is no such day")


def next_time(cron: str, tz: str, after: datetime) -> datetime | None:
    """Return the first time after a moment; None when there is none within 50 years.

    Raises:
        ConfigError: The expression or the time zone is wrong.
    """
    return next(_times(cron, tz, after), None)


def next_times(spec: ScheduleSpec, after: datetime, count: int) -> list[datetime]:
    """Return the first so many times after a moment.

    Raises:
        ConfigError: The expression or the time zone is wrong.
    """
    return [at for _, at in zip(range(count), _times(spec.cron, spec.tz, after), strict=False)]


def what_is_due(spec: ScheduleSpec, next_at: datetime, now: datetime) -> Due:
    """Say what to do about the times from ``next_at``, which is one of them and has come, until now.

    Raises:
        ConfigError: The expression or the time zone is wrong.
    """
    opened = now - timedelta(seconds=max(spec.catch_up, PUNCTUAL_SECONDS))
    latest = next_at if next_at >= opened else None
    for at in _times(spec.cron, spec.tz, max(next_at, opened - timedelta(microseconds=1))):
        if at > now:
            return Due(at=latest, next_at=at)
        latest = at
    return Due(at=latest, next_at=None)


def put(old: Schedule | None, spec: ScheduleSpec, now: datetime) -> Schedule:
    """Return the schedule that a specification makes of the one that has its name, if there is one.

    What it did last is remembered, and it stays paused unless that is because it failed. When it is due changes only
    with its times.

    Raises:
        ConfigError: The specification is wrong.
    """
    require_spec(spec, now)
    if old is None:
        return Schedule(spec=spec, next_at=next_time(spec.cron, spec.tz, now))
    failed = old.paused and old.last_outcome is FiringOutcome.FAILED
    if (old.spec.cron, old.spec.tz) == (spec.cron, spec.tz) and not failed:
        return replace(old, spec=spec)
    return replace(old, spec=spec, next_at=next_time(spec.cron, spec.tz, now), paused=old.paused and not failed)


def paused(schedule: Schedule, now: datetime, *, pause: bool) -> Schedule:
    """Pause a schedule, or let it go on: what would have been due meanwhile is not made up for.

    Raises:
        ConfigError: It can not go on because its expression or time zone is wrong.
    """
    if pause == schedule.paused:
        return schedule
    if pause:
        return replace(schedule, paused=True)
    return replace(schedule, paused=False, next_at=next_time(schedule.spec.cron, schedule.spec.tz, now))


def decide(overlap: Overlap, *, live: bool) -> FiringOutcome:
    """Say what happens at a time that is due, by whether a task that was filed before is not over."""
    if not live or overlap is Overlap.QUEUE:
        return FiringOutcome.FILED
    return FiringOutcome.SKIPPED if overlap is Overlap.SKIP else FiringOutcome.REPLACED


def is_due(schedule: Schedule, now: datetime) -> bool:
    """Say whether something has to be done about a schedule."""
    return not schedule.paused and schedule.next_at is not None and schedule.next_at <= now


def firing_of(schedule: Schedule, due: Due, live: Sequence[str]) -> Firing:
    """Say what is to be done about a schedule that is due, by the ids of its tasks that are not over."""
    name = schedule.spec.name
    if due.at is None:
        assert schedule.next_at is not None
        late = f"nobody was there within {max(schedule.spec.catch_up, PUNCTUAL_SECONDS):g} s"
        return Firing(name=name, outcome=FiringOutcome.MISSED, at=schedule.next_at, reason=late)
    outcome = decide(schedule.spec.overlap, live=bool(live))
    reason = f"task {live[0]} is not over" if outcome is FiringOutcome.SKIPPED else ""
    return Firing(name=name, outcome=outcome, at=due.at, reason=reason)


def fired(schedule: Schedule, firing: Firing, next_at: datetime | None) -> Schedule:
    """Note what was done about a schedule, and when it is due next."""
    return replace(
        schedule,
        next_at=next_at,
        last_at=firing.at,
        last_outcome=firing.outcome,
        last_reason=firing.reason,
        last_task_id=firing.task_id or schedule.last_task_id,
    )


def task_for(spec: ScheduleSpec, at: datetime) -> TaskSpec:
    """Return the task of a time that is due.

    The tasks of a schedule that skips have one work key, so that the store lets no second one live; those of the others
    have one for each time.
    """
    key = work_key(spec.name)
    if spec.overlap is not Overlap.SKIP:
        key = f"{key}@{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"
    return replace(spec.template, work_key=key, source="schedule", not_before=None)


def work_key(name: str) -> str:
    """Return what the work keys of all tasks of a schedule are or, before an ``@``, begin with."""
    return f"schedule:{name}"


def filed_by(name: str, spec: TaskSpec) -> bool:
    """Say whether a task was filed by a schedule."""
    return spec.work_key.partition("@")[0] == work_key(name)


def replaced_reason(name: str) -> str:
    """Return why a task is canceled in whose place a schedule files the next one."""
    return f"schedule {name!r} is due again and replaces it"


def unknown(name: str) -> ConfigError:
    """Return the error of a name that no schedule has."""
    return ConfigError(f"there is no schedule {name[:80]!r}; see `agent schedule list`")


def _times(cron: str, tz: str, after: datetime) -> Iterator[datetime]:
    """Return the times after a moment, each once; after a clock change the library tells some twice or too early."""
    last = after
    for local in _iterator(cron, after.astimezone(_zone(tz))):
        at = local.astimezone(UTC)
        if at > last:
            yield at
            last = at


def _iterator(cron: str, local: datetime) -> CronSim:
    # A sixth field would be seconds.
    if len(cron) > _LONGEST_CRON or len(cron.split()) != 5:
        problem = "needs five fields: minute, hour, day of month, month, day of week"
    else:
        try:
            return CronSim(cron, local)
        except CronSimError as exc:
            problem = f"is wrong: {str(exc).lower()}; out of range, or there is no such day"
    raise ConfigError(f"the cron expression {cron[:80]!r} {problem}")


def _zone(name: str) -> tzinfo:
    try:
        return UTC if name == "UTC" else ZoneInfo(name)  # the one that needs no database of zones
    except (KeyError, ValueError, OSError):  # unknown; no name at all; a folder
        raise ConfigError(
            f"there is no time zone {name[:80]!r} here; give a name such as Europe/Berlin or UTC"
        ) from None
