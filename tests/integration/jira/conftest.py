from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.intake.decisions import Decision
from pullwright.agents.intake.door import PATH_SECRET, Unreadable
from pullwright.agents.intake.reception import Reception
from pullwright.agents.ports.inbox import Delivery, DeliveryStatus, NewDelivery
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.integrations.jira.adapter import JiraAdapter, JiraTerms
from pullwright.integrations.jira.admission import Admission, PathAdmission, SignedAdmission
from pullwright.integrations.jira.authority import AuthorityPolicy
from pullwright.integrations.jira.door import JiraDoor
from pullwright.integrations.jira.meanings import BotIdentity
from pullwright.integrations.jira.polling import JiraPolling
from pullwright.integrations.jira.repository_choice import RepositoryRule
from pullwright.integrations.jira.requested_work import WorkTerms
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.signatures import Secret
from pullwright.integrations.testing.jira_site import BOT_TOKEN, RehearsalJira
from pullwright.integrations.testing.jira_state import JiraTicket

SECRET = "a webhook secret that is long enough"


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

    def __init__(self, door: JiraDoor) -> None:
        self.came: list[NewDelivery] = []
        self.refused: list[str] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = [*self.headers.items(), (PATH_SECRET, self.path.rpartition("/")[2])]
                self.send_response(receiver.take(door, headers, body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/webhooks/jira/main"

    def take(self, door: JiraDoor, headers: list[tuple[str, str]], body: bytes) -> int:
        if problem := door.problem(headers, body, now=datetime.now(UTC).timestamp()):
            self.refused.append(problem)
            return 401
        read = door.read(headers, body)
        if isinstance(read, Unreadable):
            self.refused.append(read.detail)
            return read.status
        self.came.append(read)
        return 202

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Office:
    """A Jira with people, and a bot that listens to it."""

    def __init__(
        self,
        jira: RehearsalJira,
        *,
        projects: frozenset[str] = frozenset(),
        statuses: frozenset[str] = frozenset({"Agent"}),
        work: WorkTerms | None = None,
    ) -> None:
        self.jira = jira
        cloud = jira.state.cloud
        self.ann = jira.person("557058:ann" if cloud else "ann", name="Ann", groups=("developers",))
        self.eve = jira.person("557058:eve" if cloud else "eve", name="Eve")
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.bot = BotIdentity(
            site=jira.settings.site,
            account=jira.bot.account,
            key="" if cloud else f"KEY-{jira.bot.account}",
            cloud=cloud,
            statuses=statuses,
            projects=projects,
        )
        self.terms = JiraTerms(
            settings=jira.settings,
            bot=self.bot,
            policy=AuthorityPolicy(groups=frozenset({"Developers"})),
            rules=[
                RepositoryRule(repository="acme/shop", component="Checkout", path="services/checkout"),
                RepositoryRule(repository="acme/site", project="SITE"),
            ],
            repository_field="Repository",
            acceptance_field="Acceptance criteria",
            work=work or WorkTerms(),
            tuning=jira.tuning,
        )
        adapter = JiraAdapter(
            self.terms,
            store=self.store,
            repository=repository,
            marker_key=b"k" * 16,
            redactor=Redactor([BOT_TOKEN]),
            clock=self.clock,
        )
        self.client, self.voice, self.handler = adapter.client, adapter.voice, adapter.handler
        self.reports, self.landings = adapter.reports, adapter.landings
        admission: Admission = SignedAdmission([Secret(name="one", value=SECRET)])
        if not cloud:
            admission = PathAdmission([Secret(name="one", value=SECRET.replace(" ", "-"))])
        self.receiver = Receiver(JiraDoor("main", admission, self.bot))
        url = self.receiver.url if cloud else f"{self.receiver.url}/{SECRET.replace(' ', '-')}"
        jira.send_hooks_to(url, secret=SECRET if cloud else "")
        self._taken = 0

    def polling(self) -> JiraPolling:
        return JiraPolling(self.client, self.bot, self.store, connection="main", now=self.jira.state.clock)

    async def arrived(self) -> list[NewDelivery]:
        """Return what has come by hook since the last time."""
        self.jira.hooks.settle()
        news = self.receiver.came[self._taken :]
        self._taken += len(news)
        return news

    async def settle(self) -> list[Delivery]:
        """Deal with everything that came, and return what became of it, oldest first."""
        news = await self.arrived()
        for delivery in news:
            await self.store.receive(delivery)
        await Reception(self.store, {"jira": self.handler}, clock=self.clock).deal_with_all("w")
        return list(await self.store.deliveries())[::-1]

    async def decide(self) -> Decision:
        """Return what is decided about what came last; it is not carried out."""
        for delivery in await self.arrived():
            await self.store.receive(delivery)
        waiting = await self.store.deliveries(status=DeliveryStatus.WAITING)
        return await self.handler.handle(waiting[0])

    async def tasks(self) -> list[Task]:
        return list(await self.store.list())

    def said(self, ticket: JiraTicket) -> list[str]:
        """Return what the bot said on a ticket, as wiki markup."""
        return [self.jira.documents.wiki(one.body) for one in ticket.comments if one.author == self.jira.bot]

    def close(self) -> None:
        self.receiver.close()


def repository(slug: str) -> RepositoryRef:
    owner, _, name = slug.partition("/")
    return RepositoryRef(url=f"https://git.example/{slug}.git", host="git.example", owner=owner, name=name)


@pytest.fixture(params=["cloud", "data center"])
def jira(request: pytest.FixtureRequest) -> Iterator[RehearsalJira]:
    with RehearsalJira(cloud=request.param == "cloud", clock=Ticking()) as running:
        yield running
        assert running.violations == []


@pytest.fixture
def offices(jira: RehearsalJira) -> Iterator[Callable[..., Office]]:
    made: list[Office] = []

    def make(**more: Any) -> Office:
        made.append(Office(jira, **more))
        return made[-1]

    yield make
    for office in made:
        office.close()


@pytest.fixture
def office(offices: Callable[..., Office]) -> Office:
    return offices()
