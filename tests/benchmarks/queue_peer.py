"""The other processes of the benchmark of the queue: python -m tests.benchmarks.queue_peer ROLE URL [...]

Each prints ``ready``, then one line for everything that happens, with the moment by the clock that all processes of a
host share.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable

import anyio
from anyio import create_task_group

from pullwright.agents.budget import Usage
from pullwright.agents.events import RunFinished
from pullwright.agents.ports.engine import Segment
from pullwright.agents.ports.lease import Worker
from pullwright.agents.queue.sql_store import SqlStore
from pullwright.agents.task import TaskStatus
from pullwright.agents.worker.queue_engine import QueueEngine
from tests.benchmarks.queue_places import opened
from tests.benchmarks.queue_runs import endpoint, loops, runs

WORKER = "01benchpeer"
FINISHED = RunFinished(status="succeeded", reason="done", usage=Usage(), steps=1)


def say(*words: object) -> None:
    print(*words, flush=True)


async def claim(url: str) -> None:
    """Wait for work as a worker does, and complete it."""
    async with opened(url) as store:
        await store.enlist(Worker(id=WORKER))
        say("ready")
        while True:
            task = await store.claim(WORKER)
            if task is None:
                await store.wait_for_work(1.0)
                continue
            say(task.id, time.monotonic())
            await store.finish(task, TaskStatus.SUCCEEDED, FINISHED)


async def watch(url: str, *task_ids: str) -> None:
    """Watch the journals of tasks as ``agent watch`` does."""
    async with opened(url) as store, create_task_group() as group:
        for number, task_id in enumerate(task_ids):
            seen = (await store.journal(task_id))[-1].seq
            group.start_soon(_watch, store, number, task_id, seen)
        say("ready")


async def _watch(store: SqlStore, number: int, task_id: str, seen: int) -> None:
    while True:
        await store.wait(task_id, after=seen)
        entries = await store.journal(task_id, after=seen)
        now = time.monotonic()
        for entry in entries:
            seen = entry.seq
            say(number, seen, now)


async def serve(url: str, slots: str) -> None:
    """Be a worker. A first attempt goes on for ever, a second one ends its task."""
    async with opened(url) as store:
        engine = QueueEngine(store, Worker(id="", name="bench", slots=int(slots)))

        async def advance(segment: Segment) -> None:
            task = segment.task
            say(task.id, task.attempt, time.monotonic())
            if task.attempt == 1:
                await anyio.sleep_forever()
            await store.finish(task, TaskStatus.SUCCEEDED, FINISHED)

        say("ready")
        await engine.serve(advance)


async def idle(url: str, seconds: str) -> None:
    """Be a worker with nothing to do, and print what that costs: CPU seconds."""
    async with opened(url) as store:
        say("ready")
        engine = QueueEngine(store, Worker(id="", name="bench", slots=4))
        with anyio.move_on_after(2):
            await engine.serve(_nothing)
        before = time.process_time()
        with anyio.move_on_after(float(seconds)):
            await engine.serve(_nothing)
        say(time.process_time() - before)


async def _nothing(segment: Segment) -> None:
    del segment


ROLES: dict[str, Callable[..., Awaitable[None]]] = {
    role.__name__: role for role in (claim, watch, serve, idle, endpoint, runs, loops)
}


def main() -> None:
    role, *arguments = sys.argv[1:]
    anyio.run(ROLES[role], *arguments)


if __name__ == "__main__":
    main()
