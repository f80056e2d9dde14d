"""Shows on a ticket how a task stands: one comment that is changed, and at the end the pull request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Shown, Standing
from pullwright.integrations.jira.meaning_codec import meaning_from_json
from pullwright.integrations.jira.progress import TicketProgress
from pullwright.integrations.jira.requested_work import PHASES
from pullwright.integrations.jira.status_text import Progress

_TITLE: Final = "Pull request"


class JiraReports:
    """Implements ``Reports``."""

    def __init__(self, progress: TicketProgress, cost: Callable[[Standing], str]) -> None:
        """Take what says how much money was spent; empty when that is not known."""
        self._progress = progress
        self._cost = cost

    async def write(self, origin: Delivery, standing: Standing, number: int) -> Shown:
        made = await self._progress.write(origin, standing.task_id, self._of(origin, standing), number)
        return Shown(external_id=made.external_id, url=made.url)

    async def find(self, origin: Delivery, standing: Standing, number: int) -> Shown | None:
        found = await self._progress.find(origin, standing.task_id, number)
        return Shown(external_id=found.external_id, url=found.url) if found else None

    async def rewrite(self, origin: Delivery, standing: Standing, number: int, comment: str) -> None:
        await self._progress.rewrite(origin, comment, self._of(origin, standing))

    async def sign(self, origin: Delivery, standing: Standing) -> None:
        await self._progress.end(origin, self._of(origin, standing), title=f"{_TITLE} {standing.branch}".strip())

    def _of(self, origin: Delivery, standing: Standing) -> Progress:
        actor = meaning_from_json(origin.content).actor
        return Progress(
            phase=PHASES[standing.status],
            requester=actor.account if actor else "",
            detail=standing.words,
            doing=f"{standing.tool or 'thinking'} (step {standing.steps})" if standing.steps else "",
            plan=standing.plan,
            branch=standing.branch,
            pull_request_url=standing.pull_request_url,
            cost=self._cost(standing),
        )
