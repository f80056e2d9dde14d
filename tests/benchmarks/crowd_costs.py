"""What many sandboxes at once cost: to open, to hold, and to use."""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import anyio

from pullwright.agents.ports.sandbox import Sandbox
from tests.benchmarks.bench import Bench, Stopwatch, say, succeed
from tests.benchmarks.cost_table import Row

SETTLING: Final = 8.0
"""Seconds; the kernel takes about that long to get the memory of ended containers back."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowd:
    """What many at once took."""

    ready: float
    """Seconds until each has run a command."""
    lost_mib: float
    """What the host has less to give, per member."""
    used_mib: float
    """What the processes of one have."""


async def at_once(bench: Bench) -> list[Row]:
    """Open many sandboxes in parallel, look at the memory, and have all of them run commands."""
    await _plain_at_once(bench)  # the engine's processes grow with the first crowd, and keep what they got
    plain = await _plain_at_once(bench)
    mine, rate, plain_rate = await _sandboxes_at_once(bench)
    count, done = bench.sizes.at_once, bench.sizes.at_once * bench.sizes.commands_each
    opened = f"{count} opened at once: each has run a command (docker: without files)"
    used, lost = "memory of an idle one's processes", "what an idle one takes from the host's free memory"
    ran = f"commands over {count} at once"
    return [
        Row(what=opened, unit="s", measured=mine.ready, n=count, goal=8.0, plain=plain.ready),
        Row(what=ran, unit="per s", measured=rate, n=done, goal=150, plain=plain_rate, better="more"),
        Row(what=used, unit="MiB", measured=mine.used_mib, n=count, plain=plain.used_mib),
        Row(what=lost, unit="MiB", measured=mine.lost_mib, n=count, plain=plain.lost_mib),
    ]


async def _sandboxes_at_once(bench: Bench) -> tuple[Crowd, float, float]:
    """Return also the commands per second in the sandboxes, and those of ``docker exec`` in their containers."""
    sizes = bench.sizes
    say(f"{sizes.at_once} sandboxes at once")
    before = await _settled_mib()
    async with crowd(sizes.at_once, partial(_ready_sandbox, bench)) as (sandboxes, ready):
        names = await bench.plain.list_containers("agent")
        mine = await _look(bench, names, ready, before)
        rate = await _rate(sizes.commands_each, [partial(succeed, sandbox, "true") for sandbox in sandboxes])
        execs = [partial(bench.plain.run, "exec", name, "true") for name in names]
        return mine, rate, await _rate(sizes.plain_commands_each, execs)


async def _plain_at_once(bench: Bench) -> Crowd:
    count = bench.sizes.at_once
    say(f"{count} plain containers at once")
    before = await _settled_mib()
    async with crowd(count, partial(_ready_container, bench)) as (names, ready):
        return await _look(bench, names, ready, before)


async def _look(bench: Bench, names: Sequence[str], ready: float, before: float) -> Crowd:
    lost = before - await _settled_mib()
    used = [await bench.plain.memory_mib(name) for name in names]
    return Crowd(ready=ready, lost_mib=lost / len(names), used_mib=statistics.median(used))


@asynccontextmanager
async def _ready_sandbox(bench: Bench, number: int) -> AsyncIterator[Sandbox]:
    async with bench.sandbox(f"crowd-{number}") as sandbox:
        await succeed(sandbox, "true")
        yield sandbox


@asynccontextmanager
async def _ready_container(bench: Bench, number: int) -> AsyncIterator[str]:
    async with bench.plain.container() as name:
        await bench.plain.run("exec", name, "true")
        yield name


@asynccontextmanager
async def crowd(
    count: int, member: Callable[[int], AbstractAsyncContextManager[T]]
) -> AsyncIterator[tuple[list[T], float]]:
    """Enter many blocks at once, each in its own task, and give what they gave and the seconds until all had."""
    members: list[T] = []
    complete, release = anyio.Event(), anyio.Event()

    async def hold(number: int) -> None:
        async with member(number) as one:
            members.append(one)
            if len(members) == count:
                complete.set()
            await release.wait()

    watch = Stopwatch()
    async with anyio.create_task_group() as tasks:
        for number in range(count):
            tasks.start_soon(hold, number)
        await complete.wait()
        yield members, watch.seconds
        release.set()


async def _rate(each: int, commands: Sequence[Callable[[], Awaitable[object]]]) -> float:
    """Return commands per second when every command is repeated, all of them side by side."""

    async def repeat(command: Callable[[], Awaitable[object]]) -> None:
        for _ in range(each):
            await command()

    watch = Stopwatch()
    async with anyio.create_task_group() as tasks:
        for command in commands:
            tasks.start_soon(repeat, command)
    return each * len(commands) / watch.seconds


async def _settled_mib() -> float:
    """Return the memory that this host could still give to programs, once what went before is over."""
    await anyio.sleep(SETTLING)
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) / 1024
