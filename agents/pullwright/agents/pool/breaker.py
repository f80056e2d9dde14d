"""The circuit breaker of one replica: a state machine without a clock of its own.

closed → open after failures in a row; open → half-open when the wait is over and somebody begins a probe; half-open →
closed or open as the probe says. Calls go only through a closed breaker: the probe is a health request, never a chat.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    """Whether calls go through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerLimits:
    """When to open and for how long; seconds."""

    failures: int = 2
    """In a row, of calls or of probes. A client has tried a few times by itself before a call counts as failed."""
    first_wait: float = 5.0
    longest_wait: float = 120.0


class Breaker:
    """Counts what went wrong with one replica. Every ``now`` is in seconds that only grow."""

    def __init__(self, limits: BreakerLimits) -> None:
        self._limits = limits
        self._state = BreakerState.CLOSED
        self._failed_calls = 0
        self._failed_probes = 0
        self._wait = limits.first_wait
        self._retry_at = 0.0

    @property
    def state(self) -> BreakerState:
        """Where the machine is."""
        return self._state

    @property
    def closed(self) -> bool:
        """Whether calls go through."""
        return self._state is BreakerState.CLOSED

    def call_succeeded(self) -> None:
        """Note a reply. One that began before the breaker opened proves nothing, and leaves it open."""
        self._failed_calls = 0
        if self.closed:
            self._wait = self._limits.first_wait

    def call_failed(self, now: float) -> None:
        """Note a call that the replica could not serve."""
        self._failed_calls += 1
        if self.closed and self._failed_calls >= self._limits.failures:
            self._open(now)

    def begin_probe(self, now: float) -> bool:
        """Return whether an open breaker may be probed now; if so, it is half-open until the outcome is noted."""
        if self._state is BreakerState.OPEN and now >= self._retry_at:
            self._state = BreakerState.HALF_OPEN
            return True
        return False

    def probe_succeeded(self) -> None:
        """Note a healthy answer; only one that was begun as a probe closes the breaker."""
        self._failed_probes = 0
        if self._state is BreakerState.HALF_OPEN:
            self._state = BreakerState.CLOSED
            self._failed_calls = 0

    def probe_failed(self, now: float) -> None:
        """Note an answer that is not healthy, or none."""
        self._failed_probes += 1
        if self._state is BreakerState.HALF_OPEN or (self.closed and self._failed_probes >= self._limits.failures):
            self._open(now)

    def abandon_probe(self) -> None:
        """Note that a probe was canceled: it may be begun again at once."""
        if self._state is BreakerState.HALF_OPEN:
            self._state = BreakerState.OPEN

    def _open(self, now: float) -> None:
        self._state = BreakerState.OPEN
        self._retry_at = now + self._wait
        # A replica whose health is fine but whose calls fail is tried less and less often.
        self._wait = min(self._limits.longest_wait, self._wait * 2)
