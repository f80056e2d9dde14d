"""What a journal costs: one more event, and all of them read and folded."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from statistics import median
from typing import Final

import psycopg
from anyio import to_thread

from pullwright.agents.budget import Usage
from pullwright.agents.events import ModelReplied, RunEvent, RunStarted, ToolFinished
from pullwright.agents.message import AssistantMessage, ToolCall, ToolResult
from pullwright.agents.recorder import RunRecorder
from tests.benchmarks.queue_bare import bare_appends
from tests.benchmarks.queue_filling import lane_name, spec_of
from tests.benchmarks.queue_places import Place, Sizes, opened, sqlite_path
from tests.benchmarks.queue_table import Figure
from tests.benchmarks.queue_wakeups import an_event

APPEND_MS: Final = {"SQLite": 0.3, "PostgreSQL": 1.8}
REBUILD_MS: Final = 100.0
EVENTS: Final = 1000
WORDS: Final = "I look for the place where totals are rounded, and whether there is more than one. "


async def appends(place: Place, sizes: Sizes) -> list[Figure]:
    """One event of 2 KB in one transaction, again and again."""
    with place.fresh() as url:
        data = json.dumps({"content": "x" * 2000})
        bare = await to_thread.run_sync(bare_appends, url, sizes.appends, data, place.server_cpu)
    with place.fresh() as url:
        async with opened(url) as store:
            filed = await store.create(spec_of(lane_name(0)))
            task = await store.claim("01benchwriter", filed.id)
            assert task is not None
            for step in range(50):
                await store.append(task, [an_event(step)])
            before, server = place.cpu(), place.server_cpu()
            for step in range(sizes.appends):
                await store.append(task, [an_event(step)])
            used, served = place.cpu() - before, place.server_cpu() - server
    cost = 1000 * used / sizes.appends
    goal = APPEND_MS[place.engine]
    figures = [Figure(what="append of an event, CPU, ms", measured=cost, n=sizes.appends, goal=goal, bare=bare)]
    if served:
        each = 1000 * served / sizes.appends
        figures.append(Figure(what="  of it the server's, append, ms", measured=each, n=sizes.appends))
    return figures


async def rebuilding(place: Place, sizes: Sizes) -> list[Figure]:
    """A run of 1,000 events of 2 KB: read, decoded and folded, as a worker does that takes it over."""
    times = []
    with place.fresh() as url:
        async with opened(url) as store:
            filed = await store.create(spec_of(lane_name(0)))
            task = await store.claim("01benchwriter", filed.id)
            assert task is not None
            await store.append(task, list(_a_run()))
            for _ in range(sizes.rebuilds):
                begun = time.perf_counter()
                recorder = await RunRecorder.resume(store, task)
                times.append(time.perf_counter() - begun)
                assert recorder.state.steps == EVENTS // 2 - 1
            bare = [await to_thread.run_sync(_bare_rebuild, url, task.id) for _ in range(sizes.rebuilds)]
    return [
        Figure(
            what="a run of 1,000 events rebuilt, p50, ms",
            measured=1000 * median(times),
            n=len(times),
            goal=REBUILD_MS,
            bare=1000 * median(bare),
            quoted="prototype 31–62",
        )
    ]


def _a_run() -> Iterator[RunEvent]:
    prompts = {"system_prompt": WORDS * 30, "user_prompt": WORDS}
    yield RunStarted(model="m", effort="high", base_ref="main", base_sha="0" * 40, **prompts)
    for step in range(1, EVENTS // 2):
        call = ToolCall(id=f"{step:09}", name="bash", arguments=json.dumps({"command": f"grep -n {step} src/*.py"}))
        message = AssistantMessage(reasoning=WORDS * 22, tool_calls=(call,))
        yield ModelReplied(step=step, message=message, kind="calls", usage=Usage())
        yield ToolFinished(step=step, result=ToolResult(call_id=call.id, name="bash", content="src/a.py:1: x\n" * 140))


def _bare_rebuild(url: str, task_id: str) -> float:
    """Return how long it takes to read the rows and parse their JSON, in seconds."""
    statement = "SELECT data FROM event WHERE task_id = {value} ORDER BY seq"
    path = sqlite_path(url)
    if path is None:
        with psycopg.connect(url) as server:
            begun = time.perf_counter()
            for row in server.execute(statement.format(value="%s").encode(), [task_id]):
                json.loads(row[0])
            return time.perf_counter() - begun
    with closing(sqlite3.connect(path)) as file:
        begun = time.perf_counter()
        for row in file.execute(statement.format(value="?"), [task_id]):
            json.loads(row[0])
        return time.perf_counter() - begun
