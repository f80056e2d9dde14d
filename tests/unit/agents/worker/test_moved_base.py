"""The branch that a first run goes to moves while it works: its change is brought onto the tip, or people are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pullwright.agents.change import PullRequest
from pullwright.agents.errors import RemoteUnavailable
from pullwright.agents.events import ChangeCommitted, ChangeVerified
from pullwright.agents.ports.sandbox import ExecResult
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.fake_code_host import FakeCodeHost
from pullwright.agents.testing.fake_mirror import FakeMirror
from pullwright.agents.testing.fake_sandbox import FakeProvider, FakeSandbox, output
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel, ScriptItem
from tests.unit.agents.pipeline_scene import WRITE, Scene, finish

pytestmark = pytest.mark.anyio

FILES = {"AGENTS.md": b"Be brief.", "a": b"old\n", "b": b"old\n"}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@dataclass(kw_only=True)
class Moving:
    """A scene whose checks want one of two files to be new, and none of them to be bad."""

    scene: Scene

    def __post_init__(self) -> None:
        self.host = self.scene.host = FakeCodeHost(token="t")
        self.repository = self.host.add_repository("o/r")
        self.ref = self.host.ref("o/r")
        self.settle()

    def settle(self) -> None:
        """Go on upon a fresh host."""
        self.scene.mirror = FakeMirror(dict(FILES), remote=self.scene.mirror.remote)
        self.scene.provider = FakeProvider(FILES, self.command, files_at=self.scene.mirror.files_at)

    async def command(self, command: str, sandbox: FakeSandbox) -> ExecResult:
        contents = sandbox.files.values()
        return output(exit_code=b"new\n" not in contents or b"bad\n" in contents)

    def main_gets(self, files: Mapping[str, bytes]) -> str:
        mirror = self.scene.mirror
        return mirror.push_by_person(mirror.tip(self.ref, "main"), "main", files)

    async def file(self, **spec: Any) -> Task:
        task = await self.scene.file(repository=self.ref, publish=True, **spec)
        self.repository.push(f"agent/{task.id}")
        return task

    def files(self, branch: str) -> dict[str, bytes]:
        return self.scene.mirror.files_at(self.scene.mirror.tip(self.ref, branch))


MakeMoving = Callable[[Mapping[str, bytes], Reply], Moving]


@pytest.fixture
def moving(tmp_path: Path) -> MakeMoving:
    def make(pushed: Mapping[str, bytes], last: Reply) -> Moving:
        def meanwhile(_: object) -> Reply:
            stage.main_gets(pushed)
            return last

        script: Sequence[ScriptItem] = [WRITE, meanwhile, last, last]
        stage = Moving(scene=Scene(model=ScriptedModel(script), patches=tmp_path / "patches"))
        return stage

    return make


@pytest.mark.parametrize("check", ["make", ""])
async def test_a_change_lands_on_the_newest_commit_of_its_base(moving: MakeMoving, check: str) -> None:
    stage = moving({"c": b"c"}, finish(*[check] * bool(check)))
    task = await stage.scene.advance(await stage.file())
    assert (task.status, task.status_reason) == (TaskStatus.SUCCEEDED, "Change a")
    assert stage.files(task.branch) == {**FILES, "a": b"new\n", "c": b"c"}
    ((change, _),) = stage.scene.mirror.pushed
    assert change.base_sha == stage.scene.mirror.remote["main"]
    events = await stage.scene.events(task)
    assert [one.base_sha for one in events if isinstance(one, ChangeCommitted)] == [change.base_sha]
    assert len(stage.repository.pulls) == 1
    if check:
        verified = [one.evidence for one in events if isinstance(one, ChangeVerified)]
        assert [one.verified for one in verified] == [True]
        assert b"c" in stage.scene.provider.workspaces[1].files.values(), "it was checked on the newest commit"


@pytest.mark.parametrize(
    ("pushed", "trouble"), [({"a": b"theirs\n"}, "does not fit"), ({"c": b"bad\n"}, "does not pass its checks")]
)
async def test_what_does_not_fit_is_proposed_as_it_is_and_reviewers_are_told(
    moving: MakeMoving, pushed: dict[str, bytes], trouble: str
) -> None:
    stage = moving(pushed, finish("make"))
    seen: list[str] = []
    stage.scene.heard = lambda report: seen.extend(report.notices)
    task = await stage.scene.advance(await stage.file())
    assert task.status is TaskStatus.SUCCEEDED
    assert stage.files(task.branch) == {**FILES, "a": b"new\n"}
    (notice,) = seen
    assert "main has moved to" in notice
    assert trouble in notice
    verified = [one.evidence for one in await stage.scene.events(task) if isinstance(one, ChangeVerified)]
    assert [one.verified for one in verified] == [True]


@pytest.mark.parametrize(
    ("pushed", "said"),
    [
        ({"a": b"new\n"}, "all of it is on main already"),
        ({"b": b"new\n"}, "already fixed on main at"),
        ({"a": b"else\n", "b": b"new\n"}, "already fixed on main at"),
    ],
)
async def test_what_is_fixed_meanwhile_needs_no_pull_request(
    moving: MakeMoving, pushed: dict[str, bytes], said: str
) -> None:
    stage = moving(pushed, finish("make"))
    task = await stage.scene.advance(await stage.file())
    assert task.status is TaskStatus.SUCCEEDED
    assert task.status_reason.startswith("nothing needed changing: ")
    assert said in task.status_reason
    assert stage.repository.pulls == []
    assert stage.scene.mirror.pushed == []
    assert Path(task.patch_path).is_file()


async def test_a_change_that_passes_nowhere_goes_back_to_the_model(moving: MakeMoving) -> None:
    stage = moving({"a": b"theirs\n", "c": b"c"}, finish("make"))
    stage.scene.model = ScriptedModel(
        [
            Reply(calls=[("write", {"path": "a", "content": "bad\n"})]),
            lambda _: (stage.main_gets({"c": b"c"}), finish("make"))[1],
            WRITE,
            finish("make"),
        ]
    )
    task = await stage.scene.advance(await stage.file())
    assert task.status is TaskStatus.SUCCEEDED
    assert stage.files(task.branch) == {**FILES, "a": b"new\n", "c": b"c"}


async def test_without_a_pull_request_a_run_stays_on_its_base(moving: MakeMoving) -> None:
    stage = moving({"c": b"c"}, finish("make"))
    task = await stage.scene.advance(await stage.scene.file(repository=stage.ref, publish=False))
    assert task.status is TaskStatus.SUCCEEDED
    committed = next(one for one in await stage.scene.events(task) if isinstance(one, ChangeCommitted))
    assert committed.base_sha == ""


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("where", ["push", "pull"])
async def test_a_run_that_dies_after_it_moved_goes_on_there(moving: MakeMoving, where: str, elsewhere: bool) -> None:
    stage = moving({"c": b"c"}, finish("make"))
    task = await stage.file()
    if where == "push":
        stage.scene.mirror.failures["push"] = RemoteUnavailable("down")
    else:
        stage.host.failures.append(RemoteUnavailable("down"))
    assert (await stage.scene.advance(task)).status is TaskStatus.SCHEDULED
    committed = [one for one in await stage.scene.events(task) if isinstance(one, ChangeCommitted)]
    stage.scene.mirror.failures.clear()
    if elsewhere:
        stage.settle()
    stage.scene.clock.advance(3600)
    await stage.scene.store.tend()
    done = await stage.scene.advance(task)
    assert done.status is TaskStatus.SUCCEEDED
    assert stage.scene.mirror.remote[done.branch] == committed[-1].head_sha
    assert len(stage.repository.pulls) == 1


async def test_reviewers_are_told_of_another_pull_request_for_the_same_issue(moving: MakeMoving) -> None:
    stage = moving({}, finish("make"))
    seen: list[str] = []
    stage.scene.heard = lambda report: seen.extend(report.notices)
    other = PullRequest(number=3, url="https://example.test/o/r/pull/3", branch="ann/fix")
    stage.repository.pulls.append(other)
    stage.repository.bodies[3] = "Fixes #42"
    task = await stage.scene.advance(await stage.file(issue_number=42))
    assert task.status is TaskStatus.SUCCEEDED
    assert len(stage.repository.pulls) == 2
    assert seen == [f"another open pull request says that it solves #42: {other.url}"]
