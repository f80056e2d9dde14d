"""Shows on an issue of Sentry how its task stands: one comment that is changed, and a link to the pull request."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Protocol
from urllib.parse import urlsplit

from pullwright.agents.errors import NotFound, RemoteRejected
from pullwright.agents.events import JournalEntry, ModelReplied
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Shown, Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.sentry.api import SentryApi
from pullwright.integrations.sentry.meaning_codec import issue_of, meaning_from_json
from pullwright.integrations.sentry.meanings import WorkRequested, fingerprint_in
from pullwright.integrations.sentry.texts import SentryTexts
from pullwright.integrations.sentry.voice import SentryVoice

_NUMBER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)


class Journals(Protocol):
    """Where the model's own words are."""

    async def journal(self, task_id: str, *, after: int = 0) -> Sequence[JournalEntry]:
        """As ``TaskStore.journal``."""
        ...


class SentryReports:
    """Implements ``Reports``."""

    def __init__(
        self,
        api: SentryApi,
        voice: SentryVoice,
        texts: SentryTexts,
        journals: Journals,
        *,
        assignees: Collection[str] = (),
    ) -> None:
        """Make one; ``assignees`` are ours, as ``SentryIdentity.assignees``."""
        self._api = api
        self._voice = voice
        self._texts = texts
        self._journals = journals
        self._assignees = assignees

    async def write(self, origin: Delivery, standing: Standing, number: int) -> Shown:
        issue_id = issue_of(origin)
        made = await self._voice.comment(issue_id, _named(standing, number), await self._text(issue_id, standing))
        return Shown(external_id=made.external_id, url=made.url)

    async def find(self, origin: Delivery, standing: Standing, number: int) -> Shown | None:
        found = await self._voice.find(issue_of(origin), _named(standing, number))
        return Shown(external_id=found.external_id, url=found.url) if found else None

    async def rewrite(self, origin: Delivery, standing: Standing, number: int, comment: str) -> None:
        issue_id = issue_of(origin)
        text = await self._text(issue_id, standing)
        await self._voice.change(issue_id, _named(standing, number), text, comment)

    async def sign(self, origin: Delivery, standing: Standing) -> None:
        """Show the pull request in the issue's sidebar, and give the issue to whoever asked for it."""
        await link(self._api, origin, standing.pull_request_url)
        meaning = meaning_from_json(origin.content)
        if standing.pull_request_url and isinstance(meaning, WorkRequested):
            await self._assign(meaning)

    async def _assign(self, asked: WorkRequested) -> None:
        """Assign an issue that is nobody's, or ours, to the person who asked in a comment."""
        if not asked.in_words or not _NUMBER.fullmatch(asked.actor.id):
            return
        try:
            issue = await self._api.issue(asked.issue_id)
            if not issue.assignee or issue.assignee in self._assignees:
                await self._api.assign(issue.id, f"user:{asked.actor.id}")
        except (NotFound, RemoteRejected):
            return  # the issue is gone, or they are no member any more

    async def _text(self, issue_id: str, standing: Standing) -> str:
        done = standing.status is TaskStatus.SUCCEEDED and not standing.pull_request_url
        report = last_report(await self._journals.journal(standing.task_id)) if done else ""
        text = self._texts.status(
            standing.status, words=standing.words, pull_request_url=standing.pull_request_url, report=report
        )
        return self._voice.with_cause(issue_id, text, fingerprint_in(standing.work_key))


async def link(api: SentryApi, origin: Delivery, pull_request_url: str) -> None:
    """Show a pull request in the sidebar of the issue that a task came from, if that can be.

    Raises:
        IntegrationError: It may work later.
    """
    meaning = meaning_from_json(origin.content)
    parts = urlsplit(pull_request_url).path.strip("/").split("/")
    if not meaning.issue_id or len(parts) != 4:
        return
    project, number = f"{parts[0]}/{parts[1]}", parts[3]
    try:
        await api.link(meaning.issue_id, url=pull_request_url, project=project, identifier=number)
    except (NotFound, RemoteRejected):
        return  # no installation is configured, or this Sentry knows no such links


def last_report(entries: Sequence[JournalEntry]) -> str:
    """Return the summary that a run handed in last: of one without a change it is the report of the cause."""
    for entry in reversed(entries):
        if isinstance(entry.event, ModelReplied):
            for call in reversed(entry.event.message.tool_calls):
                if call.name == "finish":
                    return _summary(call.arguments)
    return ""


def _summary(arguments: str) -> str:
    try:
        document = json.loads(arguments)
    except (ValueError, RecursionError):
        return ""
    summary = document.get("summary") if isinstance(document, Mapping) else None
    return summary if isinstance(summary, str) else ""


def _named(standing: Standing, number: int) -> str:
    return f"status:{standing.task_id}:{number}"
