"""The status comment against the rehearsal: webhooks come in and comments go out over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import anyio
import pytest
from anyio import create_task_group

from pullwright.agents.budget import Usage
from pullwright.agents.change import CheckResult, Evidence
from pullwright.agents.clock import SystemClock
from pullwright.agents.events import (
    ChangePublished,
    ChangeVerified,
    ModelReplied,
    PlanUpdated,
    QuestionAsked,
    RunEvent,
    RunFinished,
)
from pullwright.agents.intake.reception import Reception
from pullwright.agents.intake.reporting import EVERY_SECONDS, Reporter
from pullwright.agents.intake.setbacks import FIRST_PAUSE
from pullwright.agents.message import AssistantMessage, ToolCall
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskSpec, TaskStatus, WaitReason
from pullwright.agents.testing.contracts_engine import work
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.worker.queue_engine import QueueEngine
from pullwright.cli.server.app import make_app
from pullwright.cli.server.listen import listen
from pullwright.cli.server.tasks import Filing
from pullwright.cli.server.webhooks import Webhooks
from pullwright.integrations.github import GitHubCodeHost
from pullwright.integrations.github.authority import Authority, AuthorityPolicy
from pullwright.integrations.github.checks import GitHubChecks
from pullwright.integrations.github.client import GitHubClient
from pullwright.integrations.github.collaborators import GitHubPermissions
from pullwright.integrations.github.door import SOURCE, GitHubDoor
from pullwright.integrations.github.handler import GitHubHandler
from pullwright.integrations.github.markers import MarkerKey
from pullwright.integrations.github.meanings import BotIdentity
from pullwright.integrations.github.pull_reading import GitHubPullRequests
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.speaking import GitHubMoments, GitHubVoice
from pullwright.integrations.github.status_text import BotTexts
from pullwright.integrations.github.tuning import GitHubTuning
from pullwright.integrations.redaction import Redactor
from pullwright.integrations.signatures import Secret
from pullwright.integrations.testing.faults import Fault, secondary_rate_limit
from pullwright.integrations.testing.forge import AGENT_TOKEN
from pullwright.integrations.testing.forge_state import IssueRecord, Repository
from pullwright.integrations.testing.github_documents import user_id
from pullwright.integrations.testing.people import Person
from pullwright.integrations.testing.rehearsal import SECRET, Rehearsal

pytestmark = pytest.mark.anyio

AGENT = "pullwright-agent"
CALL = ToolCall(id="abcdefgh1", name="bash", arguments="{}")
GOOD = Evidence(chosen_by="owner", after=(CheckResult(command="make", exit_code=0, seconds=1.0, output=""),))


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal() as running:
        yield running
        assert running.forge.violations == []


@pytest.fixture
def shop(rehearsal: Rehearsal) -> Repository:
    return rehearsal.repository("shop", {"a.txt": "one\n"})


@pytest.fixture
def ann(rehearsal: Rehearsal, shop: Repository) -> Person:
    return rehearsal.person("ann")


def handler_of(rehearsal: Rehearsal, bot: BotIdentity, store: DurableStore, clock: FakeClock) -> GitHubHandler:
    forge = rehearsal.forge
    settings = GitHubSettings(api_url=forge.api_url, token=AGENT_TOKEN, ca_file=forge.ca_file)
    client = GitHubClient(settings, GitHubTuning(backoff=0, rate_limit_wait=1))
    markers = MarkerKey(b"k" * 16)
    return GitHubHandler(
        settings=settings,
        inbox=store,
        authority=Authority(GitHubPermissions(client), bot, AuthorityPolicy(), monotonic=clock.monotonic),
        host=GitHubCodeHost(settings),
        pulls=GitHubPullRequests(client, bot),
        checks=GitHubChecks(client, bot),
        moments=GitHubMoments(client, bot),
        voice=GitHubVoice(client, bot, markers),
        texts=BotTexts(Redactor(), name=AGENT),
        markers=markers,
    )


@dataclass
class Scene:
    """A bot that is served, and what it knows."""

    rehearsal: Rehearsal
    shop: Repository
    clock: FakeClock
    store: MemoryStore
    reception: Reception
    reporter: Reporter

    @property
    def issue(self) -> IssueRecord:
        [issue] = self.shop.issues.values()
        return issue

    @property
    def texts(self) -> list[str]:
        """What the bot has written."""
        return [comment.body for comment in self.issue.comments if comment.author == AGENT]

    @property
    def text(self) -> str:
        [text] = self.texts
        return text

    def reactions(self) -> set[str]:
        return {reaction.content for reaction in self.issue.reactions if reaction.user == AGENT}

    async def react(self, seconds: float = 0.0) -> None:
        """Deal with what was told and show what is due."""
        self.clock.advance(seconds)
        await self.rehearsal.settled()
        await self.reception.deal_with_all("w")
        await self.reporter.show_all("r")
        await self.rehearsal.settled()

    async def claim(self) -> Task:
        task = await self.store.claim("w")
        assert task is not None
        return task

    async def note(self, task: Task, *events: RunEvent) -> None:
        await self.store.append(task, events)

    async def succeed(self, task: Task) -> None:
        end = RunFinished(status="succeeded", reason="", usage=Usage(prompt_tokens=1234), steps=2)
        await self.store.finish(task, TaskStatus.SUCCEEDED, end)


@asynccontextmanager
async def served(rehearsal: Rehearsal, store: MemoryStore, bot: BotIdentity) -> AsyncIterator[str]:
    async def specify(filing: Filing) -> TaskSpec:
        return work()

    closing = anyio.Event()
    door = GitHubDoor("main", [Secret(name="s", value=SECRET)], bot)
    hooks = Webhooks(store, [door], clock=SystemClock(), body_bytes=1 << 20)
    app = make_app(store, QueueEngine(store), specify, token="t" * 16, closing=closing, more=hooks.routes())
    async with create_task_group() as group:
        port = await group.start(partial(listen, app, host="127.0.0.1", port=0, closing=closing))
        yield f"http://127.0.0.1:{port}/webhooks/github/main"
        group.cancel_scope.cancel()


@pytest.fixture
async def scene(rehearsal: Rehearsal, shop: Repository, ann: Person) -> AsyncIterator[Scene]:
    bot = BotIdentity(host=rehearsal.forge.host, login=AGENT, user_id=user_id(AGENT), label="agent")
    clock = FakeClock()
    store = MemoryStore(clock)
    handler = handler_of(rehearsal, bot, store, clock)
    async with served(rehearsal, store, bot) as url:
        rehearsal.add_hook(shop, url)
        yield Scene(
            rehearsal=rehearsal,
            shop=shop,
            clock=clock,
            store=store,
            reception=Reception(store, {SOURCE: handler}, clock=clock),
            reporter=Reporter(store, {SOURCE: handler.reports(lambda standing: f"${standing.steps}.00")}, clock=clock),
        )


def step(number: int) -> ModelReplied:
    message = AssistantMessage(content="", tool_calls=(CALL,))
    return ModelReplied(step=number, message=message, kind="calls", usage=Usage(prompt_tokens=617))


async def test_from_a_label_over_a_question_to_a_pull_request(scene: Scene, ann: Person, shop: Repository) -> None:
    ann.open_issue(shop, "Broken", "See log.", labels=["agent"])
    await scene.react()
    assert "Queued" in scene.text
    assert "Asked for by `ann`" in scene.text
    assert scene.reactions() == {"eyes"}
    task = await scene.claim()
    await scene.note(task, PlanUpdated(step=1, items=(("look", "done"), ("fix @bob", "doing"))), step(1))
    await scene.react()
    assert "Now: running a command (step 1)" in scene.text
    assert "- [x] look" in scene.text
    assert "@bob" not in scene.text
    question = QuestionAsked(step=1, question="Left or right?", wait=WaitReason.INPUT_REQUIRED.value)
    await scene.store.park(task, WaitReason.INPUT_REQUIRED, question, question="Left or right?")
    await scene.react()
    assert "Left or right?" in scene.text
    assert f"`@{AGENT}` or `/agent answer`" in scene.text
    ann.comment(shop, scene.issue.number, "/agent answer the left one")
    await scene.react()
    [signal] = await scene.store.signals(task.id)
    assert (signal.kind, signal.text, signal.author) == (SignalKind.ANSWER, "the left one", "ann")
    task = await scene.claim()
    await scene.store.append(task, [], consumed=[signal.id])
    await scene.note(task, step(2), ChangeVerified(evidence=GOOD))
    await scene.note(task, ChangePublished(branch="agent/1-x", pull_request_url="https://x.test/acme/shop/pull/2"))
    await scene.succeed(task)
    await scene.react()
    assert all(part in scene.text for part in ("**Done.**", "https://x.test/acme/shop/pull/2", "Verified: "))
    assert "1,234 tokens in 2 steps, $2.00" in scene.text
    assert scene.reactions() == {"eyes", "rocket"}
    # Of what the bot itself has said, it was told too: that is ignored.
    kept = [one.status for one in await scene.store.deliveries() if one.status is not DeliveryStatus.IGNORED]
    assert kept == [DeliveryStatus.TOLD, DeliveryStatus.FILED]


async def test_only_who_may_write_answers(scene: Scene, ann: Person, shop: Repository, rehearsal: Rehearsal) -> None:
    ann.open_issue(shop, "Broken", labels=["agent"])
    await scene.react()
    task = await scene.claim()
    question = QuestionAsked(step=1, question="Which?", wait=WaitReason.INPUT_REQUIRED.value)
    await scene.store.park(task, WaitReason.INPUT_REQUIRED, question, question="Which?")
    rehearsal.person("eve", role="read").comment(shop, scene.issue.number, f"@{AGENT} the worse one")
    await scene.react()
    assert await scene.store.status(task.id) is TaskStatus.WAITING
    ann.comment(shop, scene.issue.number, f"@{AGENT} the better one")
    await scene.react()
    assert [signal.text for signal in await scene.store.signals(task.id)] == ["the better one"]


async def test_an_answer_that_gets_lost_makes_no_second_comment(scene: Scene, ann: Person, shop: Repository) -> None:
    lost = Fault(path="/comments", method="POST", after=True, close=True)
    scene.rehearsal.forge.add_fault(lost)
    ann.open_issue(shop, "Broken", labels=["agent"])
    await scene.react()
    await scene.claim()
    await scene.react(FIRST_PAUSE)
    assert "Working on it" in scene.text


async def test_a_comment_that_somebody_deleted_comes_back_with_the_next_status(
    scene: Scene, ann: Person, shop: Repository
) -> None:
    ann.open_issue(shop, "Broken", labels=["agent"])
    await scene.react()
    task = await scene.claim()
    await scene.react()
    [comment] = scene.issue.comments
    ann.delete_comment(shop, scene.issue.number, comment)
    await scene.note(task, step(1))
    await scene.react(EVERY_SECONDS)
    assert scene.texts == []
    failed = RunFinished(status="failed", reason="no progress", usage=Usage(), steps=1)
    await scene.store.finish(task, TaskStatus.FAILED, failed, reason="no progress")
    await scene.react()
    assert "no progress" in scene.text
    assert "/agent retry" in scene.text
    assert scene.reactions() == {"eyes", "confused"}


async def test_a_secondary_rate_limit_puts_it_off(scene: Scene, ann: Person, shop: Repository) -> None:
    scene.rehearsal.forge.add_fault(secondary_rate_limit("/comments", method="POST", retry_after=60))
    ann.open_issue(shop, "Broken", labels=["agent"])
    await scene.react()
    await scene.react(59)
    assert scene.texts == []
    await scene.react(3)
    assert "Queued" in scene.text


async def test_a_locked_issue_is_left_alone(scene: Scene, ann: Person, shop: Repository) -> None:
    message = "Unable to create comment because issue is locked."
    scene.rehearsal.forge.add_fault(Fault(path="/comments", method="POST", status=403, body={"message": message}))
    ann.open_issue(shop, "Broken", labels=["agent"])
    await scene.react()
    await scene.react(3600)
    assert scene.texts == []
    assert await scene.store.open_reports(1) == []


async def test_a_deleted_issue_and_a_renamed_repository(scene: Scene, ann: Person, shop: Repository) -> None:
    ann.open_issue(shop, "Broken", labels=["agent"])
    await scene.react()
    scene.rehearsal.forge.rename_repository("acme", "shop", "store")
    task = await scene.claim()
    await scene.react()
    assert "Working on it" in scene.text
    ann.delete_issue(shop, scene.issue.number)
    await scene.succeed(task)
    await scene.react()
    assert await scene.store.open_reports(1) == []
