"""``agent workers``, ``lanes`` and ``lane``: who works, and whose turn it is."""

from __future__ import annotations

import json as json_
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import LaneStats, Worker
from pullwright.cli.commands.tasks import with_store
from pullwright.cli.render import printable


def workers_command(*, json: bool) -> int:
    """Print the workers that are alive."""
    return with_store(partial(_workers, json=json))


def lanes_command(*, json: bool) -> int:
    """Print the lanes that have work, or settings of their own."""
    return with_store(partial(_lanes, json=json))


def lane_command(key: str, *, weight: float | None, max_running: int | None, paused: bool | None) -> int:
    """Change the settings of a lane and print it."""
    return with_store(partial(_lane, key=key, weight=weight, max_running=max_running, paused=paused))


async def _workers(store: DurableStore, *, json: bool) -> int:
    workers = await store.workers()
    if json:
        _lines(json_.dumps(asdict(worker), default=str) for worker in workers)
        return 0
    names = ("name", "host", "pid", "version", "slots", "running", "seen", "")
    print_table(names, [_worker_row(worker) for worker in workers], "no worker is alive; start one with: agent worker")
    return 0


def _worker_row(worker: Worker) -> Sequence[str]:
    seen = f"{(datetime.now(UTC) - worker.seen_at).total_seconds():.0f} s ago" if worker.seen_at else ""
    slots = str(worker.slots) if worker.slots else "one task"
    state = "draining" if worker.draining else ""
    return worker.name, worker.host, str(worker.pid), worker.version, slots, str(worker.running), seen, state


async def _lanes(store: DurableStore, *, json: bool) -> int:
    lanes = await store.lanes()
    if json:
        _lines(json_.dumps(asdict(lane)) for lane in lanes)
        return 0
    names = ("lane", "weight", "most at once", "running", "queued", "")
    print_table(names, [_lane_row(lane) for lane in lanes], "no repository has had a task yet")
    return 0


async def _lane(
    store: DurableStore, *, key: str, weight: float | None, max_running: int | None, paused: bool | None
) -> int:
    await store.set_lane(key, weight=weight, max_running=max_running, paused=paused)
    return await _lanes(store, json=False)


def _lane_row(lane: LaneStats) -> Sequence[str]:
    state = "paused" if lane.paused else ""
    return lane.key, f"{lane.weight:g}", str(lane.max_running), str(lane.running), str(lane.queued), state


def print_table(names: Sequence[str], rows: Sequence[Sequence[str]], nothing: str) -> None:
    """Print rows under their names, or a line when there are none."""
    from rich.console import Console
    from rich.table import Column, Table

    table = Table(*(Column(name, no_wrap=True) for name in names), box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(printable(cell).replace("[", "\\[") for cell in row))
    Console().print(table if rows else nothing)


def _lines(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)
