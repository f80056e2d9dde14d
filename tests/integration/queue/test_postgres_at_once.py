"""Claims and ends in one statement do what the long way does, and an answer that gets lost costs nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from anyio import EndOfStream, create_task_group
from anyio.abc import ByteStream, SocketAttribute

from pullwright.agents.clock import SystemClock
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.lease import AttemptOutcome
from pullwright.agents.queue.address import parse
from pullwright.agents.queue.open import open_store
from pullwright.agents.queue.postgres import open_postgres
from pullwright.agents.queue.postgres_store import PostgresStore
from pullwright.agents.queue.sql_store import SqlStore
from pullwright.agents.task import Task, TaskStatus, WaitReason
from pullwright.agents.testing.contracts_store import a_reply, a_spec, asked, finished
from tests.integration.queue.test_damage import edit
from tests.postgres import PostgresServer, transaction_pooler

pytestmark = pytest.mark.anyio

End = Callable[[DurableStore, Task], Any]


async def finish(store: DurableStore, task: Task) -> Task:
    return await store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"), reason="done")


async def publish(store: DurableStore, task: Task) -> Task:
    await store.append(task, [a_reply(1)])
    return await store.finish(task, TaskStatus.FAILED, replace(finished("failed"), patch_path="a.patch"))


async def park(store: DurableStore, task: Task) -> Task:
    return await store.park(task, WaitReason.INPUT_REQUIRED, asked(), question="which?")


async def finish_after_cancel(store: DurableStore, task: Task) -> Task:
    await store.cancel(task.id, reason="enough")
    return await finish(store, task)


ENDS = [finish, publish, park, finish_after_cancel]

ODD = [
    "SELECT 1",
    "UPDATE lane SET weight = 0",
    "UPDATE lane SET weight = 'NaN', vtime = 'Infinity'",
    "UPDATE lane SET weight = 1e-320",
    "UPDATE lane SET weight = 3, vtime = 0.1",
    "UPDATE lane SET queued = 7, running = -3",
    "UPDATE task SET run_at = 5, losses = 1, retries = 2, steps = 9, status_reason = 'x'",
    "UPDATE task SET wait = 'input_required', run_at = 5, losses = 1, retries = 2, steps = 9, status_reason = 'x'",
]

ROWS = [
    """SELECT status, status_reason, wait, run_at, attempt, worker_id, lease_until, steps, steps_at_claim, losses,
    retries, next_seq, branch, pull_request_url, patch_path, updated_at - (SELECT max(at) FROM event WHERE task_id = id)
    FROM task WHERE id = '{id}'""",
    "SELECT seq, attempt, type, data FROM event WHERE task_id = '{id}' ORDER BY seq",
    "SELECT number, worker_id, outcome, (SELECT updated_at FROM task WHERE id = task_id) - ended_at FROM attempt "
    "WHERE task_id = '{id}'",
    "SELECT max_running, paused, queued, running, vtime, place FROM lane",
]
GONE = (EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError)
NEVER = datetime.fromtimestamp(0, UTC)


@pytest.mark.parametrize("odd", ODD)
async def test_one_statement_writes_what_the_long_way_writes(
    shared_postgres: PostgresServer, postgres_url: str, odd: str
) -> None:
    async with open_postgres(parse(postgres_url)) as database:
        the_long_way, at_once = SqlStore(database, SystemClock()), PostgresStore(database, SystemClock())
        for end in ENDS:
            found = []
            for store in (the_long_way, at_once):
                await edit(postgres_url, "DELETE FROM lane")
                await store.create(a_spec())
                await edit(postgres_url, odd)
                claimed = await store.claim("w")
                assert claimed is not None
                ended = await end(store, claimed)
                assert ended == await store.get(claimed.id)
                found.append((_shown(claimed), _shown(ended), _rows(shared_postgres, postgres_url, claimed.id)))
            assert found[0] == found[1], end


async def test_damage_that_only_a_close_look_finds_ends_the_task(postgres_url: str) -> None:
    async with open_store(postgres_url, SystemClock()) as store:
        damaged, sound = await store.create(a_spec(priority=9)), await store.create(a_spec())
        await edit(postgres_url, """UPDATE task SET spec = '{"repository":{}}' WHERE id = :id""", damaged)
        claimed = await store.claim("w")
        assert claimed is not None
        assert claimed.id == sound.id
        found = await store.get(damaged.id)
        assert found.status is TaskStatus.FAILED
        assert "can not be read" in found.status_reason
        assert (await store.beat("w")).keys() == {sound.id}
        assert await store.recount() == 0


async def test_it_works_through_a_pooler(shared_postgres: PostgresServer, postgres_url: str) -> None:
    with transaction_pooler(shared_postgres) as through:
        async with open_store(through(postgres_url), SystemClock()) as store:
            for number in range(3):  # a statement that is used again would be prepared without a pooler
                await store.create(a_spec())
                task = await store.claim("w")
                assert task is not None
                assert (await finish(store, task)).status is TaskStatus.SUCCEEDED, number
            assert await store.recount() == 0


@pytest.mark.parametrize("end", [finish, park])
@pytest.mark.parametrize("arrives", [True, False])
async def test_an_end_whose_answer_got_lost_happens_once(
    shared_postgres: PostgresServer, postgres_url: str, end: End, arrives: bool
) -> None:
    async with _relayed(shared_postgres, postgres_url) as (store, relay):
        await store.create(a_spec())
        task = await store.claim("w")
        assert task is not None
        relay.lose(b"finished" if end is finish else b"question.asked", arrives=arrives)
        ended = await end(store, task)
        assert not relay.marker, "it was not lost"
        assert ended == await store.get(task.id)
        assert ended.status is (TaskStatus.SUCCEEDED if end is finish else TaskStatus.WAITING)
        assert len(await store.journal(task.id)) == 3
        (attempt,) = await store.attempts(task.id)
        assert attempt.outcome is (AttemptOutcome.FINISHED if end is finish else AttemptOutcome.WAITING)
        assert await store.recount() == 0


@pytest.mark.parametrize("arrives", [True, False])
async def test_what_was_claimed_by_a_lost_answer_comes_back(
    shared_postgres: PostgresServer, postgres_url: str, arrives: bool
) -> None:
    async with _relayed(shared_postgres, postgres_url) as (store, relay):
        filed = {(await store.create(a_spec(work_key=key))).id for key in "ab"}
        relay.lose(b"task.moved", arrives=arrives)
        task = await store.claim("w")
        assert not relay.marker, "it was not lost"
        assert task is not None
        held = await store.beat("w")
        assert held.keys() == (filed if arrives else {task.id}), "the worker gives back what it does not know"
        assert await store.recount() == 0


class Relay:
    """Stands between a store and its server, and cuts a connection when it is told to."""

    def __init__(self, port: int) -> None:
        self.marker = b""
        self._port = port
        self._arrives = False

    def lose(self, marker: bytes, *, arrives: bool) -> None:
        """Lose the next request that holds these bytes, or, if it is to arrive, the answer to it."""
        self.marker, self._arrives = marker, arrives

    async def serve(self, client: ByteStream) -> None:
        async with client, await anyio.connect_tcp("127.0.0.1", self._port) as server, create_task_group() as group:
            answered = anyio.Event()
            group.start_soon(self._answers, server, client, answered)
            try:
                while True:
                    request = await client.receive()
                    if self.marker and self.marker in request:
                        self.marker = b""
                        if self._arrives:
                            answered.set()
                            await server.send(request)
                            await anyio.sleep_forever()
                        break
                    await server.send(request)
            except GONE:
                pass
            group.cancel_scope.cancel()

    async def _answers(self, server: ByteStream, client: ByteStream, lost: anyio.Event) -> None:
        try:
            while True:
                answer = await server.receive()
                if lost.is_set():
                    break
                await client.send(answer)
        except GONE:
            pass
        await client.aclose()


@asynccontextmanager
async def _relayed(server: PostgresServer, url: str) -> AsyncIterator[tuple[DurableStore, Relay]]:
    relay = Relay(server.port)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, create_task_group() as group:
        group.start_soon(listener.serve, relay.serve)
        port = listener.extra(SocketAttribute.local_port)
        async with open_store(url.replace(f":{server.port}/", f":{port}/"), SystemClock()) as store:
            yield store, relay
        group.cancel_scope.cancel()


def _shown(task: Task) -> list[object]:
    """Return a task without what differs from one to the next."""
    lease = task.lease_until and task.lease_until - task.updated_at
    return [repr(replace(task, id="", created_at=NEVER, updated_at=NEVER, lease_until=None)), lease]


def _rows(server: PostgresServer, url: str, task_id: str) -> list[list[tuple[Any, ...]]]:
    """Return what the tables hold of a task and its lane, without what differs from one to the next."""
    database = url.rpartition("/")[2]
    return [server.execute(statement.format(id=task_id), database) for statement in ROWS]
