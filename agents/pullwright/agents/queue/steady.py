"""Whether leases can be trusted: a database that was away, or a clock that jumped, makes every worker look dead."""

from __future__ import annotations

from typing import Final

from pullwright.agents.queue.life import LEASE_SECONDS

JUMP_SECONDS: Final = 2.0
"""Two clocks that move apart by more than this at once: one of them was set."""


class Steady:
    """Watches the database's clock beside this process's; after trouble every worker gets one lease's time to beat."""

    def __init__(self, *, at_first: bool = True) -> None:
        """Begin to watch.

        Args:
            at_first: Whether the clock can be trusted that is found; it may have been set right before. Without that
                trust every worker gets a lease's time, too.
        """
        self._at_first = at_first
        self._apart: float | None = None
        self._until = 0.0

    def note(self, now: float, monotonic: float) -> None:
        """Take note of the database's time and of this process's; both in seconds."""
        apart = now - monotonic
        jumped = not self._at_first if self._apart is None else abs(apart - self._apart) > JUMP_SECONDS
        if jumped:
            self._until = now + LEASE_SECONDS
        elif self._until > now + LEASE_SECONDS:
            self._until = now + LEASE_SECONDS  # the clock went back before this moment came
        self._apart = apart

    def trouble(self) -> None:
        """The database could not be reached; what follows is unsure from its next answer on."""
        self._apart = float("inf")

    def unsure(self, now: float) -> bool:
        """Say whether leases may have run out although their workers live."""
        return now < self._until
