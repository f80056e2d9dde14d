"""The one place that waits: file descriptors with what to do when they are ready."""

from __future__ import annotations

import select
from abc import ABC, abstractmethod
from collections.abc import Callable


class Reactor:
    """Calls back for every watched file descriptor that is ready."""

    def __init__(self) -> None:
        self.poll = select.poll()
        self.watched: dict[int, tuple[int, Callable[[int], None]]] = {}

    def watch(self, fd: int, events: int, callback: Callable[[int], None]) -> None:
        """Call back with the events; no events at all ends the watch, or a hang-up would be told for ever."""
        before = self.watched.get(fd)
        if not events:
            self.forget(fd)
        elif before is None or before[0] != events:
            self.poll.register(fd, events)
        if events:
            self.watched[fd] = (events, callback)

    def forget(self, fd: int) -> None:
        """End a watch; must come before the descriptor is closed."""
        if self.watched.pop(fd, None) is not None:
            self.poll.unregister(fd)

    def turn(self, seconds: float) -> None:
        """Wait for something to do, and do it."""
        for fd, events in self.poll.poll(min(seconds, 3600.0) * 1000 + 1):
            watch = self.watched.get(fd)
            if watch is not None:
                watch[1](events)


class Job(ABC):
    """A request that takes more than one turn. One at a time, as the host asks."""

    request = 0

    def wait(self) -> float:
        """Return the seconds after which it wants its turn at the latest."""
        return 3600.0

    @abstractmethod
    def advance(self) -> bool:
        """Do what can be done now; true when the request was answered."""

    @abstractmethod
    def cancel(self) -> None:
        """End soon; the answer is sent anyway."""
