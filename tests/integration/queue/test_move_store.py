"""A store goes on where another engine's was left, and a worker that is overtaken by an upgrade says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from pullwright.agents.budget import Usage
from pullwright.agents.change import RepositoryRef
from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import StoreUnavailable
from pullwright.agents.events import RunFinished, UserSaid
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Worker
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.migrations import HEAD
from pullwright.agents.queue.move import move
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import TaskSpec, TaskStatus
from tests.integration.queue.filled import new_file, run

pytestmark = [pytest.mark.anyio]

SPEC = TaskSpec(instruction="x", repository=RepositoryRef(url="https://x/a/b", host="x", owner="a", name="b"))
WORDS = UserSaid(step=1, content="é中😀 \x00 'quoted' \\")
BLOB = bytes(range(256)) * 20_000


@pytest.mark.parametrize("there", ["postgresql", "sqlite"])
async def test_a_store_goes_on_where_the_other_was_left(
    there: str, tmp_path: Path, postgres_url: str, empty_postgres_url: str
) -> None:
    file = f"sqlite:///{tmp_path / 'one.db'}"
    source, target = (file, empty_postgres_url) if there == "postgresql" else (postgres_url, file)
    async with open_store(source, SystemClock()) as store:
        task_id = await _leave_something(store)
        journal = await store.journal(task_id)
        signals = await store.signals(task_id)
        effects = await store.effects(task_id)
    move(source, target)
    async with open_store(target, SystemClock()) as store:
        assert await store.journal(task_id) == journal
        assert await store.signals(task_id) == signals
        assert await store.effects(task_id) == effects
        assert await store.read(task_id, "checkpoint/1") == BLOB
        assert await store.recount() == 0
        task = await store.claim("new")
        assert task is not None
        assert (task.id, task.attempt) == (task_id, 2)
        done = RunFinished(status="succeeded", reason="", usage=Usage(), steps=1)
        await store.finish(task, TaskStatus.SUCCEEDED, done)
        entries = await store.journal(task_id)
        assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))


async def test_a_worker_that_an_upgrade_overtook_is_to_be_restarted(postgres_url: str) -> None:
    async with open_store(postgres_url, SystemClock()) as store:
        await store.create(SPEC)
        run(postgres_url, "ALTER TABLE task RENAME COLUMN priority TO urgency")
        run(postgres_url, f"UPDATE alembic_version SET version_num = '{HEAD + 1:04d}'")
        with pytest.raises(StoreUnavailable, match="was upgraded; restart this worker"):
            await store.claim("w")


async def test_a_worker_on_a_file_that_an_upgrade_overtook_writes_nothing(tmp_path: Path) -> None:
    url = new_file(tmp_path)
    async with open_store(url, SystemClock()) as store:
        await store.create(SPEC)
        run(url, "ALTER TABLE task RENAME COLUMN priority TO urgency")
        run(url, f"PRAGMA user_version={HEAD + 1}")
        with pytest.raises(StoreUnavailable):
            await store.claim("w")


async def _leave_something(store: DurableStore) -> str:
    """File a task, work on it, and let it go again."""
    await store.enlist(Worker(id="old"))
    filed = await store.create(SPEC)
    task = await store.claim("old")
    assert task is not None
    await store.append(task, [WORDS])
    await store.put(task, "checkpoint/1", BLOB)
    effect, _ = await store.intend(task, "pull_request", kind="pull_request")
    await store.settle(task, effect.key, external_id="7", url="https://x/a/b/pull/7")
    await store.send(task.id, SignalKind.MESSAGE, "words", author="me", key="once")
    await store.release(task, reason="drained")
    await store.retire("old")
    return filed.id
