"""A code host in memory that passes the same contract as the real ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pullwright.agents.change import Change, PullRequest, RepositoryRef
from pullwright.agents.errors import ConfigError, IntegrationError, NotFound, RemoteRejected
from pullwright.agents.ports.code_host import Access, Issue
from pullwright.agents.ports.mirror import Credential


@dataclass(slots=True, kw_only=True)
class FakeRepository:
    """One repository of the fake; tests change it as they like."""

    default_branch: str = "main"
    branches: set[str] = field(default_factory=lambda: {"main"})
    """Branches that exist on the host; pushing is what puts them there."""
    issues: dict[int, Issue] = field(default_factory=dict)
    pulls: list[PullRequest] = field(default_factory=list)
    bodies: dict[int, str] = field(default_factory=dict)
    """Text of each pull request by its number."""

    def push(self, branch: str) -> None:
        """Put a branch on the host."""
        self.branches.add(branch)


class FakeCodeHost:
    """See ``CodeHost`` for the contract."""

    def __init__(self, *, host: str = "example.test", token: str = "", renews: bool = False) -> None:
        """Make one; with ``renews`` there is another token whenever one was refused, as with an App."""
        self.host = host
        self.repositories: dict[str, FakeRepository] = {}
        self.failures: list[IntegrationError] = []
        """Raised by the next calls, one each."""
        self.needs: list[Access] = []
        """What credentials were asked for, in order."""
        self._token = token
        self._renews = renews
        self._refused = 0

    def add_repository(self, slug: str, *, default_branch: str = "main") -> FakeRepository:
        """Make a repository with one branch."""
        repository = FakeRepository(default_branch=default_branch, branches={default_branch})
        self.repositories[slug.lower()] = repository
        return repository

    def ref(self, slug: str) -> RepositoryRef:
        """Return a repository as the core names it."""
        owner, _, name = slug.partition("/")
        return RepositoryRef(url=f"https://{self.host}/{slug}.git", host=self.host, owner=owner, name=name)

    async def credential(self, repository: RepositoryRef, need: Access) -> Credential | None:
        """Return the token that the fake was made with, or one that takes its place."""
        if repository.host != self.host:
            raise ConfigError(f"repository {repository.slug!r} is at {repository.host!r}, not at {self.host!r}")
        self.needs.append(need)
        return Credential(token=f"{self._token}{self._refused or ''}") if self._token else None

    def forget(self, credential: Credential) -> None:
        """Let another token take the place of one, if the fake renews."""
        self._refused += self._renews

    async def default_branch(self, repository: RepositoryRef) -> str:
        """Return the name of the default branch."""
        return self._find(repository).default_branch

    async def get_issue(self, repository: RepositoryRef, number: int) -> Issue:
        """Return an issue that was put into ``issues``."""
        issue = self._find(repository).issues.get(number)
        if issue is None:
            raise NotFound(f"there is no issue {f'{repository.slug}#{number}'!r}; check the number")
        return replace(issue, work_key=issue.work_key or f"{self.host}/{repository.slug.lower()}#{number}")

    async def open_pull_request(self, change: Change, *, body: str) -> PullRequest:
        """Add a draft pull request to ``pulls``, or return the one that the branch has."""
        repository = self._find(change.repository)
        existing = _of_branch(repository, change.branch)
        if existing is not None:
            return existing
        base = change.base_ref or repository.default_branch
        for branch in (change.branch, base):
            if branch not in repository.branches:
                raise RemoteRejected(f"{change.repository.slug!r} has no branch {branch!r}; push it first")
        number = max([*repository.issues, *repository.bodies], default=0) + 1
        url = f"https://{self.host}/{change.repository.slug}/pull/{number}"
        pull = PullRequest(number=number, url=url, branch=change.branch)
        repository.pulls.append(pull)
        repository.bodies[number] = body
        return pull

    async def find_pull_request(self, repository: RepositoryRef, branch: str) -> PullRequest | None:
        """Return what ``pulls`` holds for a branch."""
        return _of_branch(self._find(repository), branch)

    async def open_pull_requests_for(self, repository: RepositoryRef, issue_number: int) -> Sequence[PullRequest]:
        """Return what ``pulls`` holds for an issue, newest first."""
        known = self._find(repository)
        says = re.compile(rf"(?i)\b(close[sd]?|fix(e[sd])?|resolve[sd]?) #{issue_number}\b")
        return [
            pull
            for pull in reversed(known.pulls)
            if pull.state == "open"
            and (says.search(known.bodies.get(pull.number, "")) or pull.branch.startswith(f"agent/{issue_number}-"))
        ]

    def close_pull_request(self, slug: str, number: int, *, state: str = "closed") -> None:
        """Give a pull request another state, as a person would."""
        pulls = self.repositories[slug.lower()].pulls
        pulls[:] = [replace(pull, state=state) if pull.number == number else pull for pull in pulls]

    def _find(self, repository: RepositoryRef) -> FakeRepository:
        if self.failures:
            raise self.failures.pop(0)
        found = self.repositories.get(repository.slug.lower())
        if found is None or repository.host != self.host:
            raise NotFound(f"there is no repository {repository.slug!r} at {self.host!r}; check its name")
        return found


def _of_branch(repository: FakeRepository, branch: str) -> PullRequest | None:
    ours = [pull for pull in repository.pulls if pull.branch == branch]
    return max(ours, key=lambda pull: (pull.state == "open", pull.number), default=None)
