"""What the rehearsal's Jira remembers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

from pullwright.integrations.testing.web_server import Response

STATUSES: Final = (
    ("10000", "To Do", "new"),
    ("3", "In Progress", "indeterminate"),
    ("10001", "In Review", "indeterminate"),
    ("10002", "Done", "done"),
    ("10003", "Agent", "new"),
)
"""Id, name and category of every status; from each one a transition leads to each other."""

ACCEPTANCE: Final = "customfield_10050"
REPOSITORY: Final = "customfield_10051"
FIELD_NAMES: Final = {
    "summary": "Summary",
    "description": "Description",
    "labels": "Labels",
    "components": "Components",
    "status": "Status",
    ACCEPTANCE: "Acceptance criteria",
    REPOSITORY: "Repository",
}


@dataclass(frozen=True, slots=True)
class JiraPerson:
    """Somebody with an account."""

    account: str
    """Account id on Cloud, user name on Data Center."""
    name: str
    groups: tuple[str, ...] = ()
    kind: str = "atlassian"


@dataclass(slots=True)
class JiraComment:
    """A comment."""

    id: str
    author: JiraPerson
    body: Any
    """As the API takes and gives it: a document on Cloud, wiki markup on Data Center."""
    created: datetime
    updated: datetime
    properties: dict[str, Any] = field(default_factory=dict)
    editor: JiraPerson | None = None
    """Who changed it last; None as long as nobody did."""


@dataclass(frozen=True, slots=True)
class JiraChange:
    """What was changed at once."""

    id: str
    author: JiraPerson
    created: datetime
    items: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class JiraAttachment:
    """A file."""

    id: str
    filename: str
    content: bytes
    created: datetime
    kind: str
    """What whoever uploaded it said that it is."""


@dataclass(slots=True)
class JiraTicket:
    """A ticket."""

    id: str
    key: str
    summary: str
    description: Any
    """As ``JiraComment.body``."""
    reporter: JiraPerson
    created: datetime
    updated: datetime
    status: str = "10000"
    labels: list[str] = field(default_factory=list)
    components: list[str] = field(default_factory=list)
    assignee: JiraPerson | None = None
    custom: dict[str, Any] = field(default_factory=dict)
    comments: list[JiraComment] = field(default_factory=list)
    changes: list[JiraChange] = field(default_factory=list)
    attachments: list[JiraAttachment] = field(default_factory=list)
    remote_links: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By global id."""
    linked: list[tuple[str, str]] = field(default_factory=list)
    """How, and the key of the other ticket."""


@dataclass(slots=True)
class JiraHook:
    """Somebody who is told what happens."""

    url: str
    secret: str = ""
    """Signs the body; empty where the address holds the secret."""
    token_secret: str = ""
    """Makes a JSON web token instead, as OAuth apps have it."""


@dataclass(slots=True)
class JiraTrouble:
    """What goes wrong, until it is taken back."""

    answers: list[Response] = field(default_factory=list)
    """Given to the next requests, one each."""
    page: bool = False
    """Everything is answered with a page for people."""
    required_field: bool = False
    """Screens of transitions want a field that nobody fills in."""
    forgets_properties: bool = False
    """Lists of comments leave their properties out."""
    withheld: frozenset[str] = frozenset()
    """Permissions that the bot lacks; without ``USER_PICKER`` it sees nobody's groups."""


class JiraState:
    """Tickets, people and hooks; ``lock`` guards all of it."""

    def __init__(self, *, cloud: bool, clock: Callable[[], datetime] | None = None) -> None:
        self.cloud = cloud
        self.lock = threading.RLock()
        self.clock = clock or (lambda: datetime.now(UTC))
        self.people: dict[str, JiraPerson] = {}
        self.tickets: dict[str, JiraTicket] = {}
        """By id."""
        self.roles: dict[str, set[str]] = {"Developers": set()}
        """Accounts, and groups as ``group:NAME``, by the name of a role; the same in every project."""
        self.hooks: list[JiraHook] = []
        self.service_desks: set[str] = set()
        """Keys of projects that are service desks."""
        self.trouble = JiraTrouble()
        self._ids = count(10_100)
        self._numbers: dict[str, Any] = {}

    def new_id(self) -> str:
        """Return an id that nothing else has."""
        return str(next(self._ids))

    def next_key(self, project: str) -> str:
        """Return the key of the next ticket of a project."""
        return f"{project}-{next(self._numbers.setdefault(project, count(1)))}"

    def find(self, reference: str) -> JiraTicket | None:
        """Return a ticket by its id or key."""
        by_key = (ticket for ticket in self.tickets.values() if ticket.key == reference)
        return self.tickets.get(reference) or next(by_key, None)
