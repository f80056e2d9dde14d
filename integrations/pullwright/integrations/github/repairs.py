"""What becomes of the news that checks ended on a commit of ours: it is ready, it is repaired, or a person is asked.

The news is a hint. It is gathered for a while, one delivery for a commit stays, and that looks at all checks together;
it looks again, ever less often, while some of them run, so that a lost delivery holds nothing up for good.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from pullwright.agents.errors import NotFound
from pullwright.agents.intake.decisions import Answer, Decision, File, Ignore, Later, Refuse, Reply, ReplyKind
from pullwright.agents.ports.inbox import Delivery, InboxStore
from pullwright.agents.task import Task, TaskStatus
from pullwright.integrations.budgets import too_many
from pullwright.integrations.deciding import live_of
from pullwright.integrations.github.authority import Authority, Rule, Trigger
from pullwright.integrations.github.check_verdict import Check, CheckFacts, Verdict, result_name, verdict
from pullwright.integrations.github.continued_work import Wish, go_on
from pullwright.integrations.github.failures_of_checks import Checks, Failure, fingerprint, render_failures
from pullwright.integrations.github.meanings import Actor, ChecksCompleted
from pullwright.integrations.github.pulls import (
    PullRequestFacts,
    PullRequests,
    Where,
    continuation,
    obstacle,
    where_of,
)
from pullwright.integrations.github.requested_work import WorkTerms
from pullwright.integrations.github.settings import GitHubSettings
from pullwright.integrations.github.tasks_behind import REPAIR_SOURCE, TasksBehind, is_repair

SAFETY_SECONDS: Final = 60.0
"""How soon it is looked again while checks run, when the news of them is not gathered; twice as long each time."""

SAME_FAILURES: Final = 2
"""After how many repairs of the same failure a person is asked."""

REMEMBERED: Final = 500
"""How many deliveries are searched for a time when all was well."""

_CANDIDATES: Final = 3

INSTRUCTION: Final = (
    "Checks of pull request #{number} failed on its newest commit, which is where you start. Find out why each of "
    "them failed, repair the reason, and show that it is gone. Do not weaken, skip or delete a check or a test to make "
    "it pass. If the reason is not in this repository or not in this change, change nothing and say so. What the "
    "checks said is below."
)
PERSON: Final = "a check of this pull request waits for a person; approve or run it on GitHub, and I go on from there"
GIVE_UP: Final = "the checks still fail after {tries} repairs; say what to try, and begin the comment with /agent fix"
SAME: Final = (
    "the same check failed in the same way after {tries} repairs; say what to try, and begin the comment with "
    "/agent fix"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scene:
    """Everything that is known when the checks of a commit are judged."""

    delivery: Delivery
    where: Where
    pull: PullRequestFacts
    checks: CheckFacts
    tasks: Sequence[Task]

    @property
    def live(self) -> Task | None:
        return live_of(self.tasks)

    @property
    def done(self) -> bool:
        """Whether the last thing that was to be done is done; a repair that came to nothing does not count."""
        counts = (task for task in self.tasks if task.status is TaskStatus.SUCCEEDED or not is_repair(task))
        last = next(counts, None)
        return last is not None and last.status is TaskStatus.SUCCEEDED


class Repairs:
    """Decides on finished checks. A ``Refuse`` from here is to be said aloud on the pull request."""

    def __init__(
        self,
        *,
        settings: GitHubSettings,
        inbox: InboxStore,
        behind: TasksBehind,
        pulls: PullRequests,
        checks: Checks,
        authority: Authority,
        terms: WorkTerms,
    ) -> None:
        self._settings = settings
        self._inbox = inbox
        self._behind = behind
        self._pulls = pulls
        self._checks = checks
        self._authority = authority
        self._terms = terms

    async def decide(self, delivery: Delivery, news: ChecksCompleted) -> tuple[Decision, str]:
        """Decide on one delivery; return the work key of the pull request as well, where an answer belongs."""
        where = where_of(news)
        if where is None or where.repository.archived:
            return Ignore(reason="the repository is archived, or not named"), ""
        if self._terms.settle_seconds and delivery.meaning_key == news.semantic_key:
            name = self._name("watch", where, news.sha)
            reason = "the news of this commit's checks are gathered"
            return Later(seconds=self._terms.settle_seconds, reason=reason, meaning_key=name), ""
        pull = await self._pull(where, news)
        if pull is None:
            return Ignore(reason="the commit is not the head of an open pull request of mine"), ""
        checks = await self._checks.read(where, news.sha)
        if stranger := await self._stranger(where, (*news.starters, *checks.starters)):
            return Ignore(reason=f"a run was started by somebody who may not ask: {stranger}"), ""
        tasks = await self._behind.of(where.repository, pull.number, branch=pull.branch)
        scene = _Scene(delivery=delivery, where=where, pull=pull, checks=checks, tasks=tasks)
        return await self._judge(scene), self._behind.key(where.repository, pull.number)

    async def context(self, where: Where, pull: PullRequestFacts) -> str:
        """Return what failed on the head of a pull request as fenced data; empty when nothing did."""
        red = (await self._checks.read(where, pull.head_sha)).red
        return _rendered(await self._checks.explain(where, red, pull.base_sha), red) if red else ""

    async def _pull(self, where: Where, news: ChecksCompleted) -> PullRequestFacts | None:
        """Return the open pull request of ours that has this commit as its head."""
        try:
            numbers = news.pull_requests or await self._pulls.with_commit(where, news.sha)
            for number in numbers[:_CANDIDATES]:
                pull = await self._pulls.read(where, number)
                if pull.head_sha == news.sha and not obstacle(pull):
                    return pull
        except NotFound:
            return None
        return None

    async def _stranger(self, where: Where, starters: Iterable[Actor]) -> str:
        """Return the login of somebody who started a run and may not ask for anything; empty when all may."""
        for actor in {one.id: one for one in starters}.values():
            decision = await self._authority.decide(
                Trigger(actor=actor, private=where.repository.private),
                repository_id=where.repository.id,
                repository=where.repository.full_name,
            )
            if not decision.allowed and decision.rule is not Rule.OWN:
                return actor.login
        return ""

    async def _judge(self, scene: _Scene) -> Decision:
        match verdict(scene.checks):
            case Verdict.RUNNING:
                return self._later(scene, "some checks still run")
            case Verdict.PERSON:
                name = self._name("person", scene.where, scene.pull.head_sha)
                return Refuse(reason=PERSON, meaning_key=name)
            case Verdict.GREEN:
                return await self._green(scene)
            case Verdict.RED:
                return await self._red(scene)
        return Ignore(reason="nothing to repair: there are no checks, or some were cancelled")

    async def _green(self, scene: _Scene) -> Decision:
        if scene.live:
            return self._later(scene, "the checks are green, and a task is on it")
        name = self._name("green", scene.where, scene.pull.head_sha)
        wanted = self._terms.ready_when_green and scene.pull.draft and scene.done
        if not (wanted and await self._is_ours(scene)):
            return Ignore(reason="the checks are green", meaning_key=name)
        about = self._behind.key(scene.where.repository, scene.pull.number)
        return Answer(reason="the checks are green", reply=Reply(kind=ReplyKind.READY, about=about), meaning_key=name)

    async def _red(self, scene: _Scene) -> Decision:
        if not scene.tasks:
            return Ignore(reason="no task of mine is behind the pull request")
        if live := scene.live:
            continues = live.spec.continues
            if is_repair(live) and continues is not None and continues.head_sha == scene.pull.head_sha:
                return Ignore(reason="it is being repaired")
            return self._later(scene, "the checks failed, and a task is on the pull request")
        if scene.tasks[0].status is TaskStatus.CANCELED:
            return Ignore(reason="the work on the pull request was stopped")
        if not await self._is_ours(scene):
            return Ignore(reason="somebody else pushed last; they can ask for a repair")
        return await self._repair(scene)

    async def _is_ours(self, scene: _Scene) -> bool:
        commits = await self._pulls.commits(scene.where, scene.pull.number)
        return any(commit.own for commit in commits if commit.sha == scene.pull.head_sha)

    async def _repair(self, scene: _Scene) -> Decision:
        sha = scene.pull.head_sha
        names = {task.id: await self._told_of(task) for task in scene.tasks if is_repair(task)}
        result = f"{self._name('repair', scene.where, sha)}:{result_name(scene.checks)}:"
        if any(name.startswith(result) for name in names.values()):
            return Ignore(reason="these results were taken up already")
        row = await self._in_a_row(scene)
        tries = max(len(row), sum(_head_of(task) == sha for task in scene.tasks if is_repair(task)))
        asked = self._name("asked", scene.where, sha)
        if tries >= self._terms.repairs:
            return Refuse(reason=GIVE_UP.format(tries=tries), meaning_key=asked)
        if reason := too_many(scene.tasks, scene.delivery.received_at, self._terms.tasks_per_hour):
            return Refuse(reason=reason, meaning_key=asked)
        failures = await self._checks.explain(scene.where, scene.checks.red, scene.pull.base_sha)
        known = fingerprint(failures)
        same = sum(names[task.id].endswith(f":{known}") for task in row)
        if same >= SAME_FAILURES:
            return Refuse(reason=SAME.format(tries=same), meaning_key=asked)
        return self._file(scene, failures, f"{result}{known}")

    def _file(self, scene: _Scene, failures: Sequence[Failure], name: str) -> File:
        parent = scene.tasks[0]
        wish = Wish(
            instruction=INSTRUCTION.format(number=scene.pull.number),
            continues=continuation(scene.pull, only_head=True),
            work_key=self._behind.key(scene.where.repository, scene.pull.number),
            source=REPAIR_SOURCE,
            title=f"Repair the checks of pull request #{scene.pull.number}",
            context=_rendered(failures, scene.checks.red),
            by=parent.spec.requested_by,
        )
        spec = go_on(wish, parent, where=scene.where, settings=self._settings, terms=self._terms)
        return File(spec=spec, meaning_key=name, patient=True)

    async def _in_a_row(self, scene: _Scene) -> Sequence[Task]:
        """Return the newest repairs, with no other task in between and no time when all checks were green."""
        row: list[Task] = []
        green = await self._greens(scene) if any(map(is_repair, scene.tasks)) else frozenset()
        sha = scene.pull.head_sha
        for task in scene.tasks:
            if not is_repair(task) or self._name("green", scene.where, sha) in green:
                break
            row.append(task)
            sha = _head_of(task)
        return row

    async def _greens(self, scene: _Scene) -> frozenset[str]:
        start = self._name("green", scene.where, "")
        kept = await self._inbox.deliveries(limit=REMEMBERED)
        return frozenset(one.meaning_key for one in kept if one.meaning_key.startswith(start))

    async def _told_of(self, task: Task) -> str:
        """Return the name of the failure that a repair is for, as its delivery has it."""
        origin = await self._inbox.origin(task.id)
        return origin.meaning_key if origin else ""

    def _later(self, scene: _Scene, reason: str) -> Later:
        name = self._name("safety", scene.where, scene.pull.head_sha)
        return Later(seconds=self._terms.settle_seconds or SAFETY_SECONDS, reason=reason, meaning_key=name)

    def _name(self, what: str, where: Where, sha: str) -> str:
        return f"{what}:{self._settings.web_host}/{where.repository.id}@{sha}"


def _head_of(task: Task) -> str:
    return task.spec.continues.head_sha if task.spec.continues else ""


def _rendered(failures: Sequence[Failure], red: Sequence[Check]) -> str:
    return render_failures(failures, red[len(failures) :], lambda: secrets.token_hex(16))
