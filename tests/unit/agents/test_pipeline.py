from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import anyio
import pytest

from pullwright.agents.budget import Budget
from pullwright.agents.errors import ModelUnavailable, PushRejected, SandboxUnavailable
from pullwright.agents.events import (
    ChangePublished,
    ChangeVerified,
    CheckpointMade,
    ModelReplied,
    TaskMoved,
    ToolFinished,
    UserSaid,
)
from pullwright.agents.message import AssistantMessage, ToolResult
from pullwright.agents.ports.model import ModelReply, ModelRequest, ReplyClass
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.contracts_engine import until
from pullwright.agents.testing.fake_code_host import FakeCodeHost
from pullwright.agents.testing.fake_sandbox import FakeProvider
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel, ScriptItem
from pullwright.agents.worker.judging import NOTHING_CHANGED
from pullwright.agents.worker.landing import UNCHANGED
from tests.unit.agents.pipeline_scene import LOOK, WRITE, MakeScene, Scene, finish

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scene(tmp_path: Path) -> Callable[[Sequence[ScriptItem]], Scene]:
    return lambda script: Scene(model=ScriptedModel(script), patches=tmp_path / "patches")


async def test_a_change_is_checked_published_and_reported(scene: MakeScene) -> None:
    stage = scene([WRITE, finish()])
    stage.host = FakeCodeHost(token="t")
    repository = stage.host.add_repository("o/r")
    repository.branches.add("agent/x")
    task = await stage.file(checks=("make",), repository=stage.host.ref("o/r"), publish=True)
    repository.branches.add(f"agent/{task.id}")
    done = await stage.advance(task)
    assert (done.status, done.status_reason) == (TaskStatus.SUCCEEDED, "Change a")
    assert done.pull_request_url
    assert len(repository.pulls) == 1
    ((change, credential),) = stage.mirror.pushed
    assert credential is not None
    assert change.branch == f"agent/{task.id}"
    verified = next(event for event in await stage.events(done) if isinstance(event, ChangeVerified))
    assert [result.exit_code for result in verified.evidence.before] == [1]
    assert [result.exit_code for result in verified.evidence.after] == [0]
    assert verified.evidence.chosen_by == "owner"


async def test_without_publishing_the_branch_is_delivered_and_the_patch_kept(scene: MakeScene, tmp_path: Path) -> None:
    stage = scene([WRITE, finish()])
    done = await stage.run(checkout=str(tmp_path))
    assert stage.mirror.pushed == []
    assert [checkout for _, checkout in stage.mirror.delivered] == [tmp_path]
    assert Path(done.patch_path).read_bytes()
    assert isinstance((await stage.events(done))[-2], ChangePublished)


async def test_every_request_extends_the_one_before_and_the_tools_never_change(scene: MakeScene) -> None:
    stage = scene([LOOK, Reply(text="Hm."), WRITE, finish("make"), finish()])
    await stage.run()
    requests = stage.model.requests
    assert len(requests) == 4
    for before, after in pairwise(requests):
        assert after.messages[: len(before.messages)] == before.messages
        assert after.tools == before.tools
    assert "Be brief." in str(requests[0].messages[1])


async def test_a_step_is_durable_before_the_next_is_asked_for(scene: MakeScene) -> None:
    seen: list[int] = []

    def count(request: ModelRequest) -> Reply:
        events = [entry.event for entry in stage.store._records[request.conversation_id].journal]
        seen.append(len([event for event in events if not isinstance(event, (CheckpointMade, TaskMoved))]))
        return WRITE if len(seen) < 3 else finish()

    stage = scene([count, count, count])
    await stage.run()
    assert seen == [1, 3, 5]


async def test_failing_checks_go_back_to_the_model(scene: MakeScene) -> None:
    wrong = Reply(calls=[("write", {"path": "a", "content": "wrong\n"})])
    stage = scene([wrong, finish("make"), WRITE, finish("make")])
    done = await stage.run()
    assert done.status is TaskStatus.SUCCEEDED
    told = stage.model.requests[2].messages[-1]
    assert isinstance(told, ToolResult)
    assert "a is old" in told.content
    assert told.is_error


async def test_checks_that_never_pass_end_the_run_and_keep_the_work(scene: MakeScene) -> None:
    wrong = Reply(calls=[("write", {"path": "a", "content": "wrong\n"})])
    stage = scene([wrong, finish("make"), finish("make"), finish("make")])
    done = await stage.run()
    assert (done.status, stage.mirror.pushed) == (TaskStatus.FAILED, [])
    assert done.status_reason == "Checked in a fresh container with your change, this does not pass: $ make"
    assert Path(done.patch_path).is_file()


async def test_finishing_without_a_change_is_asked_about_once(scene: MakeScene) -> None:
    stage = scene([LOOK, finish(), finish()])
    done = await stage.run()
    assert (done.status, done.status_reason) == (TaskStatus.SUCCEEDED, UNCHANGED)
    told = stage.model.requests[2].messages[-1]
    assert isinstance(told, ToolResult)
    assert told.content == NOTHING_CHANGED


async def test_no_change_is_not_believed_while_the_owners_checks_fail_on_the_base(scene: MakeScene) -> None:
    stage = scene([finish(), WRITE, finish()])
    done = await stage.run(checks=("make",))
    assert done.status is TaskStatus.SUCCEEDED
    assert done.status_reason == "Change a"
    told = stage.model.requests[1].messages[-1]
    assert isinstance(told, ToolResult)
    assert "a is old" in told.content

    stage = scene([finish(), finish(), finish()])
    done = await stage.run(checks=("make",))
    assert done.status is TaskStatus.FAILED
    assert "'make' fails on the base" in done.status_reason


@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        (Budget(max_steps=2), "limit of 2 steps"),
        (Budget(max_tokens=150), "limit of 150 tokens"),
    ],
)
async def test_a_spent_budget_ends_the_run_and_keeps_the_work(scene: MakeScene, budget: Budget, reason: str) -> None:
    stage = scene([WRITE, LOOK, LOOK, LOOK])
    done = await stage.run(budget=budget)
    assert done.status is TaskStatus.FAILED
    assert reason in done.status_reason
    assert Path(done.patch_path).is_file()


async def test_time_is_a_budget_too_and_is_looked_at_between_steps(scene: MakeScene) -> None:
    def slow(request: ModelRequest) -> Reply:
        stage.clock.advance(90)
        return WRITE

    stage = scene([slow, slow])
    done = await stage.run(budget=Budget(max_seconds=60))
    assert done.status is TaskStatus.FAILED
    assert "--max-minutes" in done.status_reason
    assert len(stage.model.requests) == 1
    assert Path(done.patch_path).is_file()


async def test_text_without_a_call_is_nudged_and_three_in_a_row_end_the_run(scene: MakeScene) -> None:
    stage = scene([Reply(text="I think"), Reply(text="that"), Reply(text="it is fine")])
    done = await stage.run()
    assert done.status is TaskStatus.FAILED
    assert "agent doctor" in done.status_reason
    assert sum(isinstance(event, UserSaid) for event in await stage.events(done)) == 3


async def test_nothing_of_a_reply_that_was_cut_off_is_run(scene: MakeScene) -> None:
    cut = ModelReply(message=AssistantMessage(content="", reasoning="long"), kind=ReplyClass.TRUNCATED)
    stage = scene([cut, WRITE, finish()])
    done = await stage.run()
    assert done.status is TaskStatus.SUCCEEDED
    replies = [event for event in await stage.events(done) if isinstance(event, ModelReplied)]
    assert replies[0].message.tool_calls == ()
    assert replies[0].message.content


async def test_wrong_calls_are_answered_in_order_and_the_run_goes_on(scene: MakeScene) -> None:
    mixed = Reply(
        calls=[("nope", {}), ("read", {"path": 5}), ("read", "{broken"), ("finish", {"title": "x", "summary": "y"})]
    )
    stage = scene([mixed, WRITE, finish()])
    done = await stage.run()
    results = [event.result for event in await stage.events(done) if isinstance(event, ToolFinished)][:4]
    assert [result.is_error for result in results] == [True] * 4
    assert "there is no tool 'nope'" in results[0].content or "nope" in results[0].content
    assert "finish alone" in results[3].content
    assert done.status is TaskStatus.SUCCEEDED


@pytest.mark.parametrize("where", ["sync", "commit", "push"])
async def test_trouble_outside_fails_the_task_with_one_line(scene: MakeScene, where: str) -> None:
    stage = scene([WRITE, finish()])
    stage.host = FakeCodeHost(token="t")
    stage.mirror.failures[where] = PushRejected("the branch is protected; use another")
    done = await stage.run(repository=stage.host.ref("o/r"), publish=True)
    assert (done.status, done.status_reason) == (TaskStatus.FAILED, "the branch is protected; use another")
    assert bool(done.patch_path) == (where != "sync")


async def test_a_broken_engine_or_endpoint_is_waited_for(scene: MakeScene) -> None:
    stage = scene([ModelUnavailable("no answer; start it")])
    done = await stage.run()
    assert (done.status, done.status_reason) == (TaskStatus.SCHEDULED, "no answer; start it")
    stage.provider = FakeProvider(failure=SandboxUnavailable("no engine; start it"))
    assert (await stage.run()).status_reason == "no engine; start it"


async def test_cancel_from_elsewhere_ends_the_run_and_keeps_the_work(scene: MakeScene) -> None:
    stage = scene([WRITE, Reply(calls=[("bash", {"command": "forever"})])])
    task = await stage.file()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(stage.advance, task)
            while not any(isinstance(event, ToolFinished) for event in await stage.events(task)):
                await stage.store.wait(task.id, after=len(await stage.events(task)))
            await stage.store.cancel(task.id, reason="enough")
            group.cancel_scope.cancel()
    done = await stage.store.get(task.id)
    assert (done.status, done.status_reason) == (TaskStatus.CANCELED, "enough")
    assert Path(done.patch_path).is_file()
    assert stage.provider.open_now == 0


async def test_a_worker_that_stops_gives_the_run_back(scene: MakeScene) -> None:
    stage = scene([WRITE, Reply(calls=[("bash", {"command": "forever"})]), finish()])
    task = await stage.file()
    async with anyio.create_task_group() as group:
        group.start_soon(stage.advance, task)
        await until(lambda: len(stage.model.requests) == 2)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert (await stage.store.get(task.id)).status is TaskStatus.QUEUED
    assert (await stage.advance(task)).status is TaskStatus.SUCCEEDED
