"""What the rehearsal's code host remembers: repositories, issues, comments, pull requests, pictures, tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pullwright.integrations.testing.access import TokenRights
from pullwright.integrations.testing.bare_repository import BareRepository
from pullwright.integrations.testing.check_records import CheckSuite, StatusRecord
from pullwright.integrations.testing.hook_records import AppRecord, Delivery, Hook, Installation
from pullwright.integrations.testing.review_records import (
    Comment,
    Reaction,
    ReviewComment,
    ReviewRecord,
    TimelineEvent,
)

_BEGIN = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
_WRITERS = ("octocat", "pullwright-agent")
ROLES = {"read": "read", "triage": "read", "write": "write", "maintain": "write", "admin": "admin"}
"""Roles, and the permission that GitHub reports for each."""


@dataclass(slots=True, kw_only=True)
class IssueRecord:
    """An issue; a pull request has one as well, as at GitHub."""

    number: int
    title: str
    body: str | None
    author: str
    created: str
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    comments: list[Comment] = field(default_factory=list)
    updated: str = ""
    closed: str = ""
    edited: str = ""
    """When title or body were changed last; empty when they never were."""
    reason: str | None = None
    locked: bool = False
    app_id: int | None = None
    assignees: list[str] = field(default_factory=list)
    reactions: list[Reaction] = field(default_factory=list)
    timeline: list[TimelineEvent] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class PullRecord:
    """What a pull request has beyond its issue. Commits and files are read from the repository when asked for."""

    issue: IssueRecord
    branch: str
    base: str
    base_sha: str
    draft: bool
    merged: bool = False
    last_head_sha: str = ""
    """Where the branch was when it was seen last; stays when the branch is deleted."""
    merged_at: str = ""
    merged_by: str = ""
    merge_sha: str = ""
    requested: list[str] = field(default_factory=list)
    reviews: list[ReviewRecord] = field(default_factory=list)
    review_comments: list[ReviewComment] = field(default_factory=list)
    resolved: set[int] = field(default_factory=set)
    """First comments of the threads that are resolved."""

    @property
    def number(self) -> int:
        """The number that it shares with its issue."""
        return self.issue.number


@dataclass(slots=True, kw_only=True)
class Repository:
    """A repository with everything that hangs on it."""

    id: int
    owner: str
    name: str
    bare: BareRepository
    default_branch: str = "main"
    private: bool = True
    archived: bool = False
    drafts: bool = True
    """Whether draft pull requests are allowed, which depends on the plan at GitHub."""
    issues: dict[int, IssueRecord] = field(default_factory=dict)
    pulls: dict[int, PullRecord] = field(default_factory=dict)
    former_names: set[str] = field(default_factory=set)
    roles: dict[str, str] = field(default_factory=lambda: dict.fromkeys(_WRITERS, "write"))
    """Login → ``read``, ``triage``, ``write``, ``maintain`` or ``admin``; the owner is always an administrator."""
    labels: set[str] = field(default_factory=lambda: {"bug", "enhancement"})
    """Those that were made; the ones of issues count as well."""
    hooks: list[Hook] = field(default_factory=list)
    suites: list[CheckSuite] = field(default_factory=list)
    statuses: list[StatusRecord] = field(default_factory=list)
    deleted_issues: set[int] = field(default_factory=set)
    moved_issues: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Number here → repository id and number where the issue is now."""

    def role(self, login: str) -> str:
        """Return somebody's role, or an empty string for a stranger."""
        return "admin" if login.lower() == self.owner.lower() else self.roles.get(login, "")

    def association(self, login: str) -> str:
        """Return what GitHub calls ``author_association``."""
        if login.lower() == self.owner.lower():
            return "OWNER"
        return "MEMBER" if self.role(login) else "NONE"

    def next_number(self) -> int:
        """Return the number of the next issue or pull request; a deleted one's is never used again."""
        return max((*self.issues, *self.deleted_issues, *self.moved_issues, 0)) + 1

    @property
    def slug(self) -> str:
        """``owner/name``."""
        return f"{self.owner}/{self.name}"

    def head_sha(self, pull: PullRecord) -> str:
        """Return the commit at the head of a pull request."""
        pull.last_head_sha = self.bare.resolve(f"refs/heads/{pull.branch}") or pull.last_head_sha
        return pull.last_head_sha


class ForgeState:
    """All records. Requests are answered under ``lock``, one after another."""

    def __init__(self, clock: Callable[[], datetime] | None = None) -> None:
        """Take the time from a clock; without one it begins in the past and never depends on when a test runs."""
        self.lock = threading.RLock()
        self.repositories: list[Repository] = []
        self.tokens: dict[str, TokenRights] = {}
        self.images: dict[str, bytes] = {}
        self.apps: list[AppRecord] = []
        self.installations: list[Installation] = []
        self.deliveries: list[Delivery] = []
        self.now: Callable[[], datetime] = clock or (lambda: datetime.now(UTC))
        """The time by which tokens expire and deliveries are logged."""
        self._live = clock is not None
        self._last = _BEGIN
        self._id = 1000

    def next_id(self) -> int:
        """Return a number that was not used before."""
        with self.lock:
            self._id += 1
            return self._id

    def stamp(self) -> str:
        """Return a time that is later than every earlier one; with a clock it is never before that clock's."""
        with self.lock:
            self._last += timedelta(seconds=1)
            if self._live:
                self._last = max(self._last, self.now().replace(microsecond=0))
            return self._last.strftime("%Y-%m-%dT%H:%M:%SZ")

    def rights(self, token: str | None) -> TokenRights | None:
        """Return what a token may do, or None for no token, an unknown one and one that has expired."""
        found = self.tokens.get(token) if token else None
        if found is None or (found.expires is not None and found.expires <= self.now()):
            return None
        return found

    def find(self, owner: str, name: str) -> Repository | None:
        """Return a repository by its name or a former name, case not mattering."""
        matching = [r for r in self.repositories if r.owner.lower() == owner.lower()]
        for repository in matching:
            if repository.name.lower() == name.lower():
                return repository
        return next((r for r in matching if name.lower() in r.former_names), None)

    def by_id(self, number: int) -> Repository | None:
        """Return a repository by its id."""
        return next((r for r in self.repositories if r.id == number), None)

    def app(self, number: int | None) -> AppRecord | None:
        """Return an App by its id."""
        return next((app for app in self.apps if app.id == number), None)

    def installed(self, repository: Repository) -> list[Installation]:
        """Return the installations that see a repository, suspended ones too."""
        at_owner = [i for i in self.installations if i.account.lower() == repository.owner.lower()]
        return [i for i in at_owner if i.repository_ids is None or repository.id in i.repository_ids]

    def add_issue(
        self, repository: Repository, title: str, body: str | None, author: str, number: int | None = None
    ) -> IssueRecord:
        """File an issue, with the next free number unless one is given."""
        chosen = number or repository.next_number()
        stamp = self.stamp()
        issue = IssueRecord(number=chosen, title=title, body=body, author=author, created=stamp, updated=stamp)
        repository.issues[chosen] = issue
        return issue

    def add_comment(self, issue: IssueRecord, body: str, author: str, app_id: int | None = None) -> Comment:
        """Add a comment to an issue."""
        comment = Comment(id=self.next_id(), author=author, body=body, created=self.stamp(), app_id=app_id)
        issue.comments.append(comment)
        issue.updated = comment.created
        return comment
