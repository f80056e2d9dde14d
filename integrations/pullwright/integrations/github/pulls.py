"""Pull requests as they are now, and whether work on one may go on. Pure, but for the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pullwright.agents.change import Continuation
from pullwright.integrations.github.credentials import Need, Step
from pullwright.integrations.github.meanings import Meaning, RepositoryFacts

NOT_OURS = "I work only on pull requests that I opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """A repository, and by which installation of the App it is seen."""

    repository: RepositoryFacts
    installation_id: int | None = None

    def need(self, step: Step) -> Need:
        """Return the right to do a step there."""
        return Need(
            repository=self.repository.full_name,
            step=step,
            repository_id=self.repository.id,
            installation_id=self.installation_id,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestFacts:
    """A pull request as the API shows it."""

    number: int
    node_id: str
    url: str
    own: bool
    """Whether the bot opened it."""
    here: bool
    """Whether its branch is in the same repository; not so for a fork, or one that is gone."""
    open: bool
    merged: bool
    draft: bool
    branch: str
    head_sha: str
    base_ref: str
    base_sha: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitFacts:
    """A commit of a pull request."""

    sha: str
    own: bool
    """Whether the bot made it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A comment at a line of a pull request, or an answer to one; its texts are untrusted."""

    id: int
    author: str
    body: str
    path: str
    line: int | None
    hunk: str
    """The lines of the diff that it is about."""
    review_id: int | None
    thread: int
    """The remark that began its thread; its own id if that is this one."""
    created_at: datetime | None
    edited_at: datetime | None
    """None when it never was."""


class PullRequests(Protocol):
    """Looks pull requests up. Every method may raise IntegrationError; ``NotFound`` for what is gone."""

    async def read(self, where: Where, number: int) -> PullRequestFacts:
        """Return a pull request."""
        ...

    async def with_commit(self, where: Where, sha: str) -> Sequence[int]:
        """Return the numbers of pull requests that a commit is part of."""
        ...

    async def commits(self, where: Where, number: int) -> Sequence[CommitFacts]:
        """Return the commits of a pull request, oldest first, a hundred at most."""
        ...

    async def remarks(self, where: Where, number: int, review_id: int) -> Sequence[Remark]:
        """Return the remarks of a review and the threads that they are in, oldest first."""
        ...


def where_of(meaning: Meaning) -> Where | None:
    """Return where something happened; None when the delivery names no repository."""
    if meaning.repository is None:
        return None
    return Where(repository=meaning.repository, installation_id=meaning.installation_id)


def obstacle(pull: PullRequestFacts) -> str:
    """Return why nobody goes on with a pull request, for people; empty when nothing is in the way."""
    if not pull.own:
        return NOT_OURS
    if pull.merged:
        return "the pull request is merged already; ask on an issue"
    if not pull.open:
        return "the pull request is closed; open it again first"
    if not pull.here:
        return "its branch is not in this repository, and I push nowhere else"
    return ""


def continuation(pull: PullRequestFacts, *, only_head: bool = False, rebase: bool = False) -> Continuation:
    """Return what lets a task go on with a pull request.

    Args:
        pull: As it is now.
        only_head: The task is about the commit that the branch has now, and no other.
        rebase: It replaces that commit.
    """
    return Continuation(
        number=pull.number,
        url=pull.url,
        branch=pull.branch,
        base_ref=pull.base_ref,
        head_sha=pull.head_sha if only_head or rebase else "",
        rebase=rebase,
    )
