"""What a delivery means for the bot: one class for each meaning. Pure values.

A meaning is a hint. Deliveries arrive late, twice and out of order, so the object is read again before anything is
done; only the text of a request is taken from here, because it is what was signed and what its author was allowed for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Self

from pullwright.integrations import meanings
from pullwright.integrations.commands import AgentRequest, Verb


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Whoever did something on GitHub."""

    id: int
    login: str
    kind: str = "User"
    """``User``, ``Bot``, ``Organization`` or ``Mannequin``."""
    app_id: int | None = None
    """The App through which it was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotIdentity:
    """Who the bot is on one GitHub, and what it listens to."""

    host: str
    """As ``GitHubSettings.web_host``."""
    login: str
    """``slug[bot]`` of an App, or the name of the machine user."""
    user_id: int
    app_id: int | None = None
    label: str = "agent"
    """The trigger label."""
    reads_new_issues: bool = False
    """Whether a mention in the text of a new issue starts work."""
    branch_prefix: str = "agent/"

    def is_me(self, actor: Actor | None) -> bool:
        """Whether something was done by the bot itself."""
        return actor is not None and (actor.id == self.user_id or (actor.app_id or -1) == self.app_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryFacts:
    """A repository as the delivery names it; the id stays when it is renamed."""

    id: int
    full_name: str
    private: bool
    archived: bool = False
    default_branch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """An issue or pull request with its texts at the time of the delivery; the texts are untrusted."""

    number: int
    is_pull_request: bool
    title: str
    body: str
    author: str
    state: str
    locked: bool
    node_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning(meanings.Meaning):
    """What all of them have."""

    repository: RepositoryFacts | None = None
    installation_id: int | None = None
    actor: Actor | None = None
    """Who did it; for a label or an assignment this is not the author of the issue."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored(Meaning):
    """Nothing is to be done."""

    reason: str


class Cause(StrEnum):
    """What a person did to ask for work."""

    LABELED = "labeled"
    ASSIGNED = "assigned"
    OPENED = "opened"
    COMMENTED = "commented"
    REVIEW_COMMENTED = "review_commented"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRequested(Meaning):
    """Somebody wants something done; nobody has checked yet whether they may ask."""

    cause: Cause
    request: AgentRequest
    subject: Subject
    at: datetime | None = None
    """When. Unknown for a label or an assignment: look it up in the issue's events."""
    comment_id: int | None = None
    review_id: int | None = None
    """The review that a review comment is part of; the whole review may have been taken already."""
    thread_id: int | None = None
    """The comment that began the thread to reply in."""
    path: str = ""

    def happened(self, at: datetime) -> Self:
        """Return the request with the time that was looked up, which completes its semantic key."""
        about = self.semantic_key.rpartition("@")[0] or self.semantic_key
        return replace(self, at=at, semantic_key=f"{about}@{at.isoformat()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestWithdrawn(Meaning):
    """The comment that may have asked for work was deleted; a task that has not begun is dropped."""

    comment_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSubmitted(Meaning):
    """A review of a pull request of the bot wants changes."""

    number: int
    review_id: int
    state: str
    body: str
    commit: str
    request: AgentRequest | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadResolved(Meaning):
    """A thread of review comments needs nothing more."""

    number: int
    thread: str
    """Node id."""
    comment_ids: tuple[int, ...] = ()
    path: str = ""


class CheckSource(StrEnum):
    """Where the news of checks comes from; act on one of them for each commit."""

    CHECK_RUN = "check_run"
    CHECK_SUITE = "check_suite"
    WORKFLOW_RUN = "workflow_run"


_FAILURES = frozenset({"failure", "timed_out", "startup_failure"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksCompleted(Meaning):
    """A check ended on a commit that may be the bot's; compare ``sha`` with what was pushed last."""

    source: CheckSource
    sha: str
    branch: str
    """Empty when GitHub does not say it, as for forks."""
    conclusion: str
    name: str
    id: int
    suite_id: int | None = None
    run_id: int | None = None
    """Of an Actions run: its logs can be read."""
    attempt: int = 1
    pull_requests: tuple[int, ...] = ()
    """May be empty although there is one: find it by the commit."""
    starters: tuple[Actor, ...] = ()
    """Who started a workflow run; each of them must be allowed."""

    @property
    def failed(self) -> bool:
        """Whether it is something to repair."""
        return self.conclusion in _FAILURES

    @property
    def needs_person(self) -> bool:
        """Whether it waits for a person, so that they are told and nothing else is done."""
        return self.conclusion == "action_required"


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestClosed(Meaning):
    """A pull request ended."""

    number: int
    merged: bool
    own: bool
    """Whether the bot opened it."""
    branch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanPushed(Meaning):
    """Somebody else pushed to a pull request of the bot; their commits are never overwritten."""

    number: int
    before: str
    after: str
    branch: str


class Gone(StrEnum):
    """Why work on a subject ends."""

    CLOSED = "closed"
    DELETED = "deleted"
    TRANSFERRED = "transferred"
    LOCKED = "locked"
    UNLABELED = "unlabeled"
    UNASSIGNED = "unassigned"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectGone(Meaning):
    """Work on an issue or pull request is not wanted any more: what waits is dropped, what runs is stopped."""

    number: int
    why: Gone


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequested(Meaning):
    """Somebody wants something of a task: by a command, or by a button of the bot's own check run."""

    verb: Verb
    number: int | None = None
    task_id: str = ""
    """The ``external_id`` of the check run; empty for a command."""
    comment_id: int | None = None
    unknown: str = ""
    """The word that was not understood, when help is due because of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallationChanged(Meaning):
    """The App was installed, removed, suspended, or sees other repositories."""

    action: str
    """``created``, ``deleted``, ``suspend``, ``unsuspend``, ``new_permissions_accepted``, ``added``, ``removed``."""
    account: str = ""
    added: tuple[RepositoryFacts, ...] = ()
    removed: tuple[RepositoryFacts, ...] = ()
    permissions: Mapping[str, str] = field(default_factory=dict)

    @property
    def ends_access(self) -> bool:
        """Whether all tasks of the installation stop."""
        return self.action in {"deleted", "suspend"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryChanged(Meaning):
    """A repository has another name, owner or state; it is known by its id."""

    action: str
    """``renamed``, ``transferred``, ``archived``, ``unarchived``, ``deleted``, ``privatized``, ``publicized``."""

    @property
    def ends_work(self) -> bool:
        """Whether all tasks of the repository stop."""
        return self.action in {"archived", "deleted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class HookConfirmed(Meaning):
    """GitHub says hello from a hook."""

    hook_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HookDeleted(Meaning):
    """The hook is gone: nothing will come by it any more."""

    hook_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRevoked(Meaning):
    """A person took back what they let the App do for them; their tokens are dropped."""
