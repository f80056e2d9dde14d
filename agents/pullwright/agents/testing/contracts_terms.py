"""What every store must do about places and about the money of a day; see ``contracts_store``."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from pullwright.agents.budget import DayLimits, Limit, Spent, Usage
from pullwright.agents.errors import LeaseLost
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Terms, Worker
from pullwright.agents.task import Task
from pullwright.agents.testing.contracts_lanes import fill, in_lane
from pullwright.agents.testing.contracts_store import a_reply, a_running_task, a_spec
from pullwright.agents.testing.fake_clock import FakeClock

DAY = timedelta(days=1)
A_STEP = Spent(
    steps=1,
    usage=Usage(prompt_tokens=900, cached_tokens=500, completion_tokens=100),
    seconds=30.0,
    dollars=0.25,
)
TWO_STEPS = Spent(
    steps=2,
    usage=Usage(prompt_tokens=1800, cached_tokens=1000, completion_tokens=200),
    seconds=60.0,
    dollars=0.5,
)
NONE = Spent(dollars=0.0)

HERE = Terms(place="here")
THERE = Terms(place="there")

REACHED = [
    {Limit.STEPS: 1.0},
    {Limit.TOKENS: 1000.0},
    {Limit.FRESH_TOKENS: 500.0},
    {Limit.MINUTES: 0.5},
    {Limit.MONEY: 0.25},
    {Limit.STEPS: 100.0, Limit.MONEY: 0.01},
]
"""Limits that one step reaches."""


async def claimed(store: DurableStore, terms: Terms) -> str:
    """Claim the next task and return its repository's name, empty for none."""
    task = await store.claim("w", terms=terms)
    assert task is None or await store.status(task.id) == task.status
    return task.spec.repository.name if task else ""


async def step(store: DurableStore, task: Task) -> None:
    """Take a step that costs something."""
    await store.append(task, [a_reply(1)], spent=A_STEP)


def today(clock: FakeClock) -> date:
    """Return the day of the database."""
    return clock.now().date()


class SpendingContract:
    """The contract of what is spent on a day, as tests."""

    pytestmark = pytest.mark.anyio

    async def test_what_is_spent_adds_up_by_lane(self, store: DurableStore, other: DurableStore) -> None:
        assert await store.spent() == NONE
        first = await a_running_task(store)
        await step(store, first)
        await store.append(first, [], spent=A_STEP)
        await store.append(first, [a_reply(2)])
        await store.create(in_lane("a"))
        second = await store.claim("w")
        assert second is not None
        await other.append(second, [a_reply(1)], spent=Spent(steps=1))
        assert await other.spent(lane=first.spec.lane) == TWO_STEPS
        assert await other.spent(lane="h/o/a") == Spent(steps=1, dollars=0.0)
        assert await store.spent() == TWO_STEPS + Spent(steps=1)
        assert await store.spent(lane="unheard of") == NONE

    async def test_each_day_begins_with_nothing(self, store: DurableStore, clock: FakeClock) -> None:
        task = await a_running_task(store)
        await step(store, task)
        day = today(clock)
        clock.advance(DAY.total_seconds())
        assert await store.spent(lane=task.spec.lane) == NONE
        assert await store.spent(lane=task.spec.lane, day=day) == await store.spent(day=day) == A_STEP
        assert await store.spent(day=datetime.fromtimestamp(0, UTC).date()) == NONE

    async def test_who_lost_the_lease_spends_nothing(self, store: DurableStore) -> None:
        task = await a_running_task(store)
        await store.release(task, reason="")
        with pytest.raises(LeaseLost):
            await step(store, task)
        assert await store.spent() == NONE

    @pytest.mark.parametrize("limits", REACHED)
    async def test_a_lane_that_has_spent_its_day_begins_nothing_more(
        self, store: DurableStore, clock: FakeClock, limits: dict[Limit, float]
    ) -> None:
        terms = Terms(limits=DayLimits(repository=limits))
        await fill(store, "a", 3)
        task = await store.claim("w", terms=terms)
        assert task is not None
        await step(store, task)
        assert await claimed(store, terms) == ""
        assert not await store.backlog(terms)
        await fill(store, "b", 1)
        assert await store.backlog(terms)
        assert await claimed(store, terms) == "b", "the others go on"
        raised = Terms(limits=DayLimits(repository=dict.fromkeys(limits, 1e9)))
        assert await claimed(store, raised) == "a"
        clock.advance(DAY.total_seconds())
        assert await claimed(store, terms) == "a", "another day"

    @pytest.mark.parametrize("limits", REACHED)
    async def test_when_all_have_spent_the_day_nothing_more_begins(
        self, store: DurableStore, clock: FakeClock, limits: dict[Limit, float]
    ) -> None:
        terms = Terms(limits=DayLimits(everything=limits))
        await fill(store, "a", 1)
        task = await store.claim("w", terms=terms)
        assert task is not None
        await step(store, task)
        await fill(store, "b", 2)
        assert await claimed(store, terms) == ""
        assert not await store.backlog(terms)
        assert await claimed(store, Terms()) == "b"
        clock.advance(DAY.total_seconds())
        assert await claimed(store, terms) == "b"

    @pytest.mark.parametrize("field", ["repository", "everything"])
    async def test_what_was_begun_goes_on_whatever_was_spent(self, store: DurableStore, field: str) -> None:
        terms = Terms(limits=DayLimits(**{field: {Limit.STEPS: 1.0}}))
        await fill(store, "a", 1)
        task = await store.claim("w", terms=terms)
        assert task is not None
        await store.create(in_lane("a", priority=9))
        await step(store, task)
        await store.release(task, reason="")
        assert await store.backlog(terms)
        again = await store.claim("w", terms=terms)
        assert again is not None
        assert again.id == task.id, "although the other one is more urgent"
        assert await store.claim("w", terms=terms) is None

    async def test_a_named_task_is_begun_whatever_was_spent(self, store: DurableStore) -> None:
        terms = Terms(limits=DayLimits(repository={Limit.STEPS: 1.0}))
        task = await a_running_task(store)
        await step(store, task)
        more = await store.create(a_spec())
        assert await store.claim("w", terms=terms) is None
        assert await store.claim("w", more.id, terms=terms) is not None


class PlaceContract:
    """The contract of tasks that only one installation can work on, as tests."""

    pytestmark = pytest.mark.anyio

    async def test_a_task_is_claimed_where_it_can_be_worked_on(self, store: DurableStore, other: DurableStore) -> None:
        filed = await store.create(in_lane("a", place="here"))
        assert (await store.get(filed.id)).spec.place == "here"
        for terms in (Terms(), THERE):
            assert await store.claim("w", terms=terms) is None
            assert await store.claim("w", filed.id, terms=terms) is None
            assert not await store.backlog(terms)
        assert await other.backlog(HERE)
        task = await other.claim("w", terms=HERE)
        assert task is not None
        assert task.id == filed.id

    async def test_what_waits_for_others_keeps_nobody_waiting(self, store: DurableStore) -> None:
        for _ in range(5):
            await store.create(in_lane("a", place="there", priority=9))
        await store.create(in_lane("a", place="here"))
        await store.create(in_lane("a"))
        assert sorted([await claimed(store, HERE), await claimed(store, HERE)]) == ["a", "a"]
        assert await claimed(store, HERE) == ""
        assert not await store.backlog(HERE)
        assert await claimed(store, THERE) == "a"

    async def test_a_task_stays_at_its_place(self, store: DurableStore) -> None:
        await store.create(in_lane("a", place="here"))
        task = await store.claim("w", terms=HERE)
        assert task is not None
        await store.release(task, reason="")
        assert await store.claim("w", terms=THERE) is None
        assert await store.recount() == 0
        assert await store.claim("w", task.id, terms=HERE) is not None

    async def test_the_settings_of_a_lane_may_come_first(self, store: DurableStore) -> None:
        spec = in_lane("a", place="here")
        await store.set_lane(spec.lane, weight=2)
        await store.create(spec)
        assert await claimed(store, Terms()) == ""
        assert await claimed(store, HERE) == "a"

    async def test_it_is_told_where_workers_are(self, store: DurableStore, other: DurableStore) -> None:
        await store.enlist(Worker(id="w", place="here"))
        assert [worker.place for worker in await other.workers()] == ["here"]
        await store.retire("w")
