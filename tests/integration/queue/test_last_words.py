"""What somebody says at the moment in which a run ends is refused, or heard, or decided again: never lost.

The two transactions are stopped at each other's locks, so that every order of them happens for certain. Row locks and
table locks are the server's own; between the snapshot of a statement and its lock on a task there is nothing to wait
for, so the table gets a gate there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from random import Random

import anyio
import psycopg
import pytest
from anyio import create_task_group
from anyio.lowlevel import checkpoint

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import IllegalTransition
from pullwright.agents.events import UserSaid
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.inbox import Delivery, DeliveryStatus, NewDelivery
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.address import parse
from pullwright.agents.queue.open import open_store
from pullwright.agents.queue.postgres import open_postgres
from pullwright.agents.queue.postgres_link import PostgresLink
from pullwright.agents.queue.postgres_store import PostgresStore
from pullwright.agents.queue.sql_store import SqlStore
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_store import a_running_task, a_spec, finished
from tests.integration.queue.test_damage import edit
from tests.postgres import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

GATED = """
ALTER TABLE task RENAME TO task_behind_gate;
CREATE FUNCTION gate() RETURNS boolean VOLATILE LANGUAGE plpgsql AS $$ BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext(current_setting('application_name')));
    RETURN true;
END $$;
CREATE VIEW task AS SELECT * FROM task_behind_gate WHERE gate()"""
"""Whoever reads a task passes a gate of its own, with the snapshot already taken and the row not locked yet."""

CLOSE = "SELECT pg_advisory_lock(hashtext('{name}'))"
OPEN = "SELECT pg_advisory_unlock(hashtext('{name}'))"
WAITS = """
SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s AND wait_event_type = 'Lock'
AND wait_event = %s"""
NO_SIGNALS = "LOCK TABLE signal IN EXCLUSIVE MODE"
"""Whoever tells something waits here, with the task locked; it can still be read what was told."""
NO_LANE = "SELECT FROM lane FOR UPDATE"
"""Whoever ends a run waits here, with the task locked."""
AT_THE_GATE, AT_A_TABLE, AT_A_ROW = "advisory", "relation", "transactionid"

RUNNER, TELLER = "runner", "teller"


@dataclass
class Scene:
    """A run that is about to end, a delivery that is about to be told to it, and a hand that holds either up."""

    runner: DurableStore
    teller: DurableStore
    hand: psycopg.AsyncConnection[tuple[object, ...]]
    task: Task
    delivery: Delivery
    refused: bool = False

    async def end(self) -> None:
        await self.runner.finish(self.task, TaskStatus.SUCCEEDED, finished("succeeded"))

    async def tell(self) -> None:
        try:
            await self.teller.tell(self.delivery, self.task.id, SignalKind.MESSAGE, "and the docs")
        except IllegalTransition:
            self.refused = True

    async def until_stopped(self, name: str, at: str) -> None:
        with anyio.fail_after(60):
            while not await (await self.hand.execute(WAITS, (name, at))).fetchall():
                pass

    @asynccontextmanager
    async def closed_gate(self, name: str) -> AsyncIterator[None]:
        await self.hand.execute(CLOSE.format(name=name).encode())
        try:
            yield
        finally:
            await self.hand.execute(OPEN.format(name=name).encode())

    @asynccontextmanager
    async def locked(self, statement: str) -> AsyncIterator[None]:
        async with self.hand.transaction():
            await self.hand.execute(statement.encode())
            yield


@pytest.fixture(params=[PostgresStore, SqlStore], ids=["at once", "the long way"])
async def scene(request: pytest.FixtureRequest, postgres_url: str) -> AsyncIterator[Scene]:
    async with (
        await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as hand,
        open_postgres(parse(f"{postgres_url}?application_name={RUNNER}")) as database,
        open_store(f"{postgres_url}?application_name={TELLER}", SystemClock()) as teller,
    ):
        await hand.execute(GATED.encode())
        runner = request.param(database, SystemClock())
        task = await a_running_task(runner)
        [delivery] = await taken(teller, 1)
        yield Scene(runner, teller, hand, task, delivery)


async def taken(store: DurableStore, count: int) -> Sequence[Delivery]:
    """Receive so many deliveries and take them."""
    for number in range(count):
        await store.receive(NewDelivery(source="github", connection="main", key=f"k{number}", kind="comment"))
    return await store.take("hearer", limit=count)


async def end_is_told_before_its_lock(scene: Scene) -> None:
    """The statement that ends the run has begun, and somebody says something before it locks the task."""
    async with create_task_group() as group, scene.closed_gate(RUNNER):
        group.start_soon(scene.end)
        await scene.until_stopped(RUNNER, AT_THE_GATE)
        await scene.tell()


async def end_begins_within_the_telling(scene: Scene) -> None:
    """As before, but who says something has the task's lock when that statement begins."""
    async with (
        create_task_group() as group,
        scene.closed_gate(RUNNER),
        create_task_group() as telling,
        scene.locked(NO_SIGNALS),
    ):
        telling.start_soon(scene.tell)
        await scene.until_stopped(TELLER, AT_A_TABLE)
        group.start_soon(scene.end)
        await scene.until_stopped(RUNNER, AT_THE_GATE)


async def end_waits_for_the_telling(scene: Scene) -> None:
    """Who says something has the task's lock all the while."""
    async with create_task_group() as group, scene.locked(NO_SIGNALS):
        group.start_soon(scene.tell)
        await scene.until_stopped(TELLER, AT_A_TABLE)
        group.start_soon(scene.end)
        await scene.until_stopped(RUNNER, AT_A_ROW)


async def telling_waits_for_the_end(scene: Scene) -> None:
    """The end has the task's lock, and waits for its lane."""
    async with create_task_group() as group, scene.locked(NO_LANE):
        group.start_soon(scene.end)
        await scene.until_stopped(RUNNER, AT_A_ROW)
        group.start_soon(scene.tell)
        await scene.until_stopped(TELLER, AT_A_ROW)


async def telling_begins_before_the_end(scene: Scene) -> None:
    """Who says something has found a live task, which is over when it is locked."""
    async with create_task_group() as group, scene.closed_gate(TELLER):
        group.start_soon(scene.tell)
        await scene.until_stopped(TELLER, AT_THE_GATE)
        await scene.end()


@pytest.mark.parametrize(
    ("order", "refused"),
    [
        (end_is_told_before_its_lock, False),
        (end_begins_within_the_telling, False),
        (end_waits_for_the_telling, False),
        (telling_waits_for_the_end, True),
        (telling_begins_before_the_end, True),
    ],
)
async def test_last_words_are_refused_or_decided_again(
    scene: Scene, order: Callable[[Scene], Awaitable[None]], refused: bool
) -> None:
    await order(scene)
    assert scene.refused is refused
    assert await scene.runner.status(scene.task.id) is TaskStatus.SUCCEEDED
    [delivery] = await scene.teller.deliveries()
    assert (delivery.status, delivery.task_id) == (DeliveryStatus.WAITING, "")
    live = await a_running_task(scene.runner)
    if not refused:
        [scene.delivery] = await scene.teller.take("hearer")
    await scene.teller.tell(scene.delivery, live.id, SignalKind.MESSAGE, "and the docs")
    assert [one.text for one in await scene.runner.signals(live.id)] == ["and the docs"]


def test_the_isolation_is_ours_whatever_the_database_prefers(
    shared_postgres: PostgresServer, postgres_url: str
) -> None:
    database = postgres_url.rpartition("/")[2]
    shared_postgres.execute(f"ALTER DATABASE {database} SET default_transaction_isolation = 'repeatable read'")
    with closing(PostgresLink(parse(postgres_url).conninfo)) as link:
        assert link.rows("SHOW transaction_isolation") == [{"transaction_isolation": "read committed"}]


async def test_words_to_a_task_that_can_not_be_read_are_decided_again(store: DurableStore, url: str) -> None:
    task = await store.create(a_spec())
    [delivery] = await taken(store, 1)
    await store.tell(delivery, task.id, SignalKind.MESSAGE, "and the docs")
    await edit(url, "UPDATE task SET spec = '{' WHERE id = :id", task)
    assert await store.claim("w") is None
    assert await store.status(task.id) is TaskStatus.FAILED
    [again] = await store.take("hearer")
    assert again.id == delivery.id
    await store.tell(again, (await store.create(a_spec())).id, SignalKind.MESSAGE, "and the docs")


async def test_in_a_crowd_nothing_that_is_told_gets_lost(store: DurableStore, url: str) -> None:
    """Runs end while others tell them something, as often as a few seconds allow; each hears what it can."""
    crowd, rounds, words, chance = 6, 60, 3, Random(7)
    deliveries = list(await taken(store, crowd * rounds * words))
    told: dict[str, str] = {}

    async def tell(teller: DurableStore, delivery: Delivery, task: Task, pause: int) -> None:
        for _ in range(pause):
            await checkpoint()
        try:
            await teller.tell(delivery, task.id, SignalKind.MESSAGE, delivery.id)
            told[delivery.id] = task.id
        except IllegalTransition:
            pass

    async def run(teller: DurableStore) -> None:
        for _ in range(rounds):
            task = await a_running_task(store)
            async with create_task_group() as group:
                for _ in range(words):
                    group.start_soon(tell, teller, deliveries.pop(), task, chance.randrange(60))
                for _ in range(chance.randrange(3)):
                    heard = await store.signals(task.id)
                    said = [UserSaid(step=1, content=one.text) for one in heard]
                    await store.append(task, said, consumed=[one.id for one in heard])
                await store.finish(task, TaskStatus.FAILED, finished("failed"))

    async with open_store(url, SystemClock()) as teller, create_task_group() as group:
        for _ in range(crowd):
            group.start_soon(run, teller)
    heard = {
        entry.event.content: task.id
        for task in await store.list(limit=crowd * rounds)
        for entry in await store.journal(task.id)
        if isinstance(entry.event, UserSaid)
    }
    assert heard.items() <= told.items()
    for one in await store.deliveries(limit=crowd * rounds * words):
        known = (DeliveryStatus.TOLD, heard[one.id]) if one.id in heard else (DeliveryStatus.WAITING, "")
        assert (one.status, one.task_id) == known
