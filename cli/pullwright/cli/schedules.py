"""Schedules as people give them: typed, or as tables of the settings, which a worker brings into the database."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pullwright.agents.errors import ConfigError, IntegrationError
from pullwright.agents.ports.schedule import ScheduleStore
from pullwright.agents.schedule import Overlap, ScheduleSpec
from pullwright.cli import wiring
from pullwright.cli.intake import RunRequest, specify
from pullwright.cli.settings import Settings
from pullwright.cli.settings_tables import ScheduleTable

_DURATION: Final = re.compile(r"(?P<number>\d{1,7}(?:\.\d{1,3})?)(?P<unit>[smhd])|0")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleRequest:
    """What was typed, or stands in the settings."""

    name: str
    cron: str
    tz: str
    overlap: str
    catch_up: str
    task: RunRequest
    """The task to file, as ``agent run`` would."""


def duration(text: str) -> float:
    """Return the seconds of ``90s``, ``30m``, ``1h`` or ``2d``.

    Raises:
        ConfigError: It is none of those.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{text[:40]!r} is no duration; give something like 90s, 30m, 1h or 2d")
    return float(match["number"]) * _SECONDS[match["unit"]] if match["unit"] else 0.0


async def schedule_spec(request: ScheduleRequest, settings: Settings, *, origin: str = "") -> ScheduleSpec:
    """Make the specification of a schedule; an issue that its instruction names is read now.

    Raises:
        ConfigError: Something about it is wrong.
        IntegrationError: The code host did not give the issue.
    """
    if request.overlap not in list(Overlap):
        raise ConfigError(f"{request.overlap[:40]!r} is no way to overlap; use {', '.join(Overlap)}")
    catch_up = duration(request.catch_up)
    where = await wiring.read_origin(request.task.repo)
    host = wiring.code_host(settings, where.remote)
    template = await specify(request.task, settings, where, host, wiring.render_issue)
    return ScheduleSpec(
        name=request.name,
        cron=request.cron,
        tz=request.tz,
        template=await wiring.placed(template, settings),
        overlap=Overlap(request.overlap),
        catch_up=catch_up,
        origin=origin,
    )


async def reconcile(settings: Settings, store: ScheduleStore, note: Callable[[str], None]) -> None:
    """Bring the schedules of the settings into the database, and take those away that stood there before.

    Those that were made by command, or stand in the settings of another installation, are left alone.

    Raises:
        ConfigError: One of them is wrong; those before it are there.
    """
    here = await wiring.instance_name(settings)
    known = {schedule.spec.name: schedule.spec.origin for schedule in await store.schedules()}
    for table in settings.schedules:
        if known.get(table.name) == "":
            note(f"schedule {table.name!r}: the settings take the place of the one that was made by command")
        try:
            await store.put_schedule(await schedule_spec(_request(table), settings, origin=here))
        except ConfigError as exc:
            raise ConfigError(f"setting 'schedules', {table.name!r}: {exc}") from exc
        except IntegrationError as exc:
            note(f"schedule {table.name!r} stays as it was: {exc}")
    wanted = {table.name for table in settings.schedules}
    for name, origin in known.items():
        if origin == here and name not in wanted and await store.remove_schedule(name, origin=here):
            note(f"schedule {name!r} was removed: it does not stand in the settings any more")


def _request(table: ScheduleTable) -> ScheduleRequest:
    task = RunRequest(
        instruction=table.instruction,
        repo=table.repo,
        base=table.base,
        checks=table.checks,
        no_pr=table.no_pr,
        priority=table.priority,
    )
    return ScheduleRequest(
        name=table.name,
        cron=table.cron,
        tz=table.tz,
        overlap=table.overlap,
        catch_up=table.catch_up,
        task=task,
    )
