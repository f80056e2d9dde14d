"""What a delivery of Sentry means: one class for each meaning. Pure values.

A meaning is a hint: the issue and its events are read again before anything is done. Only the words of a person are
taken from here, because they are what was signed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pullwright.integrations import meanings
from pullwright.integrations.commands import Verb

_FINGERPRINT: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


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

    def news_key(self, issue_id: str) -> str:
        """Return the key under which what nobody asked for is taken: an alert that waits lets people go first."""
        return f"{self.work_key(issue_id)}/news"

    def root_key(self, place: str, fingerprint: str) -> str:
        """Return the key of the work on one root cause, which is the one that tasks have.

        Args:
            place: The repository, or the project where there is none.
            fingerprint: Of the cause, as ``root_cause.fingerprint`` makes them.
        """
        return f"sentry:{self.host}/{self.organization}/cause/{place}/{fingerprint}"

    def is_me(self, actor: Actor) -> bool:
        """Whether our own integration did it."""
        known = actor.ours or bool(self.app_ids & {actor.id, actor.name})
        return actor.kind is ActorKind.APPLICATION and known


def fingerprint_in(root_key: str) -> str:
    """Return the fingerprint that a task's work key ends with; empty for a key of another kind."""
    last = root_key.rpartition("/")[2]
    return last if _FINGERPRINT.fullmatch(last) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning(meanings.Meaning):
    """What all of them have."""

    issue_id: str = ""
    project: str = ""
    """Slug, where the delivery says it."""
    actor: Actor = Actor()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored(Meaning):
    """Nothing is to be done."""

    reason: str


class Cause(StrEnum):
    """How an issue came to our notice without a person asking."""

    ALERT = "alert"
    CREATED = "created"
    ASSIGNED = "assigned"
    """To us, by a rule of Sentry and not by a person: whoever can send events can make such a rule fit."""
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
    base: str = ""
    """The branch that they name with ``base=``; nobody has checked it."""
    model: str = ""
    """What they name with ``model=``."""
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
