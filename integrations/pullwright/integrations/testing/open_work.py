"""What is under way at the rehearsal: deliveries that were not sent yet, checks that have not ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class OpenWork:
    """Counts what is under way, for whoever waits for its end."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._open = 0

    @property
    def count(self) -> int:
        """How much is under way now."""
        with self._changed:
            return self._open

    def begin(self) -> None:
        """One thing more is under way."""
        with self._changed:
            self._open += 1

    def end(self) -> None:
        """One thing has ended."""
        with self._changed:
            self._open -= 1
            self._changed.notify_all()

    @contextmanager
    def one(self) -> Iterator[None]:
        """One thing more, until the block ends."""
        self.begin()
        try:
            yield
        finally:
            self.end()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is under way; False when that took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: self._open == 0, seconds)
