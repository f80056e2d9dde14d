"""The life of a ticket, told late, twice, out of order, in part, or by a look only: nothing is lost or doubled."""

from __future__ import annotations

import random
from collections.abc import Iterator

import anyio
import pytest

from pullwright.agents.intake.reception import Reception
from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.task import Task
from pullwright.integrations.testing.jira_site import RehearsalJira
from pullwright.integrations.testing.jira_state import JiraTicket
from tests.integration.jira.conftest import Office
from tests.integration.tracker_office import Ticking

TO_DO, DONE, AGENT = "10000", "10002", "10003"
ACTS = (
    "label", "unlabel", "assign", "unassign", "ask", "stop", "help", "say", "finish", "reopen", "trigger", "away",
    "back", "delete", "look",
)  # fmt: skip
ASKING = ("label", "assign", "ask", "trigger")


class Life:
    """One ticket, and everything that happens to it."""

    def __init__(self, office: Office, chance: random.Random) -> None:
        self.office = office
        self.chance = chance
        self.since = office.jira.state.clock()
        self.ticket: JiraTicket = office.jira.acts.create("SITE", office.ann, "Broken", "")
        self.deleted = False

    def act(self, what: str) -> None:
        """Do something that a person does, if it changes anything."""
        acts, ann, ticket = self.office.jira.acts, self.office.ann, self.ticket
        if self.deleted:
            return
        match what:
            case "label" | "unlabel" if ("agent" in ticket.labels) != (what == "label"):
                acts.set_labels(ticket, ann, ["agent", "x"] if what == "label" else ["x"])
            case "assign" | "unassign" if (ticket.assignee is not None) != (what == "assign"):
                acts.set_assignee(ticket, ann, self.office.jira.bot if what == "assign" else None)
            case "ask" | "stop" | "help":
                acts.say(ticket, ann, "/agent run once more" if what == "ask" else f"/agent {what}")
            case "say":
                acts.say(ticket, ann, "I see it, too.")
            case "finish" | "reopen" | "trigger":
                status = {"finish": DONE, "reopen": TO_DO, "trigger": AGENT}[what]
                if ticket.status != status:
                    acts.set_status(ticket, ann, status)
            case "away" | "back" if ticket.key.startswith("SITE") == (what == "away"):
                acts.move(ticket, ann, "OTHER" if what == "away" else "SITE")
            case "delete":
                acts.delete(ticket, ann)
                self.deleted = True

    async def hear(self) -> None:
        """Take in what hooks tell: some of it late, some of it twice, some of it never."""
        news = await self.office.arrived()
        heard = [one for one in news if self.chance.random() < 0.7]
        heard += [one for one in heard if self.chance.random() < 0.3]
        self.chance.shuffle(heard)
        for one in heard:
            await self.office.store.receive(one)
        await self.deal()

    async def look(self) -> None:
        """Look what happened, as polling does."""
        async for one in self.office.polling().missed(self.since):
            await self.office.store.receive(one)
        await self.deal()

    async def deal(self) -> None:
        reception = Reception(self.office.store, {"jira": self.office.handler}, clock=self.office.clock)
        for _ in range(3):
            await reception.deal_with_all("w")
            self.office.clock.advance(10)

    async def tasks(self) -> list[Task]:
        return await self.office.tasks()


@pytest.fixture(scope="module", params=[True, False], ids=["cloud", "data center"])
def jira(request: pytest.FixtureRequest) -> Iterator[RehearsalJira]:
    with RehearsalJira(cloud=request.param, clock=Ticking()) as running:
        yield running
        assert running.violations == []


@pytest.mark.parametrize("seed", range(24))
def test_nothing_is_lost_or_doubled(jira: RehearsalJira, seed: int) -> None:
    chance = random.Random(seed)
    acts = [chance.choice(ASKING), *chance.choices(ACTS, k=chance.randint(2, 10))]
    jira.state.hooks.clear()
    jira.state.tickets.clear()
    office = Office(jira, projects=frozenset({"SITE"}))
    try:
        anyio.run(live, office, acts, chance)
    finally:
        office.close()


async def live(office: Office, acts: list[str], chance: random.Random) -> None:
    life = Life(office, chance)
    for act in acts:
        life.act(act)
        if act == "look":
            await life.look()
        elif chance.random() < 0.5:
            await life.hear()
        tasks = await life.tasks()
        assert sum(not task.status.terminal for task in tasks) <= 1
    await life.hear()
    for _ in range(2):
        await life.look()
    await settled(life, acts)


async def settled(life: Life, acts: list[str]) -> None:
    """Check what is left when everything was told at last."""
    tasks, ticket, office = await life.tasks(), life.ticket, life.office
    live_ones = [task for task in tasks if not task.status.terminal]
    asked = sum(acts.count(act) for act in ASKING)
    assert len(tasks) <= asked
    listened = not life.deleted and ticket.key.startswith("SITE")
    if not listened or ticket.status == DONE:
        assert live_ones == [], acts
    wanted = "agent" in ticket.labels or ticket.assignee == office.jira.bot
    if listened and wanted and ticket.status != DONE:
        assert tasks, acts
    answers = sum(acts.count(act) for act in (*ASKING, "stop", "help"))
    assert len(office.said(ticket)) <= answers
    waiting = await office.store.deliveries(status=DeliveryStatus.WAITING)
    assert waiting == []
