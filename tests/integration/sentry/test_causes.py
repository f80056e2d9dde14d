"""One issue keeps its cause, and one cause its task, whatever Sentry still knows of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from anyio import to_thread

from pullwright.agents.task import TaskStatus
from pullwright.integrations.sentry.voice import SentryVoice
from pullwright.integrations.testing.sentry_state import Note
from tests.integration.sentry.conftest import MARKS, Scene
from tests.unit.integrations.sentry.samples import BROKEN, event, frame, raised

pytestmark = pytest.mark.anyio

LATER = event(raised("ValueError", "no price", frame("<module>", 3), frame("checkout", 9), frame("total", 42)))


async def test_an_issue_keeps_its_cause_when_its_oldest_event_is_dropped(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    await scene.happen("shop", LATER, group="a")
    first = await scene.end()
    del issue.events[0]
    scene.sentry.state.now += timedelta(days=30)
    await scene.happen("shop", LATER, group="a", rule="More")
    assert (await scene.deliveries())[-1].reason.startswith(f"{first.pull_request_url} is there for it")
    await scene.person("resolve", issue)
    await scene.happen("shop", LATER, group="a")
    second, _ = await scene.tasks()
    assert (second.spec.work_key, second.spec.parent_id) == (first.spec.work_key, first.id)


async def test_an_issue_that_joined_keeps_the_cause_of_the_other(scene: Scene) -> None:
    await scene.happen("shop", BROKEN, group="a")
    joined = await scene.happen("worker", BROKEN, group="b")
    await scene.happen("worker", LATER, group="b")
    await scene.end()
    del joined.events[0]
    await scene.happen("worker", LATER, group="b", rule="More")
    assert len(await scene.tasks()) == 1


async def test_of_two_issues_at_the_same_moment_the_slower_one_joins(scene: Scene) -> None:
    hooks, scene.sentry.hooks = scene.sentry.hooks, None
    assert hooks is not None
    issues = [scene.sentry.happen(project, BROKEN, group=project)[0] for project in ("shop", "worker")]
    for issue in issues:
        document = {"action": "created", "data": {"issue": scene.sentry.state.document(issue)}, "actor": {}}
        await to_thread.run_sync(hooks.send, "issue", document)
    await scene.settle()
    await scene.later(5)
    [task] = await scene.tasks()
    [told] = await scene.store.signals(task.id)
    assert "has the same cause" in told.text
    assert task.spec.fixes[0] not in told.text


async def test_without_any_event_it_can_still_be_asked_and_stopped(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    [task] = await scene.tasks()
    issue.events.clear()
    await scene.person("comment", issue, "/agent status")
    assert scene.sentry.said(issue)[-1].startswith("**Queued.**")
    await scene.person("comment", issue, "/agent stop")
    assert (await scene.store.get(task.id)).status is TaskStatus.CANCELED
    await scene.person("comment", issue, "/agent run")
    assert "Sentry has no event of the issue any more" in scene.sentry.said(issue)[-1]


async def test_only_what_we_said_ourselves_on_this_issue_is_its_cause(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    other, _ = scene.sentry.happen("shop", BROKEN, group="b")
    voice, wrong = SentryVoice(scene.api, MARKS), "0" * 32
    right = await voice.cause(str(issue.id))
    assert (await scene.tasks())[0].spec.work_key.endswith(f"/acme/shop/{right}")
    stranger = SentryVoice(scene.api, b"x" * 16)
    for text in (stranger.with_cause(str(issue.id), "x", wrong), voice.with_cause(str(other.id), "x", wrong)):
        issue.notes.insert(0, Note(id=next(scene.sentry.state.numbers), text=text, author="ann"))
    assert await voice.cause(str(issue.id)) == right
    assert await voice.cause(str(other.id)) == ""
    assert await voice.cause("99") == ""


async def test_an_event_that_is_not_there_yet_is_waited_for(scene: Scene) -> None:
    hooks, scene.sentry.hooks = scene.sentry.hooks, None
    issue, _ = scene.sentry.happen("shop", BROKEN, group="a")
    kept = issue.events.pop()
    assert hooks is not None
    scene.sentry.hooks = hooks
    document = {"action": "created", "data": {"issue": {"id": str(issue.id), "project": {"slug": "shop"}}}, "actor": {}}
    await to_thread.run_sync(hooks.send, "issue", document)
    await scene.settle()
    assert "no event" in (await scene.deliveries())[0].reason
    issue.events.append(kept)
    await scene.later(20)
    assert len(await scene.tasks()) == 1
