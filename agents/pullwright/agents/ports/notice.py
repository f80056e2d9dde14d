"""The roles around notices: people are told, where they are anyway, what a task came to.

A target (a channel, a mailbox) gets notices (``Notifier``); the store says what has happened, and who has the duty to
tell of it (``NoticeStore``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import ClassVar, Final, Protocol

from pullwright.agents.events import JournalEntry

NEWS_SECONDS: Final = 86_400.0
"""How far back the store looks for what has happened."""


class Moment(StrEnum):
    """What people are told of."""

    STARTED = "started"
    """A worker took the task for the first time."""
    QUESTION = "question"
    """It waits for an answer or a yes."""
    PULL_REQUEST = "pull_request"
    FAILED = "failed"
    """It failed, or could not be begun."""
    DONE = "done"
    """It ended well without a pull request."""
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that a target is told."""

    moment: Moment
    task_id: str
    title: str
    """Untrusted, as ``words`` are."""
    repository: str
    """``owner/name``, or the name of a local one."""
    words: str = ""
    """The question, or why it ended so."""
    url: str = ""
    """The pull request, or else where the task came from; empty where neither has an address."""
    continues: bool = False
    """The pull request was there before, and has got commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a target wants to be told."""

    about: frozenset[Moment]
    repositories: tuple[str, ...] = ()
    """Patterns (``acme/*``); empty for every repository."""

    def wants(self, moment: Moment, repository: str) -> bool:
        """Say whether it does, of a repository (``owner/name``)."""
        name = repository.lower()
        fits = not self.repositories or any(fnmatchcase(name, pattern.lower()) for pattern in self.repositories)
        return fits and moment in self.about


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where people are told."""

    key: str
    """Names it in the memory of what was told; says nothing of its address."""
    label: str
    """For logs: its place in the settings, and what sort of thing it is."""
    routes: tuple[Route, ...]

    def wants(self, moment: Moment, repository: str) -> bool:
        """Say whether it wants to be told that, of a repository (``owner/name``)."""
        return any(route.wants(moment, repository) for route in self.routes)


class Notifier(Protocol):
    """Sends notices."""

    async def send(self, target: str, notice: Notice) -> None:
        """Send a notice to the target with this key.

        Raises:
            RemoteUnavailable: It did not arrive, as far as is known; it may arrive later.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Telling of one task, as who has the duty in this turn does it."""

    duty: ClassVar[str] = "notices"
    task_id: str
    """Empty for what is about no task."""
    turn: int
    """Of the duty; the fence of every write."""

    @property
    def id(self) -> str:
        """What effects are kept under."""
        return f"notices:{self.task_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What has happened lately."""

    now: datetime
    """When it was looked for, by the database's clock, as the entries' moments are."""
    entries: Sequence[JournalEntry] = ()


class NoticeStore(Protocol):
    """Says what has happened. Each method is one transaction, as in ``TaskStore``."""

    async def take_notice_duty(self, worker_id: str) -> int | None:
        """Take the duty to tell people, or keep it; as ``ReportStore.take_duty``."""
        ...

    async def news(self, *, seconds: float) -> News:
        """Return what happened to the tasks whose status changed within the last ``seconds``, oldest first.

        That is every ``task.moved``, ``question.asked``, ``change.published`` and ``run.finished`` of the last
        ``NEWS_SECONDS`` in their journals. Cheap when nothing has changed.
        """
        ...
