"""What claiming and completing costs: alone and in a crowd, beside a large history, and who gets which share."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import AsyncExitStack
from functools import partial
from statistics import median

from anyio import create_task_group, to_thread

from pullwright.agents.budget import Usage
from pullwright.agents.events import RunFinished
from pullwright.agents.queue.sql_store import SqlStore
from pullwright.agents.task import TaskStatus
from tests.benchmarks.queue_bare import bare_claims
from tests.benchmarks.queue_filling import fill, lane_name
from tests.benchmarks.queue_places import Place, Sizes, opened
from tests.benchmarks.queue_table import Figure

LANES = 40
REPOSITORIES = 200
FINISHED = RunFinished(status="succeeded", reason="done", usage=Usage(), steps=1)
PAIR_MS, PAIRS_A_SECOND, HISTORY_TIMES, SHARE_POINTS = 1.0, 1000.0, 1.2, 2.0


async def claims(place: Place, sizes: Sizes) -> list[Figure]:
    """Claim and complete by 1, 8 and 32 callers of one process at once."""
    figures: list[Figure] = []
    with place.fresh() as url:
        bare_ms, bare_rate = await to_thread.run_sync(bare_claims, url, sizes.claims, place.server_cpu)
    for callers in (1, 8, 32):
        with place.fresh() as url:
            each = sizes.claims // LANES + 5
            await to_thread.run_sync(fill, url, {lane_name(number): each for number in range(LANES)})
            async with opened(url) as store:
                await drained(store, callers=callers, at_most=5 * LANES)
                begun, watch, server = place.cpu(), time.perf_counter(), place.server_cpu()
                count = await drained(store, callers=callers)
                seconds, served = time.perf_counter() - watch, place.server_cpu() - server
                used = place.cpu() - begun
        who = f"{callers} caller{'s' if callers > 1 else ''}"
        what = f"claim + complete, {who}"
        quoted = "pgqueuer 0.54–0.74, prototype 0.67" if callers == 1 else ""
        bare = bare_ms if callers == 1 else None
        figures += [
            Figure(
                what=f"{what}, CPU, ms", measured=1000 * used / count, n=count, goal=PAIR_MS, bare=bare, quoted=quoted
            ),
            Figure(
                what=f"{what}, per s",
                measured=count / seconds,
                n=count,
                goal=PAIRS_A_SECOND,
                better="more",
                bare=bare_rate if callers == 1 else None,
            ),
        ]
        if served:
            figures.append(
                Figure(what=f"  of the CPU the server's, {who}, ms", measured=1000 * served / count, n=count)
            )
    return figures


async def history(place: Place, sizes: Sizes) -> list[Figure]:
    """Claim and complete in turns, with nothing else in the table and with a large history and backlog."""
    rounds, each = 8, max(40, sizes.claims // 8)
    async with AsyncExitStack() as stack:
        stores: list[SqlStore] = []
        for finished, backlog in ((0, rounds * each), (sizes.history, sizes.backlog)):
            url = stack.enter_context(place.fresh())
            lanes = {lane_name(number): backlog // LANES for number in range(LANES)}
            await to_thread.run_sync(partial(fill, url, lanes, finished=finished))
            stores.append(await stack.enter_async_context(opened(url)))
        costs: list[list[float]] = [[], []]
        for _ in range(rounds):
            for store, cost in zip(stores, costs, strict=True):
                before = place.cpu()
                count = await drained(store, callers=1, at_most=each)
                cost.append((place.cpu() - before) / count)
    empty, full = median(costs[0][1:]), median(costs[1][1:])
    what = (
        f"claim + complete beside {sizes.history:,} finished and {sizes.backlog:,} queued, times the empty table's CPU"
    )
    quoted = "DBOS 1.2, pgqueuer and procrastinate 1.5 at 100,000"
    return [Figure(what=what, measured=full / empty, n=each * rounds, goal=HISTORY_TIMES, quoted=quoted)]


async def fairness(place: Place, sizes: Sizes) -> list[Figure]:
    """Count the turns of a repository with 80 % of the backlog, and of one with weight 3."""
    crowd, heavy = lane_name(0), lane_name(1)
    each = 4 * sizes.turns // REPOSITORIES
    backlog = {lane_name(number): each for number in range(REPOSITORIES)}
    backlog[crowd] = 4 * each * (REPOSITORIES - 1)
    with place.fresh() as url:
        await to_thread.run_sync(partial(fill, url, backlog, weights={heavy: 3.0}))
        turns: Counter[str] = Counter()
        async with opened(url) as store:
            await drained(store, callers=8, at_most=sizes.turns, turns=turns)
    weights = REPOSITORIES + 2
    figures = []
    for name, lane, weight in (("with 80 % of the backlog", crowd, 1), ("of weight 3", heavy, 3)):
        points = 100 * abs(turns[lane] / turns.total() - weight / weights)
        what = f"a repository {name} among {REPOSITORIES}, points off its share of {100 * weight / weights:.1f} %"
        figures.append(Figure(what=what, measured=points, n=turns.total(), goal=SHARE_POINTS, quoted="prototype 0.1"))
    return figures


async def drained(
    store: SqlStore, *, callers: int, at_most: int | None = None, turns: Counter[str] | None = None
) -> int:
    """Claim and complete until nothing is left, or so many tasks; return how many there were."""
    done = begun = 0

    async def work() -> None:
        nonlocal done, begun
        while at_most is None or begun < at_most:
            begun += 1
            task = await store.claim("01benchworker")
            if task is None:
                return
            if turns is not None:
                turns[task.spec.lane] += 1
            await store.finish(task, TaskStatus.SUCCEEDED, FINISHED)
            done += 1

    async with create_task_group() as group:
        for _ in range(callers):
            group.start_soon(work)
    return done
