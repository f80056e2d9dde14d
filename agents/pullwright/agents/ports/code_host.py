"""The role of a code host: issues in, pull requests out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from pullwright.agents.budget import Usage
from pullwright.agents.change import Change, Evidence, PullRequest, RepositoryRef
from pullwright.agents.egress import EgressDecision
from pullwright.agents.message import Image
from pullwright.agents.ports.mirror import Credential


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment of an issue."""

    author: str
    body: str
    created_at: datetime | None = None
    """None when the source does not say."""
    edited_at: datetime | None = None
    """When its text was changed last, if it was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue as the code host shows it; every text in it is untrusted."""

    number: int
    title: str
    body: str
    author: str
    url: str
    state: str = "open"
    comments: tuple[Comment, ...] = ()
    images: tuple[Image, ...] = ()
    notes: tuple[str, ...] = ()
    """What was left out when the issue was read, and why: old comments, pictures from elsewhere."""
    work_key: str = ""
    """Names the work on it, whoever asks for it and whatever its repository is called now; see ``TaskSpec``."""


class Access(StrEnum):
    """What a credential is needed for."""

    READ = "read"
    PUSH = "push"
    """A branch; nothing else takes the right to write code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeReport:
    """What a change says about itself to the people who review it."""

    task_id: str
    title: str
    summary: str
    """The model's words (Markdown)."""
    evidence: Evidence
    issue_number: int | None = None
    fixes: tuple[str, ...] = ()
    """As in ``TaskSpec``; untrusted."""
    model: str = ""
    steps: int = 0
    usage: Usage = Usage()
    cost: str = ""
    """What that cost, for people; empty where nobody knows."""
    egress: tuple[EgressDecision, ...] = ()
    """What wanted to leave the sandboxes of the run."""
    notices: tuple[str, ...] = ()
    """What a reviewer should look at twice, one line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitMessage:
    """A commit message in its two parts."""

    title: str
    body: str


class Wording(Protocol):
    """How a change presents itself. What the model wrote is untrusted: it mentions nobody and closes no other issue."""

    def branch(self, *, issue: int | None, title: str, task_id: str) -> str:
        """Return a branch name that is a valid ref and different for every task."""
        ...

    def commit(
        self, *, issue: int | None, title: str, summary: str, requested_by: str = "", fixes: tuple[str, ...] = ()
    ) -> CommitMessage:
        """Return the commit message, which says what it fixes and names who asked as a co-author; see ``TaskSpec``."""
        ...

    def pull_request(self, report: ChangeReport) -> str:
        """Return the text of the pull request."""
        ...


class CodeHost(Protocol):
    """GitHub, or something that speaks like it."""

    async def default_branch(self, repository: RepositoryRef) -> str:
        """Return the name of the default branch.

        Raises:
            NotFound, AuthFailed, RemoteUnavailable.
        """
        ...

    async def get_issue(self, repository: RepositoryRef, number: int) -> Issue:
        """Read an issue with its comments and images.

        Raises:
            NotFound: No such issue, or it can not be seen with this token.
            AuthFailed, RemoteUnavailable.
        """
        ...

    async def open_pull_request(self, change: Change, *, body: str) -> PullRequest:
        """Open a draft pull request for a branch that was pushed; adopt the one that already exists for it.

        Raises:
            RemoteRejected: The host refused it.
            ConfigError: The repository is of another host.
            NotFound, AuthFailed, RemoteUnavailable.
        """
        ...

    async def find_pull_request(self, repository: RepositoryRef, branch: str) -> PullRequest | None:
        """Return the pull request of a branch, whatever its state; an open one before others, else the newest.

        Raises:
            ConfigError: The repository is of another host.
            NotFound, AuthFailed, RemoteUnavailable.
        """
        ...

    async def open_pull_requests_for(self, repository: RepositoryRef, issue_number: int) -> Sequence[PullRequest]:
        """Return the open pull requests that say that they solve an issue, or have a branch of ours for it.

        Anybody can say so, so it is a hint for people and decides nothing. Of very many only the newest are looked at.

        Raises:
            ConfigError: The repository is of another host.
            NotFound, AuthFailed, RemoteUnavailable.
        """
        ...

    async def credential(self, repository: RepositoryRef, need: Access) -> Credential | None:
        """Return what git needs for one repository, or None where nobody is signed in.

        It is good for the next five minutes, and may be good for nothing but the need: ask for it right before it is
        used.

        Raises:
            ConfigError: The repository is of another host.
            NotFound, AuthFailed, RemoteUnavailable: There is none to be had.
        """
        ...

    def forget(self, credential: Credential) -> None:
        """Say that the host refused a credential: the next one is a new one, where there can be another."""
        ...
