"""The roles around reports: how a task stands is shown where it came from, in one place that is kept up to date.

A source shows (``Reports``); the store remembers what is shown, and who has the duty to keep that right
(``ReportStore``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What is shown of one task, as who has the duty in this turn knows it, and how the task stands beside that."""

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

    async def note_report(self, report: Report) -> None:
        """Remember ``seq``, ``status``, ``number``, ``comment``, ``ended`` and ``note``.

        Raises:
            LeaseLost: The turn is over.
        """
        ...
