"""Shows on an issue how a task stands: one comment that is changed, and at the end the pull request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pullwright.agents.errors import NotFound
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Shown, Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.linear.handler import issue_of, session_of
from pullwright.integrations.linear.meaning_codec import meaning_from_json
from pullwright.integrations.linear.requested_work import WorkTerms
from pullwright.integrations.linear.texts import LinearTexts
from pullwright.integrations.linear.voice import LinearVoice

NUMBERS: Final = 5
"""Comments of one task that are looked for: one, and its successors when people delete them."""


class LinearReports:
    """Implements ``Reports``."""

    def __init__(
        self, voice: LinearVoice, texts: LinearTexts, terms: WorkTerms, cost: Callable[[Standing], str]
    ) -> None:
        """Take what says how much money was spent; empty when that is not known."""
        self._voice = voice
        self._texts = texts
        self._terms = terms
        self._cost = cost

    async def write(self, origin: Delivery, standing: Standing, number: int) -> Shown:
        text = self.text(origin, standing)
        made = await self._voice.comment(issue_of(origin), comment_name(standing, number), text)
        return Shown(external_id=made.external_id, url=made.url)

    async def find(self, origin: Delivery, standing: Standing, number: int) -> Shown | None:
        found = await self._voice.find(issue_of(origin), comment_name(standing, number))
        return Shown(external_id=found.external_id, url=found.url) if found else None

    async def rewrite(self, origin: Delivery, standing: Standing, number: int, comment: str) -> None:
        await self._voice.change(comment, self.text(origin, standing))

    async def sign(self, origin: Delivery, standing: Standing) -> None:
        """Link the pull request and move the issue to review; one of a task that ended otherwise stays where it is."""
        issue_id, url = issue_of(origin), standing.pull_request_url
        good = standing.status is TaskStatus.SUCCEEDED
        if good and url:
            await self._voice.link(issue_id, url, f"Pull request {standing.branch}".strip())
            await self._voice.move(issue_id, self._terms.review)
        text = self._texts.status(standing)
        await self._voice.act(session_of(origin), f"{standing.task_id}:end", "response" if good else "error", text)

    def text(self, origin: Delivery, standing: Standing, *, merged: bool | None = None) -> str:
        """Return the comment of a task; ``merged`` as in ``LinearTexts.status``."""
        actor = meaning_from_json(origin.content).actor
        requester = actor.url if actor else ""
        return self._texts.status(standing, requester=requester, cost=self._cost(standing), merged=merged)


class LinearLandings:
    """Implements ``Landings``: the task's comment says it, and the issue is moved if the operator wants that."""

    def __init__(self, reports: LinearReports, voice: LinearVoice, terms: WorkTerms) -> None:
        self._reports = reports
        self._voice = voice
        self._terms = terms

    async def landed(self, origin: Delivery, standing: Standing, *, merged: bool) -> None:
        text = self._reports.text(origin, standing, merged=merged)
        for number in range(1, NUMBERS + 1):
            shown = await self._reports.find(origin, standing, number)
            if shown is None:
                continue
            try:
                await self._voice.change(shown.external_id, text)
            except NotFound:
                continue
            break
        if merged:
            await self._voice.move(issue_of(origin), self._terms.done)


def comment_name(standing: Standing, number: int) -> str:
    """Return how the voice knows a comment of a task."""
    return f"status:{standing.task_id}:{number}"
