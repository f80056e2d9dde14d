"""Shows on a ticket how a task stands: one comment that is changed, the pull request, and what became of that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Shown, Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.jira.custody import Custody
from pullwright.integrations.jira.meaning_codec import meaning_from_json
from pullwright.integrations.jira.requested_work import WorkTerms
from pullwright.integrations.jira.status_text import JiraTexts
from pullwright.integrations.jira.voice import Linked, Voice, place_of
from pullwright.integrations.markers import status_of

_NUMBERS: Final = (2, 1)
"""Of the comments that a task may have, the newest first."""


class JiraReports:
    """Implements ``Reports``."""

    def __init__(
        self, voice: Voice, texts: JiraTexts, terms: WorkTerms, cost: Callable[[Standing], str] = lambda standing: ""
    ) -> None:
        """Take what says how much money was spent; empty when that is not known."""
        self._voice = voice
        self._texts = texts
        self._terms = terms
        self._cost = cost
        self._custody = Custody(voice)

    async def write(self, origin: Delivery, standing: Standing, number: int) -> Shown:
        marker = status_of(standing.task_id, number)
        made = await self._voice.comment(place_of(origin), self._text(origin, standing), marker)
        await self._hand_over(origin, standing)
        return Shown(external_id=made.external_id, url=made.url)

    async def find(self, origin: Delivery, standing: Standing, number: int) -> Shown | None:
        found = await self._voice.find_comment(place_of(origin), status_of(standing.task_id, number))
        return Shown(external_id=found.external_id, url=found.url) if found else None

    async def rewrite(self, origin: Delivery, standing: Standing, number: int, comment: str) -> None:
        await self._voice.change_comment(place_of(origin), comment, self._text(origin, standing))
        await self._hand_over(origin, standing)

    async def sign(self, origin: Delivery, standing: Standing) -> None:
        """Link the pull request and move the ticket to review.

        A ticket of a task that ended otherwise stays where it is: a person decides.
        """
        if standing.status is not TaskStatus.SUCCEEDED or not standing.pull_request_url:
            return
        place = place_of(origin)
        await self._voice.link(place, Linked(url=standing.pull_request_url))
        if self._terms.review:
            await self._voice.move(place, self._terms.review)

    async def _hand_over(self, origin: Delivery, standing: Standing) -> None:
        if self._terms.give_back:
            await self._custody.follow(place_of(origin), _requester(origin), standing)

    def _text(self, origin: Delivery, standing: Standing) -> str:
        return self._texts.status(standing, requester=_requester(origin), cost=self._cost(standing))


class JiraLandings:
    """Implements ``Landings``."""

    def __init__(self, voice: Voice, texts: JiraTexts, terms: WorkTerms) -> None:
        self._voice = voice
        self._texts = texts
        self._terms = terms

    async def landed(self, origin: Delivery, standing: Standing, *, merged: bool) -> None:
        place = place_of(origin)
        await self._voice.link(place, Linked(url=standing.pull_request_url, done=True))
        text = self._texts.status(standing, merged=merged)
        for number in _NUMBERS:
            if comment := await self._voice.find_comment(place, status_of(standing.task_id, number)):
                await self._voice.change_comment(place, comment.external_id, text)
                break
        if merged and self._terms.done:
            await self._voice.move(place, self._terms.done)


def _requester(origin: Delivery) -> str:
    actor = meaning_from_json(origin.content).actor
    return actor.account if actor else ""
