"""In what order every ``LeaseStore`` must give tasks out; see ``contracts_store``."""

from __future__ import annotations

from collections import Counter

import anyio
import pytest
from anyio import create_task_group

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.task import Task, TaskSpec, TaskStatus
from pullwright.agents.testing.contracts_store import a_running_task, a_spec, finished


def in_lane(name: str, **changes: object) -> TaskSpec:
    """Return a specification for a repository of that name."""
    return a_spec(repository=RepositoryRef(url="", host="h", owner="o", name=name), images=(), **changes)


async def fill(store: DurableStore, name: str, count: int) -> None:
    """File tasks for a repository."""
    for _ in range(count):
        await store.create(in_lane(name))


async def turn(store: DurableStore) -> Task:
    """Claim the next task, and end it."""
    task = await store.claim("w")
    assert task is not None
    await store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"))
    return task


async def turns(store: DurableStore, count: int) -> Counter[str]:
    """Return how often each repository came in so many turns."""
    return Counter([(await turn(store)).spec.repository.name for _ in range(count)])


class LaneContract:
    """The contract, as tests."""

    pytestmark = pytest.mark.anyio

    async def test_within_a_lane_priority_and_then_age_decide(self, store: DurableStore) -> None:
        filed = [await store.create(a_spec(priority=priority)) for priority in (0, 5, 0, 5, -1)]
        order = [(await turn(store)).id for _ in filed]
        assert order == [filed[index].id for index in (1, 3, 0, 2, 4)]
        assert await store.claim("w") is None

    async def test_a_lane_with_most_of_the_backlog_gets_its_share_only(self, store: DurableStore) -> None:
        await fill(store, "big", 20)
        for name in ("a", "b", "c"):
            await fill(store, name, 3)
        assert await turns(store, 12) == {"big": 3, "a": 3, "b": 3, "c": 3}

    async def test_weights_are_shares(self, store: DurableStore) -> None:
        await store.set_lane("h/o/heavy", weight=3)
        await fill(store, "heavy", 15)
        await fill(store, "light", 15)
        assert await turns(store, 12) == {"heavy": 9, "light": 3}

    async def test_a_lane_that_comes_back_saves_up_no_turns(self, store: DurableStore) -> None:
        await fill(store, "late", 1)
        await turn(store)
        await fill(store, "busy", 20)
        await turns(store, 10)
        await fill(store, "late", 10)
        assert (await turns(store, 8))["late"] in (4, 5)

    async def test_no_lane_runs_more_than_it_may(self, store: DurableStore) -> None:
        await store.set_lane("h/o/a", max_running=2)
        await fill(store, "a", 5)
        first, second = await store.claim("w"), await store.claim("w")
        assert first is not None
        assert second is not None
        assert await store.claim("w") is None
        assert not await store.backlog()
        await store.release(first, reason="")
        assert await store.backlog()
        assert await store.claim("w") is not None

    async def test_a_named_claim_asks_no_lane(self, store: DurableStore) -> None:
        await store.set_lane("h/o/a", max_running=0, paused=True)
        task = await store.create(in_lane("a"))
        assert await store.claim("w") is None
        assert await store.claim("w", task.id) is not None
        assert [(lane.queued, lane.running) for lane in await store.lanes()] == [(0, 1)]

    async def test_a_paused_lane_rests(self, store: DurableStore, other: DurableStore) -> None:
        await fill(store, "a", 1)
        await other.set_lane("h/o/a", paused=True)
        assert await store.claim("w") is None
        assert not await store.backlog()
        await other.set_lane("h/o/a", paused=False)
        assert await store.claim("w") is not None

    async def test_settings_that_make_no_sense_are_refused(self, store: DurableStore) -> None:
        for weight in (0.0, -1.0, float("inf"), float("nan")):
            with pytest.raises(ConfigError):
                await store.set_lane("x", weight=weight)
        with pytest.raises(ConfigError):
            await store.set_lane("x", max_running=-1)
        assert await store.lanes() == []

    async def test_lanes_are_told_by_key(self, store: DurableStore) -> None:
        await fill(store, "b", 2)
        await store.set_lane("h/o/B", weight=2.5, max_running=7, paused=True)
        await a_running_task(store)
        told = [(lane.key, lane.weight, lane.max_running, lane.paused) for lane in await store.lanes()]
        assert told == [
            ("example.test/o/r", 1.0, 4, False),
            ("h/o/B", 2.5, 7, True),
            ("h/o/b", 1.0, 4, False),
        ]
        assert [(lane.queued, lane.running) for lane in await store.lanes()] == [(0, 1), (0, 0), (2, 0)]
        assert await store.recount() == 0

    async def test_work_that_comes_wakes_whoever_waits_for_it(self, store: DurableStore, other: DurableStore) -> None:
        for writer in (store, other):
            claimed: list[Task] = []
            async with create_task_group() as group:
                group.start_soon(_work, store, claimed)
                await writer.create(a_spec())
            assert len(claimed) == 1
            await store.release(claimed[0], reason="")
            await turn(store)

    async def test_waiting_for_work_ends_in_time(self, store: DurableStore) -> None:
        with anyio.fail_after(10):
            await store.claim("w")
            await store.wait_for_work(0.01)


async def _work(store: DurableStore, claimed: list[Task]) -> None:
    with anyio.fail_after(20):
        while not claimed:
            task = await store.claim("w")
            if task is None:
                await store.wait_for_work(15)
            else:
                claimed.append(task)
