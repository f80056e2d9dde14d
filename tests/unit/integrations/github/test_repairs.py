"""What becomes of finished checks: ready, repaired, or a person is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.task import Task, TaskStatus
from pullwright.integrations.github.check_verdict import Check, CheckFacts, CheckKind
from pullwright.integrations.github.meanings import Actor
from pullwright.integrations.github.pulls import CommitFacts
from tests.unit.integrations.github.handler_scene import HEAD, ON_PULL, PULL_FACTS, PULL_KEY, Scene, checked
from tests.unit.integrations.github.payload_samples import ME, PULL, check, comment

pytestmark = [pytest.mark.anyio]

RUNNING = checked("")


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def repairs(scene: Scene) -> list[Task]:
    return [task for task in await scene.store.list() if task.spec.source == "github-checks"]


async def pushed(scene: Scene, sha: str, *, number: int, conclusion: str = "failure", own: bool = True) -> None:
    """Let there be another head with another result."""
    scene.github.pull = replace(scene.github.pull or PULL_FACTS, head_sha=sha)
    scene.github.history.append(CommitFacts(sha=sha, own=own))
    scene.github.state = checked(conclusion, number=number)


async def test_red_is_repaired_on_that_commit(scene: Scene) -> None:
    parent = await scene.published()
    news = await scene.checks_end()
    assert news.status is DeliveryStatus.FILED
    spec = (await scene.task()).spec
    assert (spec.source, spec.work_key, spec.parent_id) == ("github-checks", PULL_KEY, parent.id)
    assert spec.continues is not None
    assert (spec.continues.head_sha, spec.continues.rebase, spec.continues.branch) == (HEAD, False, "agent/7-x")
    assert "pull request #9" in spec.instruction
    assert "tests" not in spec.instruction.replace("or a test ", "")
    assert "check: tests" in spec.context
    assert "Error: 1 is not 2" in spec.context
    assert spec.requested_by == parent.spec.requested_by


async def test_the_news_of_a_commit_are_gathered_and_looked_at_once(scene: Scene) -> None:
    await scene.published()
    for number in range(6):
        await scene.decide("check_run.completed", check_run=check(id=100 + number))
    assert scene.github.looks == 0
    await scene.checks_end()
    assert scene.github.looks == 1
    assert len(await repairs(scene)) == 1


async def test_nothing_is_gathered_when_the_operator_wants_it_so() -> None:
    scene = Scene(settle_seconds=0)
    await scene.published()
    await scene.decide("check_run.completed", check_run=check())
    assert len(await repairs(scene)) == 1


async def test_while_checks_run_it_is_looked_again_and_again(scene: Scene) -> None:
    await scene.published()
    scene.github.state = RUNNING
    waits = await scene.checks_end()
    assert (waits.status, waits.reason) == (DeliveryStatus.WAITING, "some checks still run")
    scene.clock.advance(119)
    await scene.deal()
    assert scene.github.looks == 1
    scene.github.state = checked()
    scene.clock.advance(2)
    await scene.deal()
    assert len(await repairs(scene)) == 1


async def test_the_last_one_to_end_does_not_wait_for_that(scene: Scene) -> None:
    await scene.published()
    scene.github.state = RUNNING
    await scene.checks_end()
    scene.github.state = checked()
    assert (await scene.checks_end()).status is DeliveryStatus.FILED
    scene.clock.advance(600)
    await scene.deal()
    assert len(await repairs(scene)) == 1
    assert await scene.store.deliveries(status=DeliveryStatus.WAITING) == []


async def test_green_makes_a_draft_ready_once(scene: Scene) -> None:
    await scene.published()
    scene.github.state = checked("success")
    assert (await scene.checks_end()).status is DeliveryStatus.ANSWERED
    assert [place.number for place in scene.github.ready] == [9]
    scene.github.pull = PULL_FACTS  # a person made it a draft again
    await scene.checks_end()
    assert len(scene.github.ready) == 1


@pytest.mark.parametrize("why", ["setting", "no draft", "failed", "unclear"])
async def test_green_is_not_always_ready(why: str) -> None:
    scene = Scene(ready_when_green=why != "setting")
    await scene.published()
    scene.github.state = checked("cancelled" if why == "unclear" else "success")
    if why == "no draft":
        scene.github.pull = replace(PULL_FACTS, draft=False)
    if why == "failed":
        await scene.decide("issue_comment.created", issue=ON_PULL, comment=comment("@pull-bot more"))
        await scene.finish(TaskStatus.FAILED)
    assert (await scene.checks_end()).status is DeliveryStatus.IGNORED
    assert scene.github.ready == []


async def test_a_repair_that_was_not_needed_keeps_nothing_from_being_ready(scene: Scene) -> None:
    await scene.published()
    await scene.checks_end()
    await scene.finish(TaskStatus.FAILED)
    scene.github.state = checked("success", number=2)
    await scene.checks_end()
    assert len(scene.github.ready) == 1


async def test_what_a_person_pushed_is_theirs_to_call_ready(scene: Scene) -> None:
    await scene.published()
    scene.github.state = checked("success")
    scene.github.history = [CommitFacts(sha=HEAD, own=False)]
    await scene.checks_end()
    assert scene.github.ready == []


async def test_green_while_a_task_ends_waits_for_it(scene: Scene) -> None:
    await scene.published()
    await scene.decide("issue_comment.created", issue=ON_PULL, comment=comment("@pull-bot more"))
    scene.github.state = checked("success")
    await scene.checks_end()
    assert scene.github.ready == []
    await scene.finish()
    scene.clock.advance(600)
    await scene.deal()
    assert len(scene.github.ready) == 1


async def test_one_that_waits_for_a_person_is_told_and_nothing_else(scene: Scene) -> None:
    await scene.published()
    one, other = Check(kind=CheckKind.RUN, id=1, name="a", conclusion="failure"), checked("action_required", number=2)
    scene.github.state = CheckFacts(checks=(one, *other.checks))
    for _ in range(3):
        await scene.checks_end()
    assert await repairs(scene) == []
    assert [(place.number, "waits for a person" in text) for place, text in scene.github.comments] == [(9, True)]


async def test_three_repairs_in_a_row_and_then_a_person_is_asked_once(scene: Scene) -> None:
    await scene.published()
    for number in range(6):
        scene.github.log = f"Error: {'abcdefghij'[number]} is wrong"
        await pushed(scene, f"{number}" * 40, number=number)
        await scene.checks_end(head_sha=f"{number}" * 40)
        if [task for task in await repairs(scene) if not task.status.terminal]:
            await scene.finish()
    assert len(await repairs(scene)) == 3
    assert ["after 3 repairs" in text for _, text in scene.github.comments] == [True] * 3
    await scene.decide("issue_comment.created", issue=ON_PULL, comment=comment("/agent fix it is the clock"))
    await scene.finish()
    await pushed(scene, "9" * 40, number=9)
    await scene.checks_end(head_sha="9" * 40)
    assert len(await repairs(scene)) == 4


async def test_one_commit_is_repaired_three_times_at_most(scene: Scene) -> None:
    await scene.published()
    for number in range(5):
        scene.github.log = f"Error: {'abcdefghij'[number]} is wrong"
        scene.github.state = checked(number=number)
        await scene.checks_end()
        if number < 3:
            await scene.finish(TaskStatus.FAILED)
    assert len(await repairs(scene)) == 3
    assert len(scene.github.comments) == 1


async def test_the_same_failure_twice_is_not_tried_again(scene: Scene) -> None:
    await scene.published()
    for number in range(4):
        scene.github.log = f"2026-01-05T09:0{number}:00.123Z Error at 0x{number}abcdef1: {number} is not 2"
        await pushed(scene, f"{number}" * 40, number=number)
        await scene.checks_end(head_sha=f"{number}" * 40)
        if number < 2:
            await scene.finish()
    assert len(await repairs(scene)) == 2
    assert "in the same way" in scene.github.comments[0][1]


async def test_green_in_between_starts_the_count_anew(scene: Scene) -> None:
    await scene.published()
    for number in range(5):
        scene.github.log = f"Error: {'abcdefghij'[number]} is wrong"
        sha = f"{number}" * 40
        await pushed(scene, sha, number=number)
        if number == 2:
            scene.github.state = checked("success", number=20)
            await scene.checks_end(head_sha=sha)
            scene.github.state = checked(number=21)
        await scene.checks_end(head_sha=sha)
        assert [task for task in await repairs(scene) if not task.status.terminal]
        await scene.finish()
    assert len(await repairs(scene)) == 5


async def test_the_same_result_is_repaired_once_however_it_is_told(scene: Scene) -> None:
    await scene.published()
    await scene.checks_end()
    await scene.finish()
    for _ in range(3):
        await scene.checks_end()
    suite = {"id": 51, "head_sha": HEAD, "head_branch": "agent/7-x", "conclusion": "failure", "app": {"id": 1}}
    await scene.decide("check_suite.completed", check_suite=suite)
    scene.clock.advance(600)
    await scene.deal()
    assert len(await repairs(scene)) == 1
    assert scene.github.comments == []


@pytest.mark.parametrize(
    "why", ["old head", "closed", "not ours", "no pull request", "human head", "stopped", "unknown"]
)
async def test_what_is_not_repaired(scene: Scene, why: str) -> None:
    if why != "unknown":
        await scene.published()
    match why:
        case "old head":
            scene.github.pull = replace(PULL_FACTS, head_sha="d" * 40)
        case "closed":
            scene.github.pull = replace(PULL_FACTS, open=False)
        case "not ours":
            scene.github.pull = replace(PULL_FACTS, own=False)
        case "no pull request":
            scene.github.pull = None
        case "human head":
            scene.github.history = [CommitFacts(sha=HEAD, own=False)]
        case "stopped":
            await scene.decide("issue_comment.created", issue=ON_PULL, comment=comment("@pull-bot more"))
            await scene.decide("issue_comment.created", issue=ON_PULL, comment=comment("/agent stop", id=12))
    news = await scene.checks_end(pull_requests=[])
    assert news.status is DeliveryStatus.IGNORED
    assert await repairs(scene) == []
    assert scene.github.comments == []


async def test_red_while_somebody_else_asked_waits_for_that_task(scene: Scene) -> None:
    await scene.published()
    await scene.decide("issue_comment.created", issue=ON_PULL, comment=comment("@pull-bot more"))
    await scene.checks_end()
    assert await repairs(scene) == []
    await scene.finish(TaskStatus.FAILED)
    scene.clock.advance(600)
    await scene.deal()
    assert len(await repairs(scene)) == 1


@pytest.mark.parametrize(("login", "repaired"), [("ann", True), ("eve", False)])
async def test_everybody_who_started_a_run_may_ask(scene: Scene, login: str, repaired: bool) -> None:
    await scene.published()
    scene.github.state = replace(checked(), starters=(Actor(id=2, login=login), Actor(id=900, login="pull-bot[bot]")))
    await scene.checks_end()
    assert bool(await repairs(scene)) is repaired


async def test_a_stranger_named_by_the_delivery_is_enough(scene: Scene) -> None:
    await scene.published()
    run: dict[str, Any] = {
        "id": 41,
        "name": "CI",
        "head_sha": HEAD,
        "head_branch": "agent/7-x",
        "conclusion": "failure",
        "actor": {"id": 3, "login": "eve"},
        "pull_requests": [{"number": 9}],
    }
    await scene.decide("workflow_run.completed", workflow_run=run, sender=ME)
    scene.clock.advance(61)
    await scene.deal()
    assert await repairs(scene) == []


async def test_whoever_pushes_ends_a_repair_and_is_told_to_what_they_asked_for(scene: Scene) -> None:
    await scene.published()
    await scene.checks_end()
    push: dict[str, Any] = {"pull_request": PULL, "before": HEAD, "after": "e" * 40}
    await scene.decide("pull_request.synchronize", **push)
    task = await scene.task()
    assert (task.status, task.status_reason) == (TaskStatus.CANCELED, "ann pushed to the pull request")
    assert "pushed" in (await scene.last()).reason
    await scene.decide("issue_comment.created", issue=ON_PULL, comment=comment("@pull-bot more"))
    await scene.decide("pull_request.synchronize", **{**push, "after": "f" * 40})
    told = await scene.store.signals((await scene.task()).id)
    assert ["ann pushed" in one.text and "ffffffffffff" in one.text for one in told] == [True]
    assert (await scene.task()).status is TaskStatus.QUEUED


async def test_a_live_repair_hears_what_people_say(scene: Scene) -> None:
    await scene.published()
    await scene.checks_end()
    await scene.decide("issue_comment.created", issue=ON_PULL, comment=comment("@pull-bot it is the clock"))
    assert [one.text for one in await scene.store.signals((await scene.task()).id)] == ["it is the clock"]
