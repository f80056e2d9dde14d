"""What happens to stores when databases, workers and clocks do not behave."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from datetime import datetime, timedelta
from pathlib import Path

import anyio
import pytest
from anyio import create_task_group, to_thread

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import ConfigError, StoreError, StoreUnavailable
from pullwright.agents.events import UserSaid
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import Worker
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_store import a_running_task, a_spec
from pullwright.agents.testing.fake_clock import FakeClock
from tests.postgres import PostgresServer

pytestmark = [pytest.mark.anyio]


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'x.db'}"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////proc/nowhere/x.db",
        "postgresql://u:secret@127.0.0.1:1/x?connect_timeout=1",
        "mysql://u:secret@h/x",
        "nonsense",
    ],
)
async def test_an_unusable_database_is_one_clear_line(url: str) -> None:
    with pytest.raises((ConfigError, StoreUnavailable)) as caught:
        async with open_store(url, FakeClock(), patience=0.1):
            pass
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://u:secret@nowhere.invalid/x", "{server}none", "{server}?user=nobody"])
async def test_what_waiting_does_not_change_is_told_at_once(shared_postgres: PostgresServer, url: str) -> None:
    url = url.replace("{server}", shared_postgres.url("").replace("postgres@", "postgres:secret@"))
    with pytest.raises(ConfigError, match="AGENT_DATABASE_URL") as caught:
        async with open_store(url, FakeClock()):
            pass
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


async def test_a_server_that_is_being_restarted_is_waited_for(postgres_of_its_own: PostgresServer) -> None:
    server = postgres_of_its_own
    url = server.url()
    async with open_store(url, SystemClock()):
        pass
    server.stop()
    opened = anyio.Event()

    async def open_it() -> None:
        async with open_store(url, SystemClock(), patience=60):
            opened.set()

    with anyio.fail_after(60):
        async with create_task_group() as group:
            group.start_soon(open_it)
            with pytest.raises(StoreUnavailable):
                async with open_store(url, SystemClock(), patience=0.1):
                    pass
            assert not opened.is_set()
            await to_thread.run_sync(server.start)
            await opened.wait()


async def test_a_worker_is_told_that_the_file_was_upgraded(tmp_path: Path, file_url: str) -> None:
    async with open_store(file_url, SystemClock()) as store:
        with closing(sqlite3.connect(tmp_path / "x.db")) as newer, newer:
            newer.execute("ALTER TABLE event RENAME TO journal")
        with pytest.raises(StoreError, match="other tables"):
            await store.create(a_spec())
        with closing(sqlite3.connect(tmp_path / "x.db")) as newer, newer:
            newer.execute("PRAGMA user_version=99")
        with pytest.raises(StoreUnavailable, match="was upgraded; restart this worker"):
            await store.create(a_spec())


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path, file_url: str) -> None:
    (tmp_path / "x.db").write_text("my diary " * 100)
    with pytest.raises(ConfigError, match="AGENT_HOME"):
        async with open_store(file_url, FakeClock()):
            pass
    assert (tmp_path / "x.db").read_text().startswith("my diary")


async def test_a_file_that_others_keep_locked_is_waited_for_and_then_given_up(tmp_path: Path, file_url: str) -> None:
    async with open_store(file_url, FakeClock(), patience=0.5) as store:
        other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert await store.list() == []
        with pytest.raises(StoreUnavailable, match="did not answer"):
            await store.create(a_spec())
        other.execute("ROLLBACK")
        other.close()
        await store.create(a_spec())


async def test_a_full_disk_is_one_clear_line(tmp_path: Path, file_url: str) -> None:
    async with open_store(file_url, FakeClock()) as store:
        pages = await to_thread.run_sync(store._database._writer.execute, "PRAGMA page_count")  # type: ignore[attr-defined]
        limit = f"PRAGMA max_page_count={pages.fetchone()[0]}"
        store._database._writer.execute(limit)  # type: ignore[attr-defined]
        with pytest.raises(StoreUnavailable, match=r"disk .* is full"):
            await store.create(a_spec(context="x" * 1_000_000))
        assert await store.list() == []


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, file_url: str) -> str:
    return file_url if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


@pytest.fixture
async def heir(url: str) -> AsyncIterator[DurableStore]:
    async with open_store(url, SystemClock()) as store:
        yield store


async def test_what_a_dead_worker_held_is_taken_back_at_once(url: str, heir: DurableStore) -> None:
    async with AsyncExitStack() as stack:
        dying = await stack.enter_async_context(open_store(url, SystemClock()))
        await dying.enlist(Worker(id="dying"))
        task = await a_running_task(dying, "dying")
        assert await heir.tend() == []
    with anyio.fail_after(5):
        while not (taken := await heir.tend()):  # noqa: ASYNC110  # as workers do
            await anyio.sleep(0.01)
    assert [one.id for one in taken] == [task.id]
    assert await heir.workers() == []


async def test_the_duty_of_a_dead_reporter_is_taken_over_at_once(url: str, heir: DurableStore) -> None:
    async with AsyncExitStack() as stack:
        dying = await stack.enter_async_context(open_store(url, SystemClock()))
        await dying.enlist(Worker(id="dying", slots=0))
        assert await dying.take_duty("dying") == 1
        await heir.enlist(Worker(id="heir", slots=0))
        assert await heir.take_duty("heir") is None
    await heir.enlist(Worker(id="late", slots=0))  # which tidies up
    with anyio.fail_after(5):
        while (turn := await heir.take_duty("heir")) is None:  # noqa: ASYNC110  # as reporters do
            await anyio.sleep(0.01)
    assert turn == 2


async def test_files_of_dead_workers_do_not_pile_up(tmp_path: Path, file_url: str) -> None:
    folder = tmp_path / "workers"

    def files() -> set[str]:
        return {path.stem for path in folder.glob("*.lock")}

    async with open_store(file_url, SystemClock()) as living:
        await living.enlist(Worker(id="living"))
        async with open_store(file_url, SystemClock()) as dying:
            await dying.enlist(Worker(id="idle"))
            await dying.enlist(Worker(id="busy"))
            await dying.create(a_spec())
            assert await dying.claim("busy") is not None
        assert files() == {"living", "idle", "busy"}
        await living.enlist(Worker(id="next"))
        assert files() == {"living", "next", "busy"}, "its file tells that it is dead"
        assert len(await living.tend()) == 1
        await living.enlist(Worker(id="last"))
        assert files() == {"living", "next", "last"}
        await living.retire("living")
        assert files() == {"next", "last"}


async def test_a_worker_whose_file_goes_while_it_takes_it_makes_a_new_one(tmp_path: Path, file_url: str) -> None:
    async with open_store(file_url, SystemClock()) as one, open_store(file_url, SystemClock()) as other:
        for number in range(30):
            async with create_task_group() as group:
                group.start_soon(one.enlist, Worker(id=f"a{number}"))
                group.start_soon(other.enlist, Worker(id=f"b{number}"))
        assert len(list((tmp_path / "workers").glob("*.lock"))) == 60


async def test_a_clock_that_jumps_takes_nothing_from_the_living(file_url: str) -> None:
    clock = JumpingClock()
    async with open_store(file_url, clock) as store:
        for jump in (3600.0, -7200.0):
            task = await a_running_task(store)
            clock.jumped += jump
            assert await store.tend() == []
            await store.beat("w")
            await store.confirm(task)
            clock.advance(16)
            await store.beat("w")
            assert await store.tend() == []
            clock.advance(16)
            assert [one.id for one in await store.tend()] == [task.id]
            await store.cancel(task.id, reason="")


class JumpingClock(FakeClock):
    """Its wall time can be set, like a host's."""

    jumped = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.jumped)


async def test_who_comes_after_a_clock_has_jumped_takes_nothing_from_the_living_either(file_url: str) -> None:
    clock = JumpingClock()
    async with open_store(file_url, clock) as store:
        await store.enlist(Worker(id="w"))
        await a_running_task(store)
        clock.jumped += 3600.0
        async with open_store(file_url, clock) as late:
            assert await late.tend() == []


async def test_counters_that_somebody_edited_are_corrected(file_url: str, tmp_path: Path) -> None:
    async with open_store(file_url, FakeClock()) as store:
        await a_running_task(store)
        await store.create(a_spec())
        other = sqlite3.connect(tmp_path / "x.db")
        other.execute("UPDATE lane SET queued = 0, running = 99")
        other.commit()
        other.close()
        assert await store.claim("w") is None
        assert await store.recount() == 1
        assert await store.recount() == 0
        assert await store.claim("w") is not None


async def test_a_database_that_restarts_is_waited_for_and_nothing_is_done_twice(
    postgres_of_its_own: PostgresServer,
) -> None:
    server = postgres_of_its_own
    async with open_store(server.url(), SystemClock()) as store:
        await store.enlist(Worker(id="w"))
        task = await a_running_task(store)
        async with create_task_group() as group:
            for writer in range(4):
                group.start_soon(_write, store, task, writer)
            for how in ("drop", "restart", "kill"):
                await anyio.sleep(0.3)
                await to_thread.run_sync(_hit, server, how)
        said = [entry.event.content for entry in await store.journal(task.id, after=2)]  # type: ignore[union-attr]
        assert sorted(said) == sorted(f"{writer}:{n}" for writer in range(4) for n in range(WRITES))
        assert await store.tend() == []
        await store.beat("w")
        assert await store.status(task.id) is TaskStatus.RUNNING


WRITES = int(os.environ.get("AGENT_WRITES", "300"))


async def _write(store: DurableStore, task: Task, writer: int) -> None:
    for number in range(WRITES):
        await store.append(task, [UserSaid(step=1, content=f"{writer}:{number}")])


def _hit(server: PostgresServer, how: str) -> None:
    if how == "drop":
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    elif how == "restart":
        server.restart(immediately=True)
    else:
        server.kill()
        time.sleep(0.1)
        server.start()
