"""When to try a failed call again: a value, so that it can be tested without waiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pullwright.agents.llm.failure import Failure, FailureKind

_ENDLESS = 1_000_000
_ATTEMPTS: Mapping[FailureKind, int] = MappingProxyType(
    {
        FailureKind.OUTPUT_UNPARSABLE: 2,
        FailureKind.RATE_LIMITED: _ENDLESS,
        FailureKind.OVERLOADED: _ENDLESS,
        FailureKind.LOADING: _ENDLESS,
        FailureKind.UNREACHABLE: 3,
        FailureKind.ENGINE_DEAD: 5,
        FailureKind.TIMED_OUT: 1,
        FailureKind.INTERRUPTED: 3,
        FailureKind.OVERSIZED: 1,
        FailureKind.BROKEN: 2,
    }
)
"""Further attempts after the first; what is not named here fails the same way every time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Exponential waits with full jitter, under one budget of time per call."""

    first_wait: float = 0.5
    longest_wait: float = 30.0
    budget: float = 300.0
    """Seconds after the first failure in which a new attempt may begin."""
    loading_budget: float = 900.0
    """The same while the server says that it is loading the model."""
    task_budget: float = 1800.0
    """Seconds that one conversation may spend waiting, over all its calls."""
    attempts: Mapping[FailureKind, int] = field(default_factory=lambda: _ATTEMPTS)

    def wait_before(self, failure: Failure, *, attempt: int, spent: float, jitter: float) -> float | None:
        """Return how long to wait before the next attempt, or None to give up.

        Args:
            failure: What went wrong.
            attempt: How many attempts failed in this way, this one included.
            spent: Seconds since the first failure.
            jitter: A random number from 0 to 1.
        """
        if attempt > self.attempts.get(failure.kind, 0):
            return None
        longest = min(self.longest_wait, self.first_wait * 2.0 ** min(attempt - 1, 20))
        wait = longest * jitter
        if failure.retry_after is not None:
            wait = max(wait, failure.retry_after)
        budget = self.loading_budget if failure.kind is FailureKind.LOADING else self.budget
        return wait if spent + wait <= budget else None


@dataclass(slots=True)
class WaitedTime:
    """What one conversation has waited for its endpoint so far."""

    seconds: float = 0.0


class Retries:
    """The failures of one call, under the budget of its conversation."""

    def __init__(
        self,
        policy: RetryPolicy,
        monotonic: Callable[[], float],
        random: Callable[[], float],
        waited: WaitedTime | None = None,
    ) -> None:
        self._policy = policy
        self._monotonic = monotonic
        self._random = random
        self._first_failure: float | None = None
        self._by_kind: dict[FailureKind, int] = {}
        self._waited = waited or WaitedTime()

    @property
    def count(self) -> int:
        """Failures so far."""
        return sum(self._by_kind.values())

    def wait_after(self, failure: Failure) -> float | None:
        """Note a failure; return how long to wait before the next attempt, or None to give up."""
        now = self._monotonic()
        if self._first_failure is None:
            self._first_failure = now
        attempt = self._by_kind[failure.kind] = self._by_kind.get(failure.kind, 0) + 1
        spent = now - self._first_failure
        wait = self._policy.wait_before(failure, attempt=attempt, spent=spent, jitter=self._random())
        if wait is None or self._waited.seconds + wait > self._policy.task_budget:
            return None
        self._waited.seconds += wait
        return wait
