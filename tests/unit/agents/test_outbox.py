from __future__ import annotations

import pytest

from pullwright.agents.errors import LeaseLost, RemoteUnavailable
from pullwright.agents.ports.outbox import EffectStatus
from pullwright.agents.queue.life import LEASE_SECONDS
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.worker.outbox import Made, Outbox

pytestmark = pytest.mark.anyio


class OtherSide:
    """Something outside that counts what was made there."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.looked = 0
        self.fails: Exception | None = None

    async def make(self) -> Made:
        self.made.append("1")
        if self.fails is not None:
            raise self.fails
        return Made(external_id="1", url="https://x/1")

    async def find(self) -> Made | None:
        self.looked += 1
        return Made(external_id="1", url="https://x/1") if self.made else None


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(clock)


async def claimed(store: MemoryStore) -> Task:
    await store.create(a_spec())
    task = await store.claim("w")
    assert task is not None
    return task


async def test_a_change_is_made_once_and_remembered(store: MemoryStore) -> None:
    task, side, outbox = await claimed(store), OtherSide(), Outbox(store)
    for _ in range(2):
        effect = await outbox.perform(task, "pull_request", kind="pull_request", do=side.make, look_up=side.find)
        assert (effect.status, effect.url) == (EffectStatus.DONE, "https://x/1")
    assert (len(side.made), side.looked) == (1, 0)


async def test_a_change_whose_answer_was_lost_is_looked_up_and_not_made_again(store: MemoryStore) -> None:
    task, side, outbox = await claimed(store), OtherSide(), Outbox(store)
    side.fails = RemoteUnavailable("no answer")
    with pytest.raises(RemoteUnavailable):
        await outbox.perform(task, "k", kind="k", do=side.make, look_up=side.find)
    effect = await outbox.perform(task, "k", kind="k", do=side.make, look_up=side.find)
    assert (effect.external_id, len(side.made), side.looked) == ("1", 1, 1)


async def test_a_change_that_was_only_intended_is_made(store: MemoryStore) -> None:
    task, side = await claimed(store), OtherSide()
    await store.intend(task, "k", kind="k")
    effect = await Outbox(store).perform(task, "k", kind="k", do=side.make, look_up=side.find)
    assert (effect.external_id, len(side.made), side.looked) == ("1", 1, 1)


async def test_nothing_is_made_without_a_lease(store: MemoryStore, clock: FakeClock) -> None:
    task, side = await claimed(store), OtherSide()
    await store.intend(task, "k", kind="k")
    clock.advance(LEASE_SECONDS + 1)
    with pytest.raises(LeaseLost):
        await Outbox(store).perform(task, "k", kind="k", do=side.make, look_up=side.find)
    assert side.made == []
