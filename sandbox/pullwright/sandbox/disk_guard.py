"""Keeps a sandbox from filling the engine's disk.

Two looks, because no engine that has plain overlay storage can limit a volume. The cheap one, every second while a
command runs, asks the file system how much is free. Only when that has shrunk by enough to be worth it, the exact one
adds up what this very sandbox has written, from a container of its own that the agent can not reach.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from pullwright.sandbox.runner_client import FreeSpace

LOOK_SECONDS: Final = 1.0
RESERVE_BYTES: Final = 1 << 30
"""Free bytes below which the engine's disk counts as nearly full."""
SMALL_BYTES: Final = 256 << 20
"""A sandbox that uses less than this is never blamed for a full disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskLimit:
    """What one sandbox may use of the disk."""

    megabytes: int = 10_240

    @property
    def bytes(self) -> int:
        """The limit in bytes."""
        return self.megabytes << 20


class DiskGuard:
    """Watches the disk while one sandbox runs commands.

    Args:
        limit: What the sandbox may use.
        free: Asks the file system below the workspace what is free.
        measure: Adds up the bytes that the sandbox has written.
        sleep: Waits for a number of seconds.
    """

    def __init__(
        self,
        limit: DiskLimit,
        *,
        free: Callable[[], Awaitable[FreeSpace]],
        measure: Callable[[], Awaitable[int]],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._limit = limit
        self._free = free
        self._measure = measure
        self._sleep = sleep
        self._seen: int | None = None
        """Free bytes when the sandbox was last measured, or first looked at."""
        self._used = 0

    async def begin(self) -> None:
        """Take note of what is free before the first command; later calls do nothing."""
        if self._seen is None:
            self._seen = (await self._free()).bytes

    async def exceeded(self) -> str:
        """Wait until the sandbox has used too much since it was last found guilty, and return the reason."""
        while True:
            await self._sleep(LOOK_SECONDS)
            reason = await self.look()
            if reason:
                return reason

    async def look(self) -> str:
        """Return why the sandbox must stop writing, or nothing."""
        free = (await self._free()).bytes
        shrunk = (free if self._seen is None else self._seen) - free
        if shrunk < self._limit.bytes // 4 and not (free < RESERVE_BYTES and shrunk > SMALL_BYTES // 4):
            return ""
        before, self._used = self._used, await self._measure()
        self._seen = free
        # What is over the limit but shrinking is being cleaned up.
        if self._used > self._limit.bytes and self._used > before:
            return (
                f"it uses {self._used >> 20} MiB of disk and may use {self._limit.megabytes}; delete what is not needed"
            )
        if free < RESERVE_BYTES and self._used > SMALL_BYTES:
            return f"the disk has only {free >> 20} MiB left, and this sandbox uses {self._used >> 20} of it"
        return ""
