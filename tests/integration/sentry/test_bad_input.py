"""The bad input that is known, each with what becomes of it: nothing is doubled, and nobody is left in the dark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from anyio import to_thread

from pullwright.agents.errors import NotFound
from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.ports.report import Standing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.sentry.reports import SentryReports
from pullwright.integrations.sentry.texts import SentryTexts
from pullwright.integrations.sentry.voice import SentryVoice
from pullwright.integrations.testing.faults import Fault
from tests.integration.sentry.conftest import MARKS, Scene
from tests.unit.integrations.sentry.samples import BROKEN, event, frame, needs_payloads, raised, shared_payloads

pytestmark = pytest.mark.anyio

PAGE = {"Content-Type": "text/html"}
MINIFIED = frame("t", 1, colno=90_000, filename="/static/app.min.js", context_line="a" * 5000, module=None)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        pytest.param({"message": "Something"}, "its event has no stack", id="no exception"),
        pytest.param(event(raised("E", "x")), "its event has no stack", id="no frames"),
        pytest.param(event(raised("E", "x", {})), "no frame of its stack is in your own code", id="empty frames"),
        pytest.param(event(raised("E", "x", MINIFIED)), "its frames are minified", id="minified frames"),
        pytest.param(
            event(raised("E", "x", frame("f", 1, in_app=False))), "no frame of its stack is in", id="foreign frames"
        ),
        pytest.param({**event(), "exception": {"values": [None]}}, "its event has no stack", id="null exception"),
    ],
)
async def test_an_event_that_can_not_be_worked_on(scene: Scene, document: Mapping[str, Any], reason: str) -> None:
    issue = await scene.happen("shop", document, group="a", rule="New errors")
    assert [one.reason.startswith(reason) for one in await scene.deliveries()] == [True, True]
    assert scene.sentry.said(issue) == []
    await scene.person("comment", issue, "/agent run")
    assert f"I did not start: {reason}" in scene.sentry.said(issue)[-1]
    assert await scene.tasks() == []


async def test_an_event_of_two_megabytes(scene: Scene) -> None:
    frames = [frame(f"f{number}", number, vars={"v": "y" * 9000}) for number in range(1, 240)]
    await scene.happen("shop", event(raised("ValueError", "x", *frames)), group="a", rule="Large")
    assert scene.sentry.hooks is not None
    assert len(scene.sentry.hooks.sent[-1].body) > 2_000_000
    [task] = await scene.tasks()
    assert len(task.spec.context) < 31_000


@pytest.mark.parametrize("signature", [None, "", "0" * 64, "sha256=" + "0" * 64])
async def test_a_hook_that_is_not_signed(scene: Scene, signature: str | None) -> None:
    assert scene.sentry.hooks is not None
    await scene.happen("shop", BROKEN, group="a")
    sent = scene.sentry.hooks.sent[-1]
    headers = {name: value for name, value in (sent.headers or {}).items() if name != "Sentry-Hook-Signature"}
    if signature is not None:
        headers["Sentry-Hook-Signature"] = signature
    headers["Request-ID"] = "f" * 32
    answer = (await to_thread.run_sync(scene.sentry.hooks.repeat_with, sent, headers)).status
    assert answer == 401
    assert len(await scene.deliveries()) == 1


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param(Fault(path="/issues/", status=200, headers=PAGE, body="<html>Log in"), "a web page", id="HTML"),
        pytest.param(Fault(path="/issues/", status=403, body={"detail": "No."}), "may not do this", id="403"),
        pytest.param(Fault(path="/issues/", status=401), "the token was refused", id="401"),
        pytest.param(Fault(path="/issues/", status=429), "the rate limit is used up", id="429"),
        pytest.param(Fault(path="/issues/", status=503), "it is in trouble (503)", id="503"),
        pytest.param(Fault(path="/issues/", status=200, body="{half"), "it gave no JSON", id="half an answer"),
        pytest.param(Fault(path="/events/", status=200, body=[7]), "something unexpected", id="another shape"),
    ],
)
async def test_an_answer_that_is_none(scene: Scene, fault: Fault, reason: str) -> None:
    scene.sentry.add_fault(fault)
    issue = await scene.happen("shop", BROKEN, group="a")
    [delivery] = await scene.deliveries()
    assert (delivery.status, reason in delivery.reason) == (DeliveryStatus.WAITING, True)
    await scene.later(3700)
    [task] = await scene.tasks()
    assert task.spec.fixes == (issue.short_id,)
    assert len(scene.sentry.said(issue)) == 1


async def test_an_issue_that_is_gone_when_it_is_looked_at(scene: Scene) -> None:
    hooks, scene.sentry.hooks = scene.sentry.hooks, None
    issue, _ = scene.sentry.happen("shop", BROKEN, group="a")
    scene.sentry.hooks = hooks
    scene.sentry.state.issues.pop(issue.id)
    await scene.person("comment", issue, "/agent run")
    [delivery] = await scene.deliveries()
    assert (delivery.status, delivery.reason) == (DeliveryStatus.IGNORED, "the issue is gone, or can not be seen")


async def test_an_issue_that_is_deleted_during_the_run(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    [task] = await scene.tasks()
    origin = await scene.store.origin(task.id)
    assert origin is not None
    scene.sentry.state.issues.pop(issue.id)
    reports = SentryReports(scene.api, SentryVoice(scene.api, MARKS), SentryTexts(Redactor()), scene.store)
    with pytest.raises(NotFound):  # the reporter gives up then, and the run goes on to its pull request
        await reports.write(origin, Standing(task_id=task.id, status=TaskStatus.RUNNING), 1)
    await reports.sign(origin, Standing(task_id=task.id, pull_request_url="https://github.com/acme/shop/pull/5"))


async def test_an_issue_that_is_merged_into_another_during_the_run(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    into = await scene.happen("shop", BROKEN, group="b")
    scene.sentry.merge(issue, into)
    [task] = await scene.tasks()
    await scene.happen("shop", BROKEN, group="a", rule="More")
    assert (await scene.deliveries())[-1].reason in ("a task is on it already", "another delivery said the same")
    assert len(await scene.tasks()) == 1
    await scene.land(await scene.end())
    assert (into.status, into.in_next_release) == ("resolved", True)
    assert "was merged" in scene.sentry.said(into)[-1]
    assert (await scene.store.get(task.id)).status is TaskStatus.SUCCEEDED


@pytest.mark.parametrize("name", ["shortId", "title", "project", "count", "firstSeen", "lastSeen", "activity", "level"])
async def test_an_issue_with_null_in_it(scene: Scene, name: str) -> None:
    issue = await scene.happen("shop", event(raised("E", "x")), group="a")
    document = {**scene.sentry.state.document(issue), name: None}
    scene.sentry.add_fault(Fault(path=f"/issues/{issue.id}/", status=200, body=document))
    found = await scene.api.issue(str(issue.id))
    assert found.id == str(issue.id)


@needs_payloads
async def test_every_shared_payload_is_settled_with_a_reason(scene: Scene) -> None:
    assert scene.sentry.hooks is not None
    payloads = shared_payloads()
    assert len(payloads) == 21
    for _, resource, document in payloads:
        if resource:
            sent = await to_thread.run_sync(scene.sentry.hooks.send, resource, document)
            assert sent.status == 202
    for _ in range(3):
        await scene.later(100)
    found = await scene.deliveries()
    assert len(found) == 19
    assert {one.status for one in found} == {DeliveryStatus.IGNORED}
    assert all(one.reason for one in found)
    assert "the issue is gone, or can not be seen" in {one.reason for one in found}


async def test_a_body_that_is_no_delivery(scene: Scene) -> None:
    assert scene.sentry.hooks is not None
    send = scene.sentry.hooks.send_bytes
    for body, status in ((b'{"action": "created", "data": null}', 202), (b"[1]", 400), (b"{", 400)):
        assert (await to_thread.run_sync(send, "issue", body)).status == status
    [delivery] = await scene.deliveries()
    assert (delivery.status, delivery.reason) == (DeliveryStatus.IGNORED, "issue.created lacks 'data.issue'")
