"""What a ticket hears when the pull request is merged or closed, after its task had ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pullwright.agents.errors import NotFound
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.jira.reports import JiraLandings
from pullwright.integrations.jira.requested_work import WorkTerms
from pullwright.integrations.jira.status_text import JiraTexts
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.testing.jira_state import JiraTicket
from tests.integration.jira.conftest import Office

pytestmark = pytest.mark.anyio

PULL = "https://git.example/acme/shop/pull/7"
TO_DO, REVIEW, DONE = "10000", "10001", "10002"


@pytest.fixture
def ticket(office: Office) -> JiraTicket:
    return office.jira.acts.create("SITE", office.ann, "Broken", "")


async def ended(office: Office, ticket: JiraTicket, number: int = 1) -> tuple[Delivery, Standing]:
    """Let a task end with a pull request in review."""
    office.jira.acts.set_labels(ticket, office.ann, ["agent"])
    await office.settle()
    [task] = await office.tasks()
    origin = await office.store.origin(task.id)
    assert origin is not None
    standing = Standing(task_id=task.id, status=TaskStatus.SUCCEEDED, pull_request_url=PULL, branch="agent/x")
    await office.reports.write(origin, standing, number)
    await office.reports.sign(origin, standing)
    assert ticket.status == REVIEW
    return origin, standing


def landings(office: Office, *done: str) -> JiraLandings:
    return JiraLandings(office.voice, JiraTexts(Redactor()), WorkTerms(done=done))


@pytest.mark.parametrize("merged", [True, False])
@pytest.mark.parametrize("number", [1, 2])
async def test_the_link_is_resolved_and_the_comment_says_so(
    office: Office, ticket: JiraTicket, merged: bool, number: int
) -> None:
    origin, standing = await ended(office, ticket, number)
    for _ in range(2):
        await office.landings.landed(origin, standing, merged=merged)
    [link] = ticket.remote_links.values()
    assert link["object"]["status"] == {"resolved": True}
    assert link["object"]["title"] == "Pull request acme/shop#7"
    [said] = office.said(ticket)
    assert ("Merged." in said, "closed without being merged" in said) == (merged, not merged)
    assert "Done." not in said
    assert PULL in said
    # To end a ticket is for people, unless they say otherwise.
    assert ticket.status == REVIEW


async def test_the_ticket_is_moved_where_the_operator_wants_it(office: Office, ticket: JiraTicket) -> None:
    origin, standing = await ended(office, ticket)
    moving = landings(office, "Released", "done")
    await moving.landed(origin, standing, merged=False)
    assert ticket.status == REVIEW
    for _ in range(2):
        await moving.landed(origin, standing, merged=True)
    assert ticket.status == DONE
    moves = [item for one in ticket.changes for item in one.items if item["toString"] == "Done"]
    assert len(moves) == 1


async def test_a_status_may_be_named_by_its_category(office: Office, ticket: JiraTicket) -> None:
    origin, standing = await ended(office, ticket)
    await landings(office, "category:done").landed(origin, standing, merged=True)
    assert ticket.status == DONE


async def test_what_somebody_ended_is_not_moved(office: Office, ticket: JiraTicket) -> None:
    origin, standing = await ended(office, ticket)
    office.jira.acts.set_status(ticket, office.ann, DONE)
    await landings(office, "To Do").landed(origin, standing, merged=True)
    assert ticket.status == DONE


async def test_a_comment_that_was_deleted_is_not_written_again(office: Office, ticket: JiraTicket) -> None:
    origin, standing = await ended(office, ticket)
    ticket.comments.clear()
    await office.landings.landed(origin, standing, merged=True)
    assert office.said(ticket) == []
    assert next(iter(ticket.remote_links.values()))["object"]["status"]["resolved"]


async def test_a_ticket_that_is_gone_can_not_hear(office: Office, ticket: JiraTicket) -> None:
    origin, standing = await ended(office, ticket)
    del office.jira.state.tickets[ticket.id]
    with pytest.raises(NotFound):
        await office.landings.landed(origin, replace(standing), merged=True)
