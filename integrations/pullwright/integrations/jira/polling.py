"""Looking what happened in Jira, where nothing can reach in here, or what a hook told may have been lost.

Everything is named as the hooks name it, so whatever both tell is known once. Jira's search is behind its writes by
seconds, and knows times by the minute only: a look goes back further than the last one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import Final

from pydantic import Field, ValidationError

from pullwright.agents.ports.inbox import NewDelivery
from pullwright.integrations.jira.client import JiraClient, Session
from pullwright.integrations.jira.door import new_delivery
from pullwright.integrations.jira.events import meaning_of_change, meaning_of_comment, meaning_of_new
from pullwright.integrations.jira.meanings import BotIdentity, Ignored, Meaning
from pullwright.integrations.jira.payloads import (
    ChangePart,
    CommentPart,
    EventPayload,
    FieldsPart,
    Id,
    IssuePart,
    Key,
    Part,
    StatusPart,
    UserPart,
)
from pullwright.integrations.jira.reading import Missing, Reading
from pullwright.integrations.jira.ticket_reading import CommentPage, newest_comments
from pullwright.integrations.jira.tickets import HistoryPart

_OVERLAP_MINUTES: Final = 2
_PAGE: Final = 50
_FIELDS: Final = ("summary", "labels", "assignee", "status", "project", "created", "updated", "comment", "creator")


class _FoundFields(FieldsPart):
    comment: CommentPage = CommentPage()
    creator: UserPart | None = None


class _Found(Part):
    id: Id
    key: Key
    fields: _FoundFields = _FoundFields()
    changelog: HistoryPart = HistoryPart()


class _SearchPage(Part):
    issues: list[dict[str, object]] = Field(default_factory=list)
    next: str | None = Field(default=None, alias="nextPageToken")
    total: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Happening:
    at: datetime
    meaning: Meaning


class JiraPolling:
    """``Source`` that reads the tickets that have changed."""

    def __init__(self, client: JiraClient, bot: BotIdentity, *, connection: str, now: Callable[[], datetime]) -> None:
        """Make one.

        Args:
            client: Who asks.
            bot: Who listens, and to which projects.
            connection: What deliveries say that they came by.
            now: The time, with a zone.
        """
        self._client = client
        self._bot = bot
        self._connection = connection
        self._now = now

    @property
    def name(self) -> str:
        return f"Jira at {self._bot.site}"

    async def missed(self, since: datetime) -> AsyncIterator[NewDelivery]:
        minutes = max(math.ceil((self._now() - since).total_seconds() / 60), 0) + _OVERLAP_MINUTES
        issues = await self._client.talk(partial(_changed, jql=query(self._bot.projects, minutes)))
        happenings = [one for issue in issues for one in self._in(issue, since)]
        for one in sorted(happenings, key=lambda happening: happening.at):
            yield new_delivery(one.meaning, self._connection, one.meaning.delivery_id)

    def _in(self, issue: _Found, since: datetime) -> Iterable[_Happening]:
        for payload, at, read in _told(issue, since, self._bot):
            key = f"poll-{hashlib.sha256(repr((issue.id, payload.changelog, payload.comment)).encode()).hexdigest()}"
            try:
                meaning = read(Reading(key, payload, self._bot))
            except Missing:
                continue
            if meaning is not None and not isinstance(meaning, Ignored):
                yield _Happening(at=at, meaning=meaning)


def query(projects: Iterable[str], minutes: int) -> str:
    """Return the JQL for what has changed within some minutes, oldest first."""
    named = ", ".join(f'"{key}"' for key in sorted(projects) if key.replace("_", "").isalnum())
    within = f"project in ({named}) AND " if named else ""
    return f'{within}updated >= "-{minutes}m" ORDER BY updated ASC'


_Told = tuple[EventPayload, datetime, Callable[[Reading], Meaning | None]]


def _told(issue: _Found, since: datetime, bot: BotIdentity) -> Iterable[_Told]:
    """Return what hooks would have told of a ticket."""
    bare = IssuePart(id=issue.id, key=issue.key, fields=issue.fields)
    created = issue.fields.created
    if created and created >= since:
        born = bare.model_copy(update={"fields": _at_birth(issue, bot)})
        yield _payload(born, created, user=issue.fields.creator), created, meaning_of_new
    for change in issue.changelog.histories:
        if change.created and change.created >= since:
            payload = _payload(bare, change.created, user=change.author, changelog=change)
            yield payload, change.created, meaning_of_change_by_others
    for comment in issue.fields.comment.comments:
        if comment.created and comment.created >= since:
            yield _payload(bare, comment.created, comment=comment), comment.created, meaning_of_comment


def _at_birth(issue: _Found, bot: BotIdentity) -> FieldsPart:
    """Return the fields by which a new ticket asks for work, as they were before the first change."""
    before: dict[str, object] = {}
    for change in sorted(issue.changelog.histories, key=lambda one: one.created or datetime.min.replace(tzinfo=UTC)):
        for item in change.items:
            match item.name:
                case "labels":
                    before.setdefault("labels", (item.old_text or "").split())
                case "status":
                    before.setdefault("status", StatusPart(id=item.old, name=item.old_text or ""))
                case "assignee":
                    account = bot.account if bot.is_named(item.old) else item.old
                    before.setdefault("assignee", UserPart(accountId=account) if account else None)
    return issue.fields.model_copy(update=before)


def meaning_of_change_by_others(reading: Reading) -> Meaning | None:
    """Return what a change means, unless the bot made it."""
    return None if reading.by_me() else meaning_of_change(reading)


def _payload(
    issue: IssuePart,
    at: datetime,
    *,
    user: UserPart | None = None,
    changelog: ChangePart | None = None,
    comment: CommentPart | None = None,
) -> EventPayload:
    told: Mapping[str, object] = {
        "timestamp": int(at.astimezone(UTC).timestamp() * 1000),
        "issue": issue,
        "user": user,
        "changelog": changelog,
        "comment": comment,
    }
    return EventPayload.model_validate(told)


def _changed(session: Session, jql: str) -> Sequence[_Found]:
    found: list[_Found] = []
    after = ""
    for _ in count():
        action = "looking for changed tickets"
        raw = session.search(jql, _FIELDS, action=action, expand="changelog", after=after, size=_PAGE)
        page = _SearchPage.model_validate(raw)
        found += [_complete(session, issue) for entry in page.issues if (issue := _understood(entry))]
        seen = int(after or 0) + len(page.issues) if not session.settings.is_cloud else 0
        after = (page.next or "") if session.settings.is_cloud else str(seen)
        more = bool(after) if session.settings.is_cloud else seen < page.total
        if not page.issues or not more or len(found) >= session.tuning.poll_issues:
            break
    return found


def _understood(entry: Mapping[str, object]) -> _Found | None:
    try:
        return _Found.model_validate(entry)
    except ValidationError:
        return None  # one odd ticket must not hide the others


def _complete(session: Session, issue: _Found) -> _Found:
    comments = issue.fields.comment
    if comments.total <= len(comments.comments):
        return issue
    newest = newest_comments(session, issue.id, session.tuning.comments)
    return issue.model_copy(update={"fields": issue.fields.model_copy(update={"comment": newest})})
