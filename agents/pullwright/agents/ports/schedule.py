"""The role of the store that keeps schedules and files their tasks when they are due."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pullwright.agents.schedule import Firing, Schedule, ScheduleSpec


class ScheduleStore(Protocol):
    """Schedules, by name. Each method is one transaction, as in ``TaskStore``, and all times are the database's."""

    async def put_schedule(self, spec: ScheduleSpec) -> Schedule:
        """Keep a schedule, in the place of the one that has its name; the same once more changes nothing.

        A schedule that was paused stays so, unless that is because it failed. When it is due changes only with its
        expression or time zone.

        Raises:
            ConfigError: The specification is wrong; nothing was changed.
        """
        ...

    async def remove_schedule(self, name: str, *, origin: str | None = None) -> bool:
        """Remove a schedule and say whether it was there; the tasks that it filed stay as they are.

        Args:
            name: Which one.
            origin: Only if this is where it comes from; None for any.
        """
        ...

    async def pause_schedule(self, name: str, *, pause: bool) -> Schedule:
        """Pause a schedule, or let it go on: what would have been due meanwhile is not made up for.

        Raises:
            ConfigError: There is none with this name, or what is kept of it can not be used.
        """
        ...

    async def schedules(self) -> Sequence[Schedule]:
        """Return all schedules by name; one that can not be read is shown paused, with the reason."""
        ...

    async def fire_due(self) -> Sequence[Firing]:
        """File the tasks of the schedules that are due, and return what was done about each of them here.

        For each schedule one transaction decides, files the task, and sets when the schedule is due next: any number
        of workers may call this at any time, each time that is due is dealt with once, and a crash loses none. A
        schedule that can not be read or filed is paused with the reason.
        """
        ...

    async def wait_for_schedules(self, seconds: float) -> None:
        """Return as soon as a schedule is due or may have been changed, at the latest after ``seconds``."""
        ...
