"""What people ask for in comments and by assigning: nobody who asks in words is left without an answer."""

from __future__ import annotations

from typing import Any

import pytest
from anyio import to_thread

from pullwright.agents.events import QuestionAsked
from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.ports.report import Standing
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskStatus, WaitReason
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.sentry.reports import SentryReports
from pullwright.integrations.sentry.texts import SentryTexts
from pullwright.integrations.sentry.voice import SentryVoice
from tests.integration.sentry.conftest import MARKS, PULL, Scene
from tests.unit.integrations.sentry.samples import BROKEN, event, frame, raised

pytestmark = pytest.mark.anyio


async def quiet(scene: Scene) -> Any:
    """Return an issue that nobody has taken up."""
    issue = await scene.happen("shop", BROKEN, group="a", rule="")
    await scene.person("comment", issue, "/agent stop")
    return issue


async def test_a_branch_can_be_named(scene: Scene) -> None:
    issue = await quiet(scene)
    await scene.person("comment", issue, "/agent run base=release/2.x mind the cart")
    task = (await scene.tasks())[0]
    assert task.spec.base_ref == "release/2.x"
    assert task.spec.instruction.endswith("mind the cart")


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        ("/agent run model=large", "I did not start: the model can not be chosen here"),
        ("/agent model=large", "I did not start: the model can not be chosen here"),
        ("/agent run base=main..evil", "I did not start: what base= names is no branch"),
        ("/agent run base=/x", "I did not start: what base= names is no branch"),
        ("/agent rebase", "I did not start: a branch is brought up to date where its pull request is"),
    ],
)
async def test_what_can_not_be_had_is_refused_aloud(scene: Scene, comment: str, reason: str) -> None:
    issue = await quiet(scene)
    before = len(await scene.tasks())
    await scene.person("comment", issue, comment)
    assert scene.sentry.said(issue)[-1].startswith(reason)
    assert len(await scene.tasks()) == before


async def test_who_only_calls_hears_how_it_stands(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    await scene.person("comment", issue, "/agent run")
    assert scene.sentry.said(issue)[-1].startswith("**Queued.**")
    assert await scene.store.signals((await scene.tasks())[0].id) == []
    await scene.person("assign", issue, "team:9")
    assert (await scene.deliveries())[-1].reason == "a task is on it already"


async def _waiting(scene: Scene) -> Task:
    task = await scene.store.claim("w")
    assert task is not None
    question = QuestionAsked(step=1, question="Is this plan all right?", wait=WaitReason.APPROVAL_REQUIRED.value)
    return await scene.store.park(task, WaitReason.APPROVAL_REQUIRED, question, question="Is this plan all right?")


@pytest.mark.parametrize(
    ("comment", "answer"),
    [
        ("/agent continue", "Yes, go on."),
        ("/agent answer in cents", "in cents"),
        ("@agent no, the other way", "no, the other way"),
    ],
)
async def test_a_plan_is_answered(scene: Scene, comment: str, answer: str) -> None:
    issue = await quiet(scene)
    await scene.person("comment", issue, "/agent plan")
    assert (await scene.tasks())[0].spec.approve_plan
    task = await _waiting(scene)
    await scene.person("comment", issue, comment)
    [signal] = await scene.store.signals(task.id)
    assert (signal.kind, signal.text) == (SignalKind.ANSWER, answer)


async def test_a_second_pull_request_is_only_made_for_a_reason(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    await scene.end()
    await scene.person("comment", issue, "/agent run")
    assert f"there is a pull request already, {PULL}" in scene.sentry.said(issue)[-1]
    await scene.person("assign", issue, "team:9")
    assert len(await scene.tasks()) == 1
    await scene.person("comment", issue, "/agent run use decimals")
    task = (await scene.tasks())[0]
    assert f"An earlier change for this is in {PULL}" in task.spec.instruction
    await scene.end(url="https://github.com/acme/shop/pull/6")
    await scene.person("comment", issue, "/agent retry")
    assert len(await scene.tasks()) == 3


async def test_whoever_asked_gets_the_issue_with_the_pull_request(scene: Scene) -> None:
    issue = await quiet(scene)
    await scene.person("comment", issue, "/agent retry")
    task = await scene.end()
    origin = await scene.store.origin(task.id)
    assert origin is not None
    standing = Standing(task_id=task.id, status=TaskStatus.SUCCEEDED, pull_request_url=PULL)
    texts, voice = SentryTexts(Redactor()), SentryVoice(scene.api, MARKS)
    reports = SentryReports(scene.api, voice, texts, scene.store, assignees=frozenset({"team:9"}))
    await reports.sign(origin, Standing(task_id=task.id, status=TaskStatus.FAILED))
    assert issue.assignee is None
    for had in (None, {"type": "team", "id": "9"}):
        issue.assignee = had
        for _ in range(2):
            await reports.sign(origin, standing)
        assert issue.assignee == {"type": "user", "id": "123", "name": "x"}
    issue.assignee = {"type": "user", "id": "5"}
    await reports.sign(origin, standing)
    assert issue.assignee["id"] == "5"
    scene.sentry.state.issues.pop(issue.id)
    await reports.sign(origin, standing)


async def test_an_alert_that_waits_holds_nobody_up(scene: Scene) -> None:
    for number in range(4):
        odd = event(raised("ValueError", "x", frame(f"function_{number}", 1)))
        issue = await scene.happen("shop", odd, group=f"{number}")
    assert (await scene.deliveries())[-1].status is DeliveryStatus.WAITING
    await scene.person("comment", issue, "/agent run")
    assert len(await scene.tasks()) == 4
    await scene.later(3600)
    assert len(await scene.tasks()) == 4


async def test_a_word_that_comes_late_stops_nothing(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    assert scene.sentry.hooks is not None
    document = {"action": "resolved", "data": {"issue": {"id": str(issue.id)}}, "actor": {"type": "user", "id": 1}}
    await to_thread.run_sync(scene.sentry.hooks.send, "issue", document)
    await scene.settle()
    assert (await scene.deliveries())[-1].reason == "the issue was resolved, and is open again"
    assert not (await scene.tasks())[0].status.terminal


async def test_sentrys_own_agent_is_not_competed_with(scene: Scene) -> None:
    hooks, scene.sentry.hooks = scene.sentry.hooks, None
    issue, _ = scene.sentry.happen("shop", BROKEN, group="a")
    scene.sentry.hooks = hooks
    url = "https://github.com/acme/shop/pull/2"
    issue.seer = {"status": "COMPLETED", "steps": [{"changes": [{"pull_request": {"pr_url": url, "pr_number": 2}}]}]}
    await scene.happen("shop", BROKEN, group="a", rule="New errors")
    assert (await scene.deliveries())[-1].reason == f"Sentry has opened a pull request for it itself: {url}"
    await scene.person("comment", issue, "/agent run")
    [task] = await scene.tasks()
    rival = {"action": "pr_created", "data": {"group_id": issue.id}, "actor": {"type": "application", "id": "sentry"}}
    assert hooks is not None
    await to_thread.run_sync(hooks.send, "seer", rival)
    await scene.settle()
    assert (await scene.store.get(task.id)).status is TaskStatus.CANCELED
