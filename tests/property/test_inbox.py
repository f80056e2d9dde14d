"""However deliveries arrive and whatever dies: one live task for each piece of work, every delivery settled once.

The world tells of things that happen to a few pieces of work; the senders repeat, reorder and lose deliveries, and ask
again for what was lost. Whoever deals with them dies between taking, telling and settling. What is true afterwards is
compared with what happened.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pullwright.agents.errors import LeaseLost
from pullwright.agents.intake.decisions import Decision, File, Ignore, Reply, ReplyKind, Stop
from pullwright.agents.intake.reception import Reception
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.inbox import TAKEN_SECONDS, Delivery, DeliveryStatus, NewDelivery
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.queue.open import open_store
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.worker.outbox import Made
from tests.postgres import PostgresServer
from tests.property.test_lockstep import emptied

EXAMPLES = int(os.environ.get("AGENT_EXAMPLES", "40"))


class Died(Exception):
    """The process that dealt with a delivery is gone."""


@dataclass(frozen=True)
class Thing:
    """Something that happens: to which work, what, and how its deliveries fare."""

    work: int
    verb: str
    hooks: int
    """By how many hooks it is told: each has keys of its own, the meaning is the same."""
    repeats: int
    lost: bool
    """The first time; whoever asks later finds it."""


things = st.lists(
    st.builds(
        Thing,
        work=st.integers(0, 2),
        verb=st.sampled_from(["run", "run", "say", "stop", "noise"]),
        hooks=st.integers(1, 2),
        repeats=st.integers(1, 2),
        lost=st.booleans(),
    ),
    min_size=1,
    max_size=12,
)
deaths = st.lists(st.sampled_from(["", "", "", "handle", "reply", "after reply"]), max_size=30)
calms = st.sets(st.integers(0, 40), max_size=8)
"""After which deliveries there is time to deal with everything that is due; in the end there always is."""


@dataclass
class Mortal:
    """A handler whose process dies when it is its time; it remembers what people outside have seen."""

    store: DurableStore
    deaths: list[str]
    seen: Counter[str] = field(default_factory=Counter)
    order: dict[str, list[str]] = field(default_factory=dict)

    def _pass(self, point: str) -> None:
        if self.deaths and self.deaths[0] == point:
            self.deaths.pop(0)
            raise Died

    async def handle(self, delivery: Delivery) -> Decision:
        if self.deaths and not self.deaths[0]:
            self.deaths.pop(0)
        self._pass("handle")
        done = self.order.setdefault(delivery.work_key, [])
        if delivery.id not in done:
            done.append(delivery.id)
        reply = Reply(kind=ReplyKind.SEEN)
        live = [one for one in await self.store.tasks_of(delivery.work_key) if not one.status.terminal]
        match delivery.kind:
            case "run" | "say":
                words = delivery.key if delivery.kind == "say" else ""
                return File(spec=a_spec(work_key=delivery.work_key), words=words, reply=reply)
            case "stop" if live:
                return Stop(task_id=live[0].id, reason="stop", reply=reply)
        return Ignore(reason="nothing to do")

    async def reply(self, delivery: Delivery, reply: Reply) -> Made:
        self._pass("reply")
        self.seen[delivery.id] += 1
        self._pass("after reply")
        return Made(external_id=delivery.id)

    async def find_reply(self, delivery: Delivery, reply: Reply) -> Made | None:
        return Made(external_id=delivery.id) if self.seen[delivery.id] else None


class DyingReception(Reception):
    """Does not survive its handler's death, and may die after it has settled something."""

    async def _failed(self, delivery: Delivery, error: Exception) -> None:
        if isinstance(error, Died):
            raise error
        await super()._failed(delivery, error)


@settings(max_examples=EXAMPLES)
@given(things, st.randoms(use_true_random=False), deaths, calms)
def test_on_sqlite(happened: list[Thing], chance: Random, dying: list[str], calm: set[int]) -> None:
    with TemporaryDirectory() as folder:
        anyio.run(play, f"sqlite:///{Path(folder) / 'x.db'}", happened, chance, dying, calm)


@settings(max_examples=EXAMPLES)
@given(things, st.randoms(use_true_random=False), deaths, calms)
def test_in_memory(happened: list[Thing], chance: Random, dying: list[str], calm: set[int]) -> None:
    anyio.run(play, "", happened, chance, dying, calm)


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(happened=things, chance=st.randoms(use_true_random=False), dying=deaths, calm=calms)
def test_on_postgresql(
    postgres_url: str,
    shared_postgres: PostgresServer,
    happened: list[Thing],
    chance: Random,
    dying: list[str],
    calm: set[int],
) -> None:
    with emptied(shared_postgres, postgres_url):
        anyio.run(play, postgres_url, happened, chance, dying, calm)


async def play(url: str, happened: list[Thing], chance: Random, dying: list[str], calm: set[int]) -> None:
    clock = FakeClock()
    if not url:
        await live_through(MemoryStore(clock), clock, happened, chance, dying, calm)
        return
    clock.advance(time.time() + 1000 - clock.now().timestamp())
    async with open_store(url, clock, skew=lambda: clock.now().timestamp() - time.time()) as store:
        await live_through(store, clock, happened, chance, dying, calm)


def deliveries_of(happened: list[Thing], *, lost: bool) -> list[NewDelivery]:
    """Return what is sent of the things that are lost at first, or of the others."""
    return [
        NewDelivery(
            source="github",
            connection=f"hook{hook}",
            key=f"{number}",
            meaning_key=f"m{number}",
            work_key=f"w{thing.work}",
            kind=thing.verb,
            ignored="noise" if thing.verb == "noise" else "",
        )
        for number, thing in enumerate(happened)
        for hook in range(thing.hooks)
        for _ in range(thing.repeats)
        if thing.lost is lost
    ]


async def live_through(
    store: DurableStore, clock: FakeClock, happened: list[Thing], chance: Random, dying: list[str], calm: set[int]
) -> None:
    handler = Mortal(store, list(dying))
    arriving = deliveries_of(happened, lost=False)
    chance.shuffle(arriving)
    arriving += deliveries_of(happened, lost=True)
    for number, new in enumerate(arriving):
        await store.receive(new)
        if number in calm:
            await deal(store, handler, clock, rounds=1)
            await check_tasks(store)
    for new in deliveries_of(happened, lost=True):
        await store.receive(new)
    await deal(store, handler, clock, rounds=60)
    await check_end(store, handler, happened)


async def deal(store: DurableStore, handler: Mortal, clock: FakeClock, *, rounds: int) -> None:
    """Deal with what is due; each death is a process that another one follows after the time of what it had."""
    for _ in range(rounds):
        died = await dies(DyingReception(store, {"github": handler}, clock=clock))
        if not died and not await store.deliveries(status=DeliveryStatus.WAITING):
            return
        clock.advance(TAKEN_SECONDS + 1 if died else 10)


async def dies(reception: Reception) -> bool:
    died = False
    try:
        await reception.deal_with_all("w")
    except* Died:
        died = True
    return died


async def check_tasks(store: DurableStore) -> None:
    live = Counter(task.spec.work_key for task in await store.list(limit=100) if not task.status.terminal)
    assert all(count == 1 for count in live.values())


async def check_end(store: DurableStore, handler: Mortal, happened: Sequence[Thing]) -> None:
    await check_tasks(store)
    kept = await store.deliveries(limit=500)
    assert all(one.status.settled and one.status is not DeliveryStatus.FAILED for one in kept)
    meant = Counter(one.key for one in kept if one.status is not DeliveryStatus.IGNORED or one.reason != "noise")
    assert meant == {str(number): 1 for number, thing in enumerate(happened) if thing.verb != "noise"}
    tasks = await store.list(limit=500)
    filed = Counter(one.task_id for one in kept if one.status is DeliveryStatus.FILED)
    assert filed == {task.id: 1 for task in tasks}
    assert all(times == 1 for times in handler.seen.values())
    for one in kept:
        if one.status.settled and one.turn:
            with pytest.raises(LeaseLost):
                await store.conclude(replace(one, turn=one.turn), DeliveryStatus.IGNORED, "again")
    for done in handler.order.values():
        assert done == sorted(done)
    told = [signal.text for task in tasks for signal in await store.signals(task.id)]
    expected = [one.key for one in kept if one.status is DeliveryStatus.TOLD and one.kind == "say"]
    assert sorted(told) == sorted(expected)


@pytest.fixture(autouse=True)
def _patience(request: pytest.FixtureRequest) -> None:
    request.node.add_marker(pytest.mark.timeout(600))
