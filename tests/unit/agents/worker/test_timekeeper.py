from __future__ import annotations

import logging
from collections.abc import Sequence

import anyio
import pytest
from anyio import create_task_group, fail_after

from pullwright.agents.errors import StoreUnavailable
from pullwright.agents.ports.engine import Segment
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.schedule import Firing
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.contracts_engine import end, work
from pullwright.agents.testing.contracts_schedule import a_schedule, filed
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.worker.queue_engine import QueueEngine, Rhythm
from pullwright.agents.worker.timekeeper import Timekeeper

pytestmark = [pytest.mark.anyio]

QUICK = Rhythm(beat=0.02, patience=5.0, tend=0.02, idle=0.03, look=0.02)


class Moody(MemoryStore):
    """Does not answer at first, and counts how often it is asked."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.asked = 0

    async def fire_due(self) -> Sequence[Firing]:
        self.asked += 1
        if self.asked < 3:
            raise StoreUnavailable("the database is away")
        return await super().fire_due()


async def test_a_store_that_does_not_answer_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = FakeClock()
    store = Moody(clock)
    await store.put_schedule(a_schedule())
    clock.advance(3601)
    async with create_task_group() as group:
        group.start_soon(Timekeeper(store, every=5.0, pause=0.01).go_on)
        with fail_after(5):
            while not await filed(store):  # noqa: ASYNC110 - what is waited for tells nobody
                await anyio.sleep(0.005)
        group.cancel_scope.cancel()
    assert "no schedule was looked at: the database is away" in caplog.text
    assert "schedule nightly of 2026-11-01T01:00:00+00:00: filed" in caplog.text


async def test_while_nothing_is_due_it_hardly_looks() -> None:
    store = Moody(FakeClock())
    await store.put_schedule(a_schedule())
    async with create_task_group() as group:
        group.start_soon(Timekeeper(store, every=5.0, pause=0.001).go_on)
        await anyio.sleep(0.05)
        group.cancel_scope.cancel()
    assert store.asked == 0


async def test_who_comes_for_one_task_files_no_others() -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    await store.put_schedule(a_schedule())
    task = await store.create(work())
    clock.advance(3601)

    async def advance(segment: Segment) -> None:
        await anyio.sleep(0.1)  # some looks long
        await end(store, segment.task)

    with fail_after(5):
        await QueueEngine(store, only=task.id, rhythm=QUICK).serve(advance)
    assert [one.status for one in await filed(store)] == [TaskStatus.SUCCEEDED]
