"""Two hosts that share one PostgreSQL and nothing else: a run moves from one to the other with all of its files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import docker
import pytest
from anyio import to_thread

from pullwright.agents.events import RunResumed
from pullwright.agents.task import TaskStatus
from tests.chaos.cases import side_by_side
from tests.chaos.ground import instance, open_ground
from tests.chaos.hosts import Host
from tests.chaos.quiet import RUN_SECONDS, quiet_run, until_step
from tests.postgres import PostgresServer

pytestmark = [pytest.mark.docker, pytest.mark.anyio, pytest.mark.timeout(600)]


async def test_a_run_goes_on_elsewhere_with_files_that_nobody_committed(
    shared_postgres: PostgresServer, migrated_template: str, tmp_path: Path
) -> None:
    async def case(folder: Path, step: int) -> None:
        with shared_postgres.database(migrated_template) as url:
            await moved(folder, url, step)

    early, late, while_it_is_checked = (partial(case, step=step) for step in (3, 6, 8))
    await side_by_side(tmp_path, early=early, late=late, while_it_is_checked=while_it_is_checked)


async def moved(folder: Path, url: str, step: int) -> None:
    """Take the host away that has a run in hand, at a step."""
    async with open_ground(folder, url) as ground:
        one, other = ground.hosts
        undisturbed = await quiet_run(ground)
        task = await ground.file("r0")
        await until_step(ground, task.id, step)
        with gone(one):
            await to_thread.run_sync(other.start)
            await ground.settled(RUN_SECONDS)
            assert instance(other)
        done = await ground.store.get(task.id)
        assert done.status is TaskStatus.SUCCEEDED, done.status_reason
        assert await to_thread.run_sync(ground.diffs, done) == [undisturbed]
        (resumed,) = [e.event for e in await ground.store.journal(task.id) if isinstance(e.event, RunResumed)]
        assert resumed.checkpoint >= step - 1
        assert resumed.reason == ""
        assert done.attempt == 2


@contextmanager
def gone(host: Host) -> Iterator[None]:
    """Take a host away with its disk and its container engine's things; its disk comes back, for clearing up."""
    host.kill()
    client = docker.from_env()
    for container in client.containers.list(all=True, filters={"label": f"pullwright.instance={instance(host)}"}):
        with suppress(docker.errors.APIError):  # its watchdog is at it
            container.remove(force=True)
    client.close()
    kept = host.home.rename(host.home.with_name("gone"))
    try:
        yield
    finally:
        shutil.rmtree(host.home, ignore_errors=True)
        kept.rename(host.home)
