"""What PostgreSQL has confirmed stays, and nothing is made twice, however its processes are killed while it commits.

``AGENT_CRASHES`` says how many times (24 without it), ``AGENT_CHAOS_SEED`` repeats a run's.
"""

from __future__ import annotations

import os
import random
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from anyio import create_task_group, to_thread

from pullwright.agents.clock import SystemClock
from pullwright.agents.events import UserSaid
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.queue.address import parse
from pullwright.agents.queue.open import open_store
from pullwright.agents.queue.postgres import Unanswered, open_postgres
from pullwright.agents.queue.postgres_link import ConnectionLost, PostgresLink
from pullwright.agents.queue.postgres_transaction import PostgresTransaction
from pullwright.agents.task import Task
from pullwright.agents.testing.contracts_store import a_spec
from tests.postgres import PostgresServer, running_server

CRASHES = int(os.environ.get("AGENT_CRASHES", "24"))
SEED = int(os.environ.get("AGENT_CHAOS_SEED") or secrets.randbelow(1_000_000))

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120 + 5 * CRASHES)]


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@dataclass(kw_only=True)
class Confirmed:
    """What the store said that it has."""

    entries: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Words, and the task and number of their entry."""
    effects: set[tuple[str, str]] = field(default_factory=set)
    blobs: set[tuple[str, str]] = field(default_factory=set)
    enough: bool = False


async def say(store: DurableStore, task: Task, who: str, confirmed: Confirmed) -> None:
    number = 0
    while not confirmed.enough:
        number += 1
        (entry,) = await store.append(task, [UserSaid(step=1, content=f"{who}:{number}")])
        confirmed.entries[f"{who}:{number}"] = task.id, entry.seq


async def put(store: DurableStore, task: Task, confirmed: Confirmed) -> None:
    """What leaves nothing in the journal."""
    number = 0
    while not confirmed.enough:
        number += 1
        await store.put(task, f"blob-{number}", b"x%d" % number)
        confirmed.blobs.add((task.id, f"blob-{number}"))
        await store.intend(task, f"effect-{number}", kind="comment")
        confirmed.effects.add((task.id, f"effect-{number}"))


def crash(server: PostgresServer, how: random.Random) -> None:
    """Kill one process of a connection, all at once, the first one, or stop without a word to anybody."""
    match how.choice(["backend", "all", "first", "stop"]):
        case "backend":
            server.crash()
            return
        case "all":
            server.kill_all()
        case "first":
            server.kill()
        case _:
            server.stop(immediately=True)
    server.start()


async def test_what_was_confirmed_survives_and_nothing_is_made_twice(server: PostgresServer, tmp_path: Path) -> None:
    random_ = random.Random(SEED)
    confirmed = Confirmed()
    async with open_store(server.url(), SystemClock()) as store:
        tasks = []
        for number in range(3):
            made = await store.create(a_spec(work_key=f"work {number}"))
            claimed = await store.claim("worker", made.id)
            assert claimed is not None
            tasks.append(claimed)
        async with create_task_group() as group:
            for number in range(4):
                group.start_soon(say, store, tasks[number % 3], f"writer {number}", confirmed)
            for task in tasks[:2]:
                group.start_soon(put, store, task, confirmed)
            for _ in range(CRASHES):
                await anyio.sleep(random_.uniform(0.02, 0.25))
                await to_thread.run_sync(crash, server, random_)
            confirmed.enough = True
        await compare(store, tasks, confirmed)


async def compare(store: DurableStore, tasks: list[Task], confirmed: Confirmed) -> None:
    said: Counter[str] = Counter()
    entries, effects = {}, set()
    for task in tasks:
        for entry in await store.journal(task.id):
            if isinstance(entry.event, UserSaid):
                said[entry.event.content] += 1
                entries[entry.event.content] = task.id, entry.seq
        effects |= {(task.id, effect.key) for effect in await store.effects(task.id)}
    seed = f"AGENT_CHAOS_SEED={SEED}"
    assert len(confirmed.entries) > CRASHES, seed
    assert [words for words, times in said.items() if times > 1] == [], seed
    assert entries == confirmed.entries, seed
    assert confirmed.effects - effects == set(), seed
    for task_id, name in confirmed.blobs:
        assert await store.read(task_id, name) == b"x" + name.removeprefix("blob-").encode(), (seed, name)


FILL = "INSERT INTO blob (task_id, name, part, sha256, size, content) VALUES ('t', :name, 0, '', 0, '')"


async def test_a_number_that_another_transaction_got_after_a_crash_proves_nothing(server: PostgresServer) -> None:
    async with open_store(server.url(), SystemClock()), open_postgres(parse(server.url())) as database:
        link = PostgresLink(server.url())
        lost = PostgresTransaction(link, float, writes=True)
        lost.run(FILL, name="lost")
        server.execute(f"SELECT pg_terminate_backend({link.connection.info.backend_pid})")
        with pytest.raises(ConnectionLost):
            lost.commit()
        link.close()
        made = PostgresTransaction(other := PostgresLink(server.url()), float, writes=True)
        made.run(FILL, name="made")
        made.commit()
        other.close()
        assert database.committed(Unanswered(made.xid, made, None))
        assert not database.committed(Unanswered(made.xid, lost, None))
