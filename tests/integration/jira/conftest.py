from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pullwright.agents.queue.memory import MemoryStore
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
from tests.integration.tracker_office import Desk, Ticking, repository

SECRET = "a webhook secret that is long enough"


class Office(Desk):
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
        clock = FakeClock()
        store = MemoryStore(clock)
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
            store=store,
            repository=repository,
            marker_key=b"k" * 16,
            redactor=Redactor([BOT_TOKEN]),
            clock=clock,
        )
        self.client, self.voice = adapter.client, adapter.voice
        self.reports, self.landings = adapter.reports, adapter.landings
        admission: Admission = SignedAdmission([Secret(name="one", value=SECRET)])
        if not cloud:
            admission = PathAdmission([Secret(name="one", value=SECRET.replace(" ", "-"))])
        door = JiraDoor("main", admission, self.bot)
        super().__init__(door, adapter.handler, store=store, clock=clock, sent=jira.hooks.settle)
        url = self.receiver.url if cloud else f"{self.receiver.url}/{SECRET.replace(' ', '-')}"
        jira.send_hooks_to(url, secret=SECRET if cloud else "")

    def polling(self) -> JiraPolling:
        return JiraPolling(self.client, self.bot, self.store, connection="main", now=self.jira.state.clock)

    def said(self, ticket: JiraTicket) -> list[str]:
        """Return what the bot said on a ticket, as wiki markup."""
        return [self.jira.documents.wiki(one.body) for one in ticket.comments if one.author == self.jira.bot]


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
