"""What the handlers of all sources decide alike. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from pullwright.agents.intake.decisions import Answer, Ignore, Later, Reply, ReplyKind, Tell
from pullwright.agents.ports.report import Standing
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskStatus

SEEN: Final = Reply(kind=ReplyKind.SEEN)

STOPPING_SECONDS: Final = 5.0
"""How soon it is looked whether a task that is being stopped has ended; twice as long each time."""


def comment(text: str) -> Reply:
    """Return that something is said where the delivery came from."""
    return Reply(kind=ReplyKind.COMMENT, text=text)


def answer(what: str, text: str) -> Answer:
    """Return the answer to a question."""
    return Answer(reason=what, reply=comment(text))


def live_of(tasks: Sequence[Task]) -> Task | None:
    """Return the one that has not ended."""
    return next((task for task in tasks if not task.status.terminal), None)


def has_not_begun(task: Task) -> bool:
    """Whether it still waits for its turn."""
    return task.status in (TaskStatus.SCHEDULED, TaskStatus.QUEUED)


def tell(
    task: Task, words: str, author: str, *, meaning_key: str = "", reply: Reply | None = None
) -> Ignore | Later | Tell:
    """Return that a live task is told what somebody said; once it has ended, if it is being stopped."""
    if not words:
        return Ignore(reason="a task is on it already")
    if task.status is TaskStatus.CANCELING:
        return Later(seconds=STOPPING_SECONDS, reason="the task is being stopped")
    kind = SignalKind.ANSWER if task.status is TaskStatus.WAITING else SignalKind.MESSAGE
    return Tell(task_id=task.id, kind=kind, text=words, author=author, meaning_key=meaning_key, reply=reply)


def in_the_way(tasks: Sequence[Task]) -> str:
    """Return why nothing is begun beside what the last task made, for people; empty when it made no pull request."""
    url = tasks[0].pull_request_url if tasks else ""
    return f"there is a pull request already, {url}; comment `/agent retry` for another" if url else ""


def standing_of(task: Task) -> Standing:
    """Return how a task stands, as far as it says so itself."""
    return Standing(
        task_id=task.id,
        status=task.status,
        words=task.status_reason,
        branch=task.branch,
        pull_request_url=task.pull_request_url,
    )


def aware(moment: datetime) -> datetime:
    """Return a time with a zone; one without is in UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
