"""What all runs of a repository, or all runs, may spend on a day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from pullwright.agents.budget import DayLimits, Limit, Spent
from pullwright.agents.events import BudgetNoted, RunFinished, UserSaid
from pullwright.agents.llm.prices import Price, Prices
from pullwright.agents.ports.lease import Terms
from pullwright.agents.ports.model import ModelRequest
from pullwright.agents.ports.sandbox import ExecResult
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.task import Task, TaskStatus, WaitReason
from pullwright.agents.testing.fake_sandbox import FakeProvider, FakeSandbox
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel, ScriptItem
from tests.unit.agents.pipeline_scene import LOOK, WRITE, MakeScene, Scene, checks_pass_when_a_is_new, finish

pytestmark = pytest.mark.anyio

PRICE = Price(pattern="", prompt=Decimal(300), completion=Decimal(0))
"""Three cents a step."""


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scene(tmp_path: Path) -> Callable[[Sequence[ScriptItem]], Scene]:
    return lambda script: Scene(model=ScriptedModel(script), patches=tmp_path / "patches")


async def answered(stage: Scene, task: Task, words: str) -> Task:
    await stage.store.send(task.id, SignalKind.ANSWER, words)
    return await stage.advance(task)


async def notes(stage: Scene, task: Task) -> list[BudgetNoted]:
    return [event for event in await stage.events(task) if isinstance(event, BudgetNoted)]


async def test_every_reply_is_added_to_what_the_repository_spent(scene: MakeScene) -> None:
    def slow(_: ModelRequest) -> Reply:
        stage.clock.advance(30)
        return WRITE

    stage = scene([slow, LOOK, finish()])
    stage.prices = {"": Prices(table=(PRICE,))}
    done = await stage.run()
    spent = await stage.store.spent(lane=done.spec.lane)
    (usage,) = [event.usage for event in await stage.events(done) if isinstance(event, RunFinished)]
    assert (spent.steps, spent.seconds) == (3, 30.0)
    assert spent.dollars == pytest.approx(0.09)
    assert spent.usage.total_tokens == usage.total_tokens > 0
    assert await stage.store.spent() == spent
    stage.clock.advance(timedelta(days=1).total_seconds())
    assert await stage.store.spent() == Spent(dollars=0.0)


async def test_a_long_check_counts_too(scene: MakeScene) -> None:
    stage = scene([WRITE, finish("make")])

    async def slow(command: str, sandbox: FakeSandbox) -> ExecResult:
        stage.clock.advance(60)
        return await checks_pass_when_a_is_new(command, sandbox)

    stage.provider = FakeProvider({"a": b"old\n"}, slow)
    assert (await stage.run()).status is TaskStatus.SUCCEEDED
    assert (await stage.store.spent()).seconds >= 60.0


@pytest.mark.parametrize(
    ("limits", "whose"),
    [
        (DayLimits(repository={Limit.STEPS: 2.0}), "Today's runs of this repository have used their 2 steps"),
        (DayLimits(everything={Limit.STEPS: 2.0}), "Today's runs have used their 2 steps"),
        (DayLimits(repository={Limit.MONEY: 0.05}), "Today's runs of this repository have used their $0.05"),
    ],
)
@pytest.mark.parametrize("may_ask", [True, False])
async def test_a_spent_day_parks_the_run_and_yes_lets_it_go_on(
    scene: MakeScene, limits: DayLimits, whose: str, may_ask: bool
) -> None:
    stage = scene([WRITE, LOOK, finish()])
    stage.prices = {"": Prices(table=(PRICE,))}
    stage.limits = limits
    task = await stage.run(may_ask=may_ask)
    assert (task.status, task.wait) == (TaskStatus.WAITING, WaitReason.APPROVAL_REQUIRED)
    assert task.status_reason.startswith(whose)
    assert len(stage.model.requests) == 2, "the step before was taken to its end"
    done = await answered(stage, task, "yes")
    assert done.status is TaskStatus.SUCCEEDED
    (raised,) = [note for note in await notes(stage, done) if note.raised]
    assert raised.limit.endswith(("day_steps", "day_money"))


async def test_a_no_ends_the_run_and_names_the_setting(scene: MakeScene) -> None:
    stage = scene([WRITE])
    stage.limits = DayLimits(repository={Limit.TOKENS: 1.0})
    task = await stage.run()
    done = await answered(stage, task, "no")
    assert done.status is TaskStatus.FAILED
    assert "raise repository_day_tokens in pullwright.toml" in done.status_reason


async def test_what_others_spent_counts_and_the_model_is_told_once(scene: MakeScene) -> None:
    stage = scene([WRITE, finish(), WRITE, LOOK, LOOK, finish()])
    await stage.run()
    stage.limits = DayLimits(repository={Limit.STEPS: 6.0})
    done = await stage.run()
    assert done.status is TaskStatus.SUCCEEDED
    assert await notes(stage, done) == [BudgetNoted(step=3, limit="repository_day_steps", spent=5.0, allowed=6.0)]
    (told,) = [event for event in await stage.events(done) if isinstance(event, UserSaid)]
    assert "left are 1 steps for today's runs of this repository" in told.content


async def test_on_the_next_day_the_limit_is_fresh(scene: MakeScene) -> None:
    stage = scene([WRITE, LOOK, finish()])
    stage.limits = DayLimits(repository={Limit.STEPS: 1.0})
    task = await stage.run()
    assert task.status is TaskStatus.WAITING
    stage.clock.advance(timedelta(days=1).total_seconds())
    stage.limits = DayLimits(repository={Limit.STEPS: 3.0})
    assert (await answered(stage, task, "What is left?")).status is TaskStatus.SUCCEEDED
    assert "What is left?" in str(stage.model.requests[1].messages), "an answer that nobody needs is told"


async def test_what_was_allowed_is_claimed_although_the_day_is_spent(scene: MakeScene) -> None:
    stage = scene([WRITE, finish()])
    stage.limits = DayLimits(repository={Limit.STEPS: 1.0})
    task = await stage.run()
    later = await stage.file()
    await stage.store.send(task.id, SignalKind.ANSWER, "yes")
    terms = Terms(limits=stage.limits)
    claimed = await stage.store.claim("w", terms=terms)
    assert claimed is not None
    assert claimed.id == task.id
    assert await stage.store.claim("w", terms=terms) is None
    assert await stage.store.status(later.id) is TaskStatus.QUEUED
