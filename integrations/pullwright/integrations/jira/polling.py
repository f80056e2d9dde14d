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
from typing import Final

from pydantic import Field, ValidationError

from pullwright.agents.errors import ConfigError, NotFound, RemoteRejected
from pullwright.agents.ports.inbox import NewDelivery
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.task import TaskStatus
from pullwright.integrations.jira.client import JiraClient, Session
from pullwright.integrations.jira.door import new_delivery
from pullwright.integrations.jira.events import meaning_of_change, meaning_of_comment, meaning_of_new
from pullwright.integrations.jira.meanings import BotIdentity, Gone, Ignored, Meaning, SubjectGone, TicketFacts
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
from pullwright.integrations.jira.ticket_reading import CommentPage, newest_comments, read_now
from pullwright.integrations.jira.tickets import HistoryPart

_OVERLAP_MINUTES: Final = 2
_MOST_TASKS: Final = 1000
_LIVE: Final = frozenset(status for status in TaskStatus if not status.terminal) - {TaskStatus.CANCELING}
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
    """``Source`` that reads the tickets that have changed, and looks for those that are worked on and gone."""

    def __init__(
        self,
        client: JiraClient,
        bot: BotIdentity,
        tasks: TaskStore,
        *,
        connection: str,
        now: Callable[[], datetime],
    ) -> None:
        """Make one.

        Args:
            client: Who asks.
            bot: Who listens, and to which projects.
            tasks: What is worked on.
            connection: What deliveries say that they came by.
            now: The time, with a zone.
        """
        self._client = client
        self._bot = bot
        self._tasks = tasks
        self._connection = connection
        self._now = now

    @property
    def name(self) -> str:
        return f"Jira at {self._bot.site}"

    async def missed(self, since: datetime) -> AsyncIterator[NewDelivery]:
        try:
            async for meaning in self._happened(since):
                yield new_delivery(meaning, self._connection, meaning.delivery_id)
            async for meaning in self._vanished():
                yield new_delivery(meaning, self._connection, meaning.delivery_id)
        except ConfigError as exc:
            # Whoever asks goes on with other sources, and with this one once the setting is right.
            raise RemoteRejected(str(exc)) from exc

    async def _happened(self, since: datetime) -> AsyncIterator[Meaning]:
        minutes = max(math.ceil((self._now() - since).total_seconds() / 60), 0) + _OVERLAP_MINUTES
        jql, after, more = query(self._bot.projects, minutes), "", True
        while more:
            issues, after, more = await self._client.talk(partial(_changed, jql=jql, after=after))
            happenings = [one for issue in issues for one in self._in(issue, since)]
            for one in sorted(happenings, key=lambda happening: happening.at):
                yield one.meaning

    async def _vanished(self) -> AsyncIterator[Meaning]:
        """Yield the end of work on tickets that are gone, or not listened to any more: a search does not find them."""
        prefix = self._bot.work_key("")
        # Told once an hour: one that came back in time may go again.
        hour = f"{self._now():%Y%m%d%H}"
        for task in await self._tasks.list(limit=_MOST_TASKS, statuses=_LIVE):
            reference = task.spec.work_key.removeprefix(prefix)
            if not reference.isdecimal():
                continue
            why = await self._client.talk(partial(_gone, reference=reference, bot=self._bot))
            if why:
                yield SubjectGone(
                    delivery_id=f"poll-gone-{task.id}-{hour}",
                    ticket=TicketFacts(id=reference),
                    work_key=task.spec.work_key,
                    semantic_key=f"gone:{task.id}:{hour}",
                    why=why,
                )

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
    """Return the JQL for what has changed within some minutes, in an order that no change turns over between pages."""
    named = ", ".join(f'"{key}"' for key in sorted(projects) if key.replace("_", "").isalnum())
    within = f"project in ({named}) AND " if named else ""
    return f'{within}updated >= "-{minutes}m" ORDER BY created ASC'


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
        if comment.created and comment.created >= since and _has_its_own_words(comment):
            yield _payload(bare, comment.created, comment=comment), comment.created, meaning_of_comment


def _has_its_own_words(comment: CommentPart) -> bool:
    """Whether nobody but its author changed a comment: administrators can, and what it asks is asked by its author."""
    return comment.editor is None or comment.author is None or comment.editor.account == comment.author.account


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


def _changed(session: Session, jql: str, after: str) -> tuple[Sequence[_Found], str, bool]:
    """Return a page of changed tickets, what the next one is asked for by, and whether there is one."""
    page = session.search(
        _SearchPage,
        jql,
        _FIELDS,
        action="looking for changed tickets",
        expand="changelog",
        after=after,
        size=session.tuning.page,
    )
    found = [_complete(session, issue) for entry in page.issues if (issue := _understood(entry))]
    if session.settings.is_cloud:
        return found, page.next or "", bool(page.issues and page.next)
    seen = int(after or 0) + len(page.issues)
    return found, str(seen), bool(page.issues) and seen < page.total


def _gone(session: Session, reference: str, bot: BotIdentity) -> Gone | None:
    try:
        project = read_now(session, reference).facts.project
    except NotFound:
        # Whoever is not signed in is told the same of every ticket.
        me = session.get(UserPart, "myself", action="asking who the bot is")
        return Gone.UNSEEN if me.account == bot.account else None
    return None if bot.listens_to(project) else Gone.MOVED_AWAY


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
