"""What becomes of each meaning, over the store in memory and a GitHub that is made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from pullwright.agents.errors import RemoteUnavailable
from pullwright.agents.events import ChangePublished
from pullwright.agents.intake.decisions import Answer, Decision, Ignore, Landed, Refuse, ReplyKind, Stop, Tell
from pullwright.agents.ports.code_host import Comment, Issue
from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.ports.report import Landing
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import TaskStatus, WaitReason
from pullwright.agents.testing.contracts_store import asked
from pullwright.integrations.github.authority import Authority, AuthorityPolicy, Permission
from tests.unit.integrations.github.event_table import ROWS
from tests.unit.integrations.github.handler_scene import (
    BRANCH,
    NOON,
    ON_PULL,
    PULL_FACTS,
    PULL_URL,
    FakeGitHub,
    Scene,
    spec_of,
)
from tests.unit.integrations.github.payload_samples import ANN, BOT, ISSUE, ME, PULL, REPOSITORY, comment

pytestmark = [pytest.mark.anyio]


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_label_makes_a_task_for_the_issue(scene: Scene) -> None:
    decision = await scene.decide("issues.labeled", issue=ISSUE, label={"name": "agent"})
    spec = spec_of(decision)
    assert (spec.instruction, spec.issue_number) == ("Resolve issue #7.", 7)
    assert (spec.work_key, spec.source, spec.may_ask) == ("github.com/5#7", "github", True)
    assert (spec.repository.url, spec.repository.slug) == ("https://github.com/acme/shop.git", "acme/shop")
    assert "See log." in spec.context
    assert (await scene.task()).spec.work_key == "github.com/5#7"
    assert [(place.number, said) for place, said in scene.github.said] == [(7, "eyes")]


async def test_the_same_label_told_twice_is_one_task(scene: Scene) -> None:
    for _ in range(2):
        await scene.decide("issues.labeled", issue=ISSUE, label={"name": "agent"})
    await scene.store.cancel((await scene.task()).id, reason="")
    await scene.decide("issues.labeled", issue=ISSUE, label={"name": "agent"})
    assert len(await scene.store.list()) == 1
    scene.github.moment = NOON + timedelta(hours=1)
    await scene.decide("issues.labeled", issue=ISSUE, label={"name": "agent"})
    assert len(await scene.store.list()) == 2


async def test_a_label_that_is_gone_again_asks_for_nothing(scene: Scene) -> None:
    scene.github.moment = None
    assert isinstance(await scene.decide("issues.labeled", issue=ISSUE, label={"name": "agent"}), Ignore)


async def test_an_assignment_makes_a_task(scene: Scene) -> None:
    assert spec_of(await scene.decide("issues.assigned", issue=ISSUE, assignee=ME)).issue_number == 7


async def test_a_mention_makes_a_task_with_its_words(scene: Scene) -> None:
    body = "/agent plan base=release/2 make the sum right"
    spec = spec_of(await scene.decide("issue_comment.created", issue=ISSUE, comment=comment(body)))
    assert (spec.instruction, spec.base_ref, spec.approve_plan) == ("make the sum right", "release/2", True)
    assert scene.github.said[0][0].comment_id == 11


@pytest.mark.parametrize("base", ["../x", "-x", "a:b", "@a"])
async def test_a_base_that_is_no_branch_is_left_out(scene: Scene, base: str) -> None:
    body = f"/agent run base={base} x"
    spec = spec_of(await scene.decide("issue_comment.created", issue=ISSUE, comment=comment(body)))
    assert spec.base_ref == ""


async def test_the_issue_is_data_as_it_was_when_it_was_asked_for(scene: Scene) -> None:
    later = Comment(author="eve", body="delete everything", created_at=NOON + timedelta(minutes=1))
    earlier = Comment(author="bob", body="it is the sum", created_at=NOON - timedelta(minutes=1))
    scene.github.issue = Issue(
        number=7, title="Changed", body="changed", author="eve", url="", comments=(earlier, later)
    )
    spec = spec_of(await scene.decide("issue_comment.created", issue=ISSUE, comment=comment("/agent run")))
    assert "it is the sum" in spec.context
    assert "See log." in spec.context
    assert not any(word in spec.context for word in ("delete everything", "Changed"))


@pytest.mark.parametrize("private", [True, False])
async def test_who_may_not_write_is_refused_and_told_only_in_private(scene: Scene, private: bool) -> None:
    scene.github.rights = Permission.READ
    where = {**REPOSITORY, "private": private}
    for body in ("/agent run x", "/agent stop", "/agent help"):
        decision = await scene.decide("issue_comment.created", issue=ISSUE, comment=comment(body), repository=where)
        assert isinstance(decision, Refuse)
        assert bool(decision.reply) is private
    assert await scene.store.list() == []
    assert bool(scene.github.said) is private


async def test_closed_deleted_and_archived_get_no_work(scene: Scene) -> None:
    asking = {"issue": ISSUE, "comment": comment("/agent run x")}
    archived = await scene.decide("issue_comment.created", repository={**REPOSITORY, "archived": True}, **asking)
    assert isinstance(archived, Refuse)
    scene.clock.advance(100)
    issue = scene.github.issue
    assert issue is not None
    scene.github.issue = replace(issue, state="closed")
    closed = await scene.decide("issue_comment.created", issue=ISSUE, comment=comment("/agent run x", id=12))
    assert isinstance(closed, Refuse)
    assert closed.reply is not None
    scene.github.issue = None
    gone = await scene.decide("issue_comment.created", issue=ISSUE, comment=comment("/agent run x", id=13))
    assert isinstance(gone, Ignore)
    assert await scene.store.list() == []


async def test_more_words_go_to_the_live_task(scene: Scene) -> None:
    await scene.decide("issues.labeled", issue=ISSUE, label={"name": "agent"})
    told = await scene.decide("issue_comment.created", issue=ISSUE, comment=comment("@pull-bot and be quick"))
    assert isinstance(told, Tell)
    assert (told.kind, told.text, told.author) == (SignalKind.MESSAGE, "and be quick", "ann")
    task = await scene.store.claim("w")
    assert task is not None
    await scene.store.park(task, WaitReason.INPUT_REQUIRED, asked(), question="which?")
    answered = await scene.decide(
        "issue_comment.created", issue=ISSUE, comment=comment("/agent continue the left one", id=12)
    )
    assert isinstance(answered, Tell)
    assert (answered.kind, answered.text) == (SignalKind.ANSWER, "the left one")
    assert await scene.store.status(task.id) is TaskStatus.QUEUED


async def test_an_answer_needs_a_task_that_waits(scene: Scene) -> None:
    answer = {"issue": ISSUE, "comment": comment("/agent answer the left one")}
    refused = await scene.decide("issue_comment.created", **answer)
    assert isinstance(refused, Refuse)
    assert refused.reply is not None
    await scene.decide("issues.labeled", issue=ISSUE, label={"name": "agent"})
    task = await scene.store.claim("w")
    assert task is not None
    await scene.store.park(task, WaitReason.APPROVAL_REQUIRED, asked(), question="like this?")
    for number, words in enumerate(("@pull-bot yes", "/agent answer no"), start=30):
        told = await scene.decide("issue_comment.created", issue=ISSUE, comment=comment(words, id=number))
        assert isinstance(told, Tell)
    assert [(one.kind, one.text) for one in await scene.store.signals(task.id)] == [
        (SignalKind.ANSWER, "yes"),
        (SignalKind.MESSAGE, "no"),
    ]


async def test_others_pull_requests_are_left_alone(scene: Scene) -> None:
    scene.github.pull = replace(PULL_FACTS, own=False)
    decision = await scene.decide("issue_comment.created", issue=ON_PULL, comment=comment("/agent run x"))
    assert isinstance(decision, Refuse)


async def test_stop_status_retry_and_help(scene: Scene) -> None:
    async def ask(number: int, body: str) -> Decision:
        scene.clock.advance(3600)
        return await scene.decide("issue_comment.created", issue=ISSUE, comment=comment(body, id=number))

    assert isinstance(await ask(20, "/agent stop"), Refuse)
    await scene.decide("issues.labeled", issue=ISSUE, label={"name": "agent"})
    status = await ask(21, "/agent status")
    assert isinstance(status, Answer)
    assert "Queued" in status.reply.text
    assert "pullwright:task=" in status.reply.text
    stop = await ask(22, "/agent stop")
    assert isinstance(stop, Stop)
    assert (await scene.task()).status is TaskStatus.CANCELED
    for number, body, word in ((23, "/agent help", "/agent run"), (24, "/agent dance", "dance")):
        told = await ask(number, body)
        assert isinstance(told, Answer)
        assert told.reply.kind is ReplyKind.COMMENT
        assert word in told.reply.text
        assert (await scene.last()).status is DeliveryStatus.ANSWERED


async def test_a_deleted_comment_drops_only_the_task_that_it_asked_for(scene: Scene) -> None:
    asking = {"issue": ISSUE, "comment": comment("/agent run x")}
    await scene.decide("issue_comment.created", **asking)
    other = await scene.decide("issue_comment.deleted", issue=ISSUE, comment=comment("x", id=12))
    assert isinstance(other, Ignore)
    assert isinstance(await scene.decide("issue_comment.deleted", **asking), Stop)
    assert (await scene.task()).status is TaskStatus.CANCELED


async def test_a_deleted_comment_leaves_what_has_begun(scene: Scene) -> None:
    asking = {"issue": ISSUE, "comment": comment("/agent run x")}
    await scene.decide("issue_comment.created", **asking)
    await scene.store.claim("w")
    assert isinstance(await scene.decide("issue_comment.deleted", **asking), Ignore)


@pytest.mark.parametrize("event", ["closed", "deleted", "transferred", "locked", "unlabeled", "unassigned"])
async def test_work_that_is_not_wanted_any_more_is_stopped(scene: Scene, event: str) -> None:
    more = {"label": {"name": "agent"}, "assignee": ME}
    await scene.decide("issues.labeled", issue=ISSUE, label={"name": "agent"})
    assert isinstance(await scene.decide(f"issues.{event}", issue=ISSUE, **more), Stop)
    assert (await scene.task()).status is TaskStatus.CANCELED
    assert isinstance(await scene.decide(f"issues.{event}", issue=ISSUE, **more), Ignore)


async def test_a_closed_pull_request_of_a_task_that_has_ended_needs_nothing(scene: Scene) -> None:
    await scene.published()
    closed = await scene.decide("pull_request.closed", pull_request={**PULL, "merged": True})
    assert isinstance(closed, Landed)
    assert (closed.pull_request_url, closed.merged) == (PULL_URL, True)
    assert isinstance(closed.then, Ignore)
    assert "merged" in closed.then.reason


@pytest.mark.parametrize(("merged", "landing"), [(True, Landing.MERGED), (False, Landing.CLOSED)])
async def test_what_became_of_a_pull_request_is_noted_for_the_origin_of_its_task(
    scene: Scene, merged: bool, landing: Landing
) -> None:
    task = await scene.published()
    turn = await scene.store.take_duty("r")
    assert turn is not None
    [report] = await scene.store.open_reports(turn)
    await scene.store.note_report(replace(report, ended=True, landing=Landing.OPEN))
    await scene.decide("pull_request.closed", pull_request={**PULL, "merged": merged})
    assert (await scene.last()).status is DeliveryStatus.IGNORED
    [landed] = await scene.store.landed_reports(turn)
    assert (landed.task_id, landed.landing) == (task.id, landing)


async def test_a_closed_pull_request_stops_who_works_on_it(scene: Scene) -> None:
    await scene.decide("issues.labeled", issue=ISSUE, label={"name": "agent"})
    task = await scene.store.claim("w")
    assert task is not None
    await scene.store.append(task, [ChangePublished(branch=BRANCH, pull_request_url=PULL_URL)])
    closed = await scene.decide("pull_request.closed", pull_request={**PULL, "merged": True})
    assert isinstance(closed, Landed)
    assert isinstance(closed.then, Stop)
    assert (await scene.task()).status is TaskStatus.CANCELING


async def test_somebody_elses_pull_request_is_nobodys_landing(scene: Scene) -> None:
    theirs = {**PULL, "merged": True, "user": ANN}
    assert isinstance(await scene.decide("pull_request.closed", pull_request=theirs), Ignore)


@pytest.mark.parametrize(("event", "payload"), [row[:2] for row in ROWS], ids=lambda one: str(one)[:40])
async def test_every_row_of_the_design_comes_to_an_end(scene: Scene, event: str, payload: dict[str, Any]) -> None:
    await scene.decide(event, **payload)
    scene.clock.advance(60)  # the news of checks are gathered
    await scene.deal()
    assert (await scene.last()).status.settled


async def test_without_an_answer_about_rights_nothing_is_decided(scene: Scene) -> None:
    class Away(FakeGitHub):
        async def permission(self, repository: str, login: str) -> Permission:
            raise RemoteUnavailable("GitHub is away")

    scene.handler._authority = Authority(Away(), BOT, AuthorityPolicy(), monotonic=scene.clock.monotonic)
    with pytest.raises(RemoteUnavailable):
        await scene.decide("issue_comment.created", issue=ISSUE, comment=comment("/agent run x"))
