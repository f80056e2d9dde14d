"""A pull request of the bot from its first red check on, against the rehearsal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pullwright.agents.ports.inbox import DeliveryStatus
from pullwright.agents.task import TaskStatus
from pullwright.integrations.testing.forge_state import Repository
from pullwright.integrations.testing.people import Person
from pullwright.integrations.testing.pipelines import Pipeline, Verdict
from pullwright.integrations.testing.pull_acts import Inline
from pullwright.integrations.testing.rehearsal import Rehearsal
from tests.integration.forge.following_scene import BRANCH, Bot
from tests.integration.forge.receiver import receiving

pytestmark = pytest.mark.anyio

START = "def add(a, b):\n    return a * b\n"
WRONG = "def add(a, b):\n    return a - b\n"
RIGHT = "def add(a, b):\n    return a + b\n"
SIMPLE = "def add(*numbers):\n    # a + b\n    return sum(numbers)\n"


def judged(folder: Path) -> Verdict:
    good = "a + b" in (folder / "sum.py").read_text()
    log = "" if good else "2026-01-05T09:00:00.123Z \x1b[31mAssertionError: sum(1, 1) == 0\x1b[0m\n"
    return Verdict(conclusion="success" if good else "failure", log=log, summary="one test" if good else "1 failed")


@pytest.fixture
def rehearsal() -> Iterator[Rehearsal]:
    with Rehearsal() as running:
        yield running
        assert running.forge.violations == []


@pytest.fixture
def shop(rehearsal: Rehearsal) -> Repository:
    tests = Pipeline(checks={"tests": judged, "style": "true"}, branches="agent/*")
    lint = Pipeline(name="Lint", checks={"lint": "grep -q 'def add' sum.py"}, branches="agent/*")
    return rehearsal.repository("shop", {"sum.py": START}, checks=[tests, lint])


@pytest.fixture
def bot(rehearsal: Rehearsal, shop: Repository, tmp_path: Path) -> Iterator[Bot]:
    with receiving() as receiver:
        rehearsal.send_hooks_to(receiver.url)
        yield Bot(rehearsal, receiver, shop, tmp_path)


@pytest.fixture
def ann(rehearsal: Rehearsal, shop: Repository) -> Person:
    return rehearsal.person("ann")


async def opened(bot: Bot, ann: Person, content: str) -> None:
    """Let there be a pull request with this content, and its checks be dealt with."""
    ann.open_issue(bot.shop, "add() multiplies", labels=["agent"])
    await bot.react()
    await bot.work(content)
    await bot.react(gathered=True)


async def test_a_red_check_is_repaired_and_a_green_one_makes_it_ready(bot: Bot, ann: Person) -> None:
    await opened(bot, ann, WRONG)
    repair = await bot.newest()
    assert (repair.spec.source, repair.status) == ("github-checks", TaskStatus.QUEUED)
    assert repair.spec.continues is not None
    assert (repair.spec.continues.number, repair.spec.continues.branch) == (bot.pull.number, BRANCH)
    assert repair.spec.continues.head_sha == bot.shop.head_sha(bot.pull)
    for shown in ("check: tests", "1 failed", "AssertionError: sum(1, 1) == 0"):
        assert shown in repair.spec.context
    for hidden in ("\x1b", "09:00:00.123Z", "check: lint", "check: style"):
        assert hidden not in repair.spec.context
    assert bot.pull.draft
    await bot.work(RIGHT)
    await bot.react(gathered=True)
    assert not bot.pull.draft
    assert len(await bot.store.list()) == 2
    assert await bot.store.deliveries(status=DeliveryStatus.WAITING) == []


async def test_a_review_becomes_one_task_with_its_remarks(bot: Bot, ann: Person, rehearsal: Rehearsal) -> None:
    await opened(bot, ann, RIGHT)
    remarks = [
        Inline(path="sum.py", line=2, body="@pull-bot take any number of them"),
        Inline(path="sum.py", line=1, body="@pull-bot and a docstring"),
    ]
    ann.review(bot.shop, bot.pull.number, "Nearly.", state="changes_requested", inline=remarks)
    await bot.react()
    task = await bot.newest()
    assert len(await bot.store.list()) == 2
    assert task.spec.continues is not None
    assert "Nearly." in task.spec.instruction
    for shown in ("take any number of them", "and a docstring", "on sum.py, line 2", "+    return a + b"):
        assert shown in task.spec.context
    first = bot.pull.review_comments[0]
    rehearsal.person("bob").resolve(bot.shop, bot.pull.number, first)
    await bot.react()
    assert [f"thread {first.id} on sum.py" in one.text for one in await bot.store.signals(task.id)] == [True]
    await bot.work(SIMPLE)
    await bot.react(gathered=True)
    assert not bot.pull.draft
    assert rehearsal.forge.violations == []


async def test_other_peoples_commits_are_left_alone(bot: Bot, ann: Person, rehearsal: Rehearsal) -> None:
    await opened(bot, ann, WRONG)
    repair = await bot.newest()
    rehearsal.person("bob").push(bot.shop, BRANCH, {"sum.py": START})
    await bot.react(gathered=True)
    stopped = await bot.store.get(repair.id)
    assert (stopped.status, stopped.status_reason) == (TaskStatus.CANCELED, "bob pushed to the pull request")
    assert len(await bot.store.list()) == 2
    ann.comment(bot.shop, bot.pull.number, "/agent rebase")
    await bot.react()
    assert "somebody else's commits" in bot.comments[-1]
    ann.comment(bot.shop, bot.pull.number, "/agent fix")
    await bot.react()
    task = await bot.newest()
    assert "AssertionError" in task.spec.context
    assert task.spec.source == "github"


async def test_a_pull_request_that_ended_is_refused_with_the_reason(bot: Bot, ann: Person) -> None:
    await opened(bot, ann, RIGHT)
    ann.close(bot.shop, bot.pull.number)
    ann.comment(bot.shop, bot.pull.number, "@pull-bot more")
    await bot.react()
    assert "closed" in bot.comments[-1]
    assert len(await bot.store.list()) == 1


async def test_a_renamed_repository_is_gone_on_with(bot: Bot, ann: Person) -> None:
    await opened(bot, ann, RIGHT)
    ann.rename_repository(bot.shop, "store")
    ann.comment(bot.shop, bot.pull.number, "@pull-bot take any number of them")
    await bot.react()
    task = await bot.newest()
    assert task.spec.repository.name == "store"
    assert task.spec.parent_id


async def test_what_is_archived_ends_all_work_there(bot: Bot, ann: Person) -> None:
    for title in ("one", "two"):
        ann.open_issue(bot.shop, title, labels=["agent"])
    await bot.react()
    ann.archive(bot.shop)
    await bot.react()
    assert {task.status for task in await bot.store.list()} == {TaskStatus.CANCELED}


@pytest.mark.parametrize("how", ["replaced", "deleted"])
async def test_a_branch_that_is_replaced_or_deleted_ends_its_repair(
    bot: Bot, ann: Person, rehearsal: Rehearsal, how: str
) -> None:
    await opened(bot, ann, WRONG)
    bob = rehearsal.person("bob")
    if how == "replaced":
        bob.push(bot.shop, BRANCH, {"sum.py": START}, force=True)
    else:
        bob.delete_branch(bot.shop, BRANCH)
    await bot.react(gathered=True)
    assert [task.status for task in await bot.store.list()] == [TaskStatus.CANCELED, TaskStatus.SUCCEEDED]
    ann.comment(bot.shop, bot.pull.number, "@pull-bot more")
    await bot.react()
    assert len(await bot.store.list()) == (3 if how == "replaced" else 2)
