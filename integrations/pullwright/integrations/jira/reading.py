"""A payload that is being read, and what all readers share. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypedDict

from pullwright.integrations.jira.meanings import Actor, BotIdentity, Gone, Ignored, Meaning, SubjectGone, TicketFacts
from pullwright.integrations.jira.payloads import CommentPart, EventPayload, IssuePart, ItemPart, UserPart

_COMMENT_ADDRESS: Final = re.compile(r"/issue/([0-9]{1,19})/comment/[0-9]{1,19}$", re.ASCII)
_LATEST: Final = 1 << 45
"""Milliseconds; a stamp beyond is no time."""


class Missing(Exception):
    """A payload lacks what its event should have."""


class Shared(TypedDict):
    """The fields that every meaning of a delivery has."""

    delivery_id: str
    ticket: TicketFacts | None
    actor: Actor | None
    work_key: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A payload that is being read."""

    delivery_id: str
    payload: EventPayload
    bot: BotIdentity

    def shared(self) -> Shared:
        """Return what every meaning has.

        Raises:
            Missing: It names no ticket.
        """
        ticket = self.ticket()
        return {
            "delivery_id": self.delivery_id,
            "ticket": ticket,
            "actor": self.actor(),
            "work_key": self.bot.work_key(ticket.id),
        }

    def ignored(self, reason: str) -> Ignored:
        """Return that nothing is to be done."""
        return Ignored(delivery_id=self.delivery_id, actor=self.actor(), reason=reason)

    def ticket(self) -> TicketFacts:
        """Return the ticket; Data Center names it only in the address of the comment."""
        if self.payload.issue:
            return facts_of(self.payload.issue)
        comment = self.payload.comment
        found = _COMMENT_ADDRESS.search(comment.address[-200:]) if comment else None
        if found is None:
            raise Missing("issue")
        return TicketFacts(id=found[1])

    def issue(self) -> IssuePart:
        """Return the ticket with its fields."""
        if self.payload.issue is None:
            raise Missing("issue")
        return self.payload.issue

    def comment(self) -> CommentPart:
        """Return the comment."""
        if self.payload.comment is None:
            raise Missing("comment")
        return self.payload.comment

    def actor(self) -> Actor | None:
        """Return who did it; Cloud names nobody but the author of a comment."""
        comment = self.payload.comment
        return actor_of(self.payload.user) or (actor_of(comment.author) if comment else None)

    def by_me(self) -> bool:
        """Whether the bot did it, or wrote what it is about."""
        return self.bot.is_me(self.actor())

    def at(self) -> datetime | None:
        """Return when it happened, as the payload says."""
        stamp = self.payload.timestamp
        return datetime.fromtimestamp(stamp / 1000, UTC) if stamp and 0 < stamp < _LATEST else None

    def items(self) -> Iterable[ItemPart]:
        """Return what was changed."""
        return self.payload.changelog.items if self.payload.changelog else ()

    def change_key(self) -> str:
        """Return a name of the change that a look at the ticket's history gives as well."""
        change = self.payload.changelog.id if self.payload.changelog else None
        about = self.bot.work_key(self.ticket().id)
        if change:
            return f"change:{about}:{change}"
        return f"change:{about}@{self.payload.timestamp or self.delivery_id}"


def actor_of(user: UserPart | None) -> Actor | None:
    """Return a person or app of a payload."""
    if user is None or not user.account:
        return None
    return Actor(account=user.account, name=user.display_name or "", kind=user.account_type or "")


def facts_of(issue: IssuePart) -> TicketFacts:
    """Return a ticket of a payload."""
    project = issue.fields.project
    return TicketFacts(
        id=issue.id,
        key=issue.key,
        project=issue.project_key,
        service_desk=project is not None and project.kind == "service_desk",
    )


def stamp(time: datetime | None) -> str:
    """Return a time as a part of a key."""
    return time.astimezone(UTC).isoformat() if time and time.tzinfo else ""


def comment_key(bot: BotIdentity, comment: CommentPart) -> str:
    """Return the name of what a comment says, however often and by whichever event it is told."""
    return f"comment:{bot.site}:{comment.id}:{stamp(comment.created)}"


def is_wanted(meaning: Meaning, bot: BotIdentity) -> bool:
    """Whether a meaning is about a project that is listened to, or about a ticket that has just left one."""
    left = isinstance(meaning, SubjectGone) and meaning.why is Gone.MOVED_AWAY
    return left or meaning.ticket is None or bot.listens_to(meaning.ticket.project)
