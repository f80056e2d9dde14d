"""What people do to a run while it goes on: answer, approve, say something, allow more, let others go first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pullwright.agents.budget import Budget
from pullwright.agents.calls import ASK_ALONE, PLAN_ALONE
from pullwright.agents.events import (
    BudgetNoted,
    CheckpointMade,
    PlanUpdated,
    QuestionAsked,
    RunResumed,
    ToolFinished,
    UserSaid,
)
from pullwright.agents.llm.prices import Price, Prices
from pullwright.agents.message import ToolResult, UserMessage
from pullwright.agents.ports.model import ModelRequest
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.steering import RELEASED
from pullwright.agents.task import Task, TaskStatus, WaitReason
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel, ScriptItem
from pullwright.agents.tools.conduct import NOBODY_ANSWERS
from tests.unit.agents.pipeline_scene import LOOK, WRITE, MakeScene, Scene, finish

pytestmark = pytest.mark.anyio

ASK = Reply(calls=[("ask", {"question": "red or blue?"})])
PLAN = Reply(calls=[("plan", {"items": [{"text": "look", "state": "todo"}, {"text": "mend", "state": "todo"}]})])


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scene(tmp_path: Path) -> Callable[[Sequence[ScriptItem]], Scene]:
    return lambda script: Scene(model=ScriptedModel(script), patches=tmp_path / "patches")


async def answered(stage: Scene, task: Task, words: str) -> Task:
    """Answer a waiting task and give it another attempt."""
    await stage.store.send(task.id, SignalKind.ANSWER, words, author="ann")
    return await stage.advance(task)


def last(request: ModelRequest) -> Any:
    return request.messages[-1]


async def test_a_question_parks_the_run_and_the_answer_is_the_calls_result(scene: MakeScene) -> None:
    stage = scene([WRITE, ASK, finish()])
    task = await stage.run(may_ask=True)
    assert (task.status, task.wait, task.status_reason) == (
        TaskStatus.WAITING,
        WaitReason.INPUT_REQUIRED,
        "red or blue?",
    )
    assert stage.provider.open_now == 0
    done = await answered(stage, task, "red")
    assert done.status is TaskStatus.SUCCEEDED
    messages = stage.model.requests[-1].messages
    (result,) = [one for one in messages if isinstance(one, ToolResult) and one.name == "ask"]
    assert (result.content, result.is_error) == ("red", False)
    assert isinstance(messages[-1], UserMessage), "it is told that its sandbox is a new one"
    assert await stage.store.signals(task.id) == []
    assert stage.provider.workspaces[1].files["/workspace/a"] == b"new\n"


async def test_an_answer_that_comes_before_the_run_is_lost_is_not_lost(scene: MakeScene) -> None:
    stage = scene([WRITE, ASK, finish()])
    task = await stage.run(may_ask=True)
    await stage.store.send(task.id, SignalKind.ANSWER, "red")
    claimed = await stage.store.claim("w", task.id)
    assert claimed is not None
    await stage.store.release(claimed, reason="nothing was done")
    assert (await stage.advance(task)).status is TaskStatus.SUCCEEDED


async def test_where_nobody_answers_the_model_is_told_so(scene: MakeScene) -> None:
    stage = scene([ASK, WRITE, finish()])
    assert (await stage.run()).status is TaskStatus.SUCCEEDED
    assert last(stage.model.requests[1]).content == NOBODY_ANSWERS


async def test_a_question_among_other_calls_is_not_asked(scene: MakeScene) -> None:
    stage = scene([Reply(calls=[*LOOK.calls, *ASK.calls]), WRITE, finish()])
    assert (await stage.run(may_ask=True)).status is TaskStatus.SUCCEEDED
    assert last(stage.model.requests[1]).content == ASK_ALONE


async def test_the_first_plan_waits_until_it_is_approved(scene: MakeScene) -> None:
    stage = scene([Reply(calls=[*PLAN.calls, *LOOK.calls]), PLAN, PLAN, PLAN, WRITE, finish()])
    task = await stage.run(may_ask=True, approve_plan=True)
    assert (task.status, task.wait) == (TaskStatus.WAITING, WaitReason.APPROVAL_REQUIRED)
    assert "1. look\n2. mend" in task.status_reason
    assert PLAN_ALONE in str(stage.model.requests[1].messages)
    task = await answered(stage, task, "First write a test.")
    assert task.status is TaskStatus.WAITING
    assert "First write a test." in last(stage.model.requests[2]).content
    assert not any(isinstance(event, PlanUpdated) for event in await stage.events(task))
    done = await answered(stage, task, "Yes")
    assert done.status is TaskStatus.SUCCEEDED
    assert sum(isinstance(event, PlanUpdated) for event in await stage.events(done)) == 2


async def test_a_message_arrives_at_the_next_step_and_is_never_lost(scene: MakeScene) -> None:
    async def say(words: str) -> None:
        await stage.store.send((await stage.store.list())[0].id, SignalKind.MESSAGE, words)

    stage = scene([LOOK, WRITE, finish()])
    task = await stage.file()
    await say("Use tabs.")
    await stage.advance(task)
    assert last(stage.model.requests[0]) == UserMessage(content="Use tabs.")
    assert await stage.store.signals(task.id) == []


async def test_a_segment_that_is_over_keeps_the_files_and_goes_on_later(scene: MakeScene) -> None:
    stage = scene([WRITE, LOOK, finish("make")])
    task = await stage.file()
    for _ in range(2):
        released = await stage.advance(task, steps=1)
        assert (released.status, released.status_reason) == (TaskStatus.QUEUED, RELEASED)
    done = await stage.advance(task, steps=1)
    assert done.status is TaskStatus.SUCCEEDED
    events = await stage.events(done)
    assert len(stage.model.requests) == 3, "no step was repeated"
    resumed = [event for event in events if isinstance(event, RunResumed)]
    assert [(event.step, event.checkpoint) for event in resumed] == [(1, 1), (2, 1)]
    assert len(stage.provider.workspaces) >= 3


async def test_a_budget_that_is_nearly_spent_is_told_once(scene: MakeScene) -> None:
    stage = scene([WRITE, *[LOOK] * 4, finish()])
    done = await stage.run(budget=Budget(max_steps=6))
    assert done.status is TaskStatus.SUCCEEDED
    events = await stage.events(done)
    assert [event for event in events if isinstance(event, BudgetNoted)] == [
        BudgetNoted(step=5, limit="steps", spent=5.0, allowed=6.0)
    ]
    (told,) = [event for event in events if isinstance(event, UserSaid)]
    assert "left are 1 steps" in told.content
    assert told.nudge


@pytest.mark.parametrize(("words", "allowed"), [("yes", 4.0), ("5", 7.0), ("+1 step", 3.0)])
async def test_a_spent_budget_parks_the_run_until_somebody_allows_more(
    scene: MakeScene, words: str, allowed: float
) -> None:
    stage = scene([WRITE, LOOK, finish()])
    task = await stage.run(may_ask=True, budget=Budget(max_steps=2))
    assert (task.status, task.wait) == (TaskStatus.WAITING, WaitReason.APPROVAL_REQUIRED)
    assert task.status_reason.startswith("The run has used its 2 steps.")
    done = await answered(stage, task, words)
    assert done.status is TaskStatus.SUCCEEDED
    raised = [event for event in await stage.events(done) if isinstance(event, BudgetNoted) and event.raised]
    assert [(event.limit, event.allowed) for event in raised] == [("steps", allowed)]


async def test_a_budget_that_nobody_raises_ends_the_run_with_its_work(scene: MakeScene) -> None:
    stage = scene([WRITE, LOOK])
    task = await stage.run(may_ask=True, budget=Budget(max_steps=2))
    done = await answered(stage, task, "No.")
    assert done.status is TaskStatus.FAILED
    assert "limit of 2 steps" in done.status_reason
    assert Path(done.patch_path).is_file()


async def test_words_that_are_no_answer_are_told_and_the_question_stands(scene: MakeScene) -> None:
    stage = scene([WRITE, LOOK, finish()])
    task = await stage.run(may_ask=True, budget=Budget(max_steps=2))
    task = await answered(stage, task, "What is left?")
    assert task.status is TaskStatus.WAITING
    assert (await answered(stage, task, "yes")).status is TaskStatus.SUCCEEDED
    assert UserMessage(content="What is left?") in stage.model.requests[-1].messages


@pytest.mark.parametrize(
    ("budget", "reason"),
    [(Budget(max_fresh_tokens=200), "tokens not read from the cache"), (Budget(max_cost=0.05), "limit of $0.05")],
)
async def test_fresh_tokens_and_money_are_budgets_too(scene: MakeScene, budget: Budget, reason: str) -> None:
    stage = scene([WRITE, LOOK, LOOK])
    price = Price(pattern="", prompt=Decimal(300), completion=Decimal(0))  # $0.03 a step
    stage.prices = {"": Prices(table=(price,))}
    done = await stage.run(budget=budget)
    assert done.status is TaskStatus.FAILED
    assert reason in done.status_reason
    assert len(stage.model.requests) == 2


async def test_time_that_a_run_waits_is_not_spent(scene: MakeScene) -> None:
    def slow(request: ModelRequest) -> Reply:
        stage.clock.advance(50)
        return WRITE if len(stage.model.requests) == 1 else ASK

    stage = scene([slow, slow, finish()])
    task = await stage.run(may_ask=True, budget=Budget(max_seconds=150))
    stage.clock.advance(86_400)
    assert (await answered(stage, task, "red")).status is TaskStatus.SUCCEEDED

    stage = scene([slow, slow, finish()])
    task = await stage.run(may_ask=True, budget=Budget(max_seconds=100))
    task = await answered(stage, task, "red")
    assert task.status is TaskStatus.WAITING
    assert "minutes" in task.status_reason


async def test_the_files_are_kept_before_the_run_waits(scene: MakeScene) -> None:
    stage = scene([WRITE])
    task = await stage.run(may_ask=True, budget=Budget(max_steps=1))
    events = await stage.events(task)
    kept = next(place for place, event in enumerate(events) if isinstance(event, CheckpointMade))
    assert kept < next(place for place, event in enumerate(events) if isinstance(event, QuestionAsked))
    assert any(isinstance(event, ToolFinished) for event in events[:kept])
