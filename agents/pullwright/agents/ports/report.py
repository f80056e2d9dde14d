"""The roles around reports: how a task stands is shown where it came from, in one place that is kept up to date.

A source shows (``Reports``) and hears in the end what became of the pull request (``Landings``); the store remembers
what is shown and told, and who has the duty to keep that right (``ReportStore``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Final, Protocol

from pullwright.agents.budget import Usage
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.task import TaskStatus, WaitReason

DUTY_SECONDS: Final = 30.0
"""How long the duty is left to who has it without a word from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a task stands, for people: what its journal says, folded."""

    task_id: str
    work_key: str = ""
    """As in ``TaskSpec``: where it is shown, if that is not where its origin happened."""
    status: TaskStatus = TaskStatus.QUEUED
    wait: WaitReason | None = None
    """What it waits for, while it is ``waiting``."""
    words: str = ""
    """The question, or why it is as it is (Markdown, untrusted); empty when there is nothing to say."""
    ahead: int = 0
    """How many tasks of its lane go first, while it is ``queued``."""
    plan: tuple[tuple[str, str], ...] = ()
    """As in ``PlanUpdated``."""
    tool: str = ""
    """Name of the tool that the model used last."""
    steps: int = 0
    usage: Usage = Usage()
    spent: Mapping[str, Usage] = field(default_factory=dict)
    """``usage`` by the endpoint it was spent at, the last one last."""
    model: str = ""
    branch: str = ""
    pull_request_url: str = ""
    verified: bool | None = None
    """What fresh containers said; None when they were not asked yet."""
    checks: tuple[tuple[str, int | None], ...] = ()
    """What ran there with the change: commands and their exit codes, None for one that took too long."""
    tests_fail_alone: bool = False
    """Whether the tests of the change failed there without the rest of it."""
    commit: str = ""
    """The newest commit of the change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Where a standing is shown, as the other side calls it."""

    external_id: str
    url: str = ""


class Reports(Protocol):
    """Shows at its origin how a task stands. Each number of a report names one comment, which exists at most once.

    Every method may raise ``IntegrationError``: ``NotFound`` and ``RemoteRejected`` when it will never work, others
    when it may work later.
    """

    async def write(self, origin: Delivery, standing: Standing, number: int) -> Shown:
        """Write a new comment."""
        ...

    async def find(self, origin: Delivery, standing: Standing, number: int) -> Shown | None:
        """Look up a comment that may have been written."""
        ...

    async def rewrite(self, origin: Delivery, standing: Standing, number: int, comment: str) -> None:
        """Change the comment with this external id, so that it says how the task stands now.

        Raises:
            NotFound: Somebody has deleted it.
        """
        ...

    async def sign(self, origin: Delivery, standing: Standing) -> None:
        """Show on what asked for the task how it ended; twice is the same as once."""
        ...


class Landings(Protocol):
    """Hears at its origin what became of a task's pull request after the task had ended."""

    async def landed(self, origin: Delivery, standing: Standing, *, merged: bool) -> None:
        """Say that the pull request was merged, or closed without that; twice is the same as once.

        Args:
            origin: What became the task.
            standing: How the task ended, with its ``pull_request_url``.
            merged: Whether it was merged.

        Raises:
            NotFound, RemoteRejected: It will never work.
            IntegrationError: It may work later.
        """
        ...


class Landing(StrEnum):
    """How far the origin of a task that has ended is from having heard what became of the pull request."""

    NONE = ""
    """There is no pull request, or nobody there wants to hear of it."""
    OPEN = "open"
    """The pull request was neither merged nor closed, as far as we know."""
    MERGED = "merged"
    """The origin is to hear so."""
    CLOSED = "closed"
    """The origin is to hear that it was closed without that."""
    TOLD = "told"
    GONE = "gone"
    """It was given up: the pull request stayed open for too long, or the origin can not hear of it."""

    @property
    def settled(self) -> bool:
        """Whether nothing more happens to it."""
        return self not in (Landing.OPEN, Landing.MERGED, Landing.CLOSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class InReview:
    """A pull request whose end is waited for, by one task that ended with it."""

    task_id: str
    pull_request_url: str
    lane: str
    """The task's; it has one repository."""
    ended_at: datetime
    """When the task ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is shown of one task, as who has the duty in this turn knows it, and how the task stands beside that."""

    duty: ClassVar[str] = "reports"
    task_id: str
    turn: int
    """Of the duty; the fence of every write."""
    seq: int = 0
    """Number of the last journal entry that is shown."""
    status: str = ""
    """The status that is shown; empty before the first comment."""
    number: int = 1
    """Counts the comments: one that a person deleted may have a successor."""
    comment: str = ""
    """External id of the comment; empty while there is none."""
    ended: bool = False
    """Nothing more is shown."""
    landing: Landing = Landing.NONE
    note: str = ""
    """Why not, when it is not because the task has ended."""
    last: int = 0
    """Number of the last journal entry there is."""
    stands: str = ""
    """The status that the task has."""
    ahead: int = 0
    """As in ``Standing``."""

    @property
    def id(self) -> str:
        """What effects are kept under."""
        return f"report:{self.task_id}"


class ReportStore(Protocol):
    """Remembers what is shown. Each method is one transaction, as in ``TaskStore``.

    ``InboxStore.file`` begins the report of a task; one that came from nowhere has none.
    """

    async def take_duty(self, worker_id: str) -> int | None:
        """Take the duty, or keep it, for ``DUTY_SECONDS``; return its turn, or None while somebody else has it.

        The duty of a worker that is retired, or known to be dead, is taken over at once. Cheap while nothing changes.
        """
        ...

    async def open_reports(self, turn: int) -> Sequence[Report]:
        """Return what has not ended, oldest first, as this turn's."""
        ...

    async def landed_reports(self, turn: int) -> Sequence[Report]:
        """Return those whose landing is ``merged`` or ``closed``, oldest first, as this turn's."""
        ...

    async def in_review(self) -> Sequence[InReview]:
        """Return those whose landing is ``open``, oldest first."""
        ...

    async def note_landing(self, pull_request_url: str, landing: Landing) -> int:
        """Remember what became of a pull request, for every task that ended with it; return how many there were.

        It needs no duty, since it only changes landings that are ``open``. A task that has not been signed off is
        not among them: whoever watches the pull request finds it landed afterwards.
        """
        ...

    async def note_report(self, report: Report) -> None:
        """Remember ``seq``, ``status``, ``number``, ``comment``, ``ended``, ``note`` and ``landing``.

        Raises:
            LeaseLost: The turn is over.
        """
        ...
