"""Reporter: keeps what is shown of each task, where it came from, up to date; one process does so for all of them.

Nothing here waits for another system but the one task that is shown there: a source that wants to be left alone is left
alone, and everything else goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from types import MappingProxyType
from typing import Final

from anyio import create_task_group, fail_after, move_on_after
from anyio.abc import TaskGroup
from ulid import ULID

from pullwright.agents.errors import LeaseLost, NotFound, RemoteRejected, StoreError
from pullwright.agents.intake.landings import LandingNews
from pullwright.agents.intake.mishap import mishap
from pullwright.agents.intake.review_watch import HostOf, ReviewWatch, no_host
from pullwright.agents.intake.setbacks import SHOW_SECONDS, Setbacks, Tried
from pullwright.agents.intake.standings import standing_after
from pullwright.agents.ports.clock import Clock
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.lease import Worker
from pullwright.agents.ports.report import Landings, Report, Reports, Standing
from pullwright.agents.task import TaskStatus
from pullwright.agents.worker.outbox import Made, Outbox

logger = logging.getLogger(__name__)

EVERY_SECONDS: Final = 10.0
"""Between two changes of what is shown of a task whose status stays the same."""

EACH_SECONDS: Final = 2.0
"""The same for all such tasks together, on average: GitHub bears some 80 comments a minute."""

LOOK_SECONDS: Final = 1.0
"""How often it looks for what is new, and keeps its duty."""

BEAT_SECONDS: Final = 10.0

AT_ONCE: Final = 4
"""Tasks that are shown at once."""

MOST_COMMENTS: Final = 2
"""Of one task: whoever deletes the second one, too, does not want to be told."""

LAST_WORD_SECONDS: Final = 10.0


_MOVING: Final = frozenset({TaskStatus.QUEUED.value, TaskStatus.RUNNING.value})
_OVER: Final = frozenset(status.value for status in TaskStatus if status.terminal)


@dataclass(slots=True)
class _Followed:
    """What this process knows of a task while it has the duty."""

    report: Report
    standing: Standing
    tried: Tried
    seq: int = 0
    """Number of the last entry that ``standing`` knows of."""
    shown: Standing | None = None
    """None when another process showed it last."""
    shown_at: float = -inf
    unsure: bool = False
    """A change was begun, and nobody knows whether it was made."""
    origin: Delivery | None = None
    busy: bool = False

    @property
    def source(self) -> str:
        return self.origin.source if self.origin else ""

    @property
    def is_right(self) -> bool:
        """Whether what is shown is how the task stands, as far as that is known."""
        if self.unsure or self.shown is not None:
            return not self.unsure and self.shown == self.standing
        return self.report.seq >= self.seq and self.report.status == self.standing.status.value


@dataclass(slots=True)
class _Turn:
    """One turn of the duty."""

    number: int
    followed: dict[str, _Followed] = field(default_factory=dict)


class Reporter:
    """Shows how tasks stand for as long as it serves and has the duty."""

    def __init__(
        self,
        store: DurableStore,
        sources: Mapping[str, Reports],
        *,
        clock: Clock,
        worker: Worker | None = None,
        landings: Mapping[str, Landings] = MappingProxyType({}),
        host_of: HostOf = no_host,
    ) -> None:
        """Make one.

        Args:
            store: Where tasks and deliveries are, and what is shown.
            sources: Who shows, by the source of the delivery that became the task.
            clock: For the pauses.
            worker: What others see of this process; its id is made anew whenever it serves.
            landings: Who hears, by that source, what became of a pull request after its task had ended.
            host_of: Whom to ask for that.
        """
        self._store = store
        self._sources = sources
        self._clock = clock
        self._worker = worker or Worker(id="")
        self._outbox = Outbox(store)
        self._turn = _Turn(0)
        self._setbacks = Setbacks(clock)
        self._news = LandingNews(store, landings, self._setbacks)
        self._watch = ReviewWatch(store, host_of, clock=clock)

    async def serve(self) -> None:
        """Serve until cancelled; then the next process takes the duty over at once."""
        me = replace(self._worker, id=str(ULID()), slots=0)
        await self._store.enlist(me)
        try:
            async with create_task_group() as group:
                group.start_soon(self._beat, me.id)
                while True:
                    await self._look(me.id, group)
                    await self._clock.sleep(LOOK_SECONDS)
        finally:
            with move_on_after(LAST_WORD_SECONDS, shield=True):
                await self._retire(me.id)

    async def show_all(self, worker_id: str) -> None:
        """Show and tell what is due now, and return when it is done or put off."""
        async with create_task_group() as group:
            await self._look(worker_id, group)

    # What is due

    async def _look(self, worker_id: str, group: TaskGroup) -> None:
        try:
            number = await self._store.take_duty(worker_id)
            if number is None or not self._begin_turn(number):
                return
            self._follow(await self._store.open_reports(number))
            await self._news.look(number, group)
        except StoreError as exc:
            logger.warning("nothing is reported: %s", exc)
            return
        for followed in self._due():
            followed.busy = True
            group.start_soon(self._show_counted, followed)
        group.start_soon(self._watch.look)

    def _begin_turn(self, number: int) -> bool:
        """Begin a turn if it is another one, but not before this process is done with what it did in the last one."""
        if number != self._turn.number:
            if self._news.busy or any(one.busy for one in self._turn.followed.values()):
                return False
            self._turn = _Turn(number)
        return True

    def _follow(self, reports: Sequence[Report]) -> None:
        known, now = self._turn.followed, self._clock.monotonic()
        self._turn.followed = {one.task_id: known.get(one.task_id) or _adopted(one, now) for one in reports}
        for report in reports:
            if not self._turn.followed[report.task_id].busy:
                self._turn.followed[report.task_id].report = report

    def _due(self) -> Sequence[_Followed]:
        now = self._clock.monotonic()
        everybody = self._turn.followed.values()
        every = max(EVERY_SECONDS, EACH_SECONDS * sum(one.report.stands in _MOVING for one in everybody))
        due = [one for one in everybody if self._is_due(one, now, every)]
        return due[: AT_ONCE - sum(one.busy for one in everybody)]

    def _is_due(self, followed: _Followed, now: float, every: float) -> bool:
        report = followed.report
        if followed.busy or not self._setbacks.allow(followed.tried, followed.source):
            return False
        news = report.last > report.seq or followed.unsure
        if report.stands in _OVER or (news and report.stands != report.status):
            return True
        return (news or report.ahead != followed.standing.ahead) and now >= followed.shown_at + every

    # Showing

    async def _show_counted(self, followed: _Followed) -> None:
        try:
            error = await mishap(partial(self._show_in_time, followed))
            if error is None:
                followed.tried.put_off = 0
            else:
                await self._failed(followed, error)
        finally:
            followed.busy = False

    async def _show_in_time(self, followed: _Followed) -> None:
        with fail_after(SHOW_SECONDS):
            await self._show(followed)

    async def _show(self, followed: _Followed) -> None:
        origin = followed.origin or await self._begin(followed)
        if origin is None:
            await self._note(followed, ended=True, note="what asked for it is not kept any more")
            return
        source = self._sources.get(origin.source)
        if source is None:
            followed.tried.not_before = inf  # a process that has it takes over some day
            return
        if not self._setbacks.allow(followed.tried, followed.source):
            return
        await self._catch_up(followed)
        over = followed.report.stands in _OVER
        if over and not followed.standing.status.terminal:
            await self._note(followed, ended=True, note="its journal is not kept any more")
            return
        await self._put_right(followed, origin, source)
        if over and not followed.report.ended:
            await self._sign_off(followed, origin, source)

    async def _begin(self, followed: _Followed) -> Delivery | None:
        task = await self._store.get(followed.report.task_id)
        followed.standing = replace(followed.standing, work_key=task.spec.work_key)
        followed.origin = await self._store.origin(task.id)
        return followed.origin

    async def _catch_up(self, followed: _Followed) -> None:
        entries = await self._store.journal(followed.report.task_id, after=followed.seq)
        standing = standing_after(followed.standing, entries)
        ahead = followed.report.ahead if standing.status is TaskStatus.QUEUED else 0
        followed.standing = replace(standing, ahead=ahead)
        followed.seq = entries[-1].seq if entries else followed.seq

    async def _put_right(self, followed: _Followed, origin: Delivery, source: Reports) -> None:
        """Write the comment, or change it; one that is missing is written again when there is another status to tell.

        Raises:
            NotFound, RemoteRejected: Nothing can ever be shown there.
        """
        report, standing = followed.report, followed.standing
        if not report.comment and report.number > 1 and report.status == standing.status.value:
            await self._note(followed, seq=followed.seq)
            return
        written = not report.comment and await self._write(followed, origin, source)
        if not written and not followed.is_right:
            await self._store.confirm(report)
            followed.unsure = True
            try:
                await source.rewrite(origin, standing, report.number, followed.report.comment)
            except NotFound:
                await self._missing(followed)
                if not followed.report.ended:
                    await self._put_right(followed, origin, source)
                return
        if written or followed.shown != standing:
            followed.shown_at = self._clock.monotonic()
        followed.shown, followed.unsure = standing, False
        await self._note(followed, seq=followed.seq, status=standing.status.value)

    async def _write(self, followed: _Followed, origin: Delivery, source: Reports) -> bool:
        """Write the comment unless it is there already; say whether it was written now."""
        report, standing = followed.report, followed.standing
        written = False

        async def do() -> Made:
            nonlocal written
            made = await source.write(origin, standing, report.number)
            written = True
            return Made(external_id=made.external_id, url=made.url)

        async def look_up() -> Made | None:
            found = await source.find(origin, standing, report.number)
            return Made(external_id=found.external_id, url=found.url) if found else None

        key = f"comment:{report.number}"
        effect = await self._outbox.perform(report, key, kind="comment", do=do, look_up=look_up)
        followed.report = replace(report, comment=effect.external_id)
        return written

    async def _missing(self, followed: _Followed) -> None:
        """Note that somebody has deleted the comment."""
        number, followed.shown, followed.unsure = followed.report.number, None, False
        if number >= MOST_COMMENTS:
            await self._note(followed, ended=True, note="its comments were deleted")
        else:
            await self._note(followed, number=number + 1, comment="")

    async def _sign_off(self, followed: _Followed, origin: Delivery, source: Reports) -> None:
        await self._store.confirm(followed.report)
        try:
            await source.sign(origin, followed.standing)
        except (NotFound, RemoteRejected) as exc:
            logger.info("task %s ended without a sign: %s", followed.report.task_id, exc)
        await self._note(followed, ended=True, landing=self._news.first(origin.source, followed.standing))

    async def _note(self, followed: _Followed, **changes: str | int) -> None:
        noted = replace(followed.report, **changes)  # type: ignore[arg-type]  # as they are named
        await self._store.note_report(noted)
        followed.report = noted

    # Trouble

    async def _failed(self, followed: _Followed, error: Exception) -> None:
        if reason := self._setbacks.count(followed.tried, followed.source, error):
            await self._give_up(followed, reason)

    async def _give_up(self, followed: _Followed, note: str) -> None:
        logger.warning("nothing more is reported on task %s: %s", followed.report.task_id, note)
        try:
            await self._note(followed, ended=True, note=note)
        except (LeaseLost, StoreError) as exc:
            logger.info("that was not noted: %s", exc)

    async def _beat(self, worker_id: str) -> None:
        while True:
            try:
                await self._store.beat(worker_id)
            except StoreError as exc:
                logger.warning("no heartbeat of the reporter: %s", exc)
            await self._clock.sleep(BEAT_SECONDS)

    async def _retire(self, worker_id: str) -> None:
        try:
            await self._store.retire(worker_id)
        except StoreError as exc:
            logger.warning("the reporter did not sign off: %s", exc)


def _adopted(report: Report, now: float) -> _Followed:
    """Begin to follow a task; what another process showed of it just now is left for a while."""
    standing = Standing(task_id=report.task_id, ahead=report.ahead)
    return _Followed(report, standing, Tried(report.task_id), shown_at=now if report.status else -inf)
