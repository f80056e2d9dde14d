"""What a run does with its sandbox: keeps its files, replaces a lost one, tells what it reached."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pullwright.agents.calls import NOT_RUN
from pullwright.agents.egress import EgressDecision
from pullwright.agents.environment import Environment
from pullwright.agents.errors import ChangeRefused, ModelUnavailable, SandboxGone
from pullwright.agents.events import ChangeVerified, CheckpointMade, EgressDecided, ToolFinished
from pullwright.agents.ports.sandbox import ExecResult
from pullwright.agents.task import TaskStatus
from pullwright.agents.testing.fake_sandbox import FakeProvider, FakeSandbox, output
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel, ScriptItem
from pullwright.agents.worker.pipeline import SANDBOX_LOSSES
from tests.unit.agents.pipeline_scene import (
    LOOK,
    WRITE,
    MakeScene,
    Scene,
    checks_pass_when_a_is_new,
    finish,
)

pytestmark = pytest.mark.anyio

BLOCKED = EgressDecision(allowed=False, kind="connect", target="example.com:443", rule="not on the allow list")
FETCHED = EgressDecision(allowed=True, kind="pypi", target="requests 2.32.3", rule="packages are allowed", received=9)


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def scene(tmp_path: Path) -> Callable[[Sequence[ScriptItem]], Scene]:
    return lambda script: Scene(model=ScriptedModel(script), patches=tmp_path / "patches")


def write(path: str, content: str) -> Reply:
    return Reply(calls=[("write", {"path": path, "content": content})])


def bash(*commands: str) -> Reply:
    return Reply(calls=[("bash", {"command": command}) for command in commands])


async def test_each_step_that_changes_files_leaves_a_checkpoint(scene: MakeScene) -> None:
    stage = scene([WRITE, LOOK, write("b", "1\n"), write("b", "1\n"), write("b", "2\n"), finish()])
    done = await stage.run()
    made = [event for event in await stage.events(done) if isinstance(event, CheckpointMade)]
    assert [(event.number, event.step) for event in made] == [(1, 1), (2, 3), (2, 4), (3, 5)]
    assert sorted(stage.mirror.kept[done.id]) == [1, 2, 3]
    assert len({event.tree for event in made}) == 3


async def test_a_checkpoint_that_can_not_be_made_costs_only_the_checkpoint(scene: MakeScene) -> None:
    stage = scene([WRITE, finish()])
    stage.mirror.failures["checkpoint"] = ChangeRefused("no")
    done = await stage.run()
    assert done.status is TaskStatus.SUCCEEDED
    assert stage.mirror.kept == {}


async def test_a_checkpoint_is_made_even_when_the_model_then_fails(scene: MakeScene) -> None:
    stage = scene([WRITE, ModelUnavailable("down")])
    done = await stage.run()
    assert (done.status, done.status_reason) == (TaskStatus.SCHEDULED, "down")
    assert sorted(stage.mirror.kept[done.id]) == [1]


async def test_a_fork_starts_with_the_files_of_a_checkpoint(scene: MakeScene) -> None:
    stage = scene([write("a", "new\n"), write("b", "1\n"), finish(), LOOK, finish("make")])
    first = await stage.run()
    kept = stage.mirror.kept[first.id][2]
    second = await stage.run(start=kept.sha)
    assert second.status is TaskStatus.SUCCEEDED
    read = next(event for event in await stage.events(second) if isinstance(event, ToolFinished))
    assert "new" in read.result.content


async def vanishes(command: str, sandbox: FakeSandbox) -> ExecResult:
    if command == "boom":
        raise SandboxGone("killed by a command")
    return output("fine\n")


async def test_a_lost_sandbox_is_replaced_and_every_call_is_answered(scene: MakeScene) -> None:
    stage = scene([WRITE, bash("true", "boom", "true"), LOOK, finish()])
    stage.provider = FakeProvider({"a": b"old\n"}, vanishes)
    done = await stage.run()
    assert done.status is TaskStatus.SUCCEEDED
    workspace = stage.provider.workspaces[0]
    assert len(workspace.sandboxes) == 2
    results = [event.result for event in await stage.events(done) if isinstance(event, ToolFinished)]
    assert "fine" in results[1].content
    assert "A new one is opened on the same files" in results[2].content
    assert "killed by a command" in results[2].content
    assert results[3].content == NOT_RUN
    assert "new" in results[4].content


async def test_a_run_does_not_lose_sandboxes_for_ever(scene: MakeScene) -> None:
    stage = scene([bash("boom")] * (SANDBOX_LOSSES + 1))
    stage.provider = FakeProvider({"a": b"old\n"}, vanishes)
    done = await stage.run()
    assert (done.status, done.status_reason) == (TaskStatus.FAILED, "killed by a command")
    assert len(stage.provider.workspaces[0].sandboxes) == SANDBOX_LOSSES + 1


async def test_a_check_whose_container_ends_is_run_again(scene: MakeScene) -> None:
    stage = scene([WRITE, finish("make")])
    endings = iter([SandboxGone("somebody killed it")])

    async def checks(command: str, sandbox: FakeSandbox) -> ExecResult:
        for ending in endings:
            raise ending
        return await checks_pass_when_a_is_new(command, sandbox)

    stage.provider = FakeProvider({"a": b"old\n"}, checks)
    done = await stage.run()
    assert done.status is TaskStatus.SUCCEEDED
    assert [type(event) for event in await stage.events(done)].count(ChangeVerified) == 1


async def test_a_container_that_ends_before_the_files_are_there_costs_the_attempt_only(scene: MakeScene) -> None:
    stage = scene([WRITE, ModelUnavailable("down"), finish()])
    task = await stage.run()
    stage.clock.advance(60)
    await stage.store.tend()
    stage.provider.applying = SandboxGone("somebody killed it")
    assert (await stage.advance(task)).status is TaskStatus.SCHEDULED
    stage.clock.advance(60)
    await stage.store.tend()
    assert (await stage.advance(task)).status is TaskStatus.SUCCEEDED


async def reaches_out(command: str, sandbox: FakeSandbox) -> ExecResult:
    return ExecResult(exit_code=1, egress=(FETCHED, BLOCKED))


async def test_what_a_command_reached_is_in_the_journal_and_told_to_the_model(scene: MakeScene) -> None:
    stage = scene([bash("curl https://example.com"), WRITE, finish()])
    stage.provider = FakeProvider({"a": b"old\n"}, reaches_out)
    done = await stage.run()
    events = await stage.events(done)
    assert [event for event in events if isinstance(event, EgressDecided)] == [
        EgressDecided(step=1, phase="agent", decisions=(FETCHED, BLOCKED))
    ]
    (told,) = [event.result.content for event in events if isinstance(event, ToolFinished)][:1]
    assert "[blocked by the egress policy: example.com:443 (not on the allow list)" in told
    assert "requests" not in told


async def test_the_repositorys_own_checks_decide_and_its_paths_are_allowed(scene: MakeScene) -> None:
    stage = scene([write("b", "1\n"), finish(), WRITE, finish()])
    stage.environment = Environment(checks=("make",), allow_paths=(".github/**",), source=".agent/environment.toml")
    done = await stage.run()
    assert done.status is TaskStatus.SUCCEEDED
    assert stage.mirror.allowed == [(".github/**",)] * 2
    assert {environment.checks for environment in stage.provider.environments} == {("make",)}
    assert "make" in stage.model.requests[0].messages[1].content
