"""Messenger: tells people, where they are anyway, what tasks came to; one process does so for all of them.

What is to be told is noted in the outbox as soon as it is seen, so that a crash loses nothing: what may have been told
is told again. Each target has a line of its own, in which the notices of one task keep their order.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from math import inf
from typing import Final

from anyio import create_task_group, fail_after
from anyio.abc import TaskGroup

from pullwright.agents.errors import LeaseLost, PullwrightError, StoreError, TaskNotFound
from pullwright.agents.events import JournalEntry
from pullwright.agents.intake.enlisted import enlisted
from pullwright.agents.intake.mishap import mishap
from pullwright.agents.intake.moments import moment_of, notice_of
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Worker
from pullwright.agents.ports.notice import NEWS_SECONDS, Moment, Notice, Notifier, Target, Telling
from pullwright.agents.ports.outbox import EffectStatus
from pullwright.agents.ports.report import Report
from pullwright.agents.worker.outbox import Made, Outbox

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often it looks for what is new, and keeps its duty; no target gets more than one notice meanwhile."""

OVERLAP_SECONDS: Final = 60.0
"""How far each look goes back behind the one before: a transaction may be seen later than the time it has."""

FRESH: Final = timedelta(hours=1)
"""What happened longer ago is told only if it was to be told before."""

GIVE_UP: Final = timedelta(seconds=NEWS_SECONDS)
"""How long it is tried to tell something, from when it happened."""

SEND_SECONDS: Final = 15.0
"""How long one notice may take; the end of the process waits for that."""

FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 3600.0
"""Seconds until something that went wrong is tried again; they double each time."""

KIND: Final = "notice"

_LONG_AGO: Final = datetime.fromtimestamp(0, UTC)


@dataclass(slots=True)
class _Waiting:
    """A notice that a target is to get."""

    telling: Telling
    key: str
    notice: Notice
    at: datetime
    """When it happened."""
    arrived: bool = False
    """The target has it, but that is not noted yet."""
    tries: int = 0
    not_before: float = -inf


@dataclass(slots=True)
class _Line:
    """What waits for one target."""

    target: Target
    since: datetime
    """When it was seen in the settings first."""
    waiting: list[_Waiting] = field(default_factory=list)
    busy: bool = False
    failures: int = 0
    """In a row."""
    not_before: float = -inf

    @property
    def hopeful(self) -> bool:
        """Whether something may be told in a moment."""
        return self.busy or bool(self.waiting and not self.failures)

    def next(self, now: float) -> _Waiting | None:
        """Return the notice to try now: of the first ones of each task, the one that was tried least."""
        if self.busy or now < self.not_before:
            return None
        first = {one.telling.task_id: one for one in reversed(self.waiting)}
        ready = [one for one in self.waiting if first[one.telling.task_id] is one and one.not_before <= now]
        return min(ready, key=lambda one: one.tries, default=None)


@dataclass(slots=True)
class _Turn:
    """One turn of the duty."""

    number: int
    lines: Sequence[_Line] = ()
    seen: dict[tuple[str, int], datetime] = field(default_factory=dict)
    """Entries that were dealt with, and when they happened."""
    now: datetime = _LONG_AGO
    """The database's time at the last look."""
    looked_at: float = -inf


class Messenger:
    """Tells people for as long as it serves and has the duty."""

    def __init__(
        self,
        store: DurableStore,
        notifier: Notifier,
        targets: Sequence[Target],
        *,
        clock: Clock,
        worker: Worker | None = None,
    ) -> None:
        """Make one.

        Args:
            store: Where tasks are, and what was told.
            notifier: Knows the targets by their keys.
            targets: Who wants to be told what.
            clock: For the pauses.
            worker: What others see of this process; its id is made anew whenever it serves.
        """
        self._store = store
        self._notifier = notifier
        self._targets = targets
        self._clock = clock
        self._worker = worker or Worker(id="")
        self._outbox = Outbox(store)
        self._turn = _Turn(0)
        self._looks = 0

    async def serve(self) -> None:
        """Serve until cancelled; then the next process takes the duty over at once."""
        async with enlisted(self._store, self._worker, self._clock) as me, create_task_group() as group:
            while True:
                await self._look(me, group)
                await self._clock.sleep(LOOK_SECONDS)

    async def tell_all(self, worker_id: str) -> int:
        """Tell what is due now; return how many notices still wait for their turn, or for their target."""
        async with create_task_group() as group:
            await self._look(worker_id, group)
        return sum(len(line.waiting) for line in self._turn.lines)

    async def until_told(self) -> None:
        """Return when what has happened by now is told, or put off, or left to another process; while it serves."""
        begun = self._looks
        while self._looks < begun + 2 or any(line.hopeful for line in self._turn.lines):
            await self._clock.sleep(LOOK_SECONDS / 4)

    # What is due

    async def _look(self, worker_id: str, group: TaskGroup) -> None:
        await self._take_turn(worker_id)
        for line in self._turn.lines:
            waiting = line.next(self._clock.monotonic())
            if waiting is not None:
                line.busy = True
                group.start_soon(self._tell_counted, line, waiting)
        self._looks += 1

    async def _take_turn(self, worker_id: str) -> None:
        """See that what is due is known, if this process has the duty."""
        try:
            number = await self._store.take_notice_duty(worker_id)
            if number is None:
                self._turn.lines = [line for line in self._turn.lines if line.busy]
            elif self._begin_turn(number):
                await self._take_in()
        except (StoreError, LeaseLost) as exc:
            logger.warning("nobody is told anything new: %s", exc)

    def _begin_turn(self, number: int) -> bool:
        """Begin a turn if it is another one, but not before this process is done with what it did in the last one."""
        if number != self._turn.number:
            if any(line.busy for line in self._turn.lines):
                return False
            self._turn = _Turn(number)
        return True

    async def _take_in(self) -> None:
        """Note what has happened since the last look, for everybody who wants to be told."""
        turn, began = self._turn, self._clock.monotonic()
        news = await self._store.news(seconds=min(began - turn.looked_at + OVERLAP_SECONDS, NEWS_SECONDS))
        turn.now = news.now
        turn.lines = turn.lines or await self._new_lines()
        new = [entry for entry in news.entries if (entry.task_id, entry.seq) not in turn.seen]
        for entry in new:
            await self._take_in_entry(entry)
            turn.seen[entry.task_id, entry.seq] = entry.at
        if new:
            turn.seen = {key: at for key, at in turn.seen.items() if at > news.now - GIVE_UP}
        turn.looked_at = began

    async def _new_lines(self) -> list[_Line]:
        """Return the lines of this turn; a target that was not there before is told nothing that happened before."""
        telling = Telling(task_id="", turn=self._turn.number)
        known = {effect.key: effect.external_id for effect in await self._store.effects(telling.id)}
        lines = []
        for target in self._targets:
            if not known.get(target.key):
                await self._store.intend(telling, target.key, kind="target")
                known[target.key] = str(self._turn.now.timestamp())
                await self._store.settle(telling, target.key, external_id=known[target.key])
            lines.append(_Line(target, datetime.fromtimestamp(float(known[target.key]), UTC)))
        return lines

    async def _take_in_entry(self, entry: JournalEntry) -> None:
        moment = moment_of(entry)
        if moment is None:
            return
        telling = Telling(task_id=entry.task_id, turn=self._turn.number)
        known = {effect.key: effect.status for effect in await self._store.effects(telling.id)}
        fresh = entry.at > self._turn.now - FRESH
        if not fresh and EffectStatus.INTENDED not in known.values():
            return
        notice = await self._notice(moment, entry)
        if notice is None:
            return
        found = []
        for line in [one for one in self._turn.lines if one.target.wants(moment, notice.repository)]:
            key = f"{entry.seq}:{line.target.key}"
            new = fresh and key not in known and entry.at >= line.since
            if new:
                await self._store.intend(telling, key, kind=KIND)
            if new or known.get(key) is EffectStatus.INTENDED:
                found.append((line, _Waiting(telling=telling, key=key, notice=notice, at=entry.at)))
        for line, waiting in found:  # all or none: after trouble with the store the entry is taken in again
            line.waiting.append(waiting)

    async def _notice(self, moment: Moment, entry: JournalEntry) -> Notice | None:
        try:
            task = await self._store.get(entry.task_id)
        except TaskNotFound:
            return None
        shown = await self._store.effects(Report(task_id=task.id, turn=0).id)
        return notice_of(moment, entry, task, origin_url=next((one.url for one in reversed(shown) if one.url), ""))

    # Telling

    async def _tell_counted(self, line: _Line, waiting: _Waiting) -> None:
        try:
            error = await mishap(partial(self._tell, line, waiting))
            if error is None:
                line.waiting.remove(waiting)
                line.failures = 0
                line.not_before = self._clock.monotonic() + LOOK_SECONDS
            else:
                await self._failed(line, waiting, error)
        finally:
            line.busy = False

    async def _tell(self, line: _Line, waiting: _Waiting) -> None:
        async def do() -> Made:
            if not waiting.arrived:
                await self._notifier.send(line.target.key, waiting.notice)
                waiting.arrived = True
            return Made()

        with fail_after(SEND_SECONDS, shield=True):  # so that what was sent is noted, whoever wants to end
            await self._outbox.perform(waiting.telling, waiting.key, kind=KIND, do=do)

    # Trouble

    async def _failed(self, line: _Line, waiting: _Waiting, error: Exception) -> None:
        task_id, now = waiting.telling.task_id, self._clock.monotonic()
        if isinstance(error, LeaseLost | StoreError):
            logger.warning("it is not noted what %s was told of task %s: %s", line.target.label, task_id, error)
            waiting.not_before = now + FIRST_PAUSE
            return
        waiting.tries += 1
        line.failures += 1
        waiting.not_before = now + _pause(waiting.tries)
        line.not_before = now + _pause(line.failures)
        if self._turn.now - waiting.at >= GIVE_UP:
            logger.error(
                "%s was not told of task %s, and it is given up: %s", line.target.label, task_id, _reason(error)
            )
            await self._give_up(line, waiting)
        elif isinstance(error, PullwrightError | TimeoutError):
            level = logging.WARNING if line.failures == 1 else logging.INFO
            logger.log(level, "%s is told later of task %s: %s", line.target.label, task_id, _reason(error))
        else:
            logger.error("telling %s of task %s ran into a bug", line.target.label, task_id, exc_info=error)

    async def _give_up(self, line: _Line, waiting: _Waiting) -> None:
        line.waiting.remove(waiting)
        try:
            await self._store.settle(waiting.telling, waiting.key, external_id="given up")
        except (LeaseLost, StoreError) as exc:
            logger.info("that was not noted: %s", exc)


def _pause(times: int) -> float:
    return min(FIRST_PAUSE * 2.0 ** min(times - 1, 20), LONGEST_PAUSE)


def _reason(error: Exception) -> str:
    return f"it took longer than {SEND_SECONDS:g} s" if isinstance(error, TimeoutError) else str(error)
