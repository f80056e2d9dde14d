"""What many concurrent runs in one worker process cost, next to as many bare loops around the ``openai`` package."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from pullwright.agents.task import TaskStatus
from tests.benchmarks.queue_filling import lane_name, spec_of
from tests.benchmarks.queue_places import Place, Sizes, opened
from tests.benchmarks.queue_process import Peer, peer
from tests.benchmarks.queue_table import Figure

PATIENCE: Final = 80.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What one process used."""

    cpu: float
    kib: float
    most: int


async def crowd(place: Place, sizes: Sizes) -> list[Figure]:
    """Scripted runs, all at once, in one process; the endpoint is another one."""
    with place.fresh() as url:
        async with opened(url) as store:
            for number in range(sizes.runs + 1):
                await store.create(replace(spec_of(lane_name(number)), publish=False))
        async with peer("endpoint", str(sizes.steps)) as endpoint:
            (served,) = await endpoint.line()
            async with peer("loops", served, str(sizes.runs)) as loops:
                bare = await _use(loops)
            server = place.server_cpu()
            async with peer("runs", url, served, str(sizes.runs)) as runs:
                ours = await _use(runs)
            server = place.server_cpu() - server
        async with opened(url) as store:
            done = len(await store.list(limit=2 * sizes.runs, statuses={TaskStatus.SUCCEEDED}))
            assert done == sizes.runs + 1, f"only {done} runs came to their end"
    steps = sizes.runs * (sizes.steps + 1)
    name = f"{sizes.runs} scripted runs of {sizes.steps + 1} steps in one worker"
    return [
        Figure(what=f"{name}: CPU a step, ms", measured=1000 * ours.cpu / steps, n=steps, bare=1000 * bare.cpu / steps),
        Figure(what="  of it beyond the bare loops, ms", measured=1000 * (ours.cpu - bare.cpu) / steps, n=steps),
        Figure(what="  CPU of the database's server a step, ms", measured=1000 * server / steps, n=steps),
        Figure(what="  memory a run, KiB", measured=ours.kib / sizes.runs, n=sizes.runs, bare=bare.kib / sizes.runs),
        Figure(what="  most runs in flight at once", measured=ours.most, n=1, bare=bare.most),
    ]


async def _use(process: Peer) -> Use:
    cpu, kib, most = await process.line(PATIENCE)
    return Use(cpu=float(cpu), kib=float(kib), most=int(most))
