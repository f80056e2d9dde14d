from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pullwright.agents.pool.breaker import Breaker, BreakerLimits, BreakerState

LIMITS = BreakerLimits(failures=2, first_wait=5.0, longest_wait=20.0)


def test_r27_it_opens_after_failures_in_a_row() -> None:
    breaker = Breaker(LIMITS)
    breaker.call_failed(0.0)
    breaker.call_succeeded()
    breaker.call_failed(1.0)
    assert breaker.closed
    breaker.call_failed(2.0)
    assert breaker.state is BreakerState.OPEN


def test_r27_health_failures_open_it_too() -> None:
    breaker = Breaker(LIMITS)
    breaker.probe_failed(0.0)
    breaker.probe_failed(5.0)
    assert breaker.state is BreakerState.OPEN


def test_r27_only_a_probe_closes_it() -> None:
    breaker = opened()
    breaker.call_succeeded()
    breaker.probe_succeeded()
    assert not breaker.closed
    assert not breaker.begin_probe(4.9)
    assert breaker.begin_probe(5.0)
    assert breaker.state is BreakerState.HALF_OPEN
    assert not breaker.begin_probe(5.0)
    breaker.probe_succeeded()
    assert breaker.closed


def test_waits_double_up_to_the_longest() -> None:
    breaker = opened()
    now, waits = 0.0, []
    for _ in range(4):
        begun = now
        while not breaker.begin_probe(now):
            now += 1.0
        waits.append(now - begun)
        breaker.probe_failed(now)
    assert waits == [5.0, 10.0, 20.0, 20.0]


def test_a_replica_that_is_healthy_but_fails_its_calls_is_tried_less_and_less() -> None:
    breaker = opened()
    assert breaker.begin_probe(5.0)
    breaker.probe_succeeded()
    breaker.call_failed(5.0)
    breaker.call_failed(5.0)
    assert not breaker.begin_probe(14.0)
    assert breaker.begin_probe(15.0)


def test_a_canceled_probe_is_begun_again() -> None:
    breaker = opened()
    assert breaker.begin_probe(5.0)
    breaker.abandon_probe()
    assert breaker.begin_probe(5.0)


@given(st.floats(min_value=0, max_value=1e9))
def test_it_never_stays_open_for_longer_than_the_longest_wait(now: float) -> None:
    breaker = opened(now)
    assert breaker.begin_probe(now + LIMITS.longest_wait)


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker(LIMITS)
    breaker.call_failed(now)
    breaker.call_failed(now)
    return breaker


class BreakerMachine(RuleBasedStateMachine):
    """Any order of outcomes: a breaker that is not closed leaves that state through a probe and in no other way."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(LIMITS)
        self.now = 0.0
        self.probing = False
        self.was_closed = True

    @rule(seconds=st.floats(min_value=0, max_value=30))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def call_fails(self) -> None:
        self.breaker.call_failed(self.now)
        self.was_closed = self.breaker.closed

    @rule()
    def call_succeeds(self) -> None:
        self.breaker.call_succeeded()

    @precondition(lambda self: not self.probing)
    @rule()
    def begin(self) -> None:
        self.probing = self.breaker.begin_probe(self.now)
        assert not (self.probing and self.was_closed)

    @rule(healthy=st.booleans())
    def probe_ends(self, healthy: bool) -> None:
        if healthy:
            self.breaker.probe_succeeded()
        else:
            self.breaker.probe_failed(self.now)
        self.was_closed = self.breaker.closed
        assert self.breaker.closed or not (healthy and self.probing)
        self.probing = False

    @invariant()
    def half_open_is_a_probe_on_its_way(self) -> None:
        assert (self.breaker.state is BreakerState.HALF_OPEN) == self.probing

    @invariant()
    def closed_only_as_noted(self) -> None:
        assert self.breaker.closed == self.was_closed


TestBreakerMachine = BreakerMachine.TestCase
