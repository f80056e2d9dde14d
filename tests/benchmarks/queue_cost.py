"""Prints what the queue costs on SQLite and on PostgreSQL, next to the same done by hand, as a Markdown table.

usage: python -m tests.benchmarks.queue_cost [--quick] [--write] [--engine NAME] [PART ...]

Both engines and what is done by hand are measured in one run; docs/benchmarks.md says what each row is. Nothing is
judged here but printed: a figure that misses its goal says **no**.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio

from tests.benchmarks.bench import Stopwatch, say
from tests.benchmarks.cost_table import environment_line
from tests.benchmarks.queue_claims import claims, fairness, history
from tests.benchmarks.queue_crowd import crowd
from tests.benchmarks.queue_files import checkpoints
from tests.benchmarks.queue_journals import appends, rebuilding
from tests.benchmarks.queue_places import QUICK, Place, Sizes, places
from tests.benchmarks.queue_table import ENGINES, Engine, Figure, render, write_table
from tests.benchmarks.queue_takeovers import kills, losses
from tests.benchmarks.queue_wakeups import pickup, waiting, watching

Part = Callable[[Place, Sizes], Awaitable[list[Figure]]]

PAGE: Final = Path(__file__).parents[2] / "docs" / "benchmarks.md"
PARTS: Final[tuple[Part, ...]] = (
    pickup,
    watching,
    waiting,
    claims,
    history,
    fairness,
    appends,
    rebuilding,
    checkpoints,
    kills,
    losses,
    crowd,
)


async def measure(parts: list[Part], engines: list[Engine], sizes: Sizes) -> list[tuple[Engine, Figure]]:
    """Measure each part on one engine and then on the other, so that both meet the machine in the same state."""
    found: list[tuple[Engine, Figure]] = []
    with tempfile.TemporaryDirectory(prefix="pullwright-bench-") as folder, places(engines, Path(folder)) as where:
        for part in parts:
            for place in where:
                watch = Stopwatch()
                figures = await part(place, sizes)
                found += [(place.engine, one) for one in figures]
                say(f"{part.__name__} on {place.engine}: {watch.seconds:.0f} s")
    return found


def main() -> None:
    names = {part.__name__: part for part in PARTS}
    parser = argparse.ArgumentParser(description="Measure what the queue costs on both engines.")
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    parser.add_argument("--write", action="store_true", help=f"put the table into docs/{PAGE.name} as well")
    parser.add_argument("--engine", choices=ENGINES, action="append", help="only this engine")
    parser.add_argument("part", nargs="*", choices=[*names], help="only these parts")
    options = parser.parse_args()
    sizes = QUICK if options.quick else Sizes()
    sizes = replace(sizes, history=int(os.environ.get("AGENT_BENCH_ROWS") or sizes.history))
    load = os.getloadavg()[0]
    parts = [names[name] for name in options.part] or list(PARTS)
    found = anyio.run(measure, parts, options.engine or list(ENGINES), sizes)
    where = environment_line(versions(), (load, os.getloadavg()[0]), quick=False)
    table = render(found, [where])
    print(table, end="")
    if options.write:
        write_table(PAGE, table)


def versions() -> str:
    """Return which engines these are."""
    import sqlite3

    from psycopg import pq

    return f"Python's SQLite {sqlite3.sqlite_version}, libpq {pq.version() // 10000}"


if __name__ == "__main__":
    main()
