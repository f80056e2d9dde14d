"""Task: what to do. Its status changes only along the table below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pullwright.agents.budget import Budget
from pullwright.agents.change import RepositoryRef
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
