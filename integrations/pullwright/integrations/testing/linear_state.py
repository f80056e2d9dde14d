"""What the rehearsal's Linear remembers."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

from pullwright.integrations.testing.web_server import Response

STATES: Final = (
    ("Backlog", "backlog"),
    ("Todo", "unstarted"),
    ("In Progress", "started"),
    ("In Review", "started"),
    ("Done", "completed"),
    ("Canceled", "canceled"),
)
"""Names and types of the states of every team, in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearPerson:
    """An account."""

    id: str
    name: str
    email: str
    guest: bool = False
    app: bool = False
    active: bool = True
    teams: tuple[str, ...] = ()
    """Keys."""

    @property
    def url(self) -> str:
        """The profile."""
        return f"https://linear.app/acme/profiles/{self.name.lower().replace(' ', '-')}"


@dataclass(frozen=True, slots=True)
class WorkflowState:
    """A state of a team."""

    id: str
    name: str
    kind: str
    position: float


@dataclass(frozen=True, slots=True)
class LinearTeam:
    """A team."""

    id: str
    key: str
    name: str
    states: tuple[WorkflowState, ...]

    def state(self, name: str) -> WorkflowState:
        """Return a state by its name."""
        return next(one for one in self.states if one.name == name)


@dataclass(slots=True)
class LinearComment:
    """A comment."""

    id: str
    issue: LinearIssue
    author: LinearPerson
    body: str
    created: datetime
    edited: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of the history."""

    id: str
    actor: LinearPerson
    at: datetime
    what: dict[str, Any]
    """Members as Linear calls them."""


@dataclass(slots=True)
class LinearIssue:
    """An issue."""

    id: str
    team: LinearTeam
    number: int
    title: str
    description: str
    creator: LinearPerson
    created: datetime
    updated: datetime
    state: WorkflowState
    labels: list[str] = field(default_factory=list)
    assignee: LinearPerson | None = None
    delegate: LinearPerson | None = None
    project: str = ""
    parent: LinearIssue | None = None
    trashed: bool = False
    ended: datetime | None = None
    comments: list[LinearComment] = field(default_factory=list)
    history: list[Change] = field(default_factory=list)
    attachments: dict[str, tuple[str, str, datetime]] = field(default_factory=dict)
    """Id, title and time by address."""

    @property
    def identifier(self) -> str:
        """What people call it."""
        return f"{self.team.key}-{self.number}"

    @property
    def url(self) -> str:
        """Where people find it."""
        return f"https://linear.app/acme/issue/{self.identifier}"


@dataclass(slots=True)
class LinearTrouble:
    """What goes wrong, until it is taken back."""

    answers: list[Response] = field(default_factory=list)
    """Given to the next requests, one each."""
    page: bool = False
    """Everything is answered with a page for people."""
    lost: bool = False
    """The next mutation is carried out, and its answer lost."""


class LinearState:
    """Issues and people; ``lock`` guards all of it."""

    def __init__(self, *, clock: Callable[[], datetime] | None = None) -> None:
        self.lock = threading.RLock()
        self.clock = clock or (lambda: datetime.now(UTC))
        self.people: dict[str, LinearPerson] = {}
        self.teams: dict[str, LinearTeam] = {}
        """By key."""
        self.issues: dict[str, LinearIssue] = {}
        """By id."""
        self.labels: dict[str, str] = {}
        """Ids by name."""
        self.activities: dict[str, dict[str, Any]] = {}
        """What was said in agent sessions, by id."""
        self.uploads: dict[str, bytes] = {}
        """Files by path."""
        self.trouble = LinearTrouble()
        self._numbers = count(1)

    def team(self, key: str) -> LinearTeam:
        """Return a team; one that there was not is made."""
        if key not in self.teams:
            states = tuple(WorkflowState(new_id(), name, kind, float(n)) for n, (name, kind) in enumerate(STATES))
            self.teams[key] = LinearTeam(new_id(), key, f"Team {key}", states)
        return self.teams[key]

    def label_id(self, name: str) -> str:
        """Return the id of a label; one that there was not is made."""
        return self.labels.setdefault(name, new_id())

    def number(self) -> int:
        """Return the number of the next issue."""
        return next(self._numbers)

    def find(self, reference: str) -> LinearIssue | None:
        """Return an issue by its id or identifier."""
        by_name = (issue for issue in self.issues.values() if issue.identifier == reference)
        return self.issues.get(reference) or next(by_name, None)

    def comment(self, comment_id: str) -> LinearComment | None:
        """Return a comment."""
        found = (one for issue in self.issues.values() for one in issue.comments if one.id == comment_id)
        return next(found, None)


def new_id() -> str:
    """Return an id that nothing else has."""
    return str(uuid.uuid4())


def shown(moment: datetime | None) -> str | None:
    """Return a time as Linear writes it."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
