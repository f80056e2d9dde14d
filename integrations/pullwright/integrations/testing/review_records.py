"""What the rehearsal remembers of people's answers: reactions, comments, reviews and their threads."""

from __future__ import annotations

from dataclasses import dataclass, field

REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who does something: a person, or an App as its bot user."""

    login: str
    app_id: int | None = None


@dataclass(slots=True, kw_only=True)
class Reaction:
    """One reaction of one user."""

    id: int
    user: str
    content: str
    created: str


@dataclass(slots=True, kw_only=True)
class Comment:
    """A comment of an issue or pull request."""

    id: int
    author: str
    body: str
    created: str
    edited: str = ""
    """When its text was changed last; empty when it never was."""
    app_id: int | None = None
    reactions: list[Reaction] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class ReviewComment(Comment):
    """A comment at a line of a pull request."""

    path: str
    line: int
    commit: str
    review_id: int
    hunk: str = ""
    reply_to: int | None = None
    """The first comment of its thread; None for that one itself."""


@dataclass(slots=True, kw_only=True)
class ReviewRecord:
    """A submitted review."""

    id: int
    author: str
    state: str
    """``approved``, ``changes_requested``, ``commented`` or ``dismissed``."""
    body: str
    commit: str
    submitted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEvent:
    """One entry of an issue's history."""

    id: int
    event: str
    actor: str
    created: str
    label: str = ""
    assignee: str = ""
