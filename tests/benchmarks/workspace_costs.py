"""What it costs to get a repository into a sandbox, to keep it, and to get a change out."""

from __future__ import annotations

from typing import Final

from pullwright.agents.egress import EgressMode, EgressPolicy
from pullwright.agents.environment import Environment
from pullwright.agents.ports.sandbox import Sandbox
from tests.benchmarks.bench import MIB, Bench, Stopwatch, change_three, say, succeed
from tests.benchmarks.cost_table import Row, spread
from tests.benchmarks.plain_docker import REPOSITORY

LIMIT: Final = 64 * MIB
SETUP: Final = "mkdir /opt/made && cd /opt/made && for i in $(seq 1000); do head -c 20000 /dev/urandom > $i; done"
PLAIN_DIFF: Final = f"cd {REPOSITORY} && git add --all && git diff --cached --binary && git reset --quiet"


async def opening(bench: Bench) -> list[Row]:
    say("opening one after another")
    handed_over: list[float] = []
    ready: list[float] = []
    for turn in range(bench.sizes.opens):
        watch = Stopwatch()
        async with bench.provider.open(bench.base, task_id=f"open-{turn}") as workspace:
            handed_over.append(watch.seconds)
            async with workspace.open_sandbox() as sandbox:
                await succeed(sandbox, "true")
                ready.append(watch.seconds)
    copied, plain = await _plain_opening(bench)
    return [
        *spread("ready: from nothing to a first command's result", ready, goals=(1.0, 3.0), plain=plain),
        *spread("hand-over of the files alone", handed_over, goals=(0.2, None), plain=copied),
    ]


async def _plain_opening(bench: Bench) -> tuple[list[float], list[float]]:
    """Return the seconds that copying takes, and those from nothing to a first command's result."""
    copied: list[float] = []
    ready: list[float] = []
    for _ in range(bench.sizes.copies):
        watch = Stopwatch()
        name = await bench.plain.create("true")
        try:
            created = watch.seconds
            await bench.plain.copy_in(bench.checkout, name)
            copied.append(watch.seconds - created)
            await bench.plain.run("start", "--attach", name)
            ready.append(watch.seconds)
        finally:
            await bench.plain.remove(name)
    return copied, ready


async def taking_out(bench: Bench) -> list[Row]:
    say("taking a change out")
    times: list[float] = []
    async with bench.provider.open(bench.base, task_id="take-out") as workspace:
        for turn in range(bench.sizes.copies + 2):
            async with workspace.open_sandbox() as sandbox:
                await succeed(sandbox, change_three(turn))
            watch = Stopwatch()
            await workspace.extract(limit=LIMIT)
            times.append(watch.seconds)
    plain = await _plain_diff(bench)
    return spread("take-out of a change in 3 files", times[1:], goals=(4.0, None), plain=plain)


async def _plain_diff(bench: Bench) -> list[float]:
    times: list[float] = []
    async with bench.plain.container() as name:
        await bench.plain.copy_in(bench.checkout, name)
        for turn in range(bench.sizes.copies + 2):
            await bench.plain.run("exec", name, "sh", "-c", f"cd {REPOSITORY}; {change_three(turn)}")
            watch = Stopwatch()
            await bench.plain.run("exec", name, "sh", "-c", PLAIN_DIFF)
            times.append(watch.seconds)
    return times[1:]


async def checkpoints(bench: Bench) -> list[Row]:
    say("checkpoints")
    unchanged: list[float] = []
    changed: list[float] = []
    async with bench.sandbox("checkpoint") as sandbox:
        watch = Stopwatch()
        await sandbox.delta(whole=False, limit=LIMIT)
        first = watch.seconds
        for turn in range(2 * bench.sizes.copies):
            unchanged.append(await _delta(sandbox, "true"))
            changed.append(await _delta(sandbox, change_three(turn)))
    return [
        Row(what="first checkpoint, nothing changed", unit="s", measured=first, n=1),
        *spread("further checkpoint, nothing changed", unchanged),
        *spread("further checkpoint, 3 files changed", changed),
    ]


async def _delta(sandbox: Sandbox, command: str) -> float:
    await succeed(sandbox, command)
    watch = Stopwatch()
    await sandbox.delta(whole=False, limit=LIMIT)
    return watch.seconds


async def environments(bench: Bench) -> list[Row]:
    say("an environment with a set-up")
    environment = Environment(setup=SETUP, setup_egress=EgressPolicy(mode=EgressMode.NONE))
    rows: list[Row] = []
    for what in ("first task of an environment (20 MB set-up), files handed over", "further task of it"):
        watch = Stopwatch()
        async with bench.provider.open(bench.base, task_id="environment", environment=environment):
            rows.append(Row(what=what, unit="s", measured=watch.seconds, n=1))
    return rows
