from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pullwright.agents.errors import IllegalTransition
from pullwright.agents.queue import life as rules
from pullwright.agents.queue.life import LEASE_SECONDS, LONGEST_RETRY, Life
from pullwright.agents.task import LEGAL_TRANSITIONS, LIVE, TaskStatus, WaitReason

changes = st.one_of(
    st.tuples(st.just("due"), st.floats(0, 1e4)),
    st.tuples(st.just("claimed"), st.floats(0, 1e4)),
    st.tuples(st.just("finished"), st.sampled_from(list(TaskStatus))),
    *[st.tuples(st.just(name)) for name in ("parked", "answered", "released", "lost", "canceled", "rejected")],
    st.tuples(st.just("retried"), st.floats(0, 1e4)),
    st.tuples(st.just("stepped"), st.integers(0, 9)),
)


def changed(life: Life, change: tuple[object, ...]) -> Life:
    match change:
        case ("due", float(now)):
            return rules.due(life, now)
        case ("claimed", float(now)):
            return rules.claimed(life, "w", now)
        case ("finished", TaskStatus() as status):
            return rules.finished(life, status, "r")
        case ("parked",):
            return rules.parked(life, WaitReason.PAUSED, "?")
        case ("released",):
            return rules.released(life, "r")
        case ("retried", float(now)):
            return rules.retried(life, now, "r")
        case ("canceled",):
            return rules.canceled(life, "r")
        case ("rejected",):
            return rules.rejected(life, "r")
        case ("stepped", int(steps)):
            return replace(life, steps=life.steps + steps)
    return rules.lost(life) if change == ("lost",) else rules.answered(life)


@given(st.floats(0, 1e4), st.lists(changes, max_size=40))
def test_whatever_happens_a_life_stays_whole(not_before: float, story: list[tuple[object, ...]]) -> None:
    life = rules.submitted(100.0, not_before)
    for change in story:
        before = life
        try:
            life = changed(life, change)
        except IllegalTransition:
            continue
        assert life.status is before.status or life.status in LEGAL_TRANSITIONS[before.status]
        assert not before.status.terminal or (life.status, life.attempt) == (before.status, before.attempt)
        assert life.attempt - before.attempt == (life.status is TaskStatus.RUNNING and before.status not in LIVE)
        assert (life.worker_id != "") == (life.lease_until > 0) == life.leased or life.status is TaskStatus.CANCELING
        assert (life.wait is not None) == (life.status is TaskStatus.WAITING)
        assert (life.run_at > 0) == (life.status is TaskStatus.SCHEDULED)
        assert life.losses <= rules.MAX_LOSSES
        assert life.retries <= rules.MAX_RETRIES


def test_a_canceling_task_keeps_its_worker_until_it_stops() -> None:
    life = rules.canceled(rules.claimed(Life(status=TaskStatus.QUEUED), "w", 5.0), "enough")
    assert (life.status, life.worker_id, life.lease_until) == (TaskStatus.CANCELING, "w", 5.0 + LEASE_SECONDS)
    for stopped in (rules.lost(life), rules.released(life, "r"), rules.retried(life, 9.0, "r")):
        assert (stopped.status, stopped.reason) == (TaskStatus.CANCELED, "enough")


def test_a_lease_ends_at_its_moment_and_one_from_the_future_is_none() -> None:
    life = rules.claimed(Life(status=TaskStatus.QUEUED), "w", 1000.0)
    assert [rules.silent(life, 1000.0 + late) for late in (0, LEASE_SECONDS - 0.1, LEASE_SECONDS)] == [
        False,
        False,
        True,
    ]
    assert rules.silent(life, -2600.0)
    assert not rules.silent(Life(status=TaskStatus.QUEUED), 1000.0)


def test_pauses_double_up_to_the_longest() -> None:
    life = rules.claimed(Life(status=TaskStatus.QUEUED), "w", 0.0)
    pauses = [rules.retried(replace(life, retries=number), 0.0, "r").run_at for number in range(rules.MAX_RETRIES)]
    assert pauses == [15, 30, 60, 120, 240, 480]
    assert max(pauses) <= LONGEST_RETRY


def test_only_ends_end_a_task() -> None:
    with pytest.raises(IllegalTransition, match="does not end as waiting"):
        rules.finished(rules.claimed(Life(status=TaskStatus.QUEUED), "w", 0.0), TaskStatus.WAITING, "")
