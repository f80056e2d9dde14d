"""How soon another worker goes on: after kill -9, and after a host has gone without a word."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio

from tests.benchmarks.queue_filling import lane_name, spec_of
from tests.benchmarks.queue_places import Place, Sizes, opened
from tests.benchmarks.queue_process import Peer, ready, start
from tests.benchmarks.queue_table import Figure, spread

TAKEOVER_SECONDS: Final = 60.0
KILL_MS: Final = (None, 1000.0)
LOSS_SECONDS: Final = 16.0


class Crew:
    """Two workers at a time, of which one gets a task and is made to stop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.workers: list[Peer] = []

    async def fill_up(self) -> None:
        """Start what is missing."""
        fresh = [await start("serve", self._url, "1") for _ in range(2 - len(self.workers))]
        self.workers += fresh
        for one in fresh:
            await ready(one)

    async def round(self, how: signal.Signals, number: int) -> float:
        """File a task, stop who claims it, and return the seconds until the other one has claimed it."""
        await self.fill_up()
        async with opened(self._url) as store:
            task = await store.create(spec_of(lane_name(number % 8)))
        victim, other = await self._who_has(task.id)
        begun = time.monotonic()
        victim.signal(how)
        try:
            task_id, attempt, at = await other.line(TAKEOVER_SECONDS)
        finally:
            self.workers.remove(victim)
            await victim.end()
        assert (task_id, attempt) == (task.id, "2")
        return float(at) - begun

    async def end(self) -> None:
        for one in self.workers:
            await one.end()

    async def _who_has(self, task_id: str) -> tuple[Peer, Peer]:
        found: list[Peer] = []
        async with anyio.create_task_group() as group:

            async def hear(one: Peer) -> None:
                assert (await one.line())[:2] == [task_id, "1"]
                found.append(one)
                group.cancel_scope.cancel()

            for one in self.workers:
                group.start_soon(hear, one)
        (other,) = (one for one in self.workers if one is not found[0])
        return found[0], other


async def kills(place: Place, sizes: Sizes) -> list[Figure]:
    """Kill the worker process that holds a lease."""
    with place.fresh() as url:
        async with _crew(url) as crew:
            times = [await crew.round(signal.SIGKILL, number) for number in range(sizes.kills)]
    quoted = "Restate 0.5–1.8 s, pgqueuer 10 s, Absurd 10 s, OpenHands 45 s, DBOS Conductor 60 s; prototype 40–200"
    return spread("takeover after kill -9", times, goals=KILL_MS, quoted=quoted)


async def losses(place: Place, sizes: Sizes) -> list[Figure]:
    """Stop the worker process as it is, so that its life line stays and only its lease ends."""
    if not sizes.losses:
        return []
    with place.fresh() as url:
        async with _crew(url) as crew:
            times = [await crew.round(signal.SIGSTOP, number) for number in range(sizes.losses)]
    what = "takeover after the loss of a host, worst, s"
    return [Figure(what=what, measured=max(times), n=len(times), goal=LOSS_SECONDS, quoted="the same systems")]


@asynccontextmanager
async def _crew(url: str) -> AsyncIterator[Crew]:
    crew = Crew(url)
    try:
        yield crew
    finally:
        with anyio.CancelScope(shield=True):
            await crew.end()
