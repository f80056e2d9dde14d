from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from pullwright.agents.ports.inbox import Delivery
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
from tests.integration.tracker_office import Desk, Ticking, repository

SECRET = "lin_wh_a webhook secret that is long enough"
RULES = (RepositoryRule(repository="acme/shop", team="ENG"), RepositoryRule(repository="acme/site", project="Site"))


class Office(Desk):
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
        clock = FakeClock()
        store = MemoryStore(clock)
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
            inbox=store,
            repository=repository,
            key=b"k" * 16,
            redactor=Redactor([BOT_KEY]),
            clock=clock,
            cost=lambda standing: "0.10 $",
        )
        self.reports, self.landings = adapter.reports, adapter.landings
        self.polling = adapter.polling("main")
        door = LinearDoor("main", [Secret(name="one", value=SECRET)], self.bot)
        super().__init__(door, adapter.handler, store=store, clock=clock, sent=linear.hooks.settle)
        linear.send_hooks_to(self.receiver.url, secret=SECRET)

    async def poll(self, since: datetime) -> list[Delivery]:
        """Ask instead, and deal with what was found."""
        async for delivery in self.polling.missed(since):
            await self.store.receive(delivery)
        return await self.settle()

    async def last(self) -> Delivery:
        """Deal with everything, and return what became of the last."""
        return (await self.settle())[-1]

    async def task(self) -> Task:
        [task] = await self.tasks()
        return task


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
