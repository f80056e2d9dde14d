"""The real clock, and moments that others name."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

_FIRST: Final = datetime.min.replace(tzinfo=UTC) + timedelta(days=1)
_LAST: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
"""A day off the ends, so that a moment can be shown in every time zone."""


def in_utc(moment: datetime) -> datetime:
    """Return a moment that has a time zone, in UTC.

    Raises:
        ValueError: Not every time zone has a date for it.
    """
    if not _FIRST <= moment <= _LAST:
        raise ValueError("too far away")
    return moment.astimezone(UTC)


class SystemClock:
    """Time as this host has it."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await anyio.sleep(seconds)
