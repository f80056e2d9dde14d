"""Hits: what is done to the machines while runs go on, and the random, repeatable order of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from itertools import cycle
from typing import Final

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from pullwright.agents.queue.life import LEASE_SECONDS
from pullwright.agents.task import LIVE
from tests.chaos.ground import LOOK_SECONDS, Ground, containers, kill_container
from tests.chaos.hosts import Host
from tests.postgres import PostgresServer


class Hit(StrEnum):
    """One kind of trouble."""

    KILL = "kill"
    """kill -9 of a host's process at any moment."""
    AT_EVENT = "at event"
    """The same, right after an event of a certain type was written, of the host that wrote it."""
    AT_REQUEST = "at request"
    """The same while the next push, look-up or creation of a pull request is answered, whenever that comes."""
    CONTAINER = "container"
    """A container of a task is killed."""
    FREEZE = "freeze"
    """A process stands still until its leases have run out, and then goes on."""
    DATABASE = "database"
    """PostgreSQL, or one of its processes, is killed or stopped at once, and started again after a moment."""
    DISOWN = "disown"
    """A worker's runs are given to others in the middle of a step; it lives, and works on until its next heartbeat."""


SHARES: Final[Sequence[tuple[Hit, int]]] = (
    (Hit.KILL, 7),
    (Hit.AT_EVENT, 7),
    (Hit.AT_REQUEST, 5),
    (Hit.CONTAINER, 5),
    (Hit.FREEZE, 1),
    (Hit.DATABASE, 2),
    (Hit.DISOWN, 3),
)
"""How many of thirty hits are of each kind."""

EVENTS: Final = (
    "run.started",
    "run.resumed",
    "model.replied",
    "tool.finished",
    "checkpoint.made",
    "change.committed",
    "change.verified",
    "change.published",
)

REQUESTS: Final = (
    ("POST", "/pulls"),
    ("POST", "/git-receive-pack"),
    ("GET", "/pulls"),
    ("GET", "/info/refs"),
)
"""The creation of a pull request, which must not be repeated; a push; the look for a pull request; a fetch."""

PATIENCE: Final = 6.0
"""Seconds until a chosen moment that does not come is any moment."""

CONTAINER_KILLS: Final = 2
"""More sandboxes than three may not end under one attempt."""

FROZEN_SECONDS: Final = LEASE_SECONDS + 3.0


def plan(seed: int, count: int, *, database: bool) -> Sequence[Hit]:
    """Return which hits come, one after the other; of thirty the first few are one of each kind."""
    order = random.Random(seed)
    shares = [(hit, share) if database or hit is not Hit.DATABASE else (Hit.KILL, share) for hit, share in SHARES]
    hits: list[Hit] = []
    while len(hits) < count:
        first = [hit for hit, _ in shares]
        others = [hit for hit, share in shares for _ in range(share - 1)]
        for some in (first, others):
            order.shuffle(some)
            hits += some
    return hits[:count]


@dataclass(kw_only=True)
class Hitter:
    """Strikes, with its own randomness."""

    ground: Ground
    seed: int
    group: TaskGroup
    """What goes on for longer than a hit runs here."""
    server: PostgresServer | None = None
    hit_containers: dict[str, int] = field(default_factory=dict)
    """How many containers of each task were killed."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed + 1)
        self.requests = cycle(REQUESTS)
        self.events = cycle(self.random.sample(EVENTS, len(EVENTS)))

    async def strike(self, hit: Hit) -> None:
        """Do it, and return when it is done; only frozen processes stay so for longer."""
        match hit:
            case Hit.KILL:
                await self._kill(self._any_host())
            case Hit.AT_EVENT:
                await self._kill(await self._host_at_event(next(self.events)) or self._any_host())
            case Hit.AT_REQUEST:
                self.ground.traps.add(*next(self.requests))
            case Hit.CONTAINER:
                await self._kill_container()
            case Hit.FREEZE:
                self._freeze()
            case Hit.DATABASE:
                await self._restart_database()
            case Hit.DISOWN:
                await self._disown()

    def _any_host(self) -> Host:
        running = [host for host in self.ground.hosts if host.running and not host.frozen]
        return self.random.choice(running or list(self.ground.hosts))

    async def _kill(self, host: Host) -> None:
        await to_thread.run_sync(host.kill)

    async def _host_at_event(self, wanted: str) -> Host | None:
        known = {task.id: len(await self.ground.store.journal(task.id)) for task in await self.ground.under_way()}
        with anyio.move_on_after(PATIENCE):
            while True:
                for task in await self.ground.store.list(limit=100, statuses=LIVE):
                    after = known.get(task.id, 0)
                    for entry in await self.ground.store.journal(task.id, after=after):
                        known[task.id] = entry.seq
                        if entry.event.type == wanted:
                            return await self.ground.holder(task.id)
                await anyio.sleep(LOOK_SECONDS)
        return None

    async def _kill_container(self) -> None:
        with anyio.move_on_after(PATIENCE):
            while True:
                found = [one for host in self.ground.hosts for one in await to_thread.run_sync(containers, host)]
                self.random.shuffle(found)
                for id_, label in found:
                    task = label[:26]
                    if self.hit_containers.get(task, 0) < CONTAINER_KILLS and await to_thread.run_sync(
                        kill_container, id_
                    ):
                        self.hit_containers[task] = self.hit_containers.get(task, 0) + 1
                        return
                await anyio.sleep(0.1)
        await self._kill(self._any_host())

    async def _disown(self) -> None:
        host = await self._host_at_event("model.replied") or self._any_host()
        host.hit.add(host.pid)
        for worker in await self.ground.store.workers():
            if worker.pid == host.pid:
                await self.ground.disown(worker.id)

    def _freeze(self) -> None:
        host = self._any_host()
        host.freeze()
        self.group.start_soon(self._thaw, host, host.pid)

    async def _thaw(self, host: Host, pid: int) -> None:
        await anyio.sleep(FROZEN_SECONDS)
        if host.pid == pid:
            host.thaw()

    async def _restart_database(self) -> None:
        assert self.server is not None  # the plan has no such hit without one
        stop = partial(self.server.stop, immediately=True)
        ends: list[Callable[[], None]] = [self.server.kill, self.server.crash, stop]
        await to_thread.run_sync(self.random.choice(ends))
        await anyio.sleep(self.random.uniform(0.1, 2.0))
        await to_thread.run_sync(self.server.start)
