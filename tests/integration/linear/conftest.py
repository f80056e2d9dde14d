from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.intake.decisions import Decision
from pullwright.agents.intake.door import Unreadable
from pullwright.agents.intake.reception import Reception
from pullwright.agents.ports.inbox import Delivery, DeliveryStatus, NewDelivery
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.integrations.linear.adapter import LinearAdapter, LinearTerms
from pullwright.integrations.linear.authority import AuthorityPolicy
from pullwright.integrations.linear.door import LinearDoor
from pullwright.integrations.linear.meanings import BotIdentity
from pullwright.integrations.linear.repository_choice import RepositoryRule
from pullwright.integrations.linear.requested_work import WorkTerms
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.signatures import Secret
from pullwright.integrations.testing.linear_workspace import BOT_KEY, RehearsalLinear

SECRET = "lin_wh_a webhook secret that is long enough"
RULES = (RepositoryRule(repository="acme/shop", team="ENG"), RepositoryRule(repository="acme/site", project="Site"))


class Ticking:
    """A clock that goes on by a second whenever it is read, so that nothing happens at the same time."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
        self._lock = threading.Lock()

    def __call__(self) -> datetime:
        with self._lock:
            self.now += timedelta(seconds=1)
            return self.now


class Receiver:
    """Lets hooks in by a door, over real HTTP, and keeps what came of them."""

    def __init__(self, door: LinearDoor) -> None:
        self.came: list[NewDelivery] = []
        self.refused: list[str] = []
        self.door = door
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.take(door, list(self.headers.items()), body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/webhooks/linear/main"

    def take(self, door: LinearDoor, headers: list[tuple[str, str]], body: bytes) -> int:
        if problem := door.problem(headers, body, now=datetime.now(UTC).timestamp()):
            self.refused.append(problem)
            return 401
        read = door.read(headers, body)
        if isinstance(read, Unreadable):
            self.refused.append(read.detail)
            return read.status
        self.came.append(read)
        return door.success_status

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Office:
    """A Linear with people, and a bot that listens to it."""

    def __init__(
        self,
        linear: RehearsalLinear,
        *,
        rules: tuple[RepositoryRule, ...] = RULES,
        policy: AuthorityPolicy | None = None,
        work: WorkTerms | None = None,
        **bot: Any,
    ) -> None:
        self.linear = linear
        self.acts = linear.acts
        self.ann = linear.person("Ann", teams=("ENG",))
        self.gus = linear.person("Gus", guest=True)
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.bot = BotIdentity(user=linear.bot.id, name="pull-bot", **bot)
        terms = LinearTerms(
            settings=linear.settings(),
            bot=self.bot,
            rules=rules,
            policy=policy or AuthorityPolicy(),
            work=work or WorkTerms(),
        )
        adapter = LinearAdapter(
            terms,
            inbox=self.store,
            repository=repository,
            key=b"k" * 16,
            redactor=Redactor([BOT_KEY]),
            clock=self.clock,
            cost=lambda standing: "0.10 $",
        )
        self.handler, self.reports, self.landings = adapter.handler, adapter.reports, adapter.landings
        self.polling = adapter.polling("main")
        self.receiver = Receiver(LinearDoor("main", [Secret(name="one", value=SECRET)], self.bot))
        linear.send_hooks_to(self.receiver.url, secret=SECRET)
        self._taken = 0

    async def arrived(self) -> list[NewDelivery]:
        """Return what has come by hook since the last time."""
        self.linear.hooks.settle()
        news = self.receiver.came[self._taken :]
        self._taken += len(news)
        return news

    async def settle(self) -> list[Delivery]:
        """Deal with everything that came, and return what became of it, oldest first."""
        for delivery in await self.arrived():
            await self.store.receive(delivery)
        await Reception(self.store, {"linear": self.handler}, clock=self.clock).deal_with_all("w")
        return list(await self.store.deliveries())[::-1]

    async def poll(self, since: datetime) -> list[Delivery]:
        """Ask instead, and deal with what was found."""
        async for delivery in self.polling.missed(since):
            await self.store.receive(delivery)
        return await self.settle()

    async def decide(self) -> Decision:
        """Return what is decided about what came last; it is not carried out."""
        for delivery in await self.arrived():
            await self.store.receive(delivery)
        waiting = await self.store.deliveries(status=DeliveryStatus.WAITING)
        return await self.handler.handle(waiting[0])

    async def last(self) -> Delivery:
        """Deal with everything, and return what became of the last."""
        return (await self.settle())[-1]

    async def tasks(self) -> list[Task]:
        return list(await self.store.list())

    async def task(self) -> Task:
        [task] = await self.tasks()
        return task

    def close(self) -> None:
        self.receiver.close()


def repository(slug: str) -> RepositoryRef:
    owner, _, name = slug.partition("/")
    return RepositoryRef(url=f"https://git.example/{slug}.git", host="git.example", owner=owner, name=name)


@pytest.fixture
def linear() -> Iterator[RehearsalLinear]:
    with RehearsalLinear(clock=Ticking()) as running:
        yield running


@pytest.fixture
def offices(linear: RehearsalLinear) -> Iterator[Callable[..., Office]]:
    made: list[Office] = []

    def make(**more: Any) -> Office:
        made.append(Office(linear, **more))
        return made[-1]

    yield make
    for office in made:
        office.close()


@pytest.fixture
def office(offices: Callable[..., Office]) -> Office:
    return offices()
