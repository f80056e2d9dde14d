"""However the deliveries of a pull request's life arrive: one answer for each request, one live task, few repairs."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import anyio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.task import Task, TaskStatus
from pullwright.integrations.github.door import new_delivery
from pullwright.integrations.github.events import interpret
from pullwright.integrations.github.pulls import CommitFacts, PullRequestFacts
from tests.unit.integrations.github.handler_scene import ON_PULL, PULL_FACTS, PULL_KEY, Scene, checked
from tests.unit.integrations.github.payload_samples import BOT, PULL, check, comment, delivery

EXAMPLES = int(os.environ.get("AGENT_EXAMPLES", "40"))
ERRORS = "abcdefgh"

moves = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["comment", "review", "push", "close", "reopen", "wait"]), st.just("")),
        st.tuples(st.just("checks"), st.sampled_from(["failure", "failure", "success", "", "action_required"])),
        st.tuples(st.just("round"), st.sampled_from(["failure", "failure", "failure", "success"])),
        st.tuples(st.just("work"), st.sampled_from(["succeeded", "succeeded", "failed"])),
    ),
    max_size=25,
)


@dataclass
class Life:
    """What happens at GitHub, and how it is told."""

    scene: Scene
    chance: Random
    number: int = 0
    held: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    """Deliveries that are under way: key, event, payload."""
    requests: int = 0
    repaired: list[str] = field(default_factory=list)
    """``repair``, ``green`` or ``person``, in the order in which they came about."""
    known: set[str] = field(default_factory=set)

    @property
    def pull(self) -> PullRequestFacts:
        return self.scene.github.pull or PULL_FACTS

    async def move(self, what: str, how: str) -> None:
        self.number += 1
        match what:
            case "comment":
                self.requests += 1
                self.tell("issue_comment.created", issue=ON_PULL, comment=comment("@pull-bot go", id=self.number))
            case "review":
                self.requests += 1
                self.review()
            case "push":
                before = self.pull.head_sha
                self.head(own=False)
                self.tell("pull_request.synchronize", pull_request=PULL, before=before, after=self.pull.head_sha)
            case "checks":
                self.scene.github.state = checked(how, number=self.number)
                self.scene.github.log = f"Error: {self.chance.choice(ERRORS)}"
                for part in range(2):
                    run = check(id=10 * self.number + part, head_sha=self.pull.head_sha, conclusion=how or "success")
                    self.tell("check_run.completed", check_run=run)
            case "round":
                await self.round(how)
            case "close" | "reopen":
                self.scene.github.pull = replace(self.pull, open=what == "reopen")
            case "work":
                await self.work(TaskStatus(how))
            case "wait":
                self.scene.clock.advance(self.chance.choice([10, 61, 700]))

    async def round(self, how: str) -> None:
        """Let checks end, everything be told, and the work be done that comes of it."""
        await self.move("checks", how)
        await self.arrive(all_of_it=True)
        self.scene.clock.advance(61)
        await self.arrive()
        await self.work(TaskStatus.SUCCEEDED)

    def review(self) -> None:
        review = {"id": self.number, "state": "changes_requested", "body": "No.", "user": {"id": 1, "login": "ann"}}
        self.tell("pull_request_review.submitted", review=review, pull_request=PULL)
        for part in range(2):
            inline = comment("@pull-bot x", id=1000 * self.number + part, path="a", pull_request_review_id=self.number)
            self.tell("pull_request_review_comment.created", comment=inline, pull_request=PULL)

    def head(self, *, own: bool) -> None:
        sha = f"{self.number:040x}"
        self.scene.github.pull = replace(self.pull, head_sha=sha)
        self.scene.github.history.append(CommitFacts(sha=sha, own=own))
        self.scene.github.state = checked("", number=self.number)

    async def work(self, status: TaskStatus) -> None:
        """Let the live task end; one that is about a commit that is gone changes nothing."""
        live = [task for task in await self.scene.store.list() if not task.status.terminal]
        if not live:
            return
        continues = live[0].spec.continues
        gone = continues is not None and continues.head_sha not in ("", self.pull.head_sha)
        if status is TaskStatus.SUCCEEDED and not gone:
            self.head(own=True)
        await self.scene.finish(TaskStatus.FAILED if gone else status)

    def tell(self, event: str, **payload: Any) -> None:
        self.held.append((f"{event}-{len(self.held)}-{self.number}-{self.chance.random()}", event, payload))

    async def arrive(self, *, all_of_it: bool = False) -> None:
        """Let some of what is under way arrive, in any order, some of it twice or by two hooks."""
        self.chance.shuffle(self.held)
        some = self.held if all_of_it else self.held[: self.chance.randint(0, len(self.held))]
        for key, event, payload in some:
            arrived = replace(delivery(event, **payload), id=key)
            for hook in ("app", *(["app", "hook"] if self.chance.random() < 0.3 else [])):
                guid = key if hook == "app" else f"{hook} {key}"
                await self.scene.store.receive(new_delivery(interpret(arrived, BOT), hook, guid))
        self.held = self.held[len(some) :]
        await self.scene.deal()
        await self.look()

    async def look(self) -> None:
        """Note what has come about, and check what holds at every moment."""
        tasks = [task for task in await self.scene.store.list(limit=500) if task.spec.work_key == PULL_KEY]
        assert sum(not task.status.terminal for task in tasks) <= 1
        for task in reversed(tasks):
            if task.id not in self.known:
                self.known.add(task.id)
                self.repaired.append("repair" if task.spec.source == "github-checks" else "person")
        greens = [one for one in await self.scene.store.deliveries(limit=500) if one.meaning_key.startswith("green:")]
        for one in greens:
            if one.id not in self.known and one.status.settled:
                self.known.add(one.id)
                self.repaired.append("green")


@settings(max_examples=EXAMPLES, deadline=None)
@given(moves, st.randoms(use_true_random=False))
@example([("round", "failure")] * 6, Random(1))
@example([("round", "failure")] * 2 + [("comment", "")] + [("round", "failure")] * 5, Random(2))
def test_a_life(happened: list[tuple[str, str]], chance: Random) -> None:
    anyio.run(live, happened, chance)


async def live(happened: list[tuple[str, str]], chance: Random) -> None:
    life = Life(Scene(tasks_per_hour=1000), chance)
    await life.scene.published()
    for what, how in happened:
        await life.move(what, how)
        await life.arrive()
    await life.arrive(all_of_it=True)
    for _ in range(30):
        life.scene.clock.advance(7 * 3600)
        await life.scene.deal()
        await life.look()
        await life.work(TaskStatus.FAILED)
        if not await life.scene.store.deliveries(status=DeliveryStatus.WAITING):
            break
    await check_requests(life)
    await check_repairs(life)


async def check_requests(life: Life) -> None:
    """Each request became a task, was told to one, or was refused in words; once, however often it came."""
    kept = await life.scene.store.deliveries(limit=2000)
    asked = [one for one in kept if one.kind in ("WorkRequested", "ReviewSubmitted") and one.work_key == PULL_KEY]
    heard = [one for one in asked if one.status is not DeliveryStatus.IGNORED]
    assert {one.status for one in heard} <= {DeliveryStatus.FILED, DeliveryStatus.TOLD, DeliveryStatus.REFUSED}
    assert len(heard) == life.requests


async def check_repairs(life: Life) -> None:
    tasks = await life.scene.store.list(limit=500)
    repairs: list[Task] = [task for task in tasks if task.spec.source == "github-checks"]
    heads = Counter(task.spec.continues.head_sha for task in repairs if task.spec.continues)
    assert all(count <= 3 for count in heads.values())
    row = 0
    for what in life.repaired:
        row = row + 1 if what == "repair" else 0
        assert row <= 3
    own = {commit.sha for commit in life.scene.github.history if commit.own}
    assert set(heads) <= own
