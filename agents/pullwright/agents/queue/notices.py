"""What has happened lately, inside one transaction each."""

from __future__ import annotations

import logging
from typing import Final

from pullwright.agents.errors import DamagedTask
from pullwright.agents.events import ChangePublished, JournalEntry, QuestionAsked, RunFinished, TaskMoved
from pullwright.agents.ports.notice import NEWS_SECONDS, News
from pullwright.agents.queue.database import Row, Transaction
from pullwright.agents.queue.rows import entry_of, moment

logger = logging.getLogger(__name__)

WORTH: Final = (TaskMoved, QuestionAsked, ChangePublished, RunFinished)
"""The events that people may be told of."""

_TYPES: Final = ", ".join(f"'{event.type}'" for event in WORTH)
NEWS: Final = f"""
SELECT event.* FROM task CROSS JOIN event
WHERE task.updated_at > :changed AND event.task_id = task.id AND event.at > :happened AND event.type IN ({_TYPES})
ORDER BY event.at, event.task_id, event.seq"""
"""To SQLite, CROSS JOIN says that the tasks come first; it would read all journals otherwise."""


def news(seconds: float, tx: Transaction) -> News:
    """Return what happened to the tasks whose status changed within the last seconds; what is damaged is left out."""
    rows = tx.rows(NEWS, changed=tx.now - seconds, happened=tx.now - NEWS_SECONDS)
    entries = (_entry(row) for row in rows)
    return News(now=moment(tx.now), entries=[entry for entry in entries if entry is not None])


def _entry(row: Row) -> JournalEntry | None:
    try:
        return entry_of(row)
    except DamagedTask as exc:
        logger.warning("nobody is told of it: %s", exc)
        return None
