"""What becomes of each meaning, over the store in memory and a GitHub that is made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import NotFound, RemoteUnavailable
from pullwright.agents.events import ChangePublished
from pullwright.agents.intake.decisions import Answer, Decision, File, Ignore, Refuse, ReplyKind, Stop, Tell
from pullwright.agents.intake.reception import Reception
from pullwright.agents.ports.code_host import CodeHost, Comment, Issue
from pullwright.agents.ports.inbox import Delivery, DeliveryStatus
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskSpec, TaskStatus, WaitReason
from pullwright.agents.testing.contracts_store import asked, finished
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.github import meanings as m
from pullwright.integrations.github.authority import Authority, AuthorityPolicy, Permission
from pullwright.integrations.github.door import new_delivery
from pullwright.integrations.github.events import interpret
from pullwright.integrations.github.handler import ENDED, GitHubHandler
from pullwright.integrations.github.markers import Marker, MarkerKey
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.status_text import BotTexts
from pullwright.integrations.github.voice import Place
from pullwright.integrations.redaction import Redactor
from tests.unit.integrations.github.event_table import REVIEW, ROWS
from tests.unit.integrations.github.payload_samples import BOT, ISSUE, ME, PULL, REPOSITORY, check, comment, delivery

pytestmark = [pytest.mark.anyio]

NOON = datetime(2026, 1, 5, 9, tzinfo=UTC)
ON_PULL = {**ISSUE, "number": 9, "pull_request": {}, "user": ME}
PULL_URL = "https://github.com/acme/shop/pull/9"


class FakeGitHub:
    """Everything that the handler asks or says."""

    def __init__(self) -> None:
        self.rights = Permission.WRITE
        self.issue: Issue | None = Issue(number=7, title="Broken", body="See log.", author="ann", url="")
        self.moment: datetime | None = NOON
        self.said: list[tuple[Place, str]] = []

    async def permission(self, repository: str, login: str) -> Permission:
        await anyio.lowlevel.checkpoint()
        return self.rights

    async def get_issue(self, repository: RepositoryRef, number: int) -> Issue:
        await anyio.lowlevel.checkpoint()
        if self.issue is None:
            raise NotFound("no such issue")
        return self.issue

    async def of(self, request: m.WorkRequested) -> datetime | None:
        await anyio.lowlevel.checkpoint()
        return self.moment

    async def react(self, place: Place) -> Made:
        self.said.append((place, "eyes"))
        return Made()

    async def comment(self, place: Place, text: str) -> Made:
        self.said.append((place, text))
        return Made(external_id=str(len(self.said)))

    async def find_comment(self, place: Place, marker: Marker) -> Made | None:
        return None


class Scene:
    """A store and a handler, with the handler's decision looked at before it is carried out."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.github = FakeGitHub()
        self.settings = GitHubSettings()
        host: Any = self.github
        code_host: CodeHost = host
        markers = MarkerKey(b"k" * 16)
        self.handler = GitHubHandler(
            settings=self.settings,
            inbox=self.store,
            authority=Authority(self.github, BOT, AuthorityPolicy(), monotonic=self.clock.monotonic),
            host=code_host,
            moments=self.github,
            voice=self.github,
            texts=BotTexts(Redactor(), name="pull-bot"),
            markers=markers,
        )
        self._numbers = iter(range(1000))

    async def decide(self, event: str, **payload: Any) -> Decision:
        """Let one event arrive, and return what is decided; it is carried out too."""
        arrived = replace(delivery(event, **payload), id=f"delivery-{next(self._numbers)}")
        await self.store.receive(new_delivery(interpret(arrived, BOT), "main", arrived.id))
        newest = (await self.store.deliveries())[0]
        decision = (
            Ignore(reason=newest.reason)
            if newest.status is DeliveryStatus.IGNORED
            else await self.handler.handle(newest)
        )
        await Reception(self.store, {"github": self.handler}, clock=self.clock).deal_with_all("w")
        return decision

    async def last(self) -> Delivery:
        return (await self.store.deliveries())[0]

    async def task(self) -> Task:
        return (await self.store.list())[0]

    async def published(self) -> Task:
        """Return a task that ended with pull request 9."""
        await self.decide("issues.labeled", issue=ISSUE, label={"name": "agent"})
        task = await self.store.claim("w")
        assert task is not None
        await self.store.append(task, [ChangePublished(branch="agent/7-x", pull_request_url=PULL_URL)])
        await self.store.finish(task, TaskStatus.SUCCEEDED, finished("succeeded"))
        return task


@pytest.fixture
def scene() -> Scene:
    return Scene()


def spec_of(decision: Decision) -> TaskSpec:
    assert isinstance(decision, File)
    return decision.spec


async def test_a_label_makes_a_task_for_the_issue(scene: Scene) -> None:
    decision = await scene.decide("issues.labeled", issue=ISSUE, label={"name": "agent"})
    spec = spec_of(decision)
    assert (spec.instruction, spec.issue_number) == ("Resolve issue #7: Broken", 7)
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


async def test_a_review_of_a_task_that_has_ended_is_refused_and_never_makes_a_second_pull_request(scene: Scene) -> None:
    await scene.published()
    decision = await scene.decide("pull_request_review.submitted", review=REVIEW, pull_request=PULL)
    assert isinstance(decision, Refuse)
    assert decision.reason == ENDED
    assert decision.reply is not None


async def test_a_comment_on_our_pull_request_is_answered_where_it_stands(scene: Scene) -> None:
    await scene.published()
    said = comment("@pull-bot rename it", path="src/a.py", pull_request_review_id=None)
    decision = await scene.decide("pull_request_review_comment.created", comment=said, pull_request=PULL)
    assert isinstance(decision, Refuse)
    assert scene.github.said[-1][0].in_review


async def test_others_pull_requests_are_left_alone(scene: Scene) -> None:
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


async def test_the_retry_button_makes_no_second_pull_request(scene: Scene) -> None:
    parent = await scene.published()
    button = check(app={"id": 77}, external_id=parent.id)
    decision = await scene.decide("check_run.rerequested", check_run=button)
    assert isinstance(decision, Refuse)
    assert decision.reason == ENDED


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
    assert isinstance(closed, Ignore)
    assert "merged" in closed.reason


@pytest.mark.parametrize(("event", "payload"), [row[:2] for row in ROWS], ids=lambda one: str(one)[:40])
async def test_every_row_of_the_design_comes_to_an_end(scene: Scene, event: str, payload: dict[str, Any]) -> None:
    await scene.decide(event, **payload)
    assert (await scene.last()).status.settled


async def test_without_an_answer_about_rights_nothing_is_decided(scene: Scene) -> None:
    class Away(FakeGitHub):
        async def permission(self, repository: str, login: str) -> Permission:
            raise RemoteUnavailable("GitHub is away")

    scene.handler._authority = Authority(Away(), BOT, AuthorityPolicy(), monotonic=scene.clock.monotonic)
    with pytest.raises(RemoteUnavailable):
        await scene.decide("issue_comment.created", issue=ISSUE, comment=comment("/agent run x"))
