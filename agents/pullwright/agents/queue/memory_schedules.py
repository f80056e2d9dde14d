"""The part of the store in memory that keeps schedules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import anyio
from anyio import to_thread

from pullwright.agents import schedule as rules
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.clock import Clock
from pullwright.agents.schedule import Firing, FiringOutcome, Schedule, ScheduleSpec
from pullwright.agents.task import Task, TaskSpec, TaskStatus


class MemorySchedules(ABC):
    """Schedules; tasks are known to the class that inherits this."""

    _clock: Clock

    def __init__(self) -> None:
        self._schedules: dict[str, Schedule] = {}
        self._rescheduled = anyio.Event()

    @abstractmethod
    def _create(self, spec: TaskSpec) -> Task: ...

    @abstractmethod
    def _cancel(self, task_id: str, reason: str) -> Task: ...

    @abstractmethod
    def _tasks(self) -> Sequence[Task]: ...

    async def put_schedule(self, spec: ScheduleSpec) -> Schedule:
        now = self._clock.now()
        await to_thread.run_sync(rules.require_spec, spec, now)  # reads the file of the time zone
        return self._keep(rules.put(self._schedules.get(spec.name), spec, now))

    async def remove_schedule(self, name: str, *, origin: str | None = None) -> bool:
        await anyio.lowlevel.checkpoint()
        known = self._schedules.get(name)
        if known is None or origin not in (None, known.spec.origin):
            return False
        del self._schedules[name]
        return True

    async def pause_schedule(self, name: str, *, pause: bool) -> Schedule:
        await anyio.lowlevel.checkpoint()
        if name not in self._schedules:
            raise rules.unknown(name)
        return self._keep(rules.paused(self._schedules[name], self._clock.now(), pause=pause))

    async def schedules(self) -> Sequence[Schedule]:
        await anyio.lowlevel.checkpoint()
        return [schedule for _, schedule in sorted(self._schedules.items())]

    async def fire_due(self) -> Sequence[Firing]:
        await anyio.lowlevel.checkpoint()
        now = self._clock.now()
        due = [one for one in self._schedules.values() if rules.is_due(one, now)]
        return [self._fire(one) for one in due]

    async def wait_for_schedules(self, seconds: float) -> None:
        changed = self._rescheduled
        now = self._clock.now()
        for schedule in self._schedules.values():
            if schedule.next_at and not schedule.paused:
                seconds = min(seconds, (schedule.next_at - now).total_seconds())
        with anyio.move_on_after(max(0.0, seconds)):
            await changed.wait()

    def _keep(self, schedule: Schedule) -> Schedule:
        self._schedules[schedule.spec.name] = schedule
        self._rescheduled.set()
        self._rescheduled = anyio.Event()
        return schedule

    def _fire(self, schedule: Schedule) -> Firing:
        assert schedule.next_at is not None
        try:
            due = rules.what_is_due(schedule.spec, schedule.next_at, self._clock.now())
        except ConfigError as exc:
            failed = Firing(name=schedule.spec.name, outcome=FiringOutcome.FAILED, at=schedule.next_at, reason=str(exc))
            self._keep(replace(rules.fired(schedule, failed, schedule.next_at), paused=True))
            return failed
        firing = self._file(schedule, due)
        self._keep(rules.fired(schedule, firing, due.next_at))
        return firing

    def _file(self, schedule: Schedule, due: rules.Due) -> Firing:
        spec = schedule.spec
        live = [task for task in self._tasks() if rules.filed_by(spec.name, task.spec) and not task.status.terminal]
        firing = rules.firing_of(schedule, due, [task.id for task in live])
        if firing.outcome is FiringOutcome.REPLACED:
            for task in live:
                if task.status is not TaskStatus.CANCELING:
                    self._cancel(task.id, rules.replaced_reason(spec.name))
        if not firing.outcome.files:
            return firing
        return replace(firing, task_id=self._create(rules.task_for(spec, firing.at)).id)
