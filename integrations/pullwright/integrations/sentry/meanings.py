"""What a delivery of Sentry means: one class for each meaning. Pure values.

A meaning is a hint: the issue and its events are read again before anything is done. Only the words of a person are
taken from here, because they are what was signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pullwright.integrations.commands import Verb


class ActorKind(StrEnum):
    """Who did something."""

    USER = "user"
    APPLICATION = "application"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Whoever did something on Sentry."""

    kind: ActorKind = ActorKind.UNKNOWN
    id: str = ""
    name: str = ""
    ours: bool = False
    """Whether the hook itself says that it is the integration that it is of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentryIdentity:
    """Who we are on one Sentry, and what we listen to."""

    host: str
    """As ``SentrySettings.host``."""
    organization: str
    """Slug."""
    app_ids: frozenset[str] = frozenset()
    """Uuid and name of our own integration, for hooks that do not say what integration they are of."""
    assignees: frozenset[str] = frozenset()
    """``user:ID`` and ``team:ID``: an issue that is assigned to one of them is a request."""
    name: str = "agent"
    """What people mention in comments."""

    def work_key(self, issue_id: str) -> str:
        """Return the key of the work on one issue, under which its deliveries are taken in order."""
        return f"sentry:{self.host}/{self.organization}/issue/{issue_id}"

    def root_key(self, fingerprint: str) -> str:
        """Return the key of the work on one root cause; tasks have this one."""
        return f"sentry:{self.host}/{self.organization}/cause/{fingerprint}"

    def is_me(self, actor: Actor) -> bool:
        """Whether our own integration did it."""
        known = actor.ours or bool(self.app_ids & {actor.id, actor.name})
        return actor.kind is ActorKind.APPLICATION and known


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What all of them have."""

    delivery_id: str
    issue_id: str = ""
    project: str = ""
    """Slug, where the delivery says it."""
    actor: Actor = Actor()
    work_key: str = ""
    semantic_key: str = ""
    """The same for all deliveries of the same thing, by whichever hook, or by asking."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored(Meaning):
    """Nothing is to be done."""

    reason: str


class Cause(StrEnum):
    """How an issue came to our notice without a person asking."""

    ALERT = "alert"
    CREATED = "created"
    POLLED = "polled"
    RETURNED = "returned"
    """It was resolved, and is not any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueRaised(Meaning):
    """An issue that may be worth a task; the gate decides."""

    cause: Cause
    event_id: str = ""
    """The event that the delivery is about; empty for the latest."""
    rule: str = ""
    """The alert rule that fired."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRequested(Meaning):
    """A person wants it worked on: by assigning it, or by a comment."""

    verb: Verb = Verb.RUN
    instruction: str = ""
    """Their words; empty for an assignment."""
    comment_id: str = ""

    @property
    def in_words(self) -> bool:
        """Whether it was a comment."""
        return bool(self.comment_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestWithdrawn(Meaning):
    """The comment that may have asked for work was deleted; a task that has not begun is dropped."""

    comment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequested(Meaning):
    """A person wants something of a task."""

    verb: Verb
    comment_id: str
    unknown: str = ""
    """The word that was not understood, when help is due because of it."""


class Gone(StrEnum):
    """Why work on an issue is not wanted any more."""

    RESOLVED = "resolved"
    ARCHIVED = "archived"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueGone(Meaning):
    """Work on an issue is not wanted any more: what waits is dropped, what runs is stopped."""

    why: Gone


@dataclass(frozen=True, slots=True, kw_only=True)
class RivalFix(Meaning):
    """Sentry's own agent has opened a pull request for the issue: there is no second one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationChanged(Meaning):
    """The integration was installed or removed."""

    installed: bool
