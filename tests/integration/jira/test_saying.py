"""What the bot says and does on tickets, and how it finds that again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pullwright.agents.errors import NotFound
from pullwright.agents.intake.decisions import Reply, ReplyKind
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.jira.markers import PROPERTY
from pullwright.integrations.jira.voice import Linked, Place
from pullwright.integrations.markers import Marker
from pullwright.integrations.testing.jira_state import JiraTicket
from tests.integration.jira.conftest import Office

pytestmark = pytest.mark.anyio

MARKER = Marker(task_id="t1", step="status")
PULL = "https://git.example/acme/shop/pull/7"


@pytest.fixture
def ticket(office: Office) -> JiraTicket:
    return office.jira.acts.create("SITE", office.ann, "Broken", "")


@pytest.fixture
def place(office: Office, ticket: JiraTicket) -> Place:
    return Place(
        reference=ticket.id, key=ticket.key, work_key=office.bot.work_key(ticket.id), people=(office.ann.account,)
    )


async def filed(office: Office, ticket: JiraTicket) -> tuple[Delivery, Standing]:
    """Ask for work on a ticket, and return what asked for it and how the task stands."""
    office.jira.acts.set_labels(ticket, office.ann, ["agent"])
    await office.settle()
    [task] = await office.tasks()
    origin = await office.store.origin(task.id)
    assert origin is not None
    return origin, Standing(task_id=task.id)


@pytest.mark.parametrize("forgets", [False, True])
async def test_a_comment_is_found_again_by_its_property(
    office: Office, ticket: JiraTicket, place: Place, forgets: bool
) -> None:
    office.jira.state.trouble.forgets_properties = forgets
    assert await office.voice.find_comment(place, MARKER) is None
    made = await office.voice.comment(place, "**Hello** `there`", MARKER)
    assert made.url.endswith(f"/browse/{ticket.key}?focusedCommentId={made.external_id}")
    assert await office.voice.find_comment(place, MARKER) == made
    assert await office.voice.find_comment(place, Marker(task_id="t2", step="status")) is None
    # One that somebody else wrote with the same property is not ours.
    office.jira.acts.add_comment(ticket, office.eve, office.jira.documents.body("no"), ticket.comments[0].properties)
    assert await office.voice.find_comment(place, MARKER) == made


async def test_ours_is_found_under_many_comments(office: Office, ticket: JiraTicket, place: Place) -> None:
    for number in range(150):
        office.jira.acts.say(ticket, office.eve, f"noise {number}")
    made = await office.voice.comment(place, "Hello", MARKER)
    assert await office.voice.find_comment(place, MARKER) == made
    office.jira.acts.set_labels(ticket, office.ann, ["agent"])
    await office.settle()
    [task] = await office.tasks()
    assert "noise 149" in task.spec.context
    assert "noise 10\n" not in task.spec.context
    assert "51 older comments were left out" in task.spec.context


async def test_a_property_that_was_copied_from_another_ticket_does_not_fit(office: Office, place: Place) -> None:
    other = office.jira.acts.create("SITE", office.ann, "Other", "")
    await office.voice.comment(place, "Hello", MARKER)
    [written] = office.jira.state.tickets[place.reference].comments
    office.jira.acts.add_comment(other, office.jira.bot, written.body, {PROPERTY: written.properties[PROPERTY]})
    elsewhere = Place(reference=other.id, work_key=office.bot.work_key(other.id))
    assert await office.voice.find_comment(elsewhere, MARKER) is None


async def test_a_comment_is_changed_in_place(office: Office, ticket: JiraTicket, place: Place) -> None:
    made = await office.voice.comment(place, "one", MARKER)
    await office.voice.change_comment(place, made.external_id, "## two\n\n| a | b |\n| - | - |\n| 1 | 2 |")
    [said] = office.said(ticket)
    assert said.startswith("h2. two")
    ticket.comments.clear()
    with pytest.raises(NotFound):
        await office.voice.change_comment(place, made.external_id, "three")


async def test_nobody_is_mentioned_but_who_asked(office: Office, ticket: JiraTicket, place: Place) -> None:
    ann, eve = office.ann.account, office.eve.account
    await office.voice.comment(
        place, f"[@Ann](mention:{ann}) [@Eve](mention:{eve}) [~{eve}] [~accountid:{eve}]", MARKER
    )
    [said] = office.said(ticket)
    assert ann in said
    plain = said.replace("\\", "")
    assert plain.count("[~") == 3
    assert said.count("[~") == 1


async def test_a_ticket_is_moved_to_the_first_status_that_can_be_reached(
    office: Office, ticket: JiraTicket, place: Place
) -> None:
    first = await office.voice.move(place, ("Nowhere", "in review", "Done"))
    assert (ticket.status, first and first.external_id) == ("10001", "10001")
    changes = len(ticket.changes)
    assert await office.voice.move(place, ("In Review",)) == first
    assert len(ticket.changes) == changes
    assert await office.voice.move(place, ("Nowhere",)) is None
    office.jira.state.trouble.required_field = True
    assert await office.voice.move(place, ("Done",)) is None
    assert ticket.status == "10001"


async def test_a_pull_request_is_linked_once(office: Office, ticket: JiraTicket, place: Place) -> None:
    first = await office.voice.link(place, Linked(url=PULL))
    again = await office.voice.link(place, Linked(url=PULL, done=True))
    assert first == again
    [(name, link)] = ticket.remote_links.items()
    assert name == "pullwright&system=https://git.example&id=acme/shop#7"
    assert link["object"]["status"] == {"resolved": True}


async def test_the_comment_of_a_task_follows_it_to_the_end(office: Office, ticket: JiraTicket) -> None:
    origin, standing = await filed(office, ticket)
    reports = office.reports
    working = replace(standing, status=TaskStatus.RUNNING, plan=(("look", "done"), ("fix", "doing")))
    made = await reports.write(origin, working, 1)
    assert await reports.find(origin, working, 1) == made
    assert await reports.find(origin, working, 2) is None
    question = replace(standing, status=TaskStatus.WAITING, words="Which of the two? cc @eve")
    await reports.rewrite(origin, question, 1, made.external_id)
    [said] = office.said(ticket)
    assert office.ann.account in said
    assert "/agent continue" in said
    done = replace(standing, status=TaskStatus.SUCCEEDED, pull_request_url=PULL, branch="agent/x", verified=True)
    await reports.rewrite(origin, done, 1, made.external_id)
    for _ in range(2):
        await reports.sign(origin, done)
    [said] = office.said(ticket)
    assert PULL in said
    assert "Verified" in said
    assert (ticket.status, len(ticket.remote_links)) == ("10001", 1)
    await reports.sign(origin, replace(standing, status=TaskStatus.FAILED))
    assert ticket.status == "10001"


async def test_a_reply_that_may_have_been_given_is_looked_up(office: Office, ticket: JiraTicket) -> None:
    office.jira.acts.say(ticket, office.ann, "/agent help")
    await office.settle()
    [origin] = [one for one in await office.store.deliveries() if one.kind == "ControlRequested" and one.reason]
    reply = Reply(kind=ReplyKind.COMMENT, text="x")
    found = await office.handler.find_reply(origin, reply)
    assert found is not None
    assert found.external_id == ticket.comments[-1].id
    assert await office.handler.find_reply(origin, Reply(kind=ReplyKind.SEEN)) is None


async def test_nothing_is_lost_when_the_ticket_goes_while_it_is_answered(office: Office, ticket: JiraTicket) -> None:
    origin, standing = await filed(office, ticket)
    del office.jira.state.tickets[ticket.id]
    with pytest.raises(NotFound):
        await office.reports.write(origin, standing, 1)
    assert (await office.store.get(standing.task_id)).status is TaskStatus.QUEUED
