"""The driver: keeps work coming, machines running and hits falling until there were enough; then lets all of it end."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio import CancelScope, create_task_group, to_thread

from pullwright.agents.task import Task
from tests.chaos.ground import Ground
from tests.chaos.hits import Hit, Hitter, plan
from tests.postgres import PostgresServer

AT_ONCE: Final = 6
"""Runs that are kept under way."""

REPOSITORIES: Final = 3
QUIET_SECONDS: Final = 240.0
"""How long everything may take to come to its end after the last hit."""

PAUSES: Final = (0.1, 1.5)
"""Seconds between two hits, at least and at most."""

REST: Final = (0.1, 1.0)
"""Seconds that a machine is away, at least and at most."""


@dataclass(kw_only=True)
class Tally:
    """What happened."""

    tasks: list[Task] = field(default_factory=list)
    hits: list[Hit] = field(default_factory=list)
    containers: dict[str, int] = field(default_factory=dict)
    """How many containers of each task were killed."""
    workers: dict[str, int] = field(default_factory=dict)
    """The process of each worker that was seen."""
    quiet_seconds: float = 0.0
    """How long it took until everything was done after the last hit."""


async def disturb(ground: Ground, seed: int, count: int, server: PostgresServer | None = None) -> Tally:
    """Run tasks under so many hits, and return when every task has ended and every host was told to end."""
    chance = random.Random(seed)
    tally = Tally()
    filing = CancelScope()
    async with create_task_group() as group:
        group.start_soon(_keep_running, ground, random.Random(seed + 2))
        group.start_soon(_keep_filing, ground, tally, filing)
        group.start_soon(_note_workers, ground, tally)
        hitter = Hitter(ground=ground, seed=seed, group=group, server=server, hit_containers=tally.containers)
        for hit in plan(seed, count, database=server is not None):
            await anyio.sleep(chance.uniform(*PAUSES))
            await hitter.strike(hit)
            tally.hits.append(hit)
        filing.cancel()
        began = anyio.current_time()
        await ground.settled(QUIET_SECONDS, {task.id for task in tally.tasks})
        tally.quiet_seconds = anyio.current_time() - began
        group.cancel_scope.cancel()
    return tally


async def _keep_running(ground: Ground, chance: random.Random) -> None:
    """Start every host again some time after it was killed, as a service manager would."""
    while True:
        for host in ground.hosts:
            if not host.running:
                await anyio.sleep(chance.uniform(*REST))
                await to_thread.run_sync(host.start)
        await anyio.sleep(0.05)


async def _keep_filing(ground: Ground, tally: Tally, scope: CancelScope) -> None:
    with scope:
        while True:
            for _ in range(AT_ONCE - len(await ground.under_way())):
                tally.tasks.append(await ground.file(f"r{len(tally.tasks) % REPOSITORIES}"))
            await anyio.sleep(0.1)


async def _note_workers(ground: Ground, tally: Tally) -> None:
    while True:
        tally.workers |= {worker.id: worker.pid for worker in await ground.store.workers()}
        await anyio.sleep(0.2)
