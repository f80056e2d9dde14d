"""What happens on Sentry after a pull request was merged, or closed; and when the error is seen again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pullwright.agents.errors import AuthFailed, NotFound
from pullwright.agents.events import UserSaid
from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.ports.report import Landing
from pullwright.agents.task import TaskStatus
from pullwright.integrations.testing.sentry_state import Issue
from tests.integration.sentry.conftest import PULL, Scene
from tests.unit.integrations.sentry.samples import BROKEN, event, frame, raised

pytestmark = pytest.mark.anyio

OTHER_PULL = "https://github.com/acme/shop/pull/9"
SAME_CAUSE = event(raised("ValueError", "no price for 7", frame("<module>", 3), frame("total", 57)), release="b@2")
OTHER_CAUSE = event(raised("KeyError", "x", frame("other", 3)))


async def test_a_merge_resolves_the_issue_in_the_next_release_once(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    task = await scene.end()
    assert (issue.status, issue.in_next_release) == ("unresolved", False)
    await scene.land(task)
    assert (issue.status, issue.in_next_release) == ("resolved", True)
    said = scene.sentry.said(issue)
    assert f"{PULL} was merged. The issue is resolved in the next release." in said[-1]
    scene.sentry.state.issues[issue.id].status = "unresolved"  # it came back meanwhile
    await scene.land(task)
    assert issue.status == "unresolved"
    assert scene.sentry.said(issue) == said


async def test_an_issue_that_is_not_open_is_left_as_it_is(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    task = await scene.end()
    await scene.person("resolve", issue)
    await scene.land(task)
    assert (issue.status, issue.in_next_release) == ("resolved", False)
    assert "The issue is resolved" in scene.sentry.said(issue)[-1]


async def test_a_merge_resolves_nothing_where_nobody_wants_that(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    await scene.land(await scene.end(), resolves=False)
    assert issue.status == "unresolved"
    assert scene.sentry.said(issue)[-1].startswith(f"{PULL} was merged. When the error is seen again")


async def test_what_is_closed_without_a_merge_is_only_said(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    task = await scene.end()
    for _ in range(2):
        await scene.land(task, merged=False)
    assert issue.status == "unresolved"
    assert [text for text in scene.sentry.said(issue) if "closed without being merged" in text] == [
        scene.sentry.said(issue)[-1]
    ]


async def test_issues_that_joined_are_resolved_as_well_and_no_others(scene: Scene) -> None:
    first = await scene.happen("shop", BROKEN, group="a")
    joined = await scene.happen("worker", SAME_CAUSE, group="b")
    stranger = await scene.happen("shop", OTHER_CAUSE, group="c")
    said = scene.sentry.said(joined)
    assert said[0].startswith(f"This has the same cause as `{first.short_id}`.")
    task = next(one for one in await scene.tasks() if first.short_id in one.spec.fixes)
    claimed = await scene.store.claim("w", task.id)
    assert claimed is not None
    [told] = await scene.store.signals(task.id)
    forged = f"Sentry issue X (number {stranger.id}) has the same cause. And (number 99) has the same cause."
    await scene.store.append(claimed, [UserSaid(step=1, content=told.text), UserSaid(step=1, content=forged)])
    await scene.land(claimed)
    assert [one.status for one in (first, joined, stranger)] == ["resolved", "resolved", "unresolved"]


async def test_an_issue_that_was_deleted_hears_nothing(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    task = await scene.end()
    scene.sentry.state.issues.pop(issue.id)
    with pytest.raises(NotFound):
        await scene.land(task)


async def test_without_the_right_to_write_it_is_tried_again(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    task = await scene.end()
    scene.sentry.state.scopes = frozenset({"event:read"})
    with pytest.raises(AuthFailed):
        await scene.land(task)
    scene.sentry.state.scopes = frozenset({"event:read", "event:write"})
    await scene.land(task)
    assert issue.status == "resolved"


async def _happens(scene: Scene, *, polled: bool, rule: str = "") -> Issue:
    """Let the error be seen, and let us hear of it by a hook or by asking."""
    if not polled:
        issue: Issue = await scene.happen("shop", BROKEN, group="a", rule=rule)
        return issue
    hooks, scene.sentry.hooks, since = scene.sentry.hooks, None, scene.sentry.state.now
    issue, _ = scene.sentry.happen("shop", BROKEN, group="a")
    scene.sentry.hooks = hooks
    await scene.poll(since)
    return issue


@pytest.mark.parametrize("polled", [False, True], ids=["hooks", "polling"])
async def test_a_fix_that_did_not_hold_becomes_a_task_that_knows_it(scene: Scene, polled: bool) -> None:
    issue = await _happens(scene, polled=polled, rule="New errors")
    first = await scene.end()
    await scene.land(first)
    assert issue.in_next_release
    assert len(await scene.tasks()) == 1
    await _happens(scene, polled=polled)
    assert (issue.status, issue.substatus) == ("unresolved", "regressed")
    second, _ = await scene.tasks()
    assert (second.spec.parent_id, second.spec.fixes) == (first.id, (issue.short_id,))
    assert second.spec.work_key == first.spec.work_key
    assert f"An earlier change was to fix this and did not, or not for good: {PULL}." in second.spec.instruction
    assert "it was resolved once and came back" in second.spec.context
    assert f"{PULL} was to fix it, and it came back." in scene.sentry.said(issue)[-1]
    # While that is under way, what is seen of it changes nothing, by whichever way it is told.
    await _happens(scene, polled=False, rule="More")
    await scene.poll(scene.sentry.state.now - timedelta(hours=2))
    assert len(await scene.tasks()) == 2
    third = await scene.end(url=OTHER_PULL)
    await scene.land(third)
    scene.sentry.state.now += timedelta(hours=1)
    await _happens(scene, polled=polled)
    assert OTHER_PULL in (await scene.tasks())[0].spec.instruction
    assert len(await scene.tasks()) == 3


async def test_asking_finds_what_comes_back_twice_on_a_day(scene: Scene) -> None:
    scene.sentry.hooks, since = None, scene.sentry.state.now
    scene.sentry.happen("shop", BROKEN, group="a", times=4)
    await scene.poll(since)
    for number in range(2):
        await scene.land(await scene.end(url=f"https://github.com/acme/shop/pull/{number}"))
        scene.sentry.state.now += timedelta(hours=1)
        scene.sentry.happen("shop", BROKEN, group="a")
        for _ in range(2):
            await scene.poll(since)
        assert len(await scene.tasks()) == number + 2


async def test_what_is_seen_before_the_fix_is_merged_waits_for_that(scene: Scene) -> None:
    await scene.happen("shop", BROKEN, group="a")
    await scene.end()
    await scene.happen("shop", BROKEN, group="a", rule="More")
    scene.sentry.state.now += timedelta(days=3)
    await scene.happen("shop", BROKEN, group="a", rule="More")
    assert [one.reason.partition(" is there")[0] for one in (await scene.deliveries())[1:]] == [PULL, PULL]
    assert len(await scene.tasks()) == 1


async def test_a_pull_request_that_is_not_merged_yet_is_not_competed_with(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    task = await scene.end()
    turn = await scene.store.take_duty("w")
    assert turn is not None
    [report] = await scene.store.open_reports(turn)
    await scene.store.note_report(replace(report, ended=True, landing=Landing.OPEN))
    await scene.person("resolve", issue)
    await scene.happen("shop", BROKEN, group="a", rule="Again")
    assert (await scene.deliveries())[-1].reason == f"{PULL} is there for it, and is not merged yet"
    await scene.store.note_landing(task.pull_request_url, Landing.MERGED)
    await scene.happen("shop", BROKEN, group="a", rule="Again")
    assert (await scene.tasks())[0].spec.parent_id == task.id


async def test_after_a_second_try_that_failed_the_first_change_is_still_known(scene: Scene) -> None:
    await scene.happen("shop", BROKEN, group="a")
    first = await scene.end()
    await scene.land(first)
    await scene.happen("shop", BROKEN, group="a")
    await scene.end(url="", status=TaskStatus.FAILED)
    scene.sentry.state.now += timedelta(hours=25)
    await scene.happen("shop", BROKEN, group="a", rule="Still")
    third = (await scene.tasks())[0]
    assert third.spec.parent_id == first.id
    assert f"did not, or not for good: {PULL}" in third.spec.instruction


async def test_a_try_that_failed_has_its_rest_and_there_is_an_end(scene: Scene) -> None:
    issue = await scene.happen("shop", BROKEN, group="a")
    for number in range(4):
        await scene.end(url="", status=TaskStatus.FAILED)
        scene.sentry.state.now += timedelta(hours=23)
        await scene.happen("shop", BROKEN, group="a", rule="Still")
        assert len(await scene.tasks()) == number + 1
        scene.sentry.state.now += timedelta(hours=2)
        await scene.happen("shop", BROKEN, group="a", rule="Still")
        scene.clock.advance((scene.sentry.state.now - scene.clock.now()).total_seconds())
    assert len(await scene.tasks()) == 4
    last = (await scene.deliveries())[-1]
    assert (last.status, last.reason) == (
        DeliveryStatus.IGNORED,
        "4 tasks were on it; ask in a comment for one more",
    )
    await scene.person("comment", issue, "/agent retry")
    assert len(await scene.tasks()) == 5
