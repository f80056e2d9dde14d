"""Whatever is done to schedules: all stores do the same, no time that is due is dealt with twice, and none is lost."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pullwright.agents.errors import ConfigError, TaskError
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.queue.open import open_store
from pullwright.agents.schedule import Firing, FiringOutcome, Overlap
from pullwright.agents.testing.contracts_engine import end
from pullwright.agents.testing.contracts_schedule import a_schedule
from pullwright.agents.testing.fake_clock import FakeClock
from tests.postgres import PostgresServer
from tests.property.test_lockstep import emptied

EXAMPLES = int(os.environ.get("AGENT_EXAMPLES", "40"))

names = st.sampled_from(["a", "a", "b", "a.b"])
crons = st.sampled_from(["*/7 * * * *", "0 * * * *", "30 2 * * *", "0,20 */3 * * *", "0 * * * *", "never"])
puts = st.tuples(
    st.just("put"),
    names,
    crons,
    st.sampled_from(["UTC", "Europe/Berlin"]),
    st.sampled_from(Overlap),
    st.sampled_from([0.0, 900.0, 7200.0, 86_400.0]),
    st.sampled_from(["", "here"]),
)
later = st.one_of(
    st.tuples(st.just("later"), st.integers(1, 90)),
    st.tuples(st.just("later"), st.integers(1, 90)),
    st.tuples(st.just("later"), st.integers(1, 12_000)),
)
"""So many minutes go by, and somebody looks."""
others = st.one_of(
    st.tuples(st.just("remove"), names, st.sampled_from([None, "", "here"])),
    st.tuples(st.just("pause"), names, st.booleans()),
    st.tuples(st.just("pause"), names, st.just(False)),
    st.tuples(st.just("claim")),
    st.tuples(st.just("cancel"), st.integers(0, 5)),
    st.tuples(st.just("finish"), st.integers(0, 5)),
    puts,
)
commands = st.tuples(
    st.lists(puts, min_size=1, max_size=3), st.lists(st.one_of(later, later, others), min_size=5, max_size=40)
).map(lambda both: [*both[0], *both[1]])


class Side:
    """One of several stores that get the same commands."""

    def __init__(self, store: DurableStore) -> None:
        self.store = store
        self.ids: list[str] = []
        self.firings: list[Firing] = []

    async def do(self, name: str, *arguments: Any) -> object:
        try:
            return await getattr(self, f"_{name}")(*arguments)
        except (ConfigError, TaskError) as exc:
            return type(exc).__name__

    async def seen(self) -> object:
        """Return everything that can be seen."""
        kept = [
            replace(one, last_task_id=self._number(one.last_task_id), last_reason="")
            for one in await self.store.schedules()
        ]
        tasks = [await self.store.get(task_id) for task_id in self.ids]
        return kept, [(task.status, task.spec) for task in tasks]

    def _number(self, task_id: str) -> str:
        return str(self.ids.index(task_id)) if task_id else ""

    async def _put(self, name: str, cron: str, tz: str, overlap: Overlap, catch_up: float, origin: str) -> object:
        spec = a_schedule(name, cron=cron, tz=tz, overlap=overlap, catch_up=catch_up, origin=origin)
        return (await self.store.put_schedule(spec)).next_at

    async def _remove(self, name: str, origin: str | None) -> object:
        return await self.store.remove_schedule(name, origin=origin)

    async def _pause(self, name: str, pause: bool) -> object:
        return (await self.store.pause_schedule(name, pause=pause)).next_at

    async def _later(self, _: int) -> object:
        fired = sorted(await self.store.fire_due(), key=lambda firing: firing.name)
        self.ids += [firing.task_id for firing in fired if firing.task_id]
        self.firings += fired
        return [(firing.name, firing.outcome, firing.at, self._number(firing.task_id)) for firing in fired]

    async def _claim(self) -> None:
        await self.store.claim("w", self.ids[0] if self.ids else "none")

    async def _cancel(self, index: int) -> None:
        await self.store.cancel(self.ids[index % len(self.ids)] if self.ids else "none", reason="")

    async def _finish(self, index: int) -> None:
        if self.ids:
            await end(self.store, await self.store.get(self.ids[index % len(self.ids)]))


async def play(url: str, play: Sequence[tuple[Any, ...]]) -> None:
    clock = FakeClock()
    # In the middle of a minute: the server's clock goes on by itself.
    clock.advance((time.time() + 1000) // 60 * 60 + 30 - clock.now().timestamp())
    async with open_store(url, clock, skew=lambda: clock.now().timestamp() - time.time()) as store:
        sides = Side(MemoryStore(clock)), Side(store)
        for name, *arguments in play:
            if name == "later":
                clock.advance(60 * arguments[0])
            model, answer = [await side.do(name, *arguments) for side in sides]
            assert answer == model, (name, arguments)
            model, seen = [await side.seen() for side in sides]
            assert seen == model
        require_rules(sides[1])


def require_rules(side: Side) -> None:
    """Check that no time was dealt with twice, and that each file has its task."""
    assert len(side.ids) == len(set(side.ids))
    assert all(bool(firing.task_id) == firing.outcome.files for firing in side.firings)
    assert all(firing.outcome is not FiringOutcome.FAILED for firing in side.firings)
    for name in ("a", "b", "a.b"):
        times = [firing.at for firing in side.firings if firing.name == name]
        assert times == sorted(set(times))


@settings(max_examples=EXAMPLES)
@given(commands)
def test_sqlite_does_what_memory_does(commands: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder:
        anyio.run(play, f"sqlite:///{Path(folder) / 'x.db'}", commands)


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=commands)
def test_postgres_does_what_memory_does(
    postgres_url: str, shared_postgres: PostgresServer, commands: list[tuple[Any, ...]]
) -> None:
    with emptied(shared_postgres, postgres_url):
        anyio.run(play, postgres_url, commands)


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.timeout(600))
