from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import IllegalTransition
from pullwright.agents.task import LEGAL_TRANSITIONS, TaskSpec, TaskStatus, require_transition

statuses = st.sampled_from(list(TaskStatus))


@given(st.lists(statuses))
def test_any_sequence_of_changes_stays_inside_the_table(wanted: list[TaskStatus]) -> None:
    status = TaskStatus.QUEUED
    for new in wanted:
        try:
            require_transition(status, new)
        except IllegalTransition:
            assert new not in LEGAL_TRANSITIONS[status]
        else:
            assert not status.terminal
            status = new


def test_ends_are_final_and_everything_can_end() -> None:
    assert {status for status in TaskStatus if status.terminal} == {
        TaskStatus.SUCCEEDED,
        TaskStatus.FAILED,
        TaskStatus.CANCELED,
        TaskStatus.REJECTED,
    }
    for start in TaskStatus:
        reachable, frontier = {start}, [start]
        while frontier:
            following = LEGAL_TRANSITIONS[frontier.pop()] - reachable
            reachable |= following
            frontier.extend(following)
        assert any(status.terminal for status in reachable)


@pytest.mark.parametrize(
    ("ticket", "title", "expected"),
    [
        ("", "Fix the total", "Fix the total"),
        ("SHOP-1", "Fix the total", "SHOP-1 Fix the total"),
        ("SHOP-1", "SHOP-1: fix the total", "SHOP-1: fix the total"),
        ("SHOP-1", "[shop-1] Fix", "[shop-1] Fix"),
        ("SHOP-1", "SHOP-12 is another one", "SHOP-1 SHOP-12 is another one"),
        ("SHOP-1", "Fix the total, see SHOP-1", "SHOP-1 Fix the total, see SHOP-1"),
    ],
)
def test_a_change_is_named_after_its_ticket(ticket: str, title: str, expected: str) -> None:
    spec = TaskSpec(instruction="", repository=RepositoryRef(url="u", host="h", owner="o", name="n"), ticket=ticket)
    assert spec.titled(title) == expected
