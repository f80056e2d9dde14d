"""How many tasks there may be for one piece of work. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pullwright.agents.task import Task

_HOUR = timedelta(hours=1)


def too_many(tasks: Sequence[Task], now: datetime, limit: int) -> str:
    """Return why one more task for the same piece of work is one too many, for people; empty when it is not."""
    recent = sum(task.created_at > now - _HOUR for task in tasks)
    return f"{recent} tasks in an hour are enough here; ask again later" if recent >= limit else ""
