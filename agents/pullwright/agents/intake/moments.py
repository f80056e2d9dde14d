"""What of a journal people are told. Pure."""

from __future__ import annotations

from typing import Final

from pullwright.agents.events import ChangePublished, JournalEntry, QuestionAsked, RunEvent, RunFinished, TaskMoved
from pullwright.agents.ports.notice import Moment, Notice
from pullwright.agents.task import Task, TaskStatus, WaitReason

_ENDS: Final = {
    TaskStatus.SUCCEEDED.value: Moment.DONE,
    TaskStatus.FAILED.value: Moment.FAILED,
    TaskStatus.REJECTED.value: Moment.FAILED,
    TaskStatus.CANCELED.value: Moment.CANCELED,
}


def moment_of(entry: JournalEntry) -> Moment | None:
    """Return what a journal entry is for people, or None when it is nothing that they are told of."""
    match entry.event:
        case TaskMoved(new=TaskStatus.RUNNING.value):
            return Moment.STARTED if entry.attempt == 1 else None
        case TaskMoved(new=status) | RunFinished(status=status):
            return _ENDS.get(status)
        case QuestionAsked(wait=wait):
            return Moment.QUESTION if wait != WaitReason.PAUSED else None
        case ChangePublished(pull_request_url=url):
            return Moment.PULL_REQUEST if url else None
    return None


def notice_of(moment: Moment, entry: JournalEntry, task: Task, *, origin_url: str = "") -> Notice | None:
    """Return what people are told, or None when they were told of the task's end before: with its pull request.

    Args:
        moment: What the entry is.
        entry: Of the task's journal.
        task: As it is now.
        origin_url: Where the task came from.
    """
    if moment is Moment.DONE and task.pull_request_url:
        return None
    spec, event = task.spec, entry.event
    published = event.pull_request_url if isinstance(event, ChangePublished) else task.pull_request_url
    return Notice(
        moment=moment,
        task_id=task.id,
        title=spec.title or spec.instruction.partition("\n")[0],
        repository=spec.repository.slug,
        words=_words(event),
        url=published or origin_url or _issue_url(task),
        continues=spec.continues is not None,
    )


def _words(event: RunEvent) -> str:
    match event:
        case QuestionAsked(question=words):
            return words
        case RunFinished(reason=words):
            return words
        case TaskMoved(new=status, reason=words):
            return words if status in _ENDS else ""
    return ""


def _issue_url(task: Task) -> str:
    repository, number = task.spec.repository, task.spec.issue_number
    return f"https://{repository.host}/{repository.slug}/issues/{number}" if number and repository.host else ""
