from __future__ import annotations

from pullwright.agents.queue.life import LEASE_SECONDS
from pullwright.agents.queue.steady import Steady


def test_time_that_goes_on_is_sure() -> None:
    steady = Steady()
    for second in range(0, 1000, 100):
        steady.note(5000.0 + second, float(second))
        assert not steady.unsure(5000.0 + second)


def test_a_jump_makes_one_lease_s_time_unsure() -> None:
    for jump in (3600.0, -3600.0):
        steady = Steady()
        steady.note(5000.0, 1.0)
        steady.note(5000.0 + jump, 2.0)
        assert steady.unsure(5000.0 + jump)
        assert not steady.unsure(5000.0 + jump + LEASE_SECONDS)


def test_a_jump_back_does_not_stretch_the_time_after_a_jump() -> None:
    steady = Steady()
    steady.note(0.0, 0.0)
    steady.note(7200.0, 1.0)
    steady.note(2.0, 2.0)
    steady.note(2.0 + LEASE_SECONDS, 2.0 + LEASE_SECONDS)
    assert not steady.unsure(2.0 + LEASE_SECONDS)


def test_trouble_counts_from_the_next_answer() -> None:
    steady = Steady()
    steady.note(5000.0, 1.0)
    steady.trouble()
    steady.note(5600.0, 601.0)
    assert steady.unsure(5600.0 + LEASE_SECONDS - 1)
    assert not steady.unsure(5600.0 + LEASE_SECONDS)


def test_a_clock_that_is_found_may_have_been_set_right_before() -> None:
    steady = Steady(at_first=False)
    steady.note(1000.0, 0.0)
    assert steady.unsure(1000.0 + LEASE_SECONDS - 1)
    steady.note(1001.0, 1.0)
    assert not steady.unsure(1000.0 + LEASE_SECONDS)
