"""Whether there is more to do on a cause that tasks were on before. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from pullwright.agents.task import Task, TaskStatus
from pullwright.integrations.sentry.gate import IssueFacts

COOL_DOWN: Final = timedelta(hours=24)
MOST: Final = 4
"""Tasks on one cause; then a person has to ask."""


def why_not_again(tasks: Sequence[Task], issue: IssueFacts, now: datetime, *, cool_down: timedelta = COOL_DOWN) -> str:
    """Return why an issue that nobody asked for, and whose tasks have all ended, is left alone; empty when it is not.

    Args:
        tasks: The tasks on its cause, newest first.
        issue: As it is now.
        now: With a time zone.
        cool_down: How long a failed try is left alone.
    """
    if not tasks:
        return ""
    last = tasks[0]
    if len(tasks) >= MOST:
        return f"{len(tasks)} tasks were on it; ask in a comment for one more"
    if came_back(last, issue):
        return ""
    if not (reason := _settled(last)) and now - last.updated_at < cool_down:
        return f"it was tried less than {cool_down.total_seconds() / 3600:g} h ago, and failed"
    return reason


def came_back(last: Task, issue: IssueFacts) -> bool:
    """Whether it was resolved after a task had ended, and then seen again."""
    return issue.regressed_at is not None and issue.regressed_at > last.updated_at


def _settled(last: Task) -> str:
    match last.status:
        case TaskStatus.SUCCEEDED if last.pull_request_url:
            return f"{last.pull_request_url} is there for it; it is taken up again when it comes back after that"
        case TaskStatus.SUCCEEDED:
            return "its cause was reported; ask in a comment to try again"
        case TaskStatus.CANCELED:
            return "a person stopped the work on it; ask in a comment to try again"
    return ""
