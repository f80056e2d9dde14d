"""What a delivery means for the bot: one class for each meaning. Pure values.

A meaning is a hint. Deliveries arrive late, twice and out of order, so the issue is read again before anything is
done; only the text of a request is taken from here, because it is what its author was allowed for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

from pullwright.integrations import meanings
from pullwright.integrations.commands import AgentRequest, Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Whoever did something."""

    id: str
    name: str = ""
    url: str = ""
    """Their profile, by which they can be mentioned."""
    person: bool = True
    """Whether it is an account, and not an app or an integration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotIdentity:
    """Who the bot is in a workspace, and what it listens to."""

    user: str
    """Id of its account."""
    name: str = ""
    """The display name that people mention it by; empty where only commands work."""
    label: str = "agent"
    listens_to_assignment: bool = True
    teams: frozenset[str] = frozenset()
    """Keys of the only teams that are listened to; empty for all."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "teams", frozenset(key.strip().upper() for key in self.teams))

    def is_me(self, actor: Actor | None) -> bool:
        """Whether something was done by the bot itself."""
        return actor is not None and actor.id == self.user

    def listens_to(self, identifier: str) -> bool:
        """Whether an issue is of a team that is listened to; also when that is not known."""
        return not self.teams or not identifier or identifier.rpartition("-")[0].upper() in self.teams

    @property
    def mention(self) -> re.Pattern[str] | None:
        """What a mention of the bot looks like: its name, or a link to its profile."""
        return _mention(self.name) if self.name else None


@lru_cache(maxsize=8)
def _mention(name: str) -> re.Pattern[str]:
    shown = re.escape(name)
    profile = rf"https://linear\.app/[\w-]{{1,100}}/profiles/{shown}(?![\w-])"
    return re.compile(rf"(?:(?<![\w@/.-])@{shown}(?![\w-])|{profile})", re.IGNORECASE)


def work_key(issue_id: str) -> str:
    """Return the key of the work on an issue; its id stays when it is moved to another team."""
    return f"linear:{issue_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueFacts:
    """An issue as the delivery names it."""

    id: str
    identifier: str = ""
    """``ENG-123``; empty when the delivery does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning(meanings.Meaning):
    """What all of them have."""

    issue: IssueFacts | None = None
    actor: Actor | None = None
    """Who did it; for a label this is not who wrote the issue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored(Meaning):
    """Nothing is to be done."""

    reason: str


class Cause(StrEnum):
    """What a person did to ask for work."""

    LABELED = "labeled"
    ASSIGNED = "assigned"
    COMMENTED = "commented"
    SESSION = "session"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRequested(Meaning):
    """Somebody wants something done; nobody has checked yet whether they may ask."""

    cause: Cause
    request: AgentRequest
    at: datetime | None = None
    """When; None when the delivery does not say."""
    comment_id: str = ""
    session_id: str = ""
    """The agent session that waits for a sign of life."""
    title: str | None = None
    """Of the issue at that moment; None when the delivery does not say."""
    description: str = ""
    """The same; it counts only beside a title."""
    polled: bool = False
    """Whether it was found by asking; a hook may have told it by another name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequested(Meaning):
    """Somebody wants something of a task, by a command."""

    verb: Verb
    comment_id: str = ""
    unknown: str = ""
    """The word that was not understood, when help is due because of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestWithdrawn(Meaning):
    """The comment that may have asked for work was deleted or changed; a task that has not begun is dropped."""

    comment_id: str
    changed: bool = False


class Gone(StrEnum):
    """Why work on an issue ends."""

    REMOVED = "removed"
    ENDED = "completed or canceled"
    UNLABELED = "unlabeled"
    UNASSIGNED = "taken from me"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectGone(Meaning):
    """Work on an issue is not wanted any more: what waits is dropped, what runs is stopped."""

    why: Gone
