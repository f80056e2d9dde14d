"""Task: what to do. Its status changes only along the table below."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pullwright.agents.budget import Budget
from pullwright.agents.change import Continuation, RepositoryRef
from pullwright.agents.errors import IllegalTransition
from pullwright.agents.message import Image


class TaskStatus(StrEnum):
    """Where a task is in its life."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    CANCELING = "canceling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"

    @property
    def terminal(self) -> bool:
        """Whether no further change is possible."""
        return not LEGAL_TRANSITIONS[self]


class WaitReason(StrEnum):
    """What a waiting task waits for; the words of A2A and MCP tasks where they have one."""

    INPUT_REQUIRED = "input_required"
    """The model asked a question."""
    APPROVAL_REQUIRED = "approval_required"
    """The plan, or a spent budget, needs a yes or a no."""
    PAUSED = "paused"
    """A person wants it to rest; any answer lets it go on."""


LIVE = frozenset({TaskStatus.RUNNING, TaskStatus.CANCELING})
"""Statuses in which a worker holds the lease and may write."""

_END = frozenset({TaskStatus.SUCCEEDED, TaskStatus.FAILED, TaskStatus.CANCELED, TaskStatus.REJECTED})

LEGAL_TRANSITIONS: Mapping[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.SCHEDULED: frozenset({TaskStatus.QUEUED, TaskStatus.CANCELED, TaskStatus.REJECTED}),
    TaskStatus.QUEUED: frozenset({TaskStatus.RUNNING, TaskStatus.CANCELED, TaskStatus.REJECTED, TaskStatus.SCHEDULED}),
    TaskStatus.RUNNING: _END | {TaskStatus.WAITING, TaskStatus.CANCELING, TaskStatus.QUEUED, TaskStatus.SCHEDULED},
    TaskStatus.WAITING: frozenset({TaskStatus.QUEUED, TaskStatus.CANCELED, TaskStatus.FAILED}),
    TaskStatus.CANCELING: frozenset({TaskStatus.CANCELED, TaskStatus.FAILED, TaskStatus.SUCCEEDED}),
    TaskStatus.SUCCEEDED: frozenset(),
    TaskStatus.FAILED: frozenset(),
    TaskStatus.CANCELED: frozenset(),
    TaskStatus.REJECTED: frozenset(),
}


def require_transition(old: TaskStatus, new: TaskStatus) -> None:
    """Check a status change.

    Raises:
        IllegalTransition: The table does not hold it.
    """
    if new not in LEGAL_TRANSITIONS[old]:
        raise IllegalTransition(f"a task that is {old.value} can not become {new.value}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """What a person or an event asked for; fixed when the task is made."""

    instruction: str
    """The words of the person who may instruct the agent."""
    repository: RepositoryRef
    source: str = "cli"
    base_ref: str = ""
    """Branch, tag or commit to start from; empty for the default branch."""
    title: str = ""
    context: str = ""
    """Untrusted text that goes with the instruction: issue title, body, comments."""
    images: tuple[Image, ...] = ()
    issue_number: int | None = None
    checks: tuple[str, ...] = ()
    """Commands that decide whether the change is good, chosen by the owner."""
    budget: Budget = field(default_factory=Budget)
    publish: bool = True
    """Open a pull request; otherwise end with a local branch and a patch file."""
    checkout: str = ""
    """Absolute path of the person's own checkout, where the branch is delivered; empty for none."""
    start: str = ""
    """Checkpoint commit in the mirror whose files the run starts with; empty for those of the base."""
    start_base: str = ""
    """The base commit that ``start`` was made on; what lies between the two is brought onto this run's base."""
    work_key: str = ""
    """Names the piece of work (this issue of this repository): two live tasks never share one."""
    priority: int = 0
    """Within the lane, higher numbers go first."""
    not_before: datetime | None = None
    """The earliest moment at which it may be begun; None for at once."""
    may_ask: bool = False
    """A question parks the run until somebody answers; otherwise the model is told that nobody does."""
    approve_plan: bool = False
    """The model's first plan has to be approved before it goes on; needs ``may_ask``."""
    place: str = ""
    """The only installation that can work on it, because its repository is there; empty where any can."""
    parent_id: str = ""
    """The task that this one was forked from or tries again; empty for none."""
    continues: Continuation | None = None
    """The pull request that it adds commits to; None for one that opens its own."""
    fixes: tuple[str, ...] = ()
    """What trackers call the issues that the change fixes (``SHOP-12``): the commit and the pull request end with a
    line ``Fixes SHOP-12`` for each, whatever the model writes."""
    ticket: str = ""
    """What people call the ticket that it is about (``SHOP-12``): the branch, the commit and the title of the pull
    request name it, which is how trackers find them."""
    reproduce: bool = False
    """A change is only handed in with a test that fails without it."""
    requested_by: str = ""
    """Who asked for it, as git names people: ``Ann <1234+ann@users.noreply.github.com>``; empty where nobody says."""

    def titled(self, title: str) -> str:
        """Return the title of a change: it begins with the ticket, since a long title is cut at its end."""
        begins = not self.ticket or re.match(rf"\W*{re.escape(self.ticket)}(?!\w)", title, re.IGNORECASE)
        return title if begins else f"{self.ticket} {title}"

    @property
    def lane(self) -> str:
        """The queue that the task stands in: one per repository, and per installation where only one can do it."""
        lane = f"{self.repository.host}/{self.repository.slug}" if self.repository.host else self.repository.url
        return f"{lane}@{self.place}" if self.place else lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A unit of work and where it stands."""

    id: str
    spec: TaskSpec
    status: TaskStatus
    status_reason: str = ""
    attempt: int = 0
    """Counts leases and is the fence: a writer with an older number is refused."""
    created_at: datetime
    updated_at: datetime
    wait: WaitReason | None = None
    """What it waits for, while it is ``waiting``; ``status_reason`` then is the question."""
    run_at: datetime | None = None
    """When it is due, while it is ``scheduled``."""
    worker_id: str = ""
    """Who holds the lease, while it is ``running`` or ``canceling``."""
    lease_until: datetime | None = None
    losses: int = 0
    """How often in a row a worker died over it without getting on."""
    retries: int = 0
    """How often in a row something around it failed (an endpoint, a host) without it getting on."""
    branch: str = ""
    pull_request_url: str = ""
    patch_path: str = ""


def require_not_begun(task: Task) -> None:
    """Check that no worker has taken a task yet.

    Raises:
        IllegalTransition: One has, or the task is over.
    """
    if task.status not in (TaskStatus.SCHEDULED, TaskStatus.QUEUED):
        raise IllegalTransition(f"task {task.id!r} is {task.status.value} and can not be rejected any more")
