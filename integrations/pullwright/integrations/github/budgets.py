"""How much of anything there may be: tasks for one piece of work, bots that ask in a row. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pullwright.agents.ports.inbox import Delivery, DeliveryStatus
from pullwright.agents.task import Task
from pullwright.integrations.github.meaning_codec import meaning_from_json

_HOUR = timedelta(hours=1)
_HEARD = frozenset({DeliveryStatus.FILED, DeliveryStatus.TOLD, DeliveryStatus.ANSWERED})


def too_many(tasks: Sequence[Task], now: datetime, limit: int) -> str:
    """Return why one more task for the same piece of work is one too many, for people; empty when it is not."""
    recent = sum(task.created_at > now - _HOUR for task in tasks)
    return f"{recent} tasks in an hour are enough here; ask again later" if recent >= limit else ""


def bots_in_a_row(earlier: Iterable[Delivery], work_key: str) -> int:
    """Return how many bots were heard last about a piece of work with no person in between.

    Args:
        earlier: Deliveries of all kinds, newest first.
        work_key: The piece of work.
    """
    count = 0
    for one in earlier:
        if one.work_key != work_key or one.status not in _HEARD:
            continue
        actor = meaning_from_json(one.content).actor
        if actor is None or actor.kind == "User":
            break
        count += 1
    return count
