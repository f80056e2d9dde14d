"""Schedules that somebody edited by hand, and what a crash leaves."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError, DuplicateTask
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.queue import filing, schedules
from pullwright.agents.queue.condition import inspect
from pullwright.agents.queue.open import open_store
from pullwright.agents.queue.sql_store import SqlStore
from pullwright.agents.schedule import FiringOutcome, Overlap
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.contracts_schedule import a_schedule, the_only
from pullwright.agents.testing.contracts_store import a_spec
from tests.integration.queue.filled import run

pytestmark = [pytest.mark.anyio]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{request.getfixturevalue('tmp_path') / 'x.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    async with open_store(url, SystemClock()) as store:
        yield store


def edit(url: str, name: str, **columns: Any) -> None:
    changes = ", ".join(f"{column} = :{column}" for column in columns)
    run(url, f"UPDATE schedule SET {changes} WHERE name = :name", name=name, **columns)


@pytest.mark.parametrize(
    "damage",
    [
        {"cron": "every day"},
        {"tz": "Mars"},
        {"template": "{"},
        {"template": "{}"},
        {"overlap": "perhaps"},
        {"last_outcome": "?"},
        {"last_at": 1e300},
    ],
)
async def test_one_that_can_not_be_read_is_paused_and_holds_up_nobody(
    url: str, store: DurableStore, damage: dict[str, Any]
) -> None:
    for name in ("bad", "good"):
        await store.put_schedule(a_schedule(name))
        edit(url, name, next_at=time.time() - 1)
    edit(url, "bad", **damage)
    firings = {firing.name: firing for firing in await store.fire_due()}
    assert firings["good"].outcome is FiringOutcome.FILED
    assert firings["bad"].outcome is FiringOutcome.FAILED
    bad, _ = await store.schedules()
    assert bad.paused
    assert bad.last_outcome is FiringOutcome.FAILED
    assert "\n" not in bad.last_reason
    assert await store.fire_due() == []
    mended = await store.put_schedule(a_schedule("bad"))
    assert mended.spec == a_schedule("bad")
    assert not mended.paused
    assert mended.next_at is not None
    assert mended.next_at.timestamp() > time.time()


async def test_one_that_can_not_be_read_does_not_go_on_before_it_is_mended(url: str, store: DurableStore) -> None:
    await store.put_schedule(a_schedule())
    await store.pause_schedule("nightly", pause=True)
    for damage in ({"cron": "every day"}, {"overlap": "perhaps"}):
        edit(url, "nightly", **damage)
        with pytest.raises(ConfigError):
            await store.pause_schedule("nightly", pause=False)
    assert (await the_only(store)).paused
    assert not (await store.put_schedule(a_schedule())).paused


async def test_a_window_that_makes_no_sense_is_none(url: str, store: DurableStore) -> None:
    await store.put_schedule(a_schedule())
    edit(url, "nightly", next_at=time.time() - 86_400, catch_up=-1e300)
    [firing] = await store.fire_due()
    assert firing.outcome is FiringOutcome.MISSED


async def test_a_task_that_can_not_be_read_does_not_keep_its_schedule_back(url: str, store: DurableStore) -> None:
    await store.put_schedule(a_schedule(overlap=Overlap.QUEUE))
    edit(url, "nightly", next_at=time.time() - 1)
    [first] = await store.fire_due()
    run(url, "UPDATE task SET status = 'dreaming' WHERE id = :id", id=first.task_id)
    await store.put_schedule(a_schedule(overlap=Overlap.REPLACE))
    edit(url, "nightly", next_at=time.time() - 1)
    [second] = await store.fire_due()
    assert second.outcome is FiringOutcome.REPLACED
    assert [await store.status(one.task_id) for one in (first, second)] == [TaskStatus.FAILED, TaskStatus.QUEUED]


async def test_a_firing_that_is_cut_in_half_is_done_again(
    url: str, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task is filed and the next time is not noted: both are undone, whoever comes does both."""
    await store.put_schedule(a_schedule())
    edit(url, "nightly", next_at=time.time() - 1)

    def pull_the_plug(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(schedules, "_values", pull_the_plug)
        with pytest.raises(KeyboardInterrupt):
            await store.fire_due()
    assert await store.list() == []
    [firing] = await store.fire_due()
    assert firing.outcome is FiringOutcome.FILED
    assert len(await store.list()) == 1


async def test_a_task_that_somebody_files_in_between_counts_at_the_next_look(
    url: str, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.put_schedule(a_schedule())
    edit(url, "nightly", next_at=time.time() - 1)

    def taken(*_: object) -> None:
        raise DuplicateTask("a live task has the key")

    with monkeypatch.context() as patched:
        patched.setattr(filing, "create", taken)
        assert await store.fire_due() == []
    task = await store.create(a_spec(work_key="schedule:nightly"))
    [firing] = await store.fire_due()
    assert firing.outcome is FiringOutcome.SKIPPED
    assert task.id in firing.reason


async def test_what_nobody_fires_is_seen_by_a_check(url: str, store: DurableStore) -> None:
    for name in ("late", "paused", "well"):
        await store.put_schedule(a_schedule(name))
        edit(url, name, next_at=time.time() - 300)
    await store.pause_schedule("paused", pause=True)
    edit(url, "well", next_at=time.time() + 60)
    found = inspect(url)
    assert (found.schedules, found.overdue) == (3, 1)


async def test_one_that_never_comes_again_rests(url: str, store: DurableStore) -> None:
    await store.put_schedule(a_schedule())
    edit(url, "nightly", next_at=0.0)
    assert (await the_only(store)).next_at is None
    assert await store.fire_due() == []
    await store.wait_for_schedules(0.01)
