"""Whose a ticket is while its task waits for an answer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pullwright.agents.errors import RemoteUnavailable
from pullwright.agents.ports.inbox import Delivery
from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.jira.reports import JiraReports
from pullwright.integrations.jira.requested_work import WorkTerms
from pullwright.integrations.jira.status_text import JiraTexts
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.testing.jira_state import JiraPerson, JiraTicket
from pullwright.integrations.testing.web_server import json_response
from tests.integration.jira.conftest import Office

pytestmark = pytest.mark.anyio


@pytest.fixture
def ticket(office: Office) -> JiraTicket:
    return office.jira.acts.create("SITE", office.ann, "Broken", "")


async def given(office: Office, ticket: JiraTicket, to: JiraPerson | None = None) -> tuple[Delivery, Standing, str]:
    """Ask for work by giving the ticket to the bot, or in other words, and return what a report needs."""
    if to is None:
        office.jira.acts.set_assignee(ticket, office.ann, office.jira.bot)
    else:
        office.jira.acts.set_assignee(ticket, office.ann, to)
        office.jira.acts.say(ticket, office.ann, "/agent run")
    await office.settle()
    [task] = await office.tasks()
    origin = await office.store.origin(task.id)
    assert origin is not None
    standing = Standing(task_id=task.id, status=TaskStatus.RUNNING)
    made = await office.reports.write(origin, standing, 1)
    return origin, standing, made.external_id


def afresh(office: Office, *, give_back: bool = True) -> JiraReports:
    """Return reports of another process, which remembers nothing."""
    return JiraReports(office.voice, JiraTexts(Redactor()), WorkTerms(give_back=give_back))


async def test_it_is_given_back_with_the_question_and_taken_again_with_the_answer(
    office: Office, ticket: JiraTicket
) -> None:
    origin, standing, comment = await given(office, ticket)
    waits = replace(standing, status=TaskStatus.WAITING, words="Which one?")
    for reports in (office.reports, office.reports, afresh(office)):
        await reports.rewrite(origin, waits, 1, comment)
        assert ticket.assignee == office.ann
    for reports in (afresh(office), office.reports):
        await reports.rewrite(origin, standing, 1, comment)
        assert ticket.assignee == office.jira.bot
    # Nothing of it is a request, or takes one back.
    await office.settle()
    [task] = await office.tasks()
    assert task.status is TaskStatus.QUEUED
    changes = [item for one in ticket.changes for item in one.items if item["field"] == "assignee"]
    assert len(changes) == 3


async def test_what_a_person_decides_stays(office: Office, ticket: JiraTicket) -> None:
    origin, standing, comment = await given(office, ticket)
    await office.reports.rewrite(origin, replace(standing, status=TaskStatus.WAITING), 1, comment)
    office.jira.acts.set_assignee(ticket, office.ann, office.eve)
    await office.reports.rewrite(origin, standing, 1, comment)
    assert ticket.assignee == office.eve


async def test_a_ticket_that_was_never_the_bots_stays_whose_it_is(office: Office, ticket: JiraTicket) -> None:
    origin, standing, comment = await given(office, ticket, to=office.eve)
    for status in (TaskStatus.WAITING, TaskStatus.RUNNING):
        await office.reports.rewrite(origin, replace(standing, status=status), 1, comment)
        assert ticket.assignee == office.eve


async def test_it_can_be_switched_off(office: Office, ticket: JiraTicket) -> None:
    origin, standing, comment = await given(office, ticket)
    await afresh(office, give_back=False).rewrite(origin, replace(standing, status=TaskStatus.WAITING), 1, comment)
    assert ticket.assignee == office.jira.bot


async def test_a_jira_that_refuses_is_asked_once_and_one_that_is_away_again(office: Office, ticket: JiraTicket) -> None:
    origin, standing, comment = await given(office, ticket)
    waits = replace(standing, status=TaskStatus.WAITING)
    changed = json_response({"id": comment})
    for status in (503, 400):
        office.jira.state.trouble.answers += [changed, json_response({"errorMessages": ["Because."]}, status)]
        if status == 503:
            with pytest.raises(RemoteUnavailable):
                await office.reports.rewrite(origin, waits, 1, comment)
        else:
            await office.reports.rewrite(origin, waits, 1, comment)
        assert office.jira.state.trouble.answers == []
    await office.reports.rewrite(origin, waits, 1, comment)
    assert ticket.assignee == office.jira.bot


async def test_the_question_is_the_first_thing_that_is_said(office: Office, ticket: JiraTicket) -> None:
    """A process that shows a task for the first time while it waits gives its ticket back as well."""
    origin, standing, _ = await given(office, ticket)
    ticket.comments.clear()
    await afresh(office).write(origin, replace(standing, status=TaskStatus.WAITING, words="Which?"), 1)
    assert ticket.assignee == office.ann
