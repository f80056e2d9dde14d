"""What a command costs: to run, to stop at its time limit, and to print more than anybody wants."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import anyio

from pullwright.agents.ports.sandbox import Sandbox
from tests.benchmarks.bench import MIB, Bench, Stopwatch, say, succeed
from tests.benchmarks.cost_table import Row, spread
from tests.benchmarks.process_trees import TREES

TIME_LIMIT: Final = 0.4
"""Seconds, enough for each of the process trees to stand."""
LAST_WORD: Final = 5.0
"""Seconds past the time limit after which a process counts as one that survived."""


async def overhead(bench: Bench) -> list[Row]:
    say("one command after another")
    mine: list[float] = []
    plain: list[float] = []
    async with bench.sandbox("commands") as sandbox:
        for _ in range(10):
            await succeed(sandbox, "true")
        for _ in range(bench.sizes.commands):
            watch = Stopwatch()
            await sandbox.exec("true", timeout=60)
            mine.append(watch.seconds)
        [name] = await bench.plain.list_containers("agent")
        for _ in range(bench.sizes.plain_commands):
            watch = Stopwatch()
            await bench.plain.run("exec", name, "true")
            plain.append(watch.seconds)
    rows = spread("a command (`true`)", mine, unit="ms", goals=(5.0, None), plain=plain)
    times = rows[0].ratio or 0.0
    goal = Row(what="  against `docker exec`", unit="times faster", measured=times, n=len(mine), goal=20, better="more")
    return [rows[0], goal, rows[1]]


async def time_limits(bench: Bench) -> list[Row]:
    say(f"time limits over {len(TREES)} process trees")
    late: list[float] = []
    survivors = 0
    async with bench.sandbox("time-limits") as sandbox:
        [name] = await bench.plain.list_containers("agent")
        await succeed(sandbox, "true")
        before = await bench.plain.processes(name)
        for what, tree in TREES.items():
            seconds, left = await _past_the_limit(bench, sandbox, name, tree, before)
            late.append(seconds)
            survivors += left.total()
            if left:
                say(f"  {what}: {left}")
    plain = await _plain_survivors(bench)
    what = f"from the time limit until no process is left ({len(TREES)} process trees)"
    return [
        Row(what=f"{what}, p50", unit="s", measured=sorted(late)[len(late) // 2], n=len(late)),
        Row(what=f"{what}, worst", unit="s", measured=max(late), n=len(late), goal=2.0),
        Row(what="processes that survive it", unit="in all", measured=survivors, n=len(late), goal=0, plain=plain),
    ]


async def _past_the_limit(
    bench: Bench, sandbox: Sandbox, container: str, tree: str, before: Counter[str]
) -> tuple[float, Counter[str]]:
    """Return the seconds from the time limit until the engine lists no more than before, and what it still lists."""
    watch = Stopwatch()
    result = await sandbox.exec(tree, timeout=TIME_LIMIT)
    if not result.timed_out:
        raise RuntimeError(f"{tree[:80]!r} ended by itself: {result.stderr.text.strip()[:300]}")
    while True:
        left = await bench.plain.processes(container) - before
        late = watch.seconds - TIME_LIMIT
        if not left or late > LAST_WORD:
            return late, left


async def _plain_survivors(bench: Bench) -> int:
    """Return how many processes are left when ``docker exec`` is killed at each of the time limits."""
    async with bench.plain.container() as name:
        before = await bench.plain.processes(name)
        for tree in TREES.values():
            with anyio.move_on_after(TIME_LIMIT):
                await bench.plain.run("exec", name, "bash", "-c", tree, discard=True)
        return (await bench.plain.processes(name) - before).total()


async def output(bench: Bench) -> list[Row]:
    size, plain_size = bench.sizes.output_mib, bench.sizes.plain_output_mib
    rows: list[Row] = []
    for kind, source in (("zeros", "head -c {}M /dev/zero"), ("text", "yes | head -c {}M")):
        say(f"{size} MiB of {kind}")
        async with bench.sandbox("output") as sandbox:
            grown = HighWater()
            watch = Stopwatch()
            result = await succeed(sandbox, source.format(size))
            rate = size / watch.seconds
            memory = grown.mib
        if result.stdout.dropped < (size - 1) * MIB:
            raise RuntimeError(f"{result.stdout.dropped} bytes were dropped, of {size} MiB")
        async with bench.plain.container() as name:
            watch = Stopwatch()
            await bench.plain.run("exec", name, "sh", "-c", source.format(plain_size), discard=True)
            plain_rate = plain_size / watch.seconds
        rows += [
            Row(
                what=f"memory of the host's process while {size} MiB of {kind} are printed",
                unit="MiB",
                measured=memory,
                n=1,
                goal=64,
            ),
            Row(
                what=f"  and how fast (docker: {plain_size} MiB)",
                unit="MiB/s",
                measured=rate,
                n=1,
                plain=plain_rate,
                better="more",
            ),
        ]
    return rows


class HighWater:
    """How much more memory this process has had, at most, since this was made."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # proc_pid_clear_refs(5): the peak starts anew from here
        self._before = _status_mib("VmRSS")

    @property
    def mib(self) -> float:
        return _status_mib("VmHWM") - self._before


def _status_mib(field: str) -> float:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields[field].split()[0]) / 1024
