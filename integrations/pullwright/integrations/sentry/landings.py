"""What Sentry hears of a pull request after its task has ended: that it was merged, or closed without that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from pullwright.agents.errors import AuthFailed, NotFound, RemoteRejected
from pullwright.agents.events import UserSaid
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Standing
from pullwright.integrations.sentry.api import SentryApi
from pullwright.integrations.sentry.meaning_codec import issue_of
from pullwright.integrations.sentry.meanings import fingerprint_in
from pullwright.integrations.sentry.reports import Journals
from pullwright.integrations.sentry.requested_work import related_in
from pullwright.integrations.sentry.texts import SentryTexts
from pullwright.integrations.sentry.voice import SentryVoice

MOST_RELATED: Final = 20


class SentryLandings:
    """Implements ``Landings``.

    After a merge the issue is resolved in the next release, never before, so that Sentry says so when the error is
    seen there again. That is for where the repository is not linked in Sentry; where it is, ``Fixes …`` in the commit
    has done it, and an issue that is not open any more is left as it is.
    """

    def __init__(
        self, api: SentryApi, voice: SentryVoice, texts: SentryTexts, journals: Journals, *, resolves: bool = True
    ) -> None:
        """Make one; ``resolves`` says whether a merge resolves issues."""
        self._api = api
        self._voice = voice
        self._texts = texts
        self._journals = journals
        self._resolves = resolves

    async def landed(self, origin: Delivery, standing: Standing, *, merged: bool) -> None:
        issue_id = issue_of(origin)
        name = f"landed:{standing.task_id}:{'merged' if merged else 'closed'}"
        if await self._voice.find(issue_id, name) is not None:
            return  # all of it was done, and what has come back since must not be resolved again
        resolved = merged and self._resolves and await self._resolve(issue_id)
        if merged and self._resolves:
            async for other in self._related(issue_id, standing):
                await self._resolve(other)
        text = self._texts.landed(standing.pull_request_url, merged=merged, resolved=resolved)
        await self._voice.comment(issue_id, name, text)

    async def _resolve(self, issue_id: str) -> bool:
        """Resolve an issue that is open; return whether it is resolved now."""
        issue = await self._api.issue(issue_id)
        if issue.open:
            await self._api.resolve_in_next_release(issue.id)
        return issue.open or issue.status == "resolved"

    async def _related(self, issue_id: str, standing: Standing) -> AsyncIterator[str]:
        """Yield the issues that have joined the task.

        Its journal names them. Anybody could have written those words, so only an issue of which we have said
        ourselves that it has this cause is one.
        """
        cause = fingerprint_in(standing.work_key)
        entries = await self._journals.journal(standing.task_id)
        said = "\n".join(entry.event.content for entry in entries if isinstance(entry.event, UserSaid))
        for other in related_in(said)[:MOST_RELATED]:
            try:
                if cause and other != issue_id and await self._voice.cause(other) == cause:
                    yield other
            except (NotFound, AuthFailed, RemoteRejected):
                continue
