"""What every ``ScheduleStore`` must do (see ``contracts_store``), and every ``Engine`` about schedules.

``EngineScheduleContract`` needs the fixtures of ``EngineContract`` and a ``clock`` that goes by itself, can be moved
on, and is followed by the time of the ``store``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest
from anyio import create_task_group, fail_after

from pullwright.agents.errors import ConfigError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.schedule import Firing, FiringOutcome, Overlap, Schedule, ScheduleSpec
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_engine import LIMIT, OpenEngine, Runs, serving, until_status
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.testing.fake_clock import FakeClock

HOURLY = "0 * * * *"


def a_schedule(name: str = "nightly", **changes: Any) -> ScheduleSpec:
    """Return a schedule that is due every hour."""
    return replace(ScheduleSpec(name=name, cron=HOURLY, template=a_spec()), **changes)


async def the_only(store: DurableStore) -> Schedule:
    """Return the schedule that there is."""
    [schedule] = await store.schedules()
    return schedule


async def until_due(store: DurableStore, clock: FakeClock, *, hours: int = 0, late: float = 1.0) -> Schedule:
    """Move time to a moment at which the only schedule is due, or so many hours further."""
    schedule = await the_only(store)
    assert schedule.next_at is not None
    clock.advance((schedule.next_at - clock.now()).total_seconds() + 3600 * hours + late)
    return schedule


async def fired(store: DurableStore, clock: FakeClock) -> Firing:
    """Let the only schedule be due, and do what is to be done then."""
    await until_due(store, clock)
    [firing] = await store.fire_due()
    return firing


async def filed(store: DurableStore) -> Sequence[Task]:
    """Return the tasks, oldest first."""
    return list(reversed(await store.list()))


class ScheduleContract:
    """The contract, as tests."""

    pytestmark = pytest.mark.anyio

    async def test_what_is_put_is_kept(self, store: DurableStore, other: DurableStore, clock: FakeClock) -> None:
        specs = [
            a_schedule("b", tz="Europe/Berlin", overlap=Overlap.REPLACE, catch_up=90.5, origin="here"),
            a_schedule("a", cron="*/7 1-3 * jan,dec mon#2"),
        ]
        kept = [await store.put_schedule(spec) for spec in specs]
        assert [one.spec for one in kept] == specs
        assert await other.schedules() == [kept[1], kept[0]]
        assert kept[0].next_at is not None
        assert timedelta() < kept[0].next_at - clock.now() <= timedelta(hours=1)
        assert (kept[0].paused, kept[0].last_at, kept[0].last_outcome, kept[0].last_task_id) == (False, None, None, "")

    async def test_putting_it_again_changes_nothing(self, store: DurableStore, clock: FakeClock) -> None:
        await store.put_schedule(a_schedule())
        await fired(store, clock)
        before = await store.pause_schedule("nightly", pause=True)
        clock.advance(7200)
        assert await store.put_schedule(a_schedule()) == before
        changed = await store.put_schedule(a_schedule(overlap=Overlap.QUEUE, template=a_spec(instruction="other")))
        assert (changed.next_at, changed.paused, changed.last_task_id) == (before.next_at, True, before.last_task_id)
        moved = await store.put_schedule(a_schedule(cron="30 * * * *"))
        assert moved.next_at is not None
        assert moved.next_at.minute == 30
        assert moved.next_at > clock.now()
        assert await the_only(store) == moved

    @pytest.mark.parametrize(
        ("changes", "told"),
        [
            ({"cron": "61 * * * *"}, "bad minute"),
            ({"cron": "0 0 * *"}, "five fields"),
            ({"cron": "0 0 0 * * *"}, "five fields"),
            ({"cron": "0 0 30 2 *"}, "no such day"),
            ({"tz": "Mars/Olympus"}, "no time zone 'Mars/Olympus'"),
            ({"tz": "../../etc/passwd"}, "no time zone"),
            ({"tz": ""}, "no time zone"),
            ({"name": "a@b"}, "can not name"),
            ({"name": ""}, "can not name"),
            ({"catch_up": -1.0}, "catch-up"),
            ({"catch_up": 1e9}, "catch-up"),
            ({"catch_up": float("nan")}, "catch-up"),
        ],
    )
    async def test_what_is_wrong_is_refused_in_one_line(
        self, store: DurableStore, changes: dict[str, Any], told: str
    ) -> None:
        good = await store.put_schedule(a_schedule())
        with pytest.raises(ConfigError, match=told) as caught:
            await store.put_schedule(a_schedule(**changes))
        assert "\n" not in str(caught.value)
        assert await the_only(store) == good

    async def test_what_is_due_is_filed_once(self, store: DurableStore, other: DurableStore, clock: FakeClock) -> None:
        await store.put_schedule(a_schedule(template=a_spec(work_key="mine", not_before=clock.now())))
        assert await store.fire_due() == []
        before = await until_due(store, clock)
        assert before.next_at is not None
        [firing] = await store.fire_due()
        [task] = await filed(store)
        assert firing == Firing(
            name="nightly", outcome=FiringOutcome.FILED, at=before.next_at, task_id=task.id, reason=""
        )
        assert task.spec == a_spec(work_key="schedule:nightly", source="schedule")
        assert task.status is TaskStatus.QUEUED
        assert await store.fire_due() == await other.fire_due() == []
        after = await the_only(other)
        assert after.next_at == before.next_at + timedelta(hours=1)
        assert (after.last_at, after.last_outcome) == (before.next_at, FiringOutcome.FILED)
        assert after.last_task_id == task.id

    async def test_many_who_look_at_once_file_it_once(
        self, store: DurableStore, other: DurableStore, clock: FakeClock
    ) -> None:
        for number in range(5):
            await store.put_schedule(a_schedule(f"s{number}", overlap=list(Overlap)[number % 3]))
        clock.advance(3601)
        firings: list[Firing] = []

        async def look(at: DurableStore) -> None:
            firings.extend(await at.fire_due())

        async with create_task_group() as group:
            for _ in range(4):
                group.start_soon(look, store)
                group.start_soon(look, other)
        firings += await store.fire_due()
        assert sorted(firing.name for firing in firings) == [f"s{number}" for number in range(5)]
        assert sorted(firing.task_id for firing in firings) == [task.id for task in await filed(store)]

    async def test_nothing_is_filed_while_the_one_before_is_not_over(
        self, store: DurableStore, clock: FakeClock
    ) -> None:
        await store.put_schedule(a_schedule())
        first = await fired(store, clock)
        skipped = await fired(store, clock)
        assert (skipped.outcome, skipped.task_id) == (FiringOutcome.SKIPPED, "")
        assert first.task_id in skipped.reason
        noted = await the_only(store)
        assert (noted.last_outcome, noted.last_reason) == (FiringOutcome.SKIPPED, skipped.reason)
        assert (noted.last_at, noted.last_task_id) == (skipped.at, first.task_id)
        await store.cancel(first.task_id, reason="")
        assert (await fired(store, clock)).outcome is FiringOutcome.FILED
        assert len(await filed(store)) == 2

    async def test_one_that_queues_files_beside_the_one_before(self, store: DurableStore, clock: FakeClock) -> None:
        await store.put_schedule(a_schedule(overlap=Overlap.QUEUE))
        for _ in range(3):
            assert (await fired(store, clock)).outcome is FiringOutcome.FILED
        tasks = await filed(store)
        assert [task.status for task in tasks] == [TaskStatus.QUEUED] * 3
        assert len({task.spec.work_key for task in tasks}) == 3
        await store.put_schedule(a_schedule())
        assert (await fired(store, clock)).outcome is FiringOutcome.SKIPPED, "they count when it skips from now on"

    async def test_one_that_replaces_cancels_the_ones_before(self, store: DurableStore, clock: FakeClock) -> None:
        await store.put_schedule(a_schedule(overlap=Overlap.QUEUE))
        for _ in range(2):
            await fired(store, clock)
        await store.create(a_spec(work_key="schedule:nightly-too"))
        begun, queued, foreign = await filed(store)
        await store.claim("w", begun.id)
        await store.put_schedule(a_schedule(overlap=Overlap.REPLACE))
        replaced = await fired(store, clock)
        assert replaced.outcome is FiringOutcome.REPLACED
        assert [await store.status(task.id) for task in (begun, queued, foreign)] == [
            TaskStatus.CANCELING,
            TaskStatus.CANCELED,
            TaskStatus.QUEUED,
        ]
        assert "nightly" in (await store.get(queued.id)).status_reason
        assert await store.status(replaced.task_id) is TaskStatus.QUEUED
        await fired(store, clock)
        assert await store.status(begun.id) is TaskStatus.CANCELING
        assert await store.status(replaced.task_id) is TaskStatus.CANCELED

    async def test_of_what_was_missed_the_latest_is_made_up_for(self, store: DurableStore, clock: FakeClock) -> None:
        await store.put_schedule(a_schedule(overlap=Overlap.QUEUE, catch_up=7200.0))
        before = await until_due(store, clock, hours=5, late=1800.0)
        assert before.next_at is not None
        [firing] = await store.fire_due()
        assert (firing.outcome, firing.at) == (FiringOutcome.FILED, before.next_at + timedelta(hours=5))
        assert len(await filed(store)) == 1
        assert (await the_only(store)).next_at == before.next_at + timedelta(hours=6)

    async def test_what_was_missed_for_too_long_is_dropped(self, store: DurableStore, clock: FakeClock) -> None:
        await store.put_schedule(a_schedule(catch_up=0.0))
        before = await until_due(store, clock, hours=2, late=1800.0)
        assert before.next_at is not None
        [firing] = await store.fire_due()
        assert (firing.outcome, firing.task_id) == (FiringOutcome.MISSED, "")
        assert await filed(store) == []
        after = await the_only(store)
        assert (after.last_outcome, after.next_at) == (FiringOutcome.MISSED, before.next_at + timedelta(hours=3))
        assert (await fired(store, clock)).outcome is FiringOutcome.FILED, "a moment late is in time"

    async def test_one_that_is_paused_rests(self, store: DurableStore, clock: FakeClock) -> None:
        await store.put_schedule(a_schedule(catch_up=86_400.0))
        assert (await store.pause_schedule("nightly", pause=True)).paused
        await until_due(store, clock, hours=3)
        assert await store.fire_due() == []
        resumed = await store.pause_schedule("nightly", pause=False)
        assert not resumed.paused
        assert resumed.next_at is not None
        assert resumed.next_at > clock.now(), "what was due meanwhile is not made up for"
        assert await store.fire_due() == []
        assert (await fired(store, clock)).outcome is FiringOutcome.FILED

    async def test_one_that_is_not_there_can_not_be_paused(self, store: DurableStore) -> None:
        with pytest.raises(ConfigError, match="no schedule 'none'"):
            await store.pause_schedule("none", pause=True)

    async def test_one_that_is_removed_is_gone_and_its_task_stays(self, store: DurableStore, clock: FakeClock) -> None:
        await store.put_schedule(a_schedule(origin="here"))
        first = await fired(store, clock)
        assert not await store.remove_schedule("nightly", origin="")
        assert await store.remove_schedule("nightly", origin="here")
        assert not await store.remove_schedule("nightly")
        assert await store.schedules() == []
        assert await store.status(first.task_id) is TaskStatus.QUEUED
        await store.put_schedule(a_schedule())
        assert (await fired(store, clock)).outcome is FiringOutcome.SKIPPED, "a name made anew knows its tasks"

    async def test_who_waits_is_told_when_something_is_due(
        self, store: DurableStore, other: DurableStore, clock: FakeClock
    ) -> None:
        await store.put_schedule(a_schedule())
        await until_due(store, clock)
        with fail_after(10):
            await other.wait_for_schedules(60)

    async def test_who_waits_is_told_of_changes_elsewhere(self, store: DurableStore, other: DurableStore) -> None:
        async with create_task_group() as group:

            async def change() -> None:
                while True:
                    await anyio.sleep(0.05)
                    await store.put_schedule(a_schedule(catch_up=anyio.current_time() % 1000))

            group.start_soon(change)
            with fail_after(10):
                await other.wait_for_schedules(60)
            group.cancel_scope.cancel()

    async def test_who_waits_looks_again_in_time(self, store: DurableStore) -> None:
        with fail_after(10):
            await store.wait_for_schedules(0.02)


async def until_filed(store: DurableStore, count: int) -> Sequence[Task]:
    """Wait until so many tasks were filed and are done."""
    with fail_after(LIMIT):
        while len(await filed(store)) < count:  # noqa: ASYNC110 - as ``until_status``
            await anyio.sleep(0.005)
    return [await until_status(store, task.id, TaskStatus.SUCCEEDED) for task in await filed(store)]


class EngineScheduleContract:
    """What an engine does about schedules, as tests."""

    pytestmark = pytest.mark.anyio

    async def test_what_is_due_is_advanced_once_by_one_of_them(
        self, store: DurableStore, open_engine: OpenEngine, clock: FakeClock
    ) -> None:
        runs = Runs(store)
        one, two = open_engine(), open_engine()
        async with serving(one, runs.finish), serving(two, runs.finish):
            assert (await one.schedule(a_schedule())).spec == a_schedule()
            for count in range(1, 4):
                await until_due(store, clock)
                tasks = await until_filed(store, count)
                await anyio.sleep(0.1)
                assert len(await filed(store)) == count
        assert sorted(runs.began) == sorted(task.id for task in tasks)
        assert {task.spec.work_key for task in tasks} == {"schedule:nightly"}
        [schedule] = await two.schedules()
        assert schedule.last_task_id == tasks[-1].id

    async def test_what_nobody_serves_is_made_up_for_when_somebody_does(
        self, store: DurableStore, open_engine: OpenEngine, clock: FakeClock
    ) -> None:
        runs = Runs(store)
        await open_engine().schedule(a_schedule(catch_up=7200.0))
        await until_due(store, clock, hours=3)
        async with serving(open_engine(), runs.finish):
            [task] = await until_filed(store, 1)
        assert runs.began == [task.id]

    async def test_nothing_is_filed_after_it_was_taken_away(
        self, store: DurableStore, open_engine: OpenEngine, clock: FakeClock
    ) -> None:
        runs = Runs(store)
        one, two = open_engine(), open_engine()
        await one.schedule(a_schedule("gone"))
        async with serving(one, runs.finish):
            assert await two.unschedule("gone")
            assert not await two.unschedule("gone")
            await two.schedule(a_schedule("stays"))
            await until_due(store, clock)
            [task] = await until_filed(store, 1)
        assert task.spec.work_key == "schedule:stays"
        assert await two.stats()
