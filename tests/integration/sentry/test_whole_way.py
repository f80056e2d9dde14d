"""From an alert to a task and back: a Sentry that keeps state, real hooks over HTTP, the real inbox."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anyio import to_thread

from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.task import TaskStatus
from pullwright.integrations.sentry.gate import GateRules
from pullwright.integrations.testing.faults import Fault
from pullwright.integrations.testing.sentry_rehearsal import SentryRehearsal
from tests.integration.sentry.conftest import Scene, scene_of
from tests.unit.integrations.sentry.samples import BROKEN, ROUTE, event, frame, raised

pytestmark = pytest.mark.anyio

NO_STACK = event(raised("ValueError", "no price"))


async def test_an_alert_becomes_one_task_with_a_brief_and_an_answer(scene: Scene) -> None:
    sentry = scene.sentry
    sentry.state.releases["shop@1.2"] = {
        "lastCommit": {"id": "c" * 40},
        "commits": [{"id": "c" * 40, "message": "Price is optional\n\nmore"}],
    }
    issue = await scene.happen("shop", {**BROKEN, "release": "shop@1.2"}, group="a", rule="New errors")
    [task] = await scene.tasks()
    spec = task.spec
    assert (spec.source, spec.base_ref, spec.repository.slug) == ("sentry", "main", "acme/shop")
    assert spec.title == f"Sentry issue {issue.short_id}: ValueError: no price"
    assert (spec.fixes, spec.reproduce) == ((issue.short_id,), True)
    assert f"commit {'c' * 40}" in spec.instruction
    assert "no price" not in spec.instruction
    assert "[in the repository: src/shop/cart.py]" in spec.context
    assert "Price is optional" in spec.context
    assert "hunter2" not in spec.context
    assert not spec.may_ask
    [created, alert] = await scene.deliveries()
    assert (created.status, alert.status) == (DeliveryStatus.FILED, DeliveryStatus.IGNORED)
    assert alert.reason == "a task is on it already"
    [said] = sentry.said(issue)
    assert said.startswith("I am on it, in `acme/shop`.")


async def test_a_hook_that_is_repeated_says_nothing_new(scene: Scene) -> None:
    await scene.happen("shop", BROKEN, group="a")
    assert scene.sentry.hooks is not None
    again = await to_thread.run_sync(scene.sentry.hooks.repeat, scene.sentry.hooks.sent[0])
    assert (again.status, again.answer) == (202, '{"status":"duplicate"}')
    await scene.settle()
    assert len(await scene.tasks()) == 1


async def test_two_issues_with_one_cause_are_one_task(scene: Scene) -> None:
    first = await scene.happen("shop", BROKEN, group="a")
    other = event(raised("ValueError", "no price for 7", frame("<module>", 3), frame("total", 57)), release="b@2")
    second = await scene.happen("worker", other, group="b")
    [task] = await scene.tasks()
    [told] = await scene.store.signals(task.id)
    assert f"Fixes {second.short_id}" in told.text
    await scene.happen("worker", other, group="b", rule="Again")
    assert len(await scene.store.signals(task.id)) == 1
    await scene.person("resolve", second)
    assert not (await scene.store.get(task.id)).status.terminal
    await scene.person("resolve", first)
    assert (await scene.store.get(task.id)).status is TaskStatus.CANCELED


@pytest.mark.parametrize(
    ("broken", "rules", "reason"),
    [
        (NO_STACK, {}, "its event has no stack"),
        (BROKEN, {"min_events": 5}, "it happened 1 times, and 5 are asked for"),
        (BROKEN, {"environments": frozenset({"staging"})}, "it happened in the environment 'production'"),
        (BROKEN, {"routes": {}}, "no repository is configured for the project 'shop'"),
    ],
)
async def test_what_does_not_pass_the_gate_has_its_reason(
    sentry: SentryRehearsal, broken: dict[str, Any], rules: dict[str, Any], reason: str
) -> None:
    async with scene_of(sentry, GateRules(**{"routes": {"shop": ROUTE}, **rules})) as scene:
        issue = await scene.happen("shop", broken, group="a")
        [delivery] = await scene.deliveries()
        assert delivery.status is DeliveryStatus.IGNORED
        assert reason in delivery.reason
        assert sentry.said(issue) == []
        await scene.person("assign", issue, "team:9")
        answered = sentry.said(issue)
    if "routes" in rules or broken is NO_STACK:
        assert answered[0].startswith(f"I did not start: {reason}")
    else:
        assert answered[0].startswith("I am on it")


async def test_people_ask_tell_and_stop_in_comments(scene: Scene) -> None:
    issue = await scene.happen("shop", NO_STACK, group="a")
    await scene.person("comment", issue, "I have no idea")
    await scene.person("comment", issue, "/agent help")
    await scene.person("comment", issue, "/agent dance")
    await scene.person("comment", issue, "/agent stop")
    said = scene.sentry.said(issue)
    assert [text.partition("\n")[0][:30] for text in said] == [
        "Begin a line of a comment with",
        "I do not know `dance`. Begin a",
        "I did not start: nothing is be",
    ]
    good = await scene.happen("shop", BROKEN, group="b")
    await scene.person("comment", good, "/agent run mind the empty cart")
    [task] = await scene.tasks()
    assert [one.text for one in await scene.store.signals(task.id)] == ["mind the empty cart"]
    await scene.person("comment", good, "/agent stop")
    stopped = await scene.store.get(task.id)
    assert (stopped.status, stopped.status_reason) == (TaskStatus.CANCELED, "ann asked on Sentry to stop")
    await scene.person("comment", good, "@agent try again, with decimals")
    again = (await scene.tasks())[0]
    assert again.spec.parent_id == task.id
    assert again.spec.may_ask
    assert again.spec.instruction.endswith("try again, with decimals")


async def test_only_some_people_may_ask(sentry: SentryRehearsal) -> None:
    async with scene_of(sentry, users=frozenset({"999"})) as scene:
        issue = await scene.happen("shop", NO_STACK, group="a")
        await scene.person("comment", issue, "/agent run")
        assert "not among the people" in sentry.said(issue)[0]


async def test_our_own_comments_and_other_assignments_are_nothing(scene: Scene) -> None:
    issue = await scene.happen("shop", NO_STACK, group="a")
    ours = {"type": "application", "id": scene.sentry.state.app, "name": "pullwright"}
    await scene.person("comment", issue, "/agent run", actor=ours)
    await scene.person("assign", issue, "user:5")
    await scene.person("resolve", issue, actor=ours)
    reasons = [one.reason for one in await scene.deliveries()]
    assert reasons[1:] == [
        "only comments of persons are read",
        "it is assigned to somebody else",
        "we did it ourselves",
    ]


async def test_a_failed_try_is_left_alone_for_a_day(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    await scene.end(url="", status=TaskStatus.FAILED)
    await scene.happen("shop", BROKEN, group="a", rule="More")
    assert "less than 24 h ago" in (await scene.deliveries())[-1].reason
    await scene.person("assign", issue, "team:9")
    assert len(await scene.tasks()) == 2


async def test_a_deleted_comment_takes_its_task_with_it(scene: Scene) -> None:
    issue = await scene.happen("shop", event(raised("E", "x", frame("f", 1)), level="info"), group="a")
    await scene.person("resolve", issue)
    scene.sentry.state.issues[issue.id].status = "unresolved"
    await scene.person("comment", issue, "/agent run")
    [*_, task] = [one for one in await scene.tasks() if not one.status.terminal]
    assert scene.sentry.hooks is not None
    sent = scene.sentry.hooks.sent[-1]
    document = {**json.loads(sent.body), "action": "deleted"}
    await to_thread.run_sync(scene.sentry.hooks.send, "comment", document)
    await scene.settle()
    assert (await scene.store.get(task.id)).status is TaskStatus.CANCELED


async def test_where_nothing_reaches_in_it_is_polled(scene: Scene) -> None:
    scene.sentry.hooks, since = None, scene.sentry.state.now
    issue, _ = scene.sentry.happen("shop", BROKEN, group="a")
    for number in range(4):  # more than a page
        scene.sentry.happen("shop", NO_STACK, group=f"b{number}")
    for _ in range(2):
        await scene.poll(since)
    assert [one.status for one in await scene.deliveries()].count(DeliveryStatus.FILED) == 1
    assert len(await scene.deliveries()) == 5
    [task] = await scene.tasks()
    assert task.spec.title.startswith(f"Sentry issue {issue.short_id}")


async def test_a_hook_of_two_megabytes_is_taken(scene: Scene) -> None:
    frames = [frame(f"f{number}", number, vars={"v": "y" * 9000}) for number in range(1, 240)]
    await scene.happen("shop", event(raised("ValueError", "x", *frames)), group="a", rule="Large")
    assert scene.sentry.hooks is not None
    assert len(scene.sentry.hooks.sent[-1].body) > 2_000_000
    [task] = await scene.tasks()
    assert len(task.spec.context) < 31_000


async def test_trouble_at_sentry_puts_off_and_doubles_nothing(scene: Scene) -> None:
    scene.sentry.add_fault(Fault(path="/issues/", status=429, headers={"Retry-After": "77"}))
    issue = await scene.happen("shop", BROKEN, group="a")
    [delivery] = await scene.deliveries()
    assert (delivery.status, delivery.put_off) == (DeliveryStatus.WAITING, 1)
    assert "the rate limit is used up; try again in 78 s" in delivery.reason
    assert scene.sentry.said(issue) == []
    await scene.later(77)
    assert (await scene.deliveries())[0].status is DeliveryStatus.WAITING
    await scene.later(1)
    assert len(await scene.tasks()) == 1


async def test_more_causes_than_an_hour_bears_wait(scene: Scene) -> None:
    for number in range(4):
        odd = event(raised("ValueError", "x", frame(f"function_{number}", 1)))
        await scene.happen("shop", odd, group=f"{number}")
    assert len(await scene.tasks()) == 3
    last = (await scene.deliveries())[-1]
    assert (last.status, last.reason) == (DeliveryStatus.WAITING, "the project 'shop' has had its tasks of this hour")
    await scene.later(3600)
    assert len(await scene.tasks()) == 4


async def test_an_answer_whose_answer_is_lost_is_not_given_twice(scene: Scene) -> None:
    issue = await scene.happen("shop", NO_STACK, group="a")
    scene.sentry.add_fault(Fault(path="/comments/", method="POST", close=True, after=True))
    await scene.person("comment", issue, "/agent help")
    delivery = (await scene.deliveries())[-1]
    assert (delivery.status, len(scene.sentry.said(issue))) == (DeliveryStatus.WAITING, 1)
    await scene.later(60)
    assert (await scene.deliveries())[-1].status is DeliveryStatus.ANSWERED
    assert len(scene.sentry.said(issue)) == 1
