"""What a delivery means for the bot: one class for each meaning. Pure values.

A meaning is a hint. Deliveries arrive late, twice and out of order, so the ticket is read again before anything is
done; only the text of a request is taken from here, because it is what its author was allowed for.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from pullwright.integrations import meanings
from pullwright.integrations.commands import AgentRequest, Verb

CATEGORY: Final = "category:"
"""How a status is named by its sort: ``category:new``, ``category:indeterminate``, ``category:done``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Whoever did something."""

    account: str
    """Account id on Cloud, user name on Data Center."""
    name: str = ""
    """As people see it."""
    kind: str = ""
    """``atlassian``, ``app`` or ``customer`` on Cloud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotIdentity:
    """Who the bot is on one Jira, and what it listens to."""

    site: str
    """Host of the site, with its port and path where it has them."""
    account: str
    """As ``Actor.account``."""
    key: str = ""
    """What Data Center's changelogs call the bot; its users have keys besides their names."""
    cloud: bool = True
    label: str = "agent"
    statuses: frozenset[str] = frozenset()
    """Names, ids or categories of statuses; a ticket that is moved to one is work."""
    listens_to_assignment: bool = True
    projects: frozenset[str] = frozenset()
    """Keys of the only projects that are listened to; empty for all."""

    def is_me(self, actor: Actor | None) -> bool:
        """Whether something was done by the bot itself."""
        return actor is not None and actor.account == self.account

    def is_named(self, account: str | None) -> bool:
        """Whether a changelog means the bot by a value."""
        return bool(account) and account in (self.account, self.key)

    def listens_to(self, project: str) -> bool:
        """Whether tickets of a project are listened to; also when it is not known which project it is."""
        return not self.projects or not project or project in self.projects

    def is_trigger_status(self, *names: str | None) -> bool:
        """Whether one of these names, ids or categories is that of a status that starts work."""
        return any(name is not None and name.casefold() in self.statuses for name in names)

    def __post_init__(self) -> None:
        object.__setattr__(self, "statuses", frozenset(name.strip().casefold() for name in self.statuses))
        object.__setattr__(self, "projects", frozenset(key.strip().upper() for key in self.projects))

    def work_key(self, issue_id: str) -> str:
        """Return the key of the work on one ticket; its id stays when it is moved to another project."""
        return f"jira:{self.site}/{issue_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketFacts:
    """A ticket as the delivery names it."""

    id: str = ""
    """Empty when only the key is known."""
    key: str = ""
    """Empty when only the id is known."""
    project: str = ""
    """Key of its project; empty when it is not known."""
    service_desk: bool = False
    """Whether customers may read what is written there."""

    @property
    def reference(self) -> str:
        """What Jira finds it by."""
        return self.id or self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketNow:
    """A ticket at this moment, as far as it decides whether work on it is wanted."""

    facts: TicketFacts
    labels: frozenset[str] = frozenset()
    """In lower case."""
    assignee: str = ""
    """As ``Actor.account``; empty for nobody."""
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning(meanings.Meaning):
    """What all of them have."""

    ticket: TicketFacts | None = None
    actor: Actor | None = None
    """Who did it; for a label or an assignment this is not the reporter of the ticket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored(Meaning):
    """Nothing is to be done."""

    reason: str


class Cause(StrEnum):
    """What a person did to ask for work."""

    CREATED = "created"
    LABELED = "labeled"
    ASSIGNED = "assigned"
    MOVED = "moved"
    COMMENTED = "commented"
    AUTOMATION = "automation"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRequested(Meaning):
    """Somebody wants something done; nobody has checked yet whether they may ask."""

    cause: Cause
    request: AgentRequest
    at: datetime | None = None
    """When; None when the delivery does not say."""
    comment_id: str = ""
    public: bool = False
    """Whether it is a comment that customers of a service desk can read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequested(Meaning):
    """Somebody wants something of a task, by a command."""

    verb: Verb
    comment_id: str
    unknown: str = ""
    """The word that was not understood, when help is due because of it."""
    public: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestWithdrawn(Meaning):
    """The comment that may have asked for work was deleted; a task that has not begun is dropped."""

    comment_id: str


class Gone(StrEnum):
    """Why work on a ticket ends, in words that follow "the ticket was"."""

    DELETED = "deleted"
    UNSEEN = "deleted, or can not be seen any more"
    """It is not found; nobody told why."""
    MOVED_AWAY = "moved to a project that is not listened to"
    DONE = "done"
    UNLABELED = "unlabeled"
    UNASSIGNED = "unassigned"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectGone(Meaning):
    """Work on a ticket is not wanted any more: what waits is dropped, what runs is stopped."""

    why: Gone
