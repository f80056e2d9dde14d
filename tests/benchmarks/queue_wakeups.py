"""How soon others know: a filed task is claimed, an event is seen, both in another process. And what waiting costs."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Final

import anyio
from anyio import create_task_group, to_thread

from pullwright.agents.events import RunEvent, ToolFinished
from pullwright.agents.message import ToolResult
from pullwright.agents.queue.sql_store import SqlStore
from pullwright.agents.task import Task
from tests.benchmarks.queue_bare import bare_filing
from tests.benchmarks.queue_filling import lane_name, spec_of
from tests.benchmarks.queue_places import Place, Sizes, opened
from tests.benchmarks.queue_process import ROOT, peer
from tests.benchmarks.queue_table import Figure, spread

WRITERS: Final = 20
EVENTS_A_SECOND: Final = 400
PICKUP_MS: Final = (10.0, 50.0)
WATCHED_MS: Final = (None, 50.0)
IDLE_SECONDS: Final = 10.0


async def pickup(place: Place, sizes: Sizes) -> list[Figure]:
    """From before a task is filed until another process, which waits, has claimed it."""
    with place.fresh() as url:
        bare = await to_thread.run_sync(_bare, url, sizes.pickups)
    times = []
    with place.fresh() as url:
        async with opened(url) as store, peer("claim", url) as waiting:
            for number in range(sizes.pickups + 5):
                await anyio.sleep(random.uniform(0.02, 0.08))
                begun = time.monotonic()
                task = await store.create(spec_of(lane_name(number % 8)))
                task_id, at = await waiting.line()
                assert task_id == task.id
                times.append(float(at) - begun)
    quoted = "procrastinate 10 / 19, pgqueuer 9 / 35, DBOS 48 / 205; prototype 7 / 135"
    what = "idle pick-up by another process"
    return spread(what, times[5:], goals=PICKUP_MS, bare=bare, quoted=quoted)


async def watching(place: Place, sizes: Sizes) -> list[Figure]:
    """From before an event is appended until another process has it, at 400 events a second in 20 journals."""
    with place.fresh() as url:
        async with opened(url) as store:
            tasks = [await _claimed(store, number) for number in range(WRITERS)]
            async with peer("watch", url, *(task.id for task in tasks)) as watcher:
                sent: dict[tuple[int, int], float] = {}
                seen: dict[tuple[int, int], float] = {}

                expected = WRITERS * int(sizes.watched_seconds * EVENTS_A_SECOND / WRITERS)

                async def hear() -> None:
                    while len(seen) < expected:
                        number, seq, at = await watcher.line()
                        seen[int(number), int(seq)] = float(at)

                begun = time.monotonic()
                async with create_task_group() as group:
                    group.start_soon(hear)
                    async with create_task_group() as writers:
                        for number, task in enumerate(tasks):
                            writers.start_soon(_write, store, number, task, sizes.watched_seconds, sent)
                    rate = len(sent) / (time.monotonic() - begun)
    lost = sent.keys() - seen.keys()
    assert not lost, f"{len(lost)} of {len(sent)} events were not seen: {sorted(lost)[:5]}"
    times = [seen[key] - at for key, at in sent.items()]
    what = f"event to a watcher in another process, {EVENTS_A_SECOND} a second"
    reached = Figure(what="  events a second that were reached", measured=rate, n=len(times))
    return [*spread(what, times, goals=WATCHED_MS, quoted="prototype 2.9 / 29 and 10 / 21"), reached]


async def waiting(place: Place, sizes: Sizes) -> list[Figure]:
    """A worker that has nothing to do."""
    del sizes
    with place.fresh() as url:
        async with peer("idle", url, str(IDLE_SECONDS)) as worker:
            await anyio.sleep(2)
            before = place.server_cpu()
            (used,) = await worker.line()
            served = place.server_cpu() - before
    cost = 100 * (float(used) + served) / IDLE_SECONDS
    return [Figure(what="an idle worker, % of a core", measured=cost, n=1)]


async def _write(store: SqlStore, number: int, task: Task, seconds: float, sent: dict[tuple[int, int], float]) -> None:
    pause = WRITERS / EVENTS_A_SECOND
    due = anyio.current_time() + random.uniform(0, pause)
    for step in range(int(seconds * EVENTS_A_SECOND / WRITERS)):
        await anyio.sleep_until(due)
        due += pause
        begun = time.monotonic()
        (entry,) = await store.append(task, [an_event(step)])
        sent[number, entry.seq] = begun


def an_event(step: int) -> RunEvent:
    """Return an event of 2 KB."""
    return ToolFinished(
        step=step, result=ToolResult(call_id=f"{step:09}", name="bash", content=f"{step:09} line\n" * 130)
    )


async def _claimed(store: SqlStore, number: int) -> Task:
    filed = await store.create(spec_of(lane_name(number)))
    task = await store.claim("01benchwriter", filed.id)
    assert task is not None
    return task


def _bare(url: str, count: int) -> list[float]:
    command = [sys.executable, "-m", "tests.benchmarks.queue_bare", url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as other:
        try:
            return bare_filing(url, count, _moments(other))
        finally:
            other.kill()


def _moments(other: subprocess.Popen[str]) -> Callable[[], float]:
    assert other.stdout is not None
    lines = other.stdout
    assert lines.readline() == "ready\n"
    return lambda: float(lines.readline())
