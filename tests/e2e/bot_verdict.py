"""What must be so at the end of lives, whatever happened on the way: everything once, and nothing forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio

from pullwright.agents.clock import SystemClock
from pullwright.agents.ports.inbox import Delivery, DeliveryStatus
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import Task, TaskStatus
from pullwright.integrations.testing.forge_state import PullRecord
from tests.e2e.bot_life import BOT, LAST, BotLife, signs

TASKS = 3
"""Of one issue: the first, the one that answers the review, and the repair."""


def wrong_with(life: BotLife) -> list[str]:
    """Return what is not as it should be once every issue that was asked for has come to its end."""
    wrong = [f"{name}: {what}" for name in life.asked for what in _of_issue(life, name)]
    wrong += [f"{violation}" for violation in life.rehearsal.forge.violations]
    wrong += [f"untouched issue {name} was touched" for name in set(life.issues) - life.asked if life.pulls(name)]
    tasks, deliveries = kept(life.server.home)
    wrong += [f"task {one.id} is {one.status}: {one.status_reason}" for one in tasks if not _ended_well(one)]
    if len(tasks) != TASKS * len(life.asked):
        wrong.append(f"{len(tasks)} tasks came of {len(life.asked)} issues: {[one.spec.work_key for one in tasks]}")
    wrong += [f"delivery {one.kind} failed: {one.reason}" for one in deliveries if one.status is DeliveryStatus.FAILED]
    if "Traceback" in life.server.said:
        wrong.append(life.server.said)
    return wrong


def kept(home: Path) -> tuple[Sequence[Task], Sequence[Delivery]]:
    """Return all tasks and deliveries of an installation."""

    async def read() -> tuple[Sequence[Task], Sequence[Delivery]]:
        async with open_store(f"sqlite:///{home}/pullwright.db", SystemClock()) as store:
            return await store.list(limit=1000), await store.deliveries(limit=10_000)

    return anyio.run(read)


def anything_waits(home: Path) -> bool:
    """Whether something that was delivered is not dealt with, but for checks, which are looked at ever less often."""
    _, deliveries = kept(home)
    return any(one.status is DeliveryStatus.WAITING and one.kind != "ChecksCompleted" for one in deliveries)


def most_at_once(home: Path) -> int:
    """Return how many attempts of a repository ever went on at the same time."""

    async def read() -> int:
        async with open_store(f"sqlite:///{home}/pullwright.db", SystemClock()) as store:
            found = [attempt for task in await store.list(limit=1000) for attempt in await store.attempts(task.id)]
        assert all(one.ended_at is not None for one in found)
        return max(
            sum(one.started_at <= at.started_at < (one.ended_at or one.started_at) for one in found) for at in found
        )

    return anyio.run(read)


def limit_runs(home: Path, lane: str, most: int) -> None:
    """Let so many runs of a repository go on at once."""

    async def set_limit() -> None:
        async with open_store(f"sqlite:///{home}/pullwright.db", SystemClock()) as store:
            await store.set_lane(lane, max_running=most)

    anyio.run(set_limit)


def _ended_well(task: Task) -> bool:
    return task.status is TaskStatus.SUCCEEDED


def _of_issue(life: BotLife, name: str) -> Iterator[str]:
    pulls = life.pulls(name)
    if len(pulls) != 1:
        yield f"{len(pulls)} pull requests"
        return
    (pull,) = pulls
    issue = life.issue(name)
    yield from _of_pull(life, name, pull)
    said = [[comment.body for comment in life.said_on(place)] for place in (issue, pull.issue)]
    if [len(each) for each in said] != [1, 2] or not all("**Done.**" in body for each in said for body in each):
        yield f"there it says {said}"
    elif f"/pull/{pull.number}" not in said[0][0]:
        yield f"the issue does not name the pull request: {said[0]}"
    told = zip([body for each in said for body in each], life.shas(name), strict=False)
    if not all(f"Commit: {sha}" in body and "`sh check.sh` (exit code 0)" in body for body, sha in told):
        yield f"it does not say which commit was checked and how: {said}"
    reactions = [issue.reactions, *(remark.reactions for remark in pull.review_comments)]
    if [signs(each) for each in reactions] != [["eyes", "rocket"]] * 2:
        yield f"the reactions are {[signs(each) for each in reactions]}"


def _of_pull(life: BotLife, name: str, pull: PullRecord) -> Iterator[str]:
    if life.greeting(name) != LAST.format(name=name):
        yield f"the file holds {life.greeting(name)!r}"
    if pull.draft or life.checked(life.head(name)) != "success":
        yield "it is not ready"
    if pull.issue.author != BOT:
        yield f"{pull.issue.author} opened it"
    commits = life.commits(name)
    if len(commits) != TASKS:
        yield f"{len(commits)} commits: {[commit.message for commit in commits]}"
    for commit in commits:
        if commit.author["name"] != "Pullwright" or "Co-authored-by: ann <" not in commit.message:
            yield f"a commit by {commit.author} says {commit.message!r}"
