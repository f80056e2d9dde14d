"""The driver: keeps work coming, machines running and hits falling until there were enough; then lets all of it end."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import anyio
from anyio import CancelScope, create_task_group, to_thread

from pullwright.agents.events import ModelReplied
from pullwright.agents.task import Task
from tests.chaos.ground import LOOK_SECONDS, Ground
from tests.chaos.hits import PATIENCE, Hit, Hitter, plan
from tests.postgres import PostgresServer

AT_ONCE: Final = 5
"""Runs that are kept under way; one host alone can not have them all, and each has room for some of the other's."""

REPOSITORIES: Final = 3
QUIET_SECONDS: Final = 240.0
"""How long everything may take to come to its end after the last hit."""

LOOK_HITS: Final = 50
"""How many hits there are between two looks at how it goes."""

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
    earlier: frozenset[str] | None = None
    """The ids of tasks that were there before; None where others may file some."""
    quiet_seconds: float = 0.0
    """How long it took until everything was done after the last hit."""


async def disturb(
    ground: Ground,
    seed: int,
    count: int,
    server: PostgresServer | None = None,
    *,
    look: Callable[[Tally], Awaitable[None]],
) -> Tally:
    """Run tasks under so many hits, and return when every task has ended; ``look`` is called now and then meanwhile."""
    chance = random.Random(seed)
    tally = Tally(earlier=frozenset({task.id for task in await ground.store.list()}))
    filing = CancelScope()
    async with create_task_group() as group:
        group.start_soon(_keep_running, ground, random.Random(seed + 2))
        group.start_soon(_keep_filing, ground, tally, filing)
        group.start_soon(_note_workers, ground, tally)
        group.start_soon(_keep_closing, ground)
        hitter = Hitter(ground=ground, seed=seed, group=group, server=server, hit_containers=tally.containers)
        for hit in plan(seed, count, database=server is not None):
            await _until_they_get_on(ground)
            await anyio.sleep(chance.uniform(*PAUSES))
            await hitter.strike(hit)
            tally.hits.append(hit)
            if len(tally.hits) % LOOK_HITS == 0:
                await look(tally)
        filing.cancel()
        began = anyio.current_time()
        await ground.settled(QUIET_SECONDS, {task.id for task in tally.tasks})
        tally.quiet_seconds = anyio.current_time() - began
        group.cancel_scope.cancel()
    for host in ground.hosts:
        host.thaw()
    return tally


async def _until_they_get_on(ground: Ground) -> None:
    """Wait for a step of any run, so that hits do not all fall while machines start, however slow these are."""
    tasks = await ground.under_way()
    with anyio.move_on_after(PATIENCE):
        known = await _replies(ground, tasks)
        while await _replies(ground, tasks) <= known:  # noqa: ASYNC110 - other processes write
            await anyio.sleep(LOOK_SECONDS)


async def _replies(ground: Ground, tasks: Sequence[Task]) -> int:
    journals = [await ground.store.journal(task.id) for task in tasks]
    return sum(isinstance(entry.event, ModelReplied) for journal in journals for entry in journal)


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


async def _keep_closing(ground: Ground) -> None:
    while True:
        await to_thread.run_sync(ground.close_pull_requests)
        await anyio.sleep(0.05)
