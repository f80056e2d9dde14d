"""``agent schedule``: tasks that are filed again and again."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.schedule import Schedule, next_times, unknown
from pullwright.cli.commands.fleet import print_table
from pullwright.cli.commands.tasks import with_store
from pullwright.cli.render import printable
from pullwright.cli.schedules import ScheduleRequest, schedule_spec
from pullwright.cli.settings import Settings, load_settings
from pullwright.cli.speech import complain


def add_command(request: ScheduleRequest) -> int:
    """Keep a schedule, in the place of the one that has its name."""
    settings = load_settings(Path.cwd())
    return with_store(partial(_add, request=request, settings=settings), settings)


def list_command(*, json: bool) -> int:
    """Print all schedules."""
    return with_store(partial(_list, json=json))


def remove_command(name: str) -> int:
    """Remove a schedule."""
    return with_store(partial(_remove, name=name))


def pause_command(name: str, *, pause: bool) -> int:
    """Pause a schedule, or let it go on."""
    return with_store(partial(_pause, name=name, pause=pause))


def next_command(name: str, *, count: int) -> int:
    """Print when a schedule is due."""
    return with_store(partial(_next, name=name, count=count))


async def _add(store: DurableStore, *, request: ScheduleRequest, settings: Settings) -> int:
    _require_ours(await store.schedules(), request.name)
    schedule = await store.put_schedule(await schedule_spec(request, settings))
    _say(_due(schedule))
    if not any(worker.slots and not worker.draining for worker in await store.workers()):
        complain("no worker is alive, and nothing is filed before one is: agent worker, or agent serve")
    return 0


async def _list(store: DurableStore, *, json: bool) -> int:
    schedules = await store.schedules()
    if json:
        for schedule in schedules:
            _say(json_.dumps(_data(schedule)))
        return 0
    nothing = "there is none yet; see: agent schedule add --help"
    print_table(("name", "cron", "next", "last"), [_row(schedule) for schedule in schedules], nothing)
    for schedule in schedules:
        if schedule.last_reason:
            _say(printable(f"{schedule.spec.name}: {schedule.last_outcome}: {schedule.last_reason}"))
    return 0


async def _remove(store: DurableStore, *, name: str) -> int:
    _require_ours(await store.schedules(), name)
    if not await store.remove_schedule(name):
        raise unknown(name)
    return 0


async def _pause(store: DurableStore, *, name: str, pause: bool) -> int:
    _say(_due(await store.pause_schedule(name, pause=pause)))
    return 0


async def _next(store: DurableStore, *, name: str, count: int) -> int:
    found = [schedule for schedule in await store.schedules() if schedule.spec.name == name]
    if not found:
        raise unknown(name)
    spec = found[0].spec
    for at in next_times(spec, datetime.now(UTC), count):
        _say(_shown(at, spec.tz))
    if found[0].paused:
        complain(f"it is paused; let it go on with: agent schedule resume {name}")
    return 0


def _require_ours(schedules: Sequence[Schedule], name: str) -> None:
    """Check that a name does not stand in somebody's settings, which would bring it back.

    Raises:
        ConfigError: It does.
    """
    for schedule in schedules:
        if schedule.spec.name == name and schedule.spec.origin:
            raise ConfigError(
                f"schedule {name!r} stands in the settings of installation {schedule.spec.origin}; change them there"
            )


def _row(schedule: Schedule) -> Sequence[str]:
    last = f"{schedule.last_outcome} {schedule.last_task_id[:13]}".strip() if schedule.last_outcome else ""
    return schedule.spec.name, schedule.spec.cron, _due(schedule), last


def _due(schedule: Schedule) -> str:
    if schedule.paused:
        return "paused"
    return _shown(schedule.next_at, schedule.spec.tz) if schedule.next_at else "never again"


def _data(schedule: Schedule) -> dict[str, object]:
    spec = schedule.spec
    return {
        "name": spec.name,
        "cron": spec.cron,
        "tz": spec.tz,
        "overlap": spec.overlap,
        "catch_up": spec.catch_up,
        "origin": spec.origin,
        "repository": spec.template.lane,
        "instruction": spec.template.instruction,
        "paused": schedule.paused,
        "next_at": schedule.next_at and schedule.next_at.isoformat(),
        "last_at": schedule.last_at and schedule.last_at.isoformat(),
        "last_outcome": schedule.last_outcome,
        "last_reason": schedule.last_reason,
        "last_task_id": schedule.last_task_id,
    }


def _shown(at: datetime, tz: str) -> str:
    try:
        return f"{at.astimezone(ZoneInfo(tz)):%a %Y-%m-%d %H:%M %Z}"
    except (KeyError, ValueError, OSError):  # a row that was edited by hand, or another host's zones
        return f"{at:%a %Y-%m-%d %H:%M %Z}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
