"""How an attempt goes on where another one was, and what ends a run and what does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pullwright.agents.change import FileStat, RepositoryRef
from pullwright.agents.errors import (
    AuthFailed,
    ConfigError,
    EndpointMisconfigured,
    LeaseLost,
    MalformedReply,
    ModelUnavailable,
    NotFound,
    PullwrightError,
    RateLimited,
    RemoteUnavailable,
    SandboxUnavailable,
    SetupFailed,
)
from pullwright.agents.events import (
    ChangeCommitted,
    ChangePublished,
    ChangeVerified,
    ModelReplied,
    RunEvent,
    RunResumed,
    RunStarted,
    ToolFinished,
)
from pullwright.agents.message import AssistantMessage, ToolCall
from pullwright.agents.ports.mirror import Credential
from pullwright.agents.ports.sandbox import Base, ExecResult
from pullwright.agents.queue.life import LEASE_SECONDS
from pullwright.agents.recorder import RunRecorder
from pullwright.agents.taking_up import INTERRUPTED, NEW_SANDBOX, NOT_REPEATED, NUDGE_NO_CALL
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.fake_code_host import FakeCodeHost
from pullwright.agents.testing.fake_mirror import FakeMirror
from pullwright.agents.testing.fake_sandbox import FakeProvider, FakeSandbox, output
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel, ScriptItem
from pullwright.agents.worker.keeper import blob_name
from tests.unit.agents.pipeline_scene import LOOK, WRITE, MakeScene, Scene, finish

pytestmark = pytest.mark.anyio

DOWN = ModelUnavailable("down")
FILES = {"AGENTS.md": b"Be brief.", "a": b"old\n"}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scene(tmp_path: Path) -> Callable[[Sequence[ScriptItem]], Scene]:
    return lambda script: Scene(model=ScriptedModel(script), patches=tmp_path / "patches")


async def again(stage: Scene, task: Task, *, elsewhere: bool = False) -> Task:
    """Give a task that waits for its retry another attempt, here or on a host that has nothing of it."""
    if elsewhere:
        stage.mirror = FakeMirror(dict(FILES), remote=stage.mirror.remote)
    stage.clock.advance(3600)
    await stage.store.tend()
    return await stage.advance(task)


async def replied(stage: Scene, task: Task, *calls: tuple[str, str], step: int = 1) -> None:
    """Leave a journal behind whose last entry is a reply that calls these, and lose the lease."""
    claimed = await stage.store.claim("w", task.id)
    assert claimed is not None
    recorder = await RunRecorder.resume(stage.store, claimed)
    made = tuple(ToolCall(id=f"c{place}", name=name, arguments=text) for place, (name, text) in enumerate(calls))
    base = await stage.mirror.sync(task.spec.repository, "", None)
    begun: list[RunEvent] = [
        RunStarted(model="m", effort="high", base_ref="main", base_sha=base.sha, system_prompt="s", user_prompt="u")
    ]
    message = AssistantMessage(content="hm", tool_calls=made)
    kind = "calls" if made else "text"
    reply = ModelReplied(step=step, message=message, kind=kind, usage=recorder.state.usage)
    await recorder.record(*([] if recorder.state.started else begun), reply)
    stage.clock.advance(LEASE_SECONDS + 1)
    await stage.store.tend()


def results(stage: Scene, request: int = 0) -> list[str]:
    return [getattr(message, "content", "") for message in stage.model.requests[request].messages[3:]]


async def test_open_calls_are_run_again_until_one_that_may_have_run(scene: MakeScene) -> None:
    stage = scene([finish()])
    task = await stage.file()
    await replied(
        stage,
        task,
        ("read", '{"path": "a"}'),
        ("write", '{"path": "a", "content": "new\\n"}'),
        ("nope", "{}"),
        ("bash", '{"command": "make"}'),
        ("read", '{"path": "a"}'),
    )
    assert (await stage.advance(task)).status is TaskStatus.SUCCEEDED
    read, wrote, unknown, once, later = results(stage)
    assert "old" in read
    assert "nope" in unknown
    assert (once, later) == (INTERRUPTED, NOT_REPEATED)
    assert stage.provider.workspaces[0].files["/workspace/a"] == b"new\n"
    assert stage.provider.workspaces[0].sandboxes[0].commands == []
    assert wrote


async def test_r13_what_was_open_is_closed_in_one_transaction(scene: MakeScene) -> None:
    stage = scene([finish()])
    task = await stage.file()
    await replied(stage, task, ("write", '{"path": "a", "content": "new\\n"}'))
    await stage.advance(task)
    events = await stage.events(task)
    place = next(place for place, event in enumerate(events) if isinstance(event, RunResumed))
    resumed = events[place]
    assert isinstance(resumed, RunResumed)
    assert (resumed.step, resumed.checkpoint) == (1, 0)
    assert isinstance(events[place + 1], ToolFinished)
    assert results(stage)[-1] == NEW_SANDBOX


async def test_words_without_a_call_are_nudged_when_that_was_not_done(scene: MakeScene) -> None:
    stage = scene([WRITE, finish()])
    task = await stage.file()
    await replied(stage, task)
    assert (await stage.advance(task)).status is TaskStatus.SUCCEEDED
    assert results(stage) == [NUDGE_NO_CALL]


async def test_an_open_finish_is_judged_again(scene: MakeScene) -> None:
    stage = scene([WRITE, DOWN])
    task = await stage.run()
    stage.clock.advance(3600)
    await stage.store.tend()
    await replied(stage, task, ("finish", '{"title": "Change a", "summary": "s", "checks": ["make"]}'), step=2)
    done = await stage.advance(task)
    assert (done.status, done.status_reason) == (TaskStatus.SUCCEEDED, "Change a")


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_run_begins_once_and_keeps_its_base(scene: MakeScene, elsewhere: bool) -> None:
    stage = scene([WRITE, DOWN, LOOK, finish("make")])
    task = await stage.run()
    assert (task.status, task.retries) == (TaskStatus.SCHEDULED, 1)
    done = await again(stage, task, elsewhere=elsewhere)
    assert done.status is TaskStatus.SUCCEEDED
    events = await stage.events(done)
    assert sum(isinstance(event, RunStarted) for event in events) == 1
    first, second = stage.provider.workspaces[0], stage.provider.workspaces[1]
    assert (first.base.sha, first.base.ref) == (second.base.sha, second.base.ref)
    assert "new" in stage.model.requests[-1].messages[-1].content
    assert stage.model.requests[-1].messages[0] == stage.model.requests[0].messages[0]


async def test_a_base_that_is_not_handed_out_by_its_id_comes_with_its_branch(scene: MakeScene) -> None:
    stage = scene([WRITE, DOWN, finish()])
    task = await stage.run()
    asked: list[str] = []

    class Picky(FakeMirror):
        async def sync(self, repository: RepositoryRef, ref: str, credential: Credential | None) -> Base:
            asked.append(ref)
            if len(asked) == 1:
                raise NotFound("no such commit")
            return await super().sync(repository, ref, credential)

    stage.mirror = Picky(dict(FILES))
    stage.clock.advance(3600)
    await stage.store.tend()
    assert (await stage.advance(task)).status is TaskStatus.SUCCEEDED
    assert asked[1] == "main"
    assert asked[0] == asked[2]


@pytest.mark.parametrize("damaged", [1, 2])
async def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(scene: MakeScene, damaged: int) -> None:
    more = Reply(calls=[("write", {"path": "b", "content": "1\n"})])
    stage = scene([WRITE, more, DOWN, *[WRITE, more][damaged - 1 :], finish("make")])
    task = await stage.run()
    for number in range(damaged, 3):
        stage.store._blobs[task.id, blob_name(number)] = b"?"
    done = await again(stage, task, elsewhere=True)
    assert done.status is TaskStatus.SUCCEEDED
    resumed = next(event for event in await stage.events(done) if isinstance(event, RunResumed))
    assert (resumed.checkpoint, resumed.step) == (damaged - 1, damaged)
    assert "checkpoint" in resumed.reason
    assert stage.provider.workspaces[1].files["/workspace/b"] == b"1\n"


async def test_a_fork_starts_on_a_host_that_has_nothing_of_its_parent(scene: MakeScene) -> None:
    stage = scene([WRITE, finish(), LOOK, finish("make")])
    first = await stage.run()
    kept = stage.mirror.kept[first.id][1]
    base = stage.provider.workspaces[0].base
    stage.mirror = FakeMirror(dict(FILES))
    second = await stage.run(start=kept.sha, start_base=base.sha, parent_id=first.id)
    assert second.status is TaskStatus.SUCCEEDED
    assert "new" in stage.model.requests[-1].messages[-1].content


TROUBLE = [ModelUnavailable, RateLimited, SandboxUnavailable, RemoteUnavailable]
ANSWERS = [MalformedReply, ConfigError, AuthFailed, EndpointMisconfigured, SetupFailed]


@pytest.mark.parametrize("error", TROUBLE)
async def test_trouble_around_a_run_is_waited_for(scene: MakeScene, error: type[PullwrightError]) -> None:
    stage = scene([WRITE, finish()])
    stage.mirror.failures["sync"] = error("no answer")
    task = await stage.run()
    assert (task.status, task.status_reason) == (TaskStatus.SCHEDULED, "no answer")
    stage.mirror.failures.clear()
    assert (await again(stage, task)).status is TaskStatus.SUCCEEDED


@pytest.mark.parametrize("error", ANSWERS)
async def test_a_mistake_ends_the_run(scene: MakeScene, error: type[PullwrightError]) -> None:
    stage = scene([WRITE, finish()])
    stage.mirror.failures["commit"] = error("wrong")
    task = await stage.run()
    assert (task.status, task.status_reason) == (TaskStatus.FAILED, "wrong")
    assert Path(task.patch_path).is_file()


async def test_a_change_that_was_verified_is_published_without_being_judged_again(scene: MakeScene) -> None:
    stage = scene([WRITE, finish("make")])
    stage.host = FakeCodeHost(token="t")
    repository = stage.host.add_repository("o/r")
    stage.mirror.failures["push"] = RemoteUnavailable("no answer")
    task = await stage.run(repository=stage.host.ref("o/r"), publish=True)
    assert task.status is TaskStatus.SCHEDULED
    repository.push(f"agent/{task.id}")
    stage.mirror.failures.clear()
    opened = len(stage.provider.workspaces)
    done = await again(stage, task)
    assert (done.status, done.status_reason) == (TaskStatus.SUCCEEDED, "Change a")
    assert len(stage.provider.workspaces) == opened
    assert done.pull_request_url
    assert sum(isinstance(event, ChangeVerified) for event in await stage.events(done)) == 1


async def test_a_change_that_was_published_needs_only_its_end(scene: MakeScene) -> None:
    stage = scene([])
    task = await stage.file()
    claimed = await stage.store.claim("w", task.id)
    assert claimed is not None
    committed = ChangeCommitted(
        branch="agent/x", head_sha="1" * 40, title="Done", summary="", files=(FileStat(path="a", added=1, removed=0),)
    )
    published = ChangePublished(branch="agent/x", pull_request_url="https://x/1")
    await stage.store.append(claimed, [committed, published])
    await stage.store.release(claimed, reason="")
    done = await stage.advance(task)
    assert (done.status, done.status_reason) == (TaskStatus.SUCCEEDED, "Done")
    assert done.pull_request_url == "https://x/1"
    assert stage.provider.workspaces == []


async def test_a_later_attempt_keeps_the_branch_and_replaces_only_what_the_run_pushed(scene: MakeScene) -> None:
    stage = scene([WRITE, finish("make")])
    stage.host = FakeCodeHost(token="t")
    repository = stage.host.add_repository("o/r")
    task = await stage.file(repository=stage.host.ref("o/r"), publish=True)
    repository.push("agent/first")
    claimed = await stage.store.claim("w", task.id)
    assert claimed is not None
    first = ChangeCommitted(branch="agent/first", head_sha="1" * 40, title="Other", summary="", files=())
    await stage.store.append(claimed, [first])
    await stage.store.intend(claimed, f"push:{'1' * 40}", kind="push")
    await stage.store.release(claimed, reason="")
    stage.mirror.remote["agent/first"] = "1" * 40
    done = await stage.advance(task)
    assert (done.status, done.branch) == (TaskStatus.SUCCEEDED, "agent/first")
    assert stage.mirror.remote["agent/first"] == stage.mirror.pushed[0][0].head_sha


async def test_an_attempt_that_lost_its_lease_writes_nothing(scene: MakeScene, tmp_path: Path) -> None:
    async def lose(command: str, sandbox: FakeSandbox) -> ExecResult:
        stage.clock.advance(LEASE_SECONDS + 1)
        await stage.store.tend()
        return output()

    stage = scene([WRITE, Reply(calls=[("bash", {"command": "wait"})]), finish()])
    stage.provider = FakeProvider(FILES, lose)
    with pytest.raises(LeaseLost):
        await stage.run()
    task = (await stage.store.list())[0]
    assert task.status is TaskStatus.QUEUED
    assert not (tmp_path / "patches").exists()


async def test_a_rate_limit_says_when_and_the_work_is_kept(scene: MakeScene) -> None:
    stage = scene([WRITE, RateLimited("slow down", 5.0), finish("make")])
    task = await stage.run()
    assert task.status is TaskStatus.SCHEDULED
    assert (await again(stage, replace(task), elsewhere=True)).status is TaskStatus.SUCCEEDED
