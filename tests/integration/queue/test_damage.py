"""Rows that somebody edited: the damaged task fails or is shown as damaged, and everything else goes on."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from anyio import to_thread

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import DamagedTask
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.engine import Segment
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_lanes import in_lane
from pullwright.agents.testing.contracts_store import finished
from pullwright.agents.worker.queue_engine import QueueEngine, this_worker
from tests.integration.queue import filled

pytestmark = pytest.mark.anyio

UNREADABLE = [
    "UPDATE task SET spec = '{' WHERE id = :id",
    "UPDATE task SET spec = '[]' WHERE id = :id",
    "UPDATE task SET spec = '{}' WHERE id = :id",
    "UPDATE task SET wait = 'for godot' WHERE id = :id",
]
TAKEN_NUMBER = "UPDATE task SET next_seq = 1 WHERE id = :id"
GAPS = ["UPDATE task SET next_seq = 99 WHERE id = :id", "DELETE FROM event WHERE task_id = :id"]
BAD_JOURNAL = [TAKEN_NUMBER, *GAPS]


async def edit(url: str, statement: str, task: Task | None = None, **values: Any) -> None:
    """Change rows behind the store's back."""
    more = {"id": task.id} if task else {}
    await to_thread.run_sync(partial(filled.run, url, statement, **more, **values))


async def failed(store: DurableStore, task: Task) -> str:
    """Check that a task has failed and that everybody can look at it; return why, on one line."""
    found = await store.get(task.id)
    assert found.status is await store.status(task.id) is TaskStatus.FAILED
    assert task.id in [one.id for one in await store.list()]
    assert "\n" not in found.status_reason
    assert await store.recount() == 0
    assert not await store.backlog()
    return found.status_reason


@pytest.mark.parametrize("statement", [*UNREADABLE, *BAD_JOURNAL])
async def test_a_damaged_task_fails_and_the_next_one_is_claimed(store: DurableStore, url: str, statement: str) -> None:
    damaged = await store.create(in_lane("a", priority=9))
    sound = await store.create(in_lane("a"))
    await edit(url, statement, damaged)
    assert len(await store.list()) == 2
    await store.get(damaged.id)
    claimed = await store.claim("w")
    assert claimed is not None
    assert claimed.id == sound.id
    reason = await failed(store, damaged)
    assert "restore it from a backup" in reason
    assert [entry.event.type for entry in await store.journal(damaged.id, after=0)][-1:] in (["task.moved"], [])


@pytest.mark.parametrize("statement", [*UNREADABLE, *BAD_JOURNAL])
async def test_so_does_one_that_is_claimed_by_its_name(store: DurableStore, url: str, statement: str) -> None:
    damaged = await store.create(in_lane("a"))
    await edit(url, statement, damaged)
    assert await store.claim("w", damaged.id) is None
    await failed(store, damaged)


async def test_what_people_see_of_a_damaged_specification(store: DurableStore, url: str) -> None:
    damaged = await store.create(in_lane("a"))
    await edit(url, UNREADABLE[0], damaged)
    found = await store.get(damaged.id)
    assert found.status is TaskStatus.QUEUED
    assert "can not be read" in found.spec.title
    assert found.spec.lane == "h/o/a"
    assert (await store.cancel(damaged.id, reason="no use")).status is TaskStatus.CANCELED


async def test_an_unknown_status_is_shown_as_failed(store: DurableStore, url: str) -> None:
    damaged = await store.create(in_lane("a"))
    await edit(url, "UPDATE task SET status = 'stuck' WHERE id = :id", damaged)
    await store.create(in_lane("a"))
    assert await store.claim("w") is not None
    assert await store.recount() == 1, "the lane had two"
    assert "stuck" in await failed(store, damaged)
    with pytest.raises(DamagedTask, match="stuck"):
        await store.cancel(damaged.id, reason="x")


@pytest.mark.parametrize("statement", [*UNREADABLE, TAKEN_NUMBER])
async def test_a_damaged_run_of_a_dead_worker_holds_nobody_up(store: DurableStore, url: str, statement: str) -> None:
    runs = [await store.create(in_lane("a")) for _ in range(3)]
    for _ in runs:
        assert await store.claim("dead") is not None
    await edit(url, statement, runs[0])
    await store.retire("dead")
    await store.tend()
    assert [await store.status(run.id) for run in runs[1:]] == [TaskStatus.QUEUED] * 2
    again = [await store.claim("w"), await store.claim("w"), await store.claim("w")]
    assert sorted(one.id for one in again if one) == sorted(run.id for run in runs[1:])
    await failed(store, runs[0])
    assert [attempt.outcome for attempt in await store.attempts(runs[0].id)] == ["lost"]


@pytest.mark.parametrize("statement", GAPS)
async def test_a_gap_that_came_while_it_ran_is_found_by_its_next_attempt(
    store: DurableStore, url: str, statement: str
) -> None:
    await store.create(in_lane("a"))
    run = await store.claim("w")
    assert run is not None
    await edit(url, statement, run)
    await store.release(run, reason="")
    assert await store.claim("w") is not None
    with pytest.raises(DamagedTask, match="is missing"):
        await store.journal(run.id)


async def test_a_damaged_task_that_is_due_holds_nobody_up(store: DurableStore, url: str) -> None:
    later = SystemClock().now().replace(year=2100)
    first, second = [await store.create(in_lane("a", not_before=later)) for _ in range(2)]
    await edit(url, "UPDATE task SET run_at = 1")
    await edit(url, UNREADABLE[-1], first)
    await store.tend()
    assert await store.status(second.id) is TaskStatus.QUEUED
    assert await store.claim("w") is not None
    await failed(store, first)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE event SET type = 'moon.rose' WHERE task_id = :id AND seq = 2", "moon.rose"),
        ("UPDATE event SET data = '{' WHERE task_id = :id AND seq = 2", "entry 2"),
        ("UPDATE event SET data = '[1]' WHERE task_id = :id AND seq = 2", "entry 2"),
        ("UPDATE event SET data = '{}' WHERE task_id = :id AND seq = 2", "entry 2"),
        ("DELETE FROM event WHERE task_id = :id AND seq = 2", "entry 2 .* is missing"),
    ],
)
async def test_a_damaged_journal_fails_its_run_and_no_other(
    store: DurableStore, url: str, statement: str, words: str
) -> None:
    damaged, sound = [await store.create(in_lane("a")) for _ in range(2)]
    for task in (damaged, sound):
        claimed = await store.claim("w", task.id)
        assert claimed is not None
        await store.release(claimed, reason="")
    await edit(url, statement, damaged)

    async def advance(segment: Segment) -> None:
        await store.journal(segment.task.id)
        await store.finish(segment.task, TaskStatus.SUCCEEDED, finished("succeeded"))

    await QueueEngine(store, this_worker(), until_empty=True).serve(advance)
    assert await store.status(sound.id) is TaskStatus.SUCCEEDED
    await failed(store, damaged)
    with pytest.raises(DamagedTask, match=words):
        await store.journal(damaged.id)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE lane SET queued = 99, vtime = -5 WHERE key = 'h/o/b'",
        "UPDATE lane SET queued = 99, vtime = -5, weight = 0 WHERE key = 'h/o/b'",
        "UPDATE lane SET weight = 0, vtime = -5",
        "UPDATE lane SET weight = -1, queued = -3, running = -3 WHERE key = 'h/o/b'",
        "UPDATE lane SET weight = 1e308",
    ],
)
async def test_a_lane_that_counts_wrong_holds_nobody_up(store: DurableStore, url: str, statement: str) -> None:
    await store.set_lane("h/o/b")
    sound = await store.create(in_lane("a"))
    await edit(url, statement)
    claimed = await store.claim("w")
    assert claimed is not None
    assert claimed.id == sound.id
    await store.recount()
    assert [(lane.queued, lane.running) for lane in await store.lanes()] == [(0, 1), (0, 0)]
