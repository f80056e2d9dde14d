"""What the rehearsal's code host remembers: repositories, issues, comments, pull requests, pictures, tokens."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pullwright.integrations.testing.access import TokenRights
from pullwright.integrations.testing.bare_repository import BareRepository

_BEGIN = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Comment:
    """A comment of an issue or pull request."""

    id: int
    author: str
    body: str
    created: str


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

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.repositories: list[Repository] = []
        self.tokens: dict[str, TokenRights] = {}
        self.images: dict[str, bytes] = {}
        self._id = 1000

    def next_id(self) -> int:
        """Return a number that was not used before."""
        with self.lock:
            self._id += 1
            return self._id

    def stamp(self) -> str:
        """Return a time that is later than every earlier one; real time plays no role."""
        moment = _BEGIN + timedelta(seconds=self.next_id())
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def rights(self, token: str | None) -> TokenRights | None:
        """Return what a token may do, or None for no token and for an unknown one."""
        return self.tokens.get(token) if token else None

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

    def add_issue(
        self, repository: Repository, title: str, body: str | None, author: str, number: int | None = None
    ) -> IssueRecord:
        """File an issue, with the next free number unless one is given."""
        chosen = number or max(repository.issues, default=0) + 1
        issue = IssueRecord(number=chosen, title=title, body=body, author=author, created=self.stamp())
        repository.issues[chosen] = issue
        return issue

    def add_comment(self, issue: IssueRecord, body: str, author: str) -> Comment:
        """Add a comment to an issue."""
        comment = Comment(id=self.next_id(), author=author, body=body, created=self.stamp())
        issue.comments.append(comment)
        return comment
