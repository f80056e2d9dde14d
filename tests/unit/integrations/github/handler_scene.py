"""The handler over the store in memory and a GitHub that is made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import anyio

from pullwright.agents.change import RepositoryRef
from pullwright.agents.errors import NotFound
from pullwright.agents.events import ChangePublished
from pullwright.agents.intake.decisions import Decision, File, Ignore
from pullwright.agents.intake.reception import Reception
from pullwright.agents.ports.code_host import CodeHost, Issue
from pullwright.agents.ports.inbox import Delivery, DeliveryStatus
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskSpec, TaskStatus
from pullwright.agents.testing.contracts_store import finished
from pullwright.agents.testing.fake_clock import FakeClock
from pullwright.agents.worker.outbox import Made
from pullwright.integrations.github import meanings as m
from pullwright.integrations.github.authority import Authority, AuthorityPolicy, Permission
from pullwright.integrations.github.check_verdict import Check, CheckFacts, CheckKind
from pullwright.integrations.github.door import new_delivery
from pullwright.integrations.github.events import interpret
from pullwright.integrations.github.failures_of_checks import Failure
from pullwright.integrations.github.handler import GitHubHandler
from pullwright.integrations.github.markers import MarkerKey
from pullwright.integrations.github.pulls import CommitFacts, PullRequestFacts, Remark, Where
from pullwright.integrations.github.requested_work import WorkTerms
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.status_text import BotTexts
from pullwright.integrations.github.voice import Place
from pullwright.integrations.markers import Marker
from pullwright.integrations.redaction import Redactor
from tests.unit.integrations.github.payload_samples import BOT, ISSUE, ME, check, delivery

NOON = datetime(2026, 1, 5, 9, tzinfo=UTC)
ON_PULL = {**ISSUE, "number": 9, "pull_request": {}, "user": ME}
PULL_URL = "https://github.com/acme/shop/pull/9"
PULL_KEY = "github.com/5#9"
BRANCH = "agent/7-x"
HEAD = "c" * 40
PULL_FACTS = PullRequestFacts(
    number=9,
    node_id="PR_9",
    url=PULL_URL,
    own=True,
    here=True,
    open=True,
    merged=False,
    draft=True,
    branch=BRANCH,
    head_sha=HEAD,
    base_ref="main",
    base_sha="b" * 40,
)


def checked(conclusion: str = "failure", *, number: int = 1, name: str = "tests", **others: Any) -> CheckFacts:
    """Return one check with a result; another number is another run of it."""
    one = Check(kind=CheckKind.RUN, id=number, name=name, conclusion=conclusion, **others)
    return CheckFacts(checks=(one,))


@dataclass
class FakeGitHub:
    """Everything that the handler asks or says."""

    rights: Permission = Permission.WRITE
    issue: Issue | None = field(
        default_factory=lambda: Issue(number=7, title="Broken", body="See log.", author="ann", url="")
    )
    moment: datetime | None = NOON
    said: list[tuple[Place, str]] = field(default_factory=list)
    pull: PullRequestFacts | None = PULL_FACTS
    history: list[CommitFacts] = field(default_factory=lambda: [CommitFacts(sha=HEAD, own=True)])
    reviewed: list[Remark] = field(default_factory=list)
    state: CheckFacts = field(default_factory=checked)
    log: str = "Error: 1 is not 2"
    looks: int = 0
    """How often the checks were read."""
    ready: list[Place] = field(default_factory=list)

    async def permission(self, repository: str, login: str) -> Permission:
        await anyio.lowlevel.checkpoint()
        return Permission.READ if login == "eve" else self.rights

    async def get_issue(self, repository: RepositoryRef, number: int) -> Issue:
        await anyio.lowlevel.checkpoint()
        if self.issue is None:
            raise NotFound("no such issue")
        return replace(self.issue, number=number)

    async def of(self, request: m.WorkRequested) -> datetime | None:
        await anyio.lowlevel.checkpoint()
        return self.moment

    async def read_pull(self, where: Where, number: int) -> PullRequestFacts:
        await anyio.lowlevel.checkpoint()
        if self.pull is None or number != self.pull.number:
            raise NotFound("no such pull request")
        return self.pull

    async def react(self, place: Place, content: str = "eyes") -> Made:
        self.said.append((place, content))
        return Made()

    async def change_comment(self, place: Place, comment: str, text: str) -> None:
        self.said.append((place, text))

    async def comment(self, place: Place, text: str) -> Made:
        self.said.append((place, text))
        return Made(external_id=str(len(self.said)))

    async def find_comment(self, place: Place, marker: Marker) -> Made | None:
        return None

    async def mark_ready(self, place: Place) -> Made:
        self.ready.append(place)
        if self.pull is not None:
            self.pull = replace(self.pull, draft=False)
        return Made()

    @property
    def comments(self) -> list[tuple[Place, str]]:
        """What was said in words."""
        return [one for one in self.said if one[1] != "eyes"]


class FakePulls:
    """``PullRequests`` over it."""

    def __init__(self, github: FakeGitHub) -> None:
        self._github = github

    async def read(self, where: Where, number: int) -> PullRequestFacts:
        return await self._github.read_pull(where, number)

    async def with_commit(self, where: Where, sha: str) -> Sequence[int]:
        await anyio.lowlevel.checkpoint()
        return [self._github.pull.number] if self._github.pull else []

    async def commits(self, where: Where, number: int) -> Sequence[CommitFacts]:
        await anyio.lowlevel.checkpoint()
        return self._github.history

    async def remarks(self, where: Where, number: int, review_id: int) -> Sequence[Remark]:
        await anyio.lowlevel.checkpoint()
        threads = {one.thread for one in self._github.reviewed if one.review_id == review_id}
        return [one for one in self._github.reviewed if one.thread in threads]


class FakeChecks:
    """``Checks`` over it."""

    def __init__(self, github: FakeGitHub) -> None:
        self._github = github

    async def read(self, where: Where, sha: str) -> CheckFacts:
        await anyio.lowlevel.checkpoint()
        self._github.looks += 1
        return self._github.state

    async def explain(self, where: Where, failed: Sequence[Check], base_sha: str) -> Sequence[Failure]:
        await anyio.lowlevel.checkpoint()
        return [Failure(check=one, log=self._github.log) for one in failed]


class Scene:
    """A store and a handler, with the handler's decision looked at before it is carried out."""

    def __init__(self, *, policy: AuthorityPolicy | None = None, **terms: Any) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(self.clock)
        self.github = FakeGitHub()
        self.settings = GitHubSettings()
        host: Any = self.github
        code_host: CodeHost = host
        authority = Authority(self.github, BOT, policy or AuthorityPolicy(), monotonic=self.clock.monotonic)
        self.handler = GitHubHandler(
            settings=self.settings,
            inbox=self.store,
            authority=authority,
            host=code_host,
            pulls=FakePulls(self.github),
            checks=FakeChecks(self.github),
            moments=self.github,
            voice=self.github,
            texts=BotTexts(Redactor(), name="pull-bot"),
            markers=MarkerKey(b"k" * 16),
            terms=WorkTerms(**terms),
        )
        self._numbers = iter(range(10_000))

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
        await self.deal()
        return decision

    async def deal(self) -> None:
        """Deal with what is due."""
        await Reception(self.store, {"github": self.handler}, clock=self.clock).deal_with_all("w")

    async def last(self) -> Delivery:
        return (await self.store.deliveries())[0]

    async def task(self) -> Task:
        """Return the newest one."""
        return (await self.store.list())[0]

    async def finish(self, status: TaskStatus = TaskStatus.SUCCEEDED, *, url: str = PULL_URL) -> Task:
        """Let the one task that waits run and end."""
        task = await self.store.claim("w")
        assert task is not None
        if url:
            await self.store.append(task, [ChangePublished(branch=BRANCH, pull_request_url=url)])
        await self.store.finish(task, status, finished(status.value))
        return task

    async def published(self) -> Task:
        """Return a task that ended with pull request 9."""
        await self.decide("issues.labeled", issue=ISSUE, label={"name": "agent"})
        return await self.finish()

    async def checks_end(self, *, seconds: float = 61, **others: Any) -> Delivery:
        """Let the news come that a check ended, and the time pass in which more would be gathered."""
        await self.decide("check_run.completed", check_run=check(id=next(self._numbers), **others))
        news = await self.last()
        self.clock.advance(seconds)
        await self.deal()
        return next(one for one in await self.store.deliveries() if one.id == news.id)


def spec_of(decision: Decision) -> TaskSpec:
    """Return the task that a decision makes."""
    assert isinstance(decision, File)
    return decision.spec
