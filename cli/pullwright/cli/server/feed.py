"""Feed: the journal of one task, read once for everybody who follows it through this server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final
from weakref import WeakValueDictionary

from anyio import Lock

from pullwright.agents.events import JournalEntry
from pullwright.agents.ports.store import TaskStore
from pullwright.cli.render import entry_data

TAIL: Final = 256
"""Entries that are kept at hand; who is further behind reads the store."""


class Feed:
    """Entries of a journal as they are sent, in the form of the HTML standard ("Server-sent events").

    Attributes:
        over: The task has ended, and all of its journal has been read.
    """

    def __init__(self, store: TaskStore, task_id: str) -> None:
        self._store = store
        self._task_id = task_id
        self._tail: list[bytes] = []
        self._before = 0
        """Number of the entry before the tail."""
        self._begun = False
        self._turn = Lock()
        self.over = False

    @property
    def _last(self) -> int:
        return self._before + len(self._tail)

    async def after(self, seq: int) -> Sequence[bytes]:
        """Return what comes after entry ``seq``, as far as it was read; entry by entry, because there is no gap."""
        if self._begun and seq >= self._before:
            return self._tail[seq - self._before :]
        return [_encoded(entry) for entry in await self._store.journal(self._task_id, after=seq)]

    async def more(self, seq: int) -> None:
        """Return when there may be more than entry ``seq``. One follower waits and reads, the others wait for that."""
        async with self._turn:
            if self.over or self._last > seq:
                return
            if self._begun:
                await self._store.wait(self._task_id, after=self._last)
            else:
                await self._begin(seq)
            await self._read()

    async def _begin(self, seq: int) -> None:
        """Begin where the first follower is, unless it names an entry that is not there."""
        known = await self._store.journal(self._task_id, after=seq - 1) if seq else ()
        self._before = seq if known else 0
        self._begun = True

    async def _read(self) -> None:
        over = (await self._store.status(self._task_id)).terminal
        self._tail += [_encoded(entry) for entry in await self._store.journal(self._task_id, after=self._last)]
        self.over = over
        surplus = max(0, len(self._tail) - TAIL)
        self._before += surplus
        del self._tail[:surplus]


class Feeds:
    """The feeds of a server; each lives as long as somebody follows it."""

    def __init__(self, store: TaskStore) -> None:
        self._store = store
        self._feeds: WeakValueDictionary[str, Feed] = WeakValueDictionary()

    def of(self, task_id: str) -> Feed:
        """Return the feed of a task."""
        feed = self._feeds.get(task_id)
        if feed is None:
            feed = self._feeds[task_id] = Feed(self._store, task_id)
        return feed


def _encoded(entry: JournalEntry) -> bytes:
    data = json.dumps(entry_data(entry), ensure_ascii=False)
    return f"id: {entry.seq}\nevent: {entry.event.type}\ndata: {data}\n\n".encode()
