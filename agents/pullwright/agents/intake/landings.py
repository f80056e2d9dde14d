"""What became of a pull request is told where its task came from, once for each task that ended with it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf
from typing import Final

from anyio import fail_after
from anyio.abc import TaskGroup

from pullwright.agents.errors import LeaseLost, StoreError
from pullwright.agents.intake.mishap import mishap
from pullwright.agents.intake.setbacks import SHOW_SECONDS, Setbacks, Tried
from pullwright.agents.intake.standings import standing_after
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.report import Landing, Landings, Report, Standing
from pullwright.agents.worker.outbox import Made, Outbox

logger = logging.getLogger(__name__)

AT_ONCE: Final = 2
"""Origins that are told at once."""

EFFECT: Final = "landed"


@dataclass(slots=True)
class _Landed:
    """What this process knows of a landing that is to be told."""

    report: Report
    tried: Tried
    source: str = ""
    """Of its origin; empty until that was read."""
    busy: bool = False


class LandingNews:
    """Tells origins what became of pull requests, for a process that has the duty to report."""

    def __init__(self, store: DurableStore, landings: Mapping[str, Landings], setbacks: Setbacks) -> None:
        """Make one.

        Args:
            store: Where tasks, deliveries and reports are.
            landings: Who hears it, by the source of the delivery that became the task.
            setbacks: Which sources are left alone.
        """
        self._store = store
        self._landings = landings
        self._setbacks = setbacks
        self._outbox = Outbox(store)
        self._landed: dict[str, _Landed] = {}

    @property
    def busy(self) -> bool:
        """Whether something is being told."""
        return any(one.busy for one in self._landed.values())

    def first(self, source: str, standing: Standing) -> Landing:
        """Return the landing of a task that has just ended."""
        return Landing.OPEN if source in self._landings and standing.pull_request_url else Landing.NONE

    async def look(self, turn: int, group: TaskGroup) -> None:
        """Begin to tell what is due.

        Raises:
            StoreError: It can not be read.
        """
        self._follow(await self._store.landed_reports(turn))
        for one in self._due():
            one.busy = True
            group.start_soon(self._tell_counted, one)

    def _follow(self, reports: Sequence[Report]) -> None:
        known = self._landed
        self._landed = {one.task_id: known.get(one.task_id) or _Landed(one, Tried(one.task_id)) for one in reports}
        self._landed |= {task_id: one for task_id, one in known.items() if one.busy}
        for report in reports:
            if not self._landed[report.task_id].busy:
                self._landed[report.task_id].report = report

    def _due(self) -> Sequence[_Landed]:
        due = [one for one in self._landed.values() if not one.busy and self._setbacks.allow(one.tried, one.source)]
        return due[: AT_ONCE - sum(one.busy for one in self._landed.values())]

    async def _tell_counted(self, one: _Landed) -> None:
        try:
            error = await mishap(partial(self._tell_in_time, one))
            reason = self._setbacks.count(one.tried, one.source, error) if error else ""
            if reason:
                await self._give_up(one, reason)
        finally:
            one.busy = False

    async def _tell_in_time(self, one: _Landed) -> None:
        with fail_after(SHOW_SECONDS):
            await self._tell(one)

    async def _tell(self, one: _Landed) -> None:
        report = one.report
        origin = await self._store.origin(report.task_id)
        if origin is None:
            await self._give_up(one, "what asked for it is not kept any more")
            return
        one.source = origin.source
        landings = self._landings.get(origin.source)
        if landings is None:
            one.tried.not_before = inf  # a process that has it takes over some day
            return
        if not self._setbacks.allow(one.tried, one.source):
            return
        standing = await self._standing(report.task_id)

        async def do() -> Made:
            await landings.landed(origin, standing, merged=report.landing is Landing.MERGED)
            return Made(url=standing.pull_request_url)

        await self._outbox.perform(report, EFFECT, kind=EFFECT, do=do)
        await self._store.note_report(replace(report, landing=Landing.TOLD))

    async def _standing(self, task_id: str) -> Standing:
        """Return how a task ended, as far as that is still known when its journal was removed."""
        task = await self._store.get(task_id)
        standing = Standing(task_id=task_id, work_key=task.spec.work_key)
        standing = standing_after(standing, await self._store.journal(task_id))
        if standing.status.terminal:
            return standing
        url = task.pull_request_url
        return replace(standing, status=task.status, words=task.status_reason, branch=task.branch, pull_request_url=url)

    async def _give_up(self, one: _Landed, reason: str) -> None:
        task_id = one.report.task_id
        logger.warning("where task %s came from does not hear what became of its change: %s", task_id, reason)
        try:
            await self._store.note_report(replace(one.report, landing=Landing.GONE))
        except (LeaseLost, StoreError) as exc:
            logger.info("that was not noted: %s", exc)
