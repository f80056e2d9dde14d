from __future__ import annotations

import pytest

from pullwright.agents.llm.failure import Failure, FailureKind
from pullwright.agents.llm.retry import Retries, RetryPolicy
from pullwright.agents.testing.fake_clock import FakeClock

POLICY = RetryPolicy(first_wait=1.0, longest_wait=8.0, budget=100.0)


def wait(kind: FailureKind, attempt: int = 1, spent: float = 0.0, retry_after: float | None = None) -> float | None:
    failure = Failure(kind=kind, retry_after=retry_after)
    return POLICY.wait_before(failure, attempt=attempt, spent=spent, jitter=1.0)


@pytest.mark.parametrize(
    "kind",
    [
        FailureKind.AUTH,
        FailureKind.GONE,
        FailureKind.CONTEXT_OVERFLOW,
        FailureKind.BAD_HISTORY,
        FailureKind.SERVER_MISCONFIGURED,
        FailureKind.SCHEMA_REJECTED,
        FailureKind.UNSUPPORTED,
        FailureKind.REFUSED,
    ],
)
def test_what_fails_the_same_way_every_time_is_not_tried_again(kind: FailureKind) -> None:
    assert wait(kind) is None


def test_waits_double_up_to_the_longest() -> None:
    waits = [wait(FailureKind.OVERLOADED, attempt) for attempt in range(1, 7)]
    assert waits == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert wait(FailureKind.OVERLOADED, 5000) == 8.0


def test_a_refused_connection_is_tried_a_few_times() -> None:
    assert wait(FailureKind.UNREACHABLE, 3) is not None
    assert wait(FailureKind.UNREACHABLE, 4) is None


def test_jitter_takes_from_nothing_to_all() -> None:
    failure = Failure(kind=FailureKind.BROKEN)
    assert POLICY.wait_before(failure, attempt=2, spent=0.0, jitter=0.0) == 0.0
    assert POLICY.wait_before(failure, attempt=2, spent=0.0, jitter=0.5) == 1.0


def test_the_server_may_ask_for_a_longer_wait_within_the_budget() -> None:
    assert wait(FailureKind.RATE_LIMITED, retry_after=60.0) == 60.0
    assert wait(FailureKind.RATE_LIMITED, retry_after=101.0) is None


def test_the_budget_ends_the_attempts() -> None:
    assert wait(FailureKind.OVERLOADED, spent=99.0) == 1.0
    assert wait(FailureKind.OVERLOADED, spent=99.5) is None


def test_a_model_that_loads_is_given_longer() -> None:
    assert wait(FailureKind.LOADING, spent=500.0) is not None
    assert wait(FailureKind.LOADING, spent=900.0) is None


def test_attempts_are_counted_by_kind_and_time_from_the_first_failure() -> None:
    clock = FakeClock()
    clock.advance(1000.0)
    retries = Retries(POLICY, clock.monotonic, lambda: 1.0)
    assert retries.wait_after(Failure(kind=FailureKind.INTERRUPTED)) == 1.0
    assert retries.wait_after(Failure(kind=FailureKind.OVERLOADED)) == 1.0
    assert retries.wait_after(Failure(kind=FailureKind.INTERRUPTED)) == 2.0
    assert retries.count == 3
    clock.advance(99.5)
    assert retries.wait_after(Failure(kind=FailureKind.OVERLOADED)) is None
