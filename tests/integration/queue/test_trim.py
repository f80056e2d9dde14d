"""What is kept of old tasks goes when it is told to, and never what somebody may need."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from pullwright.agents.errors import BlobMissing, ConfigError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.queue import trim as trimming
from pullwright.agents.queue.trim import Trimmed, trim
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_lanes import in_lane
from pullwright.agents.testing.contracts_store import finished
from tests.integration.queue import filled

pytestmark = pytest.mark.anyio

OLD = "UPDATE task SET updated_at = updated_at - 10 * 86400"


async def a_run(store: DurableStore, **spec: Any) -> Task:
    """Return a running task that keeps two blobs."""
    filed = await store.create(in_lane("a", **spec))
    task = await store.claim("w", filed.id)
    assert task is not None
    for name in ("checkpoint/1", "patch"):
        await store.put(task, name, b"x" * 1000)
    return task


async def ended(store: DurableStore, **spec: Any) -> Task:
    """Return a task that has ended."""
    task = await a_run(store, **spec)
    await store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"))
    return task


async def trimmed(url: str, days: float = 9, *, journals: bool = False) -> Trimmed:
    return await to_thread.run_sync(partial(trim, url, days=days, journals=journals))


async def make_old(url: str) -> None:
    await to_thread.run_sync(filled.run, url, OLD)


async def test_blobs_of_old_tasks_go_and_all_else_stays(
    store: DurableStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trimming, "BATCH", 2)
    old = [await ended(store) for _ in range(5)]
    live = await a_run(store)
    waiting = await store.create(in_lane("a"))
    await make_old(url)
    young = await ended(store)
    assert await trimmed(url, 11) == Trimmed()
    assert await trimmed(url) == Trimmed(tasks=5, blobs=10, bytes=10_000)
    assert await trimmed(url) == Trimmed()
    for task in old:
        with pytest.raises(BlobMissing):
            await store.read(task.id, "patch")
        assert len(await store.journal(task.id)) == 3
        assert (await store.get(task.id)).status is TaskStatus.SUCCEEDED
    for task in (live, young):
        assert await store.read(task.id, "patch") == b"x" * 1000
    assert await store.status(waiting.id) is TaskStatus.QUEUED
    await store.put(live, "patch", b"it goes on")


async def test_journals_go_when_that_is_asked_for(store: DurableStore, url: str) -> None:
    old, live = await ended(store), await a_run(store)
    await make_old(url)
    await trimmed(url)
    assert await trimmed(url, journals=True) == Trimmed(tasks=1, events=3)
    assert await store.journal(old.id) == []
    assert await store.status(old.id) is TaskStatus.SUCCEEDED
    assert len(await store.journal(live.id)) == 2


async def test_what_a_live_task_began_from_stays(store: DurableStore, url: str) -> None:
    first = await ended(store)
    second = await ended(store, parent_id=first.id)
    other = await ended(store)
    child = await store.create(in_lane("a", parent_id=second.id))
    await make_old(url)
    assert (await trimmed(url, journals=True)).tasks == 1
    for task in (first, second):
        assert await store.read(task.id, "checkpoint/1")
        assert await store.journal(task.id)
    assert await store.journal(other.id) == []
    await store.cancel(child.id, reason="")
    assert (await trimmed(url, journals=True)).tasks == 2


async def test_another_schema_is_left_alone(store: DurableStore, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="agent db upgrade"):
        await trimmed(f"sqlite:///{tmp_path / 'none.db'}")
