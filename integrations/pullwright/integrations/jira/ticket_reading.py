"""Reads a ticket with everything that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from typing import Final

from pydantic import Field, ValidationError

from pullwright.agents.errors import IntegrationError, NotFound, RemoteRejected
from pullwright.integrations.jira.attachments import fetch
from pullwright.integrations.jira.changes import DONE
from pullwright.integrations.jira.client import JiraClient, Session
from pullwright.integrations.jira.meanings import TicketNow
from pullwright.integrations.jira.payloads import CommentPart, IssuePart, Part, Text
from pullwright.integrations.jira.reading import facts_of
from pullwright.integrations.jira.tickets import Ticket, TicketPayload, comments_of, ticket_of

LINK_SYSTEM: Final = "pullwright"
"""How our own remote links begin their global id."""
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class CommentPage(Part):
    """A page of comments."""

    total: int = 0
    comments: list[CommentPart] = Field(default_factory=list)


class _LinkObject(Part):
    title: Text = ""
    url: Text = ""


class RemoteLinkPart(Part):
    """A link to something outside Jira."""

    global_id: Text | None = Field(default=None, alias="globalId")
    target: _LinkObject = Field(default=_LinkObject(), alias="object")


class TicketReader:
    """Reads tickets."""

    def __init__(self, client: JiraClient, *, acceptance_field: str = "") -> None:
        """Take the client, and the id or name of the field with the acceptance criteria if there is one."""
        self._client = client
        self._acceptance_field = acceptance_field

    async def now(self, reference: str) -> TicketNow:
        """Return what a ticket is at this moment.

        Raises:
            NotFound: It is gone, or can not be seen.
            IntegrationError, ConfigError.
        """
        return await self._client.talk(partial(read_now, reference=reference))

    async def read(self, reference: str, at: datetime, *, asking_comment: str = "") -> Ticket:
        """Return a ticket as it was at a moment, without the comment that asks for the work.

        Raises:
            NotFound: It is gone, or can not be seen.
            IntegrationError, ConfigError.
        """
        work = partial(_read, reference=reference, at=at, field=self._acceptance_field, without=asking_comment)
        return await self._client.talk(work)


def newest_comments(session: Session, reference: str, size: int) -> CommentPage:
    """Return the newest comments of a ticket, newest first."""
    page = _comments(session, reference, size, start=0)
    if page.total > len(page.comments) and not _falls(page.comments):
        # Older Data Centers do not know the order that was asked for, and begin with the oldest.
        page = _comments(session, reference, size, start=max(page.total - size, 0))
    newest = sorted(page.comments, key=lambda one: one.created or _LONG_AGO, reverse=True)
    return page.model_copy(update={"comments": newest})


def _comments(session: Session, reference: str, size: int, *, start: int) -> CommentPage:
    return session.get(
        CommentPage,
        f"issue/{reference}/comment",
        action=f"reading the comments of {reference!r}",
        parameters={"orderBy": "-created", "maxResults": size, "startAt": start},
    )


def _falls(comments: Sequence[CommentPart]) -> bool:
    times = [one.created or _LONG_AGO for one in comments]
    return all(first >= second for first, second in pairwise(times))


def read_now(session: Session, reference: str) -> TicketNow:
    """Return what a ticket is at this moment; see ``TicketReader.now``."""
    if not reference:
        raise NotFound(f"Jira at {session.settings.site!r} was asked for a ticket without a name; this is a bug")
    issue = session.get(
        IssuePart,
        f"issue/{reference}",
        action=f"reading ticket {reference!r}",
        parameters={"fields": "project,labels,assignee,status"},
    )
    fields = issue.fields
    return TicketNow(
        facts=facts_of(issue),
        labels=frozenset(label.casefold() for label in fields.labels or ()),
        assignee=fields.assignee.account if fields.assignee else "",
        done=fields.status is not None and fields.status.category.key == DONE,
    )


def _read(session: Session, reference: str, at: datetime, field: str, without: str) -> Ticket:
    payload = session.get(
        TicketPayload,
        f"issue/{reference}",
        action=f"reading ticket {reference!r}",
        parameters={"fields": "*all,-comment,-worklog", "expand": "names,changelog"},
    )
    url = session.settings.ticket_url(payload.key)
    try:
        ticket = ticket_of(payload, at=at, url=url, acceptance_field=field)
    except ValidationError as exc:
        place = ".".join(str(part) for part in exc.errors()[0]["loc"])[:100]
        raise RemoteRejected(
            f"Jira at {session.settings.site!r} failed reading ticket {payload.key!r}: it has no usable {place!r}; "
            "report this"
        ) from exc
    return _completed(session, ticket, at, without)


def _completed(session: Session, ticket: Ticket, at: datetime, without: str) -> Ticket:
    page = newest_comments(session, ticket.facts.id, session.tuning.comments)
    comments, later = comments_of(page.comments, at, without=without)
    notes = list(ticket.notes)
    if later:
        notes.append(f"{later} comments were left out: written or changed after the work was asked for")
    if page.total > len(page.comments):
        notes.append(f"{page.total - len(page.comments)} older comments were left out")
    attached = fetch(session, ticket.attachments)
    linked = [*ticket.linked, *_remote_links(session, ticket.facts.id)]
    most = session.tuning.linked
    if len(linked) > most:
        notes.append(f"{len(linked) - most} more linked tickets were left out")
    return replace(
        ticket,
        comments=comments,
        images=tuple(attached.images),
        files=tuple(attached.files),
        linked=tuple(linked[:most]),
        notes=(*notes, *attached.notes),
    )


def _remote_links(session: Session, reference: str) -> Iterable[str]:
    try:
        links = session.get(
            list[RemoteLinkPart], f"issue/{reference}/remotelink", action=f"reading the links of {reference!r}"
        )
    except IntegrationError:
        return []  # they may be forbidden where the ticket is not, and are only context
    others = [one for one in links if not (one.global_id or "").startswith(LINK_SYSTEM)]
    return [f"links to {one.target.title}: {one.target.url}" for one in others]
