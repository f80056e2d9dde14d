"""What a process tells the others and hears from them, and the locks that say that its workers live.

Notifications are hints that are lost when nobody listens; a poll stands behind each. They carry ids only, and are sent
after the commit and a few at once, because transactions that notify commit one after the other on the whole server.

A lock belongs to the connection that took it, so that the server frees it within moments of a process's death. After
the server was started again every lock is free although nobody died: hence the time of its start beside each. The same
is so after one of its processes crashed, which resets its statistics: for a lease's time no free lock tells of a death.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from functools import partial
from typing import Final

import anyio
from anyio import CapacityLimiter, create_task_group, to_thread
from ulid import ULID

from pullwright.agents.errors import StoreError
from pullwright.agents.queue.bell import Bell
from pullwright.agents.queue.database import FIRST_PAUSE, LONGEST_PAUSE, Again
from pullwright.agents.queue.postgres_link import ConnectionLost, OtherSchema, PostgresLink

CHANNEL: Final = "pullwright"
SPACING_SECONDS: Final = 0.01
"""Between two notifications of a process."""

FLUSH_SECONDS: Final = 2.0
"""How long a process that ends tries to tell what it did."""

LOCK_SECONDS: Final = 1.0
"""How often a lock is tried again that the server has not yet taken from a lost connection."""

ENLIST_SECONDS: Final = 5.0
"""How long a worker that begins waits for its lock; without one only its leases tell that it lives."""

LONGEST_PAYLOAD: Final = 7000
EVERYTHING: Final = "*"

_TROUBLE: Final = (Again, OtherSchema, StoreError, OSError, anyio.ClosedResourceError)
"""What ends a connection, but not the listening: the poll stands behind it meanwhile."""

_LOCK: Final = "SELECT pg_try_advisory_lock(CAST(:key AS bigint)) AS taken"
_UNLOCK: Final = "SELECT pg_advisory_unlock(CAST(:key AS bigint))"
_NOTED: Final = """
UPDATE worker SET lock_key = :key, database_start = extract(epoch FROM pg_postmaster_start_time())::float8
WHERE id = :id"""


class PostgresWatch:
    """Listens on a connection of its own, from the moment that somebody needs it."""

    def __init__(self, conninfo: str, bell: Bell, notify: Callable[[str], Awaitable[None]]) -> None:
        self._conninfo = conninfo
        self._bell = bell
        self._notify = notify
        self._me = str(ULID())
        self._news: set[str] = set()
        self._told = anyio.Event()
        self._link: PostgresLink | None = None
        self._using = anyio.Lock()
        self._thread = CapacityLimiter(1)
        self._needed = anyio.Event()
        self._tried = anyio.Event()
        """The first connection is there, or will not come."""
        self._workers: dict[str, bool] = {}
        """Whether the lock of each is held."""

    def tell(self, topics: Collection[str]) -> None:
        """Tell other processes, soon."""
        if topics:
            self._news.update(topics)
            self._told.set()

    async def enlist(self, worker_id: str) -> None:
        """Hold a lock for a worker when this returns, if the server gives it soon; else as soon as it does."""
        self._workers[worker_id] = False
        self._needed.set()
        with anyio.move_on_after(ENLIST_SECONDS):
            await self._tried.wait()
        async with self._using:
            if self._link is not None:
                await self._in_thread(partial(self._lock, self._link))

    async def retire(self, worker_id: str) -> None:
        """Let a worker's lock go."""
        async with self._using:
            if self._workers.pop(worker_id, False) and self._link is not None:
                work = partial(self._link.rows, _UNLOCK, {"key": lock_key(worker_id)})
                with suppress(Again):
                    await to_thread.run_sync(work, limiter=self._thread)

    async def attend(self) -> None:
        """Listen and tell, until cancelled."""
        try:
            async with create_task_group() as group:
                group.start_soon(self._tell_others)
                group.start_soon(self._need)
                await self._needed.wait()
                await self._listen()
                await anyio.sleep_forever()  # a pooler stands between: there is nothing to hear
        finally:
            with anyio.move_on_after(FLUSH_SECONDS, shield=True):
                await self._tell_now()

    async def _need(self) -> None:
        await self._bell.somebody()
        self._needed.set()

    async def _tell_others(self) -> None:
        while True:
            await self._told.wait()
            await self._tell_now()
            await anyio.sleep(SPACING_SECONDS)

    async def _tell_now(self) -> None:
        self._told = anyio.Event()
        topics, self._news = ",".join(sorted(self._news)), set()
        if topics:
            payload = f"{self._me}:{topics if len(topics) < LONGEST_PAYLOAD else EVERYTHING}"
            with suppress(*_TROUBLE):
                await self._notify(payload)

    async def _listen(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                if not await self._connect():
                    return
                pause = FIRST_PAUSE
                self._tried.set()
                self._bell.ring_all()  # for what nobody heard meanwhile
                await self._hear()
            except _TROUBLE:
                await anyio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            finally:
                self._tried.set()
                with anyio.CancelScope(shield=True):
                    await self._disconnect()

    async def _connect(self) -> bool:
        """Connect and take every lock, or say that a pooler is in between."""
        async with self._using:
            link = await to_thread.run_sync(PostgresLink, self._conninfo, limiter=self._thread)
            if link.pooled:
                await to_thread.run_sync(link.close)
                return False
            self._link = link
            self._workers = dict.fromkeys(self._workers, False)
            await to_thread.run_sync(link.simply, f"LISTEN {CHANNEL}", limiter=self._thread)
            await to_thread.run_sync(self._lock, link, limiter=self._thread)
        return True

    async def _hear(self) -> None:
        while (link := self._link) is not None:
            with anyio.move_on_after(LOCK_SECONDS if not all(self._workers.values()) else float("inf")) as limit:
                await anyio.wait_readable(link.connection.fileno())
            async with self._using:
                if limit.cancelled_caught:
                    await self._in_thread(partial(self._lock, link))
                notices = link.notices()
            for payload in notices:
                sender, _, topics = payload.partition(":")
                if topics == EVERYTHING:
                    self._bell.ring_all()
                elif sender != self._me:
                    self._bell.ring(topics.split(","))

    async def _disconnect(self) -> None:
        async with self._using:
            link, self._link = self._link, None
            if link is not None:
                await to_thread.run_sync(link.close)

    async def _in_thread(self, work: Callable[[], None]) -> None:
        """Run something on the connection; if that is lost, the listener notices and connects again."""
        with suppress(ConnectionLost):
            await to_thread.run_sync(work, limiter=self._thread)

    def _lock(self, link: PostgresLink) -> None:
        for worker_id, taken in list(self._workers.items()):
            key = lock_key(worker_id)
            if not taken and link.rows(_LOCK, {"key": key})[0]["taken"]:
                link.execute((_NOTED, {"key": key, "id": worker_id}))
                self._workers[worker_id] = True


def lock_key(worker_id: str) -> int:
    """Return the number of a worker's lock: 63 bits, never 0."""
    return int.from_bytes(hashlib.sha256(worker_id.encode()).digest()[:8]) >> 1 or 1
