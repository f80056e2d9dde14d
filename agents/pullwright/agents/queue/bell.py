"""Who waits for what inside this process, and who is told when it may be there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import anyio

WORK: Final = "work"
"""The topic of everything that workers wait for."""

INBOX: Final = "inbox"
"""The topic of deliveries; every other topic is the id of a task, for its journal."""


@dataclass(slots=True)
class _Topic:
    event: anyio.Event = field(default_factory=anyio.Event)
    listeners: int = 0


class Bell:
    """Wakes those who wait for a topic. A hint: whoever was woken looks for himself, and may find nothing."""

    def __init__(self) -> None:
        self._topics: dict[str, _Topic] = {}
        self._anybody = anyio.Event()
        self.work = 0
        """How often there was something for workers; one who remembers it misses no ring between look and wait."""
        self.inbox = 0
        """The same for deliveries."""

    @contextmanager
    def listening(self, name: str) -> Iterator[anyio.Event]:
        """Give, for the length of a block, the event that is set at the next ring for a topic."""
        topic = self._topics.setdefault(name, _Topic())
        topic.listeners += 1
        self._anybody.set()
        try:
            yield topic.event
        finally:
            topic.listeners -= 1
            if not topic.listeners and self._topics.get(name) is topic:
                del self._topics[name]

    def ring(self, names: Iterable[str]) -> None:
        """Wake those who wait for one of these topics."""
        for name in names:
            self.work += name == WORK
            self.inbox += name == INBOX
            topic = self._topics.pop(name, None)
            if topic is not None:
                topic.event.set()

    def ring_all(self) -> None:
        """Wake everybody."""
        self.ring([WORK, INBOX, *self._topics])

    async def somebody(self) -> None:
        """Return as soon as anybody waits."""
        while not self._topics:
            self._anybody = anyio.Event()
            await self._anybody.wait()
