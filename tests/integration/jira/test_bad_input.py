"""Everything odd that Jira is known to send or to answer: each has an outcome, and nothing is done twice."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import anyio.to_thread
import pytest
import requests

from pullwright.agents.errors import AuthFailed, ConfigError, RemoteRejected
from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskSpec, TaskStatus
from pullwright.integrations.jira.client import JiraClient
from pullwright.integrations.signatures import JIRA, sign
from pullwright.integrations.testing.jira_site import BOT_EMAIL
from pullwright.integrations.testing.jira_state import JiraTicket
from pullwright.integrations.testing.web_server import json_response
from tests.integration.jira.conftest import SECRET, Office

pytestmark = pytest.mark.anyio

Document = dict[str, Any]
CHANGE: Final = {"field": "labels", "fieldtype": "jira", "fieldId": "labels", "from": None, "to": None}


def ticket_of(office: Office, description: Any = "", **more: Any) -> JiraTicket:
    return office.jira.acts.create("SITE", office.ann, "Broken", description, **more)


async def labelled(office: Office, ticket: JiraTicket) -> TaskSpec:
    """Ask for work, and return what it became: one task."""
    office.jira.acts.set_labels(ticket, office.ann, ["agent"])
    await office.settle()
    [task] = await office.tasks()
    return task.spec


async def deliver(office: Office, document: Document, *, proof: bool = True) -> int:
    """Send a hook with a body of our own; return the status of the answer."""
    body, cloud = json.dumps(document).encode(), office.jira.state.cloud
    headers: Mapping[str, str] = {"Content-Type": "application/json"}
    url = office.receiver.url
    if proof:
        headers = {**headers, **(dict(sign(JIRA, SECRET, body)) if cloud else {})}
        url = url if cloud else f"{url}/{SECRET.replace(' ', '-')}"
    answer = await anyio.to_thread.run_sync(lambda: requests.post(url, data=body, headers=headers, timeout=10))
    return answer.status_code


def updated(office: Office, ticket: JiraTicket, kind: str = "issue_updated", **more: Any) -> Document:
    """Return the body of a hook about a change."""
    documents = office.jira.documents
    head = {"webhookEvent": "jira:issue_updated", "issue_event_type_name": kind, "timestamp": 1_772_442_000_000}
    return {**head, "user": documents.person(office.ann), "issue": documents.ticket(ticket, hook=True), **more}


async def unknown_adf_nodes(office: Office) -> None:
    text = {"type": "text", "text": "kept"}
    odd = {"type": "hologram", "attrs": {"title": "Deep"}, "content": [{"type": "sparkle", "content": [text]}, 5]}
    spec = await labelled(office, ticket_of(office, {"type": "doc", "version": 1, "content": [odd]}))
    assert "Deep\n\nkept" in spec.context


async def huge_descriptions(office: Office) -> None:
    spec = await labelled(office, ticket_of(office, "word " * 400_000))
    assert len(spec.context) < 50_000
    assert "left out" in spec.context


async def attachments_that_are_not_images(office: Office) -> None:
    ticket = ticket_of(office)
    office.jira.acts.attach(ticket, "app.log", b"IndexError: 7\n", "image/png")
    office.jira.acts.attach(ticket, "core.png", b"\x7fELF\x00\x00\x00\x00", "image/png")
    spec = await labelled(office, ticket)
    assert spec.images == ()
    assert "IndexError: 7" in spec.context
    assert "'core.png' (image/png, 8 bytes) is neither picture nor text" in spec.context


async def comments_without_an_issue(office: Office) -> None:
    ticket = ticket_of(office)
    office.jira.state.hooks.clear()
    comment = office.jira.acts.say(ticket, office.ann, "/agent run")
    shown = office.jira.documents.comment(ticket, comment, hook=True)
    for extra in ({}, {"timestamp": 1_772_442_000_001}):
        assert await deliver(office, {"webhookEvent": "comment_created", "comment": shown, **extra}) == 202
    nowhere = {**shown, "self": "https://jira.example/rest/api/2/comment/5"}
    assert await deliver(office, {"webhookEvent": "comment_created", "comment": nowhere}) == 202
    became = await office.settle()
    assert "comment_created lacks 'issue'" in {one.reason for one in became}
    assert [task.spec.work_key for task in await office.tasks()] == [office.bot.work_key(ticket.id)]


async def empty_changelogs(office: Office) -> None:
    ticket = ticket_of(office, assignee=office.jira.bot)
    changelogs: tuple[Document | None, ...] = ({"id": "7", "items": []}, {"items": []}, {}, None)
    for changelog in changelogs:
        assert await deliver(office, updated(office, ticket, changelog=changelog)) == 202
    await office.settle()
    # That it was born as the bot's is all that was asked for.
    assert len(await office.tasks()) == 1
    given = ticket_of(office)
    given.assignee = office.jira.bot
    for _ in range(2):
        await deliver(office, updated(office, given, "issue_assigned", changelog={"id": "8", "items": []}))
    await office.settle()
    assert len(await office.tasks()) == 2


async def label_changelogs_with_the_whole_list(office: Office) -> None:
    ticket = ticket_of(office)
    ticket.labels = ["agent", "late"]
    for number, (before, after) in enumerate([("late", ""), ("agent late", "agent late ui"), ("agents", "agents ui")]):
        item = {**CHANGE, "fromString": before, "toString": after}
        await deliver(office, updated(office, ticket, changelog={"id": str(number), "items": [item]}))
    await office.settle()
    assert await office.tasks() == []
    item = {**CHANGE, "fromString": "late", "toString": "Agent late"}
    await deliver(office, updated(office, ticket, changelog={"id": "9", "items": [item]}))
    await office.settle()
    assert len(await office.tasks()) == 1


async def tickets_that_are_moved_during_a_run(office: Office) -> None:
    ticket = ticket_of(office)
    await labelled(office, ticket)
    origin, standing = await begun(office)
    made = await office.reports.write(origin, standing, 1)
    office.jira.acts.move(ticket, office.ann, "OTHER")
    office.jira.acts.set_labels(ticket, office.ann, ["agent", "again"])
    await office.reports.rewrite(origin, replace(standing, steps=3), 1, made.external_id)
    done = replace(standing, status=TaskStatus.SUCCEEDED, pull_request_url="https://git.example/a/b/pull/7")
    await office.reports.sign(origin, done)
    await office.settle()
    assert (len(await office.tasks()), len(office.said(ticket)), len(ticket.remote_links)) == (1, 1, 1)


async def tickets_that_are_deleted_during_a_run(office: Office) -> None:
    ticket = ticket_of(office)
    await labelled(office, ticket)
    office.jira.acts.delete(ticket, office.ann)
    await office.settle()
    async for one in office.polling().missed(ticket.created):
        await office.store.receive(one)
    await office.settle()
    [task] = await office.tasks()
    assert (task.status, task.status_reason) == (TaskStatus.CANCELED, "the ticket was deleted")


async def jira_answering_html(office: Office) -> None:
    ticket = ticket_of(office)
    office.jira.acts.set_labels(ticket, office.ann, ["agent"])
    office.jira.state.trouble.page = True
    became = await office.settle()
    assert became[-1].status is DeliveryStatus.WAITING
    office.jira.state.trouble.page = False
    office.clock.advance(60)
    await office.settle()
    assert len(await office.tasks()) == 1


async def gone_on_the_old_search(office: Office) -> None:
    await office.client.facts()
    gone = {"errorMessages": ["The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."]}
    office.jira.state.trouble.answers.append(json_response(gone, 410))
    with pytest.raises(RemoteRejected, match="set AGENT_JIRA_CLOUD or AGENT_JIRA_URL"):
        _ = [one async for one in office.polling().missed(office.jira.state.clock())]


async def data_center_without_basic_authentication(office: Office) -> None:
    with pytest.raises(ConfigError, match="personal access token alone"):
        replace(office.jira.settings, cloud=False, email=BOT_EMAIL)
    if not office.jira.state.cloud:
        client = JiraClient(office.jira.settings, office.jira.tuning)
        await client.facts()
        refused = {"message": "Basic Authentication has been disabled on this instance."}
        office.jira.state.trouble.answers.append(json_response(refused, 403))
        with pytest.raises(AuthFailed, match="put a personal access token into AGENT_JIRA_TOKEN"):
            await client.talk(lambda session: session.get(dict, "myself", action="asking"))


async def unsigned_hooks(office: Office) -> None:
    ticket = ticket_of(office)
    await office.settle()
    known = len(await office.store.deliveries())
    ticket.labels = ["agent"]
    item = {**CHANGE, "fromString": "", "toString": "agent"}
    document = updated(office, ticket, changelog={"id": "1", "items": [item]})
    assert [await deliver(office, document, proof=False) for _ in range(2)] == [401, 401]
    await office.settle()
    assert (await office.tasks(), len(await office.store.deliveries()), office.said(ticket)) == ([], known, [])


async def begun(office: Office) -> tuple[Any, Standing]:
    [task] = await office.tasks()
    return await office.store.origin(task.id), Standing(task_id=task.id, status=TaskStatus.RUNNING)


CASES: Final[tuple[Callable[[Office], Awaitable[None]], ...]] = (
    unknown_adf_nodes,
    huge_descriptions,
    attachments_that_are_not_images,
    comments_without_an_issue,
    empty_changelogs,
    label_changelogs_with_the_whole_list,
    tickets_that_are_moved_during_a_run,
    tickets_that_are_deleted_during_a_run,
    jira_answering_html,
    gone_on_the_old_search,
    data_center_without_basic_authentication,
    unsigned_hooks,
)


@pytest.mark.parametrize("case", CASES, ids=[case.__name__ for case in CASES])
async def test_bad_input(office: Office, case: Callable[[Office], Awaitable[None]]) -> None:
    await case(office)
