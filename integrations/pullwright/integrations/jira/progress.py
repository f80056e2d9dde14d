"""Keeps one comment of a task up to date, and the ticket where the work is: what a reporter of tasks calls."""

from __future__ import annotations

from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.jira.handler import place_of
from pullwright.integrations.jira.markers import Marker
from pullwright.integrations.jira.requested_work import WorkTerms
from pullwright.integrations.jira.status_text import JiraTexts, Phase, Progress
from pullwright.integrations.jira.voice import Linked, Voice


class TicketProgress:
    """Shows on a ticket how the task that came from it stands. Every method may raise IntegrationError."""

    def __init__(self, voice: Voice, texts: JiraTexts, terms: WorkTerms) -> None:
        self._voice = voice
        self._texts = texts
        self._terms = terms

    async def write(self, origin: Delivery, task_id: str, progress: Progress, number: int = 1) -> Made:
        """Write the comment; ``number`` counts the comments of a task, of which one is enough unless it is deleted."""
        return await self._voice.comment(place_of(origin), self._texts.progress(progress), _marker(task_id, number))

    async def find(self, origin: Delivery, task_id: str, number: int = 1) -> Made | None:
        """Look up a comment that may have been written."""
        return await self._voice.find_comment(place_of(origin), _marker(task_id, number))

    async def rewrite(self, origin: Delivery, comment: str, progress: Progress) -> None:
        """Change the comment so that it says how the task stands now.

        Raises:
            NotFound: Somebody has deleted it, or the ticket.
        """
        await self._voice.change_comment(place_of(origin), comment, self._texts.progress(progress))

    async def end(self, origin: Delivery, progress: Progress, *, title: str) -> None:
        """Link the pull request and move the ticket to review; twice is the same as once.

        A ticket of a task that ended otherwise stays where it is: a person decides.
        """
        if progress.phase is not Phase.DONE or not progress.pull_request_url:
            return
        place = place_of(origin)
        await self._voice.link(place, Linked(url=progress.pull_request_url, title=title))
        if self._terms.review:
            await self._voice.move(place, self._terms.review)


def _marker(task_id: str, number: int) -> Marker:
    return Marker(task_id=task_id, step="status" if number == 1 else f"status-{number}")
