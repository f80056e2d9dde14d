"""Prints what the sandbox costs, next to plain ``docker`` on the same engine, as a Markdown table.

usage: python -m tests.benchmarks.sandbox_cost [--quick] [--write]

Both sides are measured in one run and repeat the same work; docs/benchmarks.md says what each row is. Nothing is judged
here but printed: a figure that misses its goal says **no**.
"""

from __future__ import annotations

import argparse
import os
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from pullwright.agents.errors import PullwrightError
from pullwright.sandbox.docker_engine import DockerEngine
from pullwright.sandbox.image import SandboxImage
from pullwright.sandbox.prune import prune
from tests.benchmarks.bench import QUICK, Bench, Sizes, Stopwatch, large_repository, megabytes, say
from tests.benchmarks.command_costs import output, overhead, time_limits
from tests.benchmarks.cost_table import Row, environment_line, render, write_table
from tests.benchmarks.crowd_costs import at_once
from tests.benchmarks.egress_costs import egress
from tests.benchmarks.plain_docker import PlainDocker
from tests.benchmarks.workspace_costs import checkpoints, environments, opening, taking_out
from tests.integration.sandbox.engine import LOCKS, docker_provider

PAGE: Final = Path(__file__).parents[2] / "docs" / "benchmarks.md"
PARTS: Final = (opening, overhead, at_once, taking_out, checkpoints, environments, time_limits, output, egress)


@asynccontextmanager
async def bench_of(sizes: Sizes) -> AsyncIterator[Bench]:
    """Make a repository and lay its base out; at the end nothing of it is left, on disk or on the engine."""
    instance = f"bench-{secrets.token_hex(4)}"
    with tempfile.TemporaryDirectory(prefix="pullwright-bench-") as folder:
        say(f"a repository of {sizes.files} files")
        checkout, base = await to_thread.run_sync(large_repository, Path(folder), sizes.files)
        say(f"  {megabytes(checkout):.0f} MB with its history")
        async with DockerEngine() as engine:
            try:
                image = await SandboxImage(engine, lock_folder=LOCKS).ensure(say)
                async with docker_provider(instance=instance) as provider:
                    bench = Bench(
                        engine=engine,
                        image=image,
                        instance=instance,
                        provider=provider,
                        plain=PlainDocker(image, instance),
                        checkout=checkout,
                        base=base,
                        sizes=sizes,
                    )
                    await warm_up(bench)
                    yield bench
            finally:
                with anyio.move_on_after(120, shield=True):
                    await prune(engine, instance)


async def warm_up(bench: Bench) -> None:
    say("laying the base out, warming up")
    watch = Stopwatch()
    async with bench.sandbox("warm-up") as sandbox:
        say(f"  first task of the repository: {watch.seconds:.1f} s")
        await sandbox.exec("git status", timeout=60)
    async with bench.plain.container() as name:
        await bench.plain.run("exec", name, "true")


async def run_parts(bench: Bench) -> tuple[list[Row], list[str]]:
    """Return what was measured, and a line for each part that the sandbox could not do."""
    rows: list[Row] = []
    failures: list[str] = []
    for part in PARTS:
        try:
            rows += await part(bench)
        except PullwrightError as exc:
            failures.append(f"Not measured, `{part.__name__}`: {exc}")
            say(failures[-1])
    return rows, failures


async def measure(sizes: Sizes, *, quick: bool) -> str:
    load = os.getloadavg()[0]
    watch = Stopwatch()
    async with bench_of(sizes) as bench:
        rows, failures = await run_parts(bench)
        form = "Docker Engine {{.Server.Version}}"
        engine = await bench.plain.run("version", "--format", form)
        storage = await bench.plain.run("info", "--format", "{{.Driver}}, cgroup v{{.CgroupVersion}}")
    say(f"{watch.seconds:.0f} s in all")
    return render(rows, failures, environment_line(f"{engine} ({storage})", (load, os.getloadavg()[0]), quick=quick))


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure what the sandbox costs, next to plain docker.")
    parser.add_argument("--quick", action="store_true", help="few repetitions and a small repository")
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name} as well")
    options = parser.parse_args()
    table = anyio.run(lambda: measure(QUICK if options.quick else Sizes(), quick=options.quick))
    print(table, end="")
    if options.write:
        write_table(PAGE, table)


if __name__ == "__main__":
    main()
