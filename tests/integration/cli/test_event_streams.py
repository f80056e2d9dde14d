"""Following a task by HTTP: through a real socket, on every engine, with many followers and broken connections."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio import create_task_group, fail_after
from anyio.abc import SocketStream

from pullwright.agents.clock import SystemClock
from pullwright.agents.errors import StoreUnavailable
from pullwright.agents.events import JournalEntry, PlanUpdated
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.store import TaskStore
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_engine import end, work
from pullwright.agents.worker.queue_engine import QueueEngine
from pullwright.cli.commands.serve import specify_filing
from pullwright.cli.server.app import make_app
from pullwright.cli.server.event_stream import event_stream
from pullwright.cli.server.feed import TAIL, Feed, Feeds
from pullwright.cli.server.listen import listen
from pullwright.cli.settings import Settings

pytestmark = pytest.mark.anyio

TOKEN = "0123456789abcdef"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(params=["sqlite", "postgresql"])
async def stores(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Sequence[DurableStore]]:
    """Two processes' ways to the same database: the server's, and that of a worker elsewhere."""
    url = f"sqlite:///{tmp_path / 'a.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_store(url, SystemClock())) for _ in range(2)]


@asynccontextmanager
async def served(store: DurableStore) -> AsyncIterator[int]:
    closing = anyio.Event()
    specify = partial(specify_filing, Settings())
    app = make_app(store, QueueEngine(store), specify, token=TOKEN, closing=closing)
    async with create_task_group() as group:
        yield await group.start(partial(listen, app, host="127.0.0.1", port=0, closing=closing))
        group.cancel_scope.cancel()


async def claimed(store: DurableStore) -> Task:
    task = await store.claim("w", (await store.create(work())).id)
    assert task
    return task


async def write(store: DurableStore, task: Task, count: int) -> None:
    for step in range(count):
        await store.append(task, [PlanUpdated(step=step, items=())])
        await anyio.sleep(0.002)
    await end(store, task)


class Connection:
    """One connection of a client that reads as much as it likes and then is gone."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._read = b""

    @classmethod
    @asynccontextmanager
    async def open(cls, port: int, task: str, last: int) -> AsyncIterator[Connection]:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            lines = [
                f"GET /api/tasks/{task}/events HTTP/1.1",
                "Host: x",
                f"Authorization: Bearer {TOKEN}",
                *([f"Last-Event-ID: {last}"] if last else []),
            ]
            await stream.send("\r\n".join([*lines, "", ""]).encode())
            yield cls(stream)

    async def ids(self) -> AsyncGenerator[int]:
        """Yield the number of each whole event."""
        with_end = b"\n\n"
        try:
            while True:
                while with_end in self._read:
                    event, _, self._read = self._read.partition(with_end)
                    found = [line for line in event.splitlines() if line.startswith(b"id: ")]
                    if found:
                        yield int(found[0][4:])
                self._read += await self._stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return


async def test_connections_that_break_anywhere_miss_nothing_and_get_nothing_twice(
    stores: Sequence[DurableStore],
) -> None:
    """The client takes in whole events only, and comes back with the number of the last one, as a browser does."""
    here, elsewhere = stores
    task = await claimed(elsewhere)
    chance, got, connections = random.Random(5), list[int](), 0
    with fail_after(60):
        async with served(here) as port, create_task_group() as group:
            group.start_soon(write, elsewhere, task, 150)
            while not got or got[-1] < 153:
                connections += 1
                patience = chance.randint(1, 25)
                async with (
                    Connection.open(port, task.id, got[-1] if got else 0) as connection,
                    aclosing(connection.ids()) as ids,
                ):
                    async for seq in ids:
                        got.append(seq)
                        patience -= 1
                        if not patience:
                            break
    assert got == list(range(1, 154))
    assert connections > 5


class Counting:
    """A store that counts what it is asked for a journal."""

    def __init__(self, store: DurableStore) -> None:
        self._store = store
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self._store, name)


async def test_two_hundred_followers_are_one_reader(stores: Sequence[DurableStore]) -> None:
    here, elsewhere = stores
    task = await claimed(elsewhere)
    counting = Counting(here)
    feeds, closing, events, followers = Feeds(_as_store(counting)), anyio.Event(), 60, 200
    got: list[list[bytes]] = [[] for _ in range(followers)]

    async def follow(mine: list[bytes]) -> None:
        async with aclosing(event_stream(feeds.of(task.id), after=0, closing=closing)) as stream:
            mine.extend([sent async for sent in stream])

    with fail_after(60):
        async with create_task_group() as group:
            for mine in got:
                group.start_soon(follow, mine)
            await anyio.sleep(0.1)
            counting.asked.clear()
            await write(elsewhere, task, events)
    assert all(mine == got[0] for mine in got)
    assert len(got[0]) == events + 3
    assert counting.asked["journal"] <= 2 * events + followers, "a few of them for each event, not for each follower"
    assert not feeds._feeds, "nobody follows it any more"


def _as_store(store: Any) -> TaskStore:
    return store  # type: ignore[no-any-return]


async def test_who_is_far_behind_reads_from_the_store_and_catches_up() -> None:
    store = MemoryStore(SystemClock())
    task = await claimed(store)
    feed = Feed(store, task.id)
    for step in range(TAIL + 50):
        await store.append(task, [PlanUpdated(step=step, items=())])
    await feed.more(0)
    await feed.more(0)
    last = TAIL + 52
    assert [len(await feed.after(seq)) for seq in (0, 10, last - 3, last, last + 9)] == [last, last - 10, 3, 0, 0]
    assert await store.status(task.id) is TaskStatus.RUNNING


@pytest.mark.parametrize("first", [0, 3, 4, 99_999])
async def test_a_number_that_was_never_given_does_not_lead_others_astray(first: int) -> None:
    """Any client can send any ``Last-Event-ID``."""
    store = MemoryStore(SystemClock())
    task = await claimed(store)
    await store.append(task, [PlanUpdated(step=1, items=())])
    feeds, closing = Feeds(store), anyio.Event()
    got: dict[int, int] = {}

    async def follow(after: int) -> None:
        sent = [one async for one in event_stream(feeds.of(task.id), after=after, closing=closing)]
        got[after] = len(sent)

    with fail_after(10):
        async with create_task_group() as group:
            group.start_soon(follow, first)
            await anyio.sleep(0.02)
            group.start_soon(follow, 1)
            await anyio.sleep(0.02)
            await end(store, task)
    assert got == {first: max(0, 4 - first), 1: 3}


class Shaky(MemoryStore):
    """A store whose database goes away for a while."""

    away = False

    async def journal(self, task_id: str, *, after: int = 0) -> Sequence[JournalEntry]:
        if self.away:
            raise StoreUnavailable("the database does not answer")
        return await super().journal(task_id, after=after)


async def test_a_database_that_is_away_makes_a_stream_silent_and_does_not_end_it() -> None:
    store = Shaky(SystemClock())
    task = await claimed(store)
    got: list[bytes] = []

    async def follow() -> None:
        async for sent in event_stream(Feed(store, task.id), after=0, closing=anyio.Event(), silence=0.05):
            got.append(sent)  # noqa: PERF401 - it is looked at meanwhile

    with fail_after(20):
        async with create_task_group() as group:
            group.start_soon(follow)
            while len(got) < 2:  # noqa: ASYNC110 - the stream is what tells it
                await anyio.sleep(0.01)
            store.away = True
            await store.append(task, [PlanUpdated(step=1, items=())])
            while b": still here\n\n" not in got:  # noqa: ASYNC110 - the stream is what tells it
                await anyio.sleep(0.01)
            store.away = False
            await end(store, task)
    entries = [json.loads(one.split(b"data: ")[1])["seq"] for one in got if one.startswith(b"id: ")]
    assert entries == [1, 2, 3, 4]


async def test_a_request_that_was_cut_off_in_the_middle_changes_nothing(stores: Sequence[DurableStore]) -> None:
    here, _ = stores
    async with served(here) as port:
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            head = ["POST /api/tasks HTTP/1.1", "Host: x", f"Authorization: Bearer {TOKEN}", "Content-Length: 900"]
            await stream.send("\r\n".join([*head, "", '{"instruction": "x", "repo']).encode())
            await anyio.sleep(0.05)
        async with httpx2.AsyncClient(headers=HEADERS) as client:
            answer = await client.get(f"http://127.0.0.1:{port}/api/tasks")
    assert answer.json() == []
