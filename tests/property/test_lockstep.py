"""Whatever is done to them: the store in memory, the one on SQLite and the one on PostgreSQL can not be told apart."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import Task
from pullwright.agents.testing.fake_clock import FakeClock
from tests.postgres import PostgresServer
from tests.property.lockstep import Command, Side, broken_rules, commands, jumps, untold

EXAMPLES = int(os.environ.get("AGENT_EXAMPLES", "40"))
TABLES = "task, event, attempt, lane, signal, effect, worker, blob, spending, delivery, schedule, witness, report, duty"

plays = st.lists(st.tuples(jumps, commands.map(tuple)), min_size=1, max_size=4)


@settings(max_examples=EXAMPLES)
@given(plays)
def test_sqlite_does_what_memory_does(plays: list[tuple[int, tuple[Command, ...]]]) -> None:
    with TemporaryDirectory() as folder:
        anyio.run(play, f"sqlite:///{Path(folder) / 'x.db'}", plays, True)


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plays=plays)
def test_postgres_does_what_memory_does(
    postgres_url: str, shared_postgres: PostgresServer, plays: list[tuple[int, tuple[Command, ...]]]
) -> None:
    with emptied(shared_postgres, postgres_url):
        anyio.run(play, postgres_url, plays, False)


async def play(url: str, plays: list[tuple[int, tuple[Command, ...]]], times: bool) -> None:
    clock = FakeClock()
    clock.advance(time.time() + 1000 - clock.now().timestamp())  # leases mean nothing just after a server's start
    async with open_store(url, clock, skew=lambda: clock.now().timestamp() - time.time()) as store:
        sides = Side(MemoryStore(clock), clock), Side(store, clock)
        before: list[Task] = []
        for jump, part in plays:
            for command in part:
                model, answer = [await side.do(command) for side in sides]
                assert answer == model, command
            model, seen = [await side.seen(times=times) for side in sides]
            assert seen == model
            assert await store.recount() == 0
            after = [await store.get(task_id) for task_id in sides[1].ids]
            assert broken_rules(before, after) == []
            assert not [task for task in after if untold([*await store.journal(task.id)], task.status)]
            before = after
            clock.advance(jump)


@contextmanager
def emptied(server: PostgresServer, url: str) -> Iterator[None]:
    server.execute(f"TRUNCATE {TABLES}", url.rpartition("/")[2])
    yield


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.timeout(600))
