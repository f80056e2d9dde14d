"""Ids of tasks: ULIDs, which sort by the moment they were made."""

from __future__ import annotations

from datetime import datetime

from ulid import ULID


class TaskIds:
    """Makes ids that only grow, even within a millisecond or while the clock goes back."""

    def __init__(self) -> None:
        self._last = 0

    def new(self, now: datetime) -> str:
        """Return the id of a task that is filed now; not for several threads at once."""
        self._last = max(self._last + 1, int(ULID.from_datetime(now)))
        return str(ULID.from_int(self._last)).lower()
