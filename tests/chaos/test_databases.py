"""Trouble with the database under real workers: gone, full, pooled, changed, and with rows that somebody edited."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from pullwright.agents.events import RunResumed
from pullwright.agents.ports.lease import AttemptOutcome
from pullwright.agents.task import TaskStatus
from tests.chaos.cases import side_by_side
from tests.chaos.ground import open_ground
from tests.chaos.quiet import RUN_SECONDS, nothing_is_wrong, quiet_run, until_step
from tests.means import missing
from tests.postgres import PostgresServer, running_server, transaction_pooler

pytestmark = [pytest.mark.docker, pytest.mark.anyio, pytest.mark.timeout(600)]

GONE_SECONDS = float(os.environ.get("AGENT_CHAOS_GONE_SECONDS", "20"))
"""Longer than a lease; `make chaos` takes a minute."""


@pytest.mark.timeout(600 + GONE_SECONDS)
async def test_a_database_that_is_gone_kills_nobody(tmp_path: Path) -> None:
    with running_server() as one, running_server() as other:
        await side_by_side(
            tmp_path,
            for_a_moment=partial(gone, server=one, seconds=4.0),
            for_longer_than_a_lease=partial(gone, server=other, seconds=GONE_SECONDS),
        )


async def gone(folder: Path, server: PostgresServer, seconds: float) -> None:
    """Kill a server under work, and start it again after a while."""
    async with open_ground(folder, server.url()) as ground:
        undisturbed = await quiet_run(ground)
        await to_thread.run_sync(ground.hosts[1].start)
        tasks = [await ground.file(f"r{number}") for number in range(4)]
        await until_step(ground, tasks[0].id, 4)
        pids = [host.pid for host in ground.hosts]
        await to_thread.run_sync(server.kill)
        await anyio.sleep(seconds)
        await to_thread.run_sync(server.start)
        await ground.settled(RUN_SECONDS)
        for task in tasks:
            outcomes = [attempt.outcome for attempt in await ground.store.attempts(task.id)]
            assert AttemptOutcome.LOST not in outcomes
            assert (await ground.store.get(task.id)).retries == 0
        assert [host.pid for host in ground.hosts if host.running] == pids
        await nothing_is_wrong(ground, tasks, undisturbed)


async def test_a_database_that_is_pooled_full_damaged_or_migrated_ends_no_run(
    shared_postgres: PostgresServer, migrated_template: str, small_disk: Path, tmp_path: Path
) -> None:
    with (
        transaction_pooler(shared_postgres) as through,
        shared_postgres.database(migrated_template) as one,
        shared_postgres.database(migrated_template) as other,
    ):
        await side_by_side(
            tmp_path,
            pooled=partial(pooled, url=through(one)),
            full=partial(full, disk=small_disk),
            damaged=damaged,
            migrated=partial(migrated, server=shared_postgres, url=other),
        )


async def pooled(folder: Path, url: str) -> None:
    """Kill a worker where nothing but its lease tells that it is dead: through a pooler in transaction mode."""
    async with open_ground(folder, url) as ground:
        undisturbed = await quiet_run(ground)
        task = await ground.file("r0")
        await until_step(ground, task.id, 4)
        await to_thread.run_sync(ground.hosts[0].kill)
        await to_thread.run_sync(ground.hosts[1].start)
        await ground.settled(RUN_SECONDS)
        await nothing_is_wrong(ground, [task], undisturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with eight megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        missing("mounting a small file system needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def full(folder: Path, disk: Path) -> None:
    """Fill a disk, which stops work until there is room."""
    async with open_ground(folder, f"sqlite:///{disk / 'queue.db'}") as ground:
        undisturbed = await quiet_run(ground)
        task = await ground.file("r0")
        await until_step(ground, task.id, 2)
        await to_thread.run_sync(fill, disk / "filler")
        with anyio.fail_after(RUN_SECONDS):
            while "is full" not in ground.hosts[0].log:  # noqa: ASYNC110 - another process writes it
                await anyio.sleep(0.1)
        await anyio.Path(disk / "filler").unlink()
        await ground.settled(RUN_SECONDS)
        assert ground.hosts[0].running
        await nothing_is_wrong(ground, [task], undisturbed)


def fill(file: Path) -> None:
    """Write until nothing more goes in."""
    with file.open("wb", buffering=0) as sink:
        for size in (65536, 1):
            try:
                while True:
                    sink.write(b"\0" * size)
            except OSError:
                continue


async def damaged(folder: Path) -> None:
    """Damage a checkpoint, which costs its steps only."""
    database = folder / "queue.db"
    async with open_ground(folder, f"sqlite:///{database}") as ground:
        one, other = ground.hosts
        undisturbed = await quiet_run(ground)
        task = await ground.file("r0")
        await until_step(ground, task.id, 5)
        await to_thread.run_sync(one.kill)
        await to_thread.run_sync(damage, database, task.id)
        await to_thread.run_sync(other.start)
        await ground.settled(RUN_SECONDS)
        done = await ground.store.get(task.id)
        assert done.status is TaskStatus.SUCCEEDED, done.status_reason
        assert await to_thread.run_sync(ground.diffs, done) == [undisturbed]
        (resumed,) = [e.event for e in await ground.store.journal(task.id) if isinstance(e.event, RunResumed)]
        assert resumed.checkpoint == 2
        assert "checkpoint/3" in resumed.reason


def damage(database: Path, task_id: str) -> None:
    """Spoil the third checkpoint and whatever is built on it."""
    connection = sqlite3.connect(database, timeout=10)
    statement = "UPDATE blob SET content = x'00' WHERE task_id = ? AND name = 'checkpoint/3'"
    assert connection.execute(statement, (task_id,)).rowcount == 1
    connection.commit()
    connection.close()


async def migrated(folder: Path, server: PostgresServer, url: str) -> None:
    """Migrate in the middle of work, which stops old workers with a clear word."""
    execute = partial(server.execute, database=url.rpartition("/")[2])
    async with open_ground(folder, url) as ground:
        host = ground.hosts[0]
        undisturbed = await quiet_run(ground)
        tasks = [await ground.file("r0"), await ground.file("r1")]
        await until_step(ground, tasks[1].id, 3)
        ((version,),) = execute("SELECT version_num FROM alembic_version")
        # What a later release may do: something that this one can not write.
        execute(
            "BEGIN; ALTER TABLE event ADD COLUMN later text; UPDATE event SET later = '';"
            "ALTER TABLE event ALTER COLUMN later SET NOT NULL; UPDATE alembic_version SET version_num = '9999'; COMMIT"
        )
        with anyio.fail_after(RUN_SECONDS):
            while "restart this worker" not in host.log:  # noqa: ASYNC110 - as above
                await anyio.sleep(0.1)
        await to_thread.run_sync(host.kill)
        assert "Traceback" not in host.log
        execute(
            f"BEGIN; ALTER TABLE event DROP COLUMN later; UPDATE alembic_version SET version_num = '{version}'; COMMIT"
        )
        await to_thread.run_sync(host.start)
        await ground.settled(RUN_SECONDS)
        await nothing_is_wrong(ground, tasks, undisturbed)
