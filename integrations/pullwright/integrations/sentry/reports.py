"""Shows on an issue of Sentry how its task stands: one comment that is changed, and a link to the pull request."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

from pullwright.agents.errors import NotFound, RemoteRejected
from pullwright.agents.events import JournalEntry, ModelReplied
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Shown, Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.sentry.api import SentryApi
from pullwright.integrations.sentry.meaning_codec import meaning_from_json
from pullwright.integrations.sentry.texts import SentryTexts
from pullwright.integrations.sentry.voice import SentryVoice


class Journals(Protocol):
    """Where the model's own words are."""

    async def journal(self, task_id: str, *, after: int = 0) -> Sequence[JournalEntry]:
        """As ``TaskStore.journal``."""
        ...


class SentryReports:
    """Implements ``Reports``."""

    def __init__(self, api: SentryApi, voice: SentryVoice, texts: SentryTexts, journals: Journals) -> None:
        self._api = api
        self._voice = voice
        self._texts = texts
        self._journals = journals

    async def write(self, origin: Delivery, standing: Standing, number: int) -> Shown:
        text = await self._text(standing)
        made = await self._voice.comment(_issue_of(origin), _named(standing, number), text)
        return Shown(external_id=made.external_id, url=made.url)

    async def find(self, origin: Delivery, standing: Standing, number: int) -> Shown | None:
        found = await self._voice.find(_issue_of(origin), _named(standing, number))
        return Shown(external_id=found.external_id, url=found.url) if found else None

    async def rewrite(self, origin: Delivery, standing: Standing, number: int, comment: str) -> None:
        text = await self._text(standing)
        await self._voice.change(_issue_of(origin), _named(standing, number), text, comment)

    async def sign(self, origin: Delivery, standing: Standing) -> None:
        """Show the pull request in the issue's sidebar; twice is the same as once."""
        await link(self._api, origin, standing.pull_request_url)

    async def _text(self, standing: Standing) -> str:
        done = standing.status is TaskStatus.SUCCEEDED and not standing.pull_request_url
        report = last_report(await self._journals.journal(standing.task_id)) if done else ""
        return self._texts.status(
            standing.status, words=standing.words, pull_request_url=standing.pull_request_url, report=report
        )


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


async def merged(api: SentryApi, origin: Delivery) -> None:
    """Say to Sentry that the next release has the fix, so that it says so when the error is seen there again.

    For where the repository is not linked in Sentry, and ``Fixes …`` in the commit does nothing. Never before the
    merge.

    Raises:
        IntegrationError: It may work later.
    """
    issue_id = _issue_of(origin)
    if (await api.issue(issue_id)).open:
        await api.resolve_in_next_release(issue_id)


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


def _issue_of(origin: Delivery) -> str:
    issue_id = meaning_from_json(origin.content).issue_id
    if not issue_id:
        raise NotFound(f"delivery {origin.id!r} belongs to no issue to report on")
    return issue_id


def _named(standing: Standing, number: int) -> str:
    return f"status:{standing.task_id}:{number}"
