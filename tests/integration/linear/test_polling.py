"""What is found by asking: where no hook can arrive, and beside hooks of which some were lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.task import TaskStatus
from pullwright.integrations.linear.repository_choice import RepositoryRule
from tests.integration.linear.conftest import Office

pytestmark = pytest.mark.anyio

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def office(offices: Callable[..., Office]) -> Office:
    made = offices()
    made.linear.hooks.url = ""  # nothing reaches in
    return made


@pytest.mark.parametrize("how", ["created", "labeled", "assigned", "delegated", "command", "mention"])
async def test_every_way_to_ask(office: Office, how: str) -> None:
    acts, ann, bot = office.acts, office.ann, office.linear.bot
    issue = acts.create("ENG", ann, "Fix it", labels=["agent"] if how == "created" else [])
    match how:
        case "labeled":
            acts.set_labels(issue, ann, ["agent"])
        case "assigned":
            acts.assign(issue, ann, bot)
        case "delegated":
            acts.delegate(issue, ann, bot)
        case "command":
            acts.comment(issue, ann, "/agent run")
        case "mention":
            acts.comment(issue, ann, "@pull-bot please fix it")
    [filed] = await office.poll(LONG_AGO)
    assert filed.status is DeliveryStatus.FILED
    assert len(await office.poll(LONG_AGO)) == 1
    await office.task()


async def test_what_is_no_request(office: Office) -> None:
    acts, ann, bot = office.acts, office.ann, office.linear.bot
    taken_back = acts.create("ENG", ann, "Fix it")
    acts.set_labels(taken_back, ann, ["agent"])
    acts.set_labels(taken_back, ann, [])
    mine = acts.create("ENG", ann, "Fix it")
    acts.set_labels(mine, bot, ["agent"])
    acts.comment(mine, bot, "/agent run")
    acts.create("ENG", ann, "Over", labels=["agent"]).state = office.linear.state.team("ENG").state("Done")
    assert [one.kind for one in await office.poll(LONG_AGO)] == ["SubjectGone"]
    acts.create("ENG", ann, "Old", labels=["agent"])
    assert len(await office.poll(datetime(2027, 1, 1, tzinfo=UTC))) == 1


async def test_an_end_is_found(office: Office) -> None:
    issue = office.acts.create("ENG", office.ann, "Fix it", labels=["agent"])
    await office.poll(LONG_AGO)
    office.acts.set_state(issue, office.ann, "Canceled")
    await office.poll(LONG_AGO)
    assert (await office.task()).status is TaskStatus.CANCELED


async def test_what_a_hook_told_is_not_done_again(offices: Callable[..., Office]) -> None:
    office = offices(rules=(RepositoryRule(repository="acme/shop", label="shop"),))
    refused = office.acts.create("ENG", office.ann, "Which?")
    office.acts.set_labels(refused, office.ann, ["agent"])
    filed = office.acts.create("ENG", office.ann, "Fix it", labels=["shop"])
    office.acts.set_labels(filed, office.ann, ["shop", "agent"])
    spoken = office.acts.create("ENG", office.ann, "Fix that", labels=["shop"])
    office.acts.comment(spoken, office.ann, "/agent run")
    await office.settle()
    for task in await office.tasks():
        await office.store.cancel(task.id, reason="enough")
    again = [one for one in await office.poll(LONG_AGO) if one.key.startswith("poll-")]
    assert {one.reason for one in again} == {"it was dealt with already"}
    assert len(office.linear.said(refused)) == 1
    assert len(await office.tasks()) == 2


async def test_many_pages(office: Office) -> None:
    for number in range(60):
        office.acts.create("ENG", office.ann, f"Fix {number}", labels=["agent"])
    found = [one async for one in office.polling.missed(LONG_AGO)]
    assert len({one.work_key for one in found}) == 60
