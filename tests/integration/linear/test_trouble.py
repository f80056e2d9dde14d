"""Linear in trouble, and what arrives broken: a defined end, said to whom it concerns, and nothing doubled."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from pullwright.agents.errors import (
    AuthFailed,
    IntegrationError,
    NotFound,
    RemoteRateLimited,
    RemoteRejected,
    RemoteUnavailable,
)
from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.linear.api import LinearApi
from pullwright.integrations.linear.client import LinearClient
from pullwright.integrations.linear.payloads import Part
from pullwright.integrations.linear.settings import LinearSettings
from pullwright.integrations.signatures import LINEAR, sign
from pullwright.integrations.testing.linear_workspace import BOT_TOKEN, RehearsalLinear
from pullwright.integrations.testing.web_server import Response, json_response
from tests.integration.linear.conftest import SECRET, Office

pytestmark = pytest.mark.anyio


def answer(*, status: int = 200, code: str = "", message: str = "no", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return json_response({"errors": [{"message": message, "extensions": {"code": code}}]}, status, named)


NOW = 1_790_000_000.0
SOON = str(int((NOW + 90) * 1000))
REFUSALS: list[tuple[Response, type[IntegrationError], str]] = [
    (answer(code="AUTHENTICATION_ERROR"), AuthFailed, "AGENT_LINEAR_TOKEN"),
    (answer(status=401), AuthFailed, "AGENT_LINEAR_TOKEN"),
    (answer(code="FORBIDDEN"), AuthFailed, "access to the team"),
    (answer(status=400, code="RATELIMITED", X_RateLimit_Requests_Reset=SOON), RemoteRateLimited, "again in 91 s"),
    (answer(status=429, Retry_After="7"), RemoteRateLimited, "again in 8 s"),
    (answer(code="RATELIMITED"), RemoteRateLimited, "again in 60 s"),
    (answer(code="INTERNAL_SERVER_ERROR"), RemoteUnavailable, "in trouble"),
    (Response(status=503, body=b"sorry"), RemoteUnavailable, "in trouble"),
    (answer(message="Entity not found: Issue"), NotFound, "was not removed"),
    (answer(status=400, code="GRAPHQL_VALIDATION_FAILED", message="Cannot query"), RemoteRejected, "Cannot query"),
    (answer(message="x" * 5000), RemoteRejected, "refused"),
    (Response(headers={"Content-Type": "text/html"}, body=b"<html>"), RemoteRejected, "AGENT_LINEAR_API_URL"),
    (Response(status=302, headers={"Location": "https://elsewhere.example/"}), RemoteRejected, "web page"),
    (Response(body=b"{"), RemoteUnavailable, "no JSON"),
    (json_response({"data": {"viewer": None}}), RemoteRejected, "report this"),
    (json_response({"errors": "odd"}), RemoteRejected, "report this"),
    (json_response({"errors": [{"message": 7, "extensions": []}]}), RemoteRejected, "refused"),
]


@pytest.mark.parametrize("number", range(len(REFUSALS)))
async def test_every_refusal_says_what_to_do(linear: RehearsalLinear, number: int) -> None:
    response, kind, match = REFUSALS[number]
    linear.state.trouble.answers.append(response)
    with pytest.raises(kind, match=match) as caught:
        await LinearApi(LinearClient(linear.settings(), now=lambda: NOW)).viewer()
    assert str(caught.value).startswith(f"Linear at '{linear.host}' failed ")
    assert "\n" not in str(caught.value)


async def test_both_kinds_of_tokens(linear: RehearsalLinear) -> None:
    for token in (BOT_TOKEN, "lin_api_rehearsal0key0of0the0bot"):
        assert (await LinearApi(LinearClient(linear.settings(token))).viewer()).id == linear.bot.id
    with pytest.raises(AuthFailed):
        await LinearApi(LinearClient(linear.settings("wrong"))).viewer()


async def test_what_linear_would_refuse_the_rehearsal_refuses(linear: RehearsalLinear) -> None:
    client = LinearClient(linear.settings())
    with pytest.raises(RemoteRejected, match="Cannot query field 'secret'"):
        await client.ask(Part, "{ viewer { secret } }", action="trying")
    costly = "{ issues(first: 250) { nodes { id comments(first: 250) { nodes { id } } } } }"
    with pytest.raises(RemoteRejected, match="too complex"):
        await client.ask(Part, costly, action="trying")


async def test_nobody_there() -> None:
    nowhere = LinearSettings(token="lin_api_x", api_url="http://127.0.0.1:9/graphql")
    with pytest.raises(RemoteUnavailable, match="could not be reached"):
        await LinearApi(LinearClient(nowhere)).viewer()


async def test_trouble_puts_off_and_says_nothing_twice(office: Office) -> None:
    issue = office.acts.create("ENG", office.ann, "Fix it")
    office.acts.comment(issue, office.gus, "/agent run")
    office.linear.state.trouble.answers.append(answer(code="INTERNAL_SERVER_ERROR"))
    assert (await office.last()).status is DeliveryStatus.WAITING
    # The refusal is written, and nobody hears that it was.
    office.linear.state.trouble.lost = True
    for _ in range(4):
        office.clock.advance(3600)
        await office.settle()
    assert (await office.settle())[1].status is DeliveryStatus.REFUSED
    assert len(office.linear.said(issue)) == 1


async def test_a_page_for_people_puts_off(office: Office) -> None:
    issue = office.acts.create("ENG", office.ann, "Fix it")
    office.linear.state.trouble.page = True
    office.acts.comment(issue, office.ann, "/agent run")
    last = await office.last()
    assert last.status is DeliveryStatus.WAITING, last
    assert "a web page answered instead of the API" in last.reason
    office.linear.state.trouble.page = False
    office.clock.advance(3600)
    await office.settle()
    assert (await office.task()).spec.fixes == (issue.identifier,)


async def test_removed_during_the_run(office: Office) -> None:
    issue = office.acts.create("ENG", office.ann, "Fix it", labels=["agent"])
    await office.settle()
    task = await office.task()
    origin = await office.store.origin(task.id)
    assert origin is not None
    standing = Standing(task_id=task.id, status=TaskStatus.RUNNING)
    shown = await office.reports.write(origin, standing, 1)
    issue.comments.clear()
    with pytest.raises(NotFound):
        await office.reports.rewrite(origin, standing, 1, shown.external_id)
    await office.reports.write(origin, standing, 2)
    office.acts.remove(issue, office.ann)
    await office.settle()
    assert (await office.task()).status is TaskStatus.CANCELED
    ended = Standing(task_id=task.id, status=TaskStatus.SUCCEEDED, pull_request_url="https://git.example/a/b/pull/1")
    for what in (office.reports.write(origin, standing, 3), office.reports.sign(origin, ended)):
        with pytest.raises(NotFound):
            await what
    await office.landings.landed(origin, ended, merged=True)


async def test_removed_before_it_is_looked_at(office: Office) -> None:
    issue = office.acts.create("ENG", office.ann, "Fix it", labels=["agent"])
    office.acts.remove(issue, office.ann)
    assert [one.status for one in await office.settle()] == [DeliveryStatus.IGNORED] * 2


async def test_a_huge_description(office: Office) -> None:
    issue = office.acts.create("ENG", office.ann, "Fix it", "All of it. " * 200_000)
    office.acts.set_labels(issue, office.ann, ["agent"])
    filed = next(one for one in await office.settle() if one.status is DeliveryStatus.FILED)
    assert len(filed.content) < 50_000
    context = (await office.task()).spec.context
    assert len(context) < 50_000
    assert "characters were left out" in context
    assert "changed after" not in context


# The door


def delivered(office: Office, document: Any, *, secret: str = SECRET, age: float = 0, **more: str) -> int:
    if isinstance(document, dict):
        document = {**document, "webhookTimestamp": int((time.time() - age) * 1000)}
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    headers = [("Content-Type", "application/json"), *sign(LINEAR, secret, body)]
    headers += [(name.replace("_", "-"), value) for name, value in more.items()]
    return office.receiver.take([one for one in headers if one[1]], body)


HOOK = {"type": "Issue", "action": "remove", "data": {"id": "one"}}


def test_the_door(office: Office) -> None:
    assert delivered(office, HOOK, Linear_Delivery="11111111-1111") == 200
    assert delivered(office, HOOK, secret="another") == 401
    assert delivered(office, HOOK, age=120) == 401
    assert delivered(office, b'{"webhookTimestamp": "now"}') == 401
    assert delivered(office, b"[]") == 401
    assert delivered(office, {**HOOK, "deep": json.loads("[" * 300 + "]" * 300)}) == 400
    assert delivered(office, HOOK, Linear_Delivery="no id!") == 400
    assert delivered(office, HOOK, Content_Encoding="gzip") == 415
    body = json.dumps(HOOK).encode()
    door = office.receiver.door
    assert office.receiver.take([("Content-Type", "application/json")], body) == 401
    assert door.problem([*sign(LINEAR, SECRET, body)], body, now=time.time()) == "no usable time"
    assert office.receiver.refused.count("the time is too far from now") == 1
