"""Journals that no store has written, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from pullwright.agents.events import JournalEntry, RunEvent

EPOCH = datetime(2026, 11, 1, tzinfo=UTC)


def journal(events: Iterable[RunEvent], *, attempt: int = 1, after: int = 0) -> list[JournalEntry]:
    """Return events as entries, a second apart."""
    return [
        JournalEntry(task_id="t", seq=seq, attempt=attempt, at=EPOCH + timedelta(seconds=seq), event=event)
        for seq, event in enumerate(events, start=after + 1)
    ]
