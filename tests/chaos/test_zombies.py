"""Workers that live and should not write: frozen past their lease, or known under one name."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from pullwright.agents.ports.lease import AttemptOutcome
from pullwright.integrations.testing.access import token_of
from pullwright.integrations.testing.web_server import Request
from tests.chaos.cases import side_by_side
from tests.chaos.ground import Ground, open_ground
from tests.chaos.hosts import Host
from tests.chaos.quiet import RUN_SECONDS, nothing_is_wrong, quiet_run, until_step

pytestmark = [pytest.mark.docker, pytest.mark.anyio, pytest.mark.timeout(600)]

WRITES = ("/git-receive-pack", "/pulls")


class Ice:
    """Freezes a host while it makes a certain request, and notes what it writes outside after that."""

    def __init__(self, host: Host, ending: str) -> None:
        self._host = host
        self._ending = ending
        self.wrote: list[str] = []

    def __call__(self, request: Request) -> None:
        if request.method != "POST" or token_of(request.headers) != self._host.token:
            return
        if self._ending and request.path.endswith(self._ending):
            self._ending = ""
            self._host.freeze()
        elif request.path.endswith(WRITES):
            self.wrote.append(request.path)


async def test_a_worker_that_is_another_one_or_frozen_past_its_lease_writes_pushes_and_opens_nothing(
    tmp_path: Path,
) -> None:
    push, propose = WRITES
    await side_by_side(
        tmp_path,
        in_a_step=frozen,
        while_it_pushes=partial(frozen, moment=push),
        while_it_proposes=partial(frozen, moment=propose),
        with_the_name_of_another=twins,
    )


async def frozen(folder: Path, moment: str = "") -> None:
    """Freeze a worker while it makes a request, or in the middle of a step."""
    async with open_ground(folder, f"sqlite:///{folder / 'queue.db'}") as ground:
        one, other = ground.hosts
        undisturbed = await quiet_run(ground)
        ice = Ice(one, moment)
        ground.forge.watch(ice)
        task = await ground.file("r0")
        if not moment:
            await until_step(ground, task.id, 4)
            one.freeze()
        await until_frozen(one)
        ice.wrote.clear()
        await to_thread.run_sync(other.start)
        await ground.settled(RUN_SECONDS)
        last = len(await ground.store.journal(task.id))
        one.thaw()
        await until_it_knows(ground, one)
        assert len(await ground.store.journal(task.id)) == last
        assert [path for path in ice.wrote if "/r0" in path] == []
        outcomes = [attempt.outcome for attempt in await ground.store.attempts(task.id)]
        assert outcomes == [AttemptOutcome.LOST, AttemptOutcome.FINISHED]
        await nothing_is_wrong(ground, [task], undisturbed)


async def until_frozen(host: Host) -> None:
    with anyio.fail_after(RUN_SECONDS):
        while not host.frozen:  # noqa: ASYNC110 - a server's thread does it
            await anyio.sleep(0.02)


async def until_it_knows(ground: Ground, zombie: Host) -> None:
    """Wait until a thawed worker has given up what it thought it had: it takes new work then."""
    with anyio.fail_after(RUN_SECONDS):
        while "stops here" not in zombie.log and "goes on elsewhere" not in zombie.log:  # noqa: ASYNC110
            await anyio.sleep(0.05)
        for host in ground.hosts:
            if host is not zombie:
                await to_thread.run_sync(host.end)
        await ground.file("r1")
        await ground.settled(RUN_SECONDS)


async def twins(folder: Path) -> None:
    """Two workers with one name are two."""
    async with open_ground(folder, f"sqlite:///{folder / 'queue.db'}") as ground:
        for host in ground.hosts:
            host.environment = {**host.environment, "AGENT_WORKER_NAME": "twin"}
            host.slots = 1
        undisturbed = await quiet_run(ground)
        one, other = ground.hosts
        await to_thread.run_sync(other.start)
        with anyio.fail_after(RUN_SECONDS):
            while len(await ground.store.workers()) < 2:  # noqa: ASYNC110
                await anyio.sleep(0.1)
        assert [worker.name for worker in await ground.store.workers()] == ["twin", "twin"]
        tasks = [await ground.file(f"r{number}") for number in range(3)]
        await until_step(ground, tasks[0].id, 2)
        await until_step(ground, tasks[1].id, 2)
        await to_thread.run_sync(one.kill)
        await ground.settled(RUN_SECONDS)
        assert len(await ground.store.workers()) == 1
        assert max([(await ground.store.get(task.id)).attempt for task in tasks]) == 2
        await nothing_is_wrong(ground, tasks, undisturbed)
