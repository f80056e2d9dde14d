"""Kill a run that goes on with a pull request at any moment, while people push: one commit, the same on any host."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pullwright.agents.change import Continuation, PullRequest
from pullwright.agents.ports.mirror import BOT_EMAIL
from pullwright.agents.ports.sandbox import ExecResult
from pullwright.agents.task import Task
from pullwright.agents.testing.fake_sandbox import FakeProvider, FakeSandbox
from pullwright.agents.testing.scripted_model import Reply
from tests.unit.agents.pipeline_scene import WRITE, finish
from tests.unit.agents.test_crashes import FILES, World

pytestmark = [pytest.mark.anyio]

BRANCH = "agent/1-first"
PUSHES = ("bash", {"command": "somebody pushes"})
STEPS = (
    Reply(calls=[("bash", {"command": "append"})]),
    WRITE,
    Reply(calls=[PUSHES]),
    Reply(calls=[("write", {"path": "b", "content": "1\n"})]),
    finish("make"),
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass(kw_only=True)
class FollowingUp(World):
    """A world with an open pull request; somebody pushes once to its branch, and to its base, during the run."""

    rebase: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.steps = STEPS
        self.head = self.push(BRANCH, {"theirs": b"1\n"}, onto="main", author=BOT_EMAIL)
        if self.rebase:
            self.push("main", {"base": b"1\n"})
        self.repository.pulls.append(PullRequest(number=7, url="https://example.test/o/r/pull/7", branch=BRANCH))

    def settle(self) -> None:
        super().settle()
        self.scene.provider = FakeProvider(FILES, self.command, files_at=self.scene.mirror.files_at)

    def push(self, branch: str, files: dict[str, bytes], *, onto: str = "", author: str = "ann@x") -> str:
        mirror = self.scene.mirror
        sha = mirror.push_by_person(mirror.tip(self.host.ref("o/r"), onto or branch), branch, files)
        self.remote.commits[sha] = self.remote.commits[sha]._replace(author=author)
        return sha

    async def command(self, command: str, sandbox: FakeSandbox) -> ExecResult:
        if command == "somebody pushes" and command not in self.ran:
            self.push("main" if self.rebase else BRANCH, {"late": b"1\n"})
        return await super().command(command, sandbox)

    async def file(self, **spec: Any) -> Task:
        pull = self.repository.pulls[0]
        sha = self.head if self.rebase else ""
        continues = Continuation(
            number=7, url=pull.url, branch=BRANCH, base_ref="main", rebase=self.rebase, head_sha=sha
        )
        return await super().file(continues=continues, **spec)

    def check_files(self) -> None:
        mirror = self.scene.mirror
        found = mirror.files_at(mirror.tip(self.host.ref("o/r"), BRANCH))
        assert {"theirs", "late", "b", "a"} <= found.keys()
        assert ("base" in found) == self.rebase


@pytest.mark.parametrize("rebase", [False, True], ids=["more", "rebase"])
@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
async def test_a_follow_up_that_is_killed_at_any_write_ends_as_if_it_had_not_been(
    tmp_path: Path, before: bool, rebase: bool
) -> None:
    calm = FollowingUp(folder=tmp_path / "calm", rebase=rebase)
    task = await calm.file()
    writes = await calm.attempt(task)
    expected = await calm.end(task)
    calm.check_files()
    for dies_at in range(1, writes + 1):
        world = FollowingUp(folder=tmp_path / f"{dies_at}", rebase=rebase)
        task = await world.file()
        await world.attempt(task, dies_at=dies_at, before=before)
        if dies_at % 2:
            world.settle()
        if not (await world.scene.store.status(task.id)).terminal:
            await world.attempt(task)
        assert await world.end(task) == expected, dies_at
        world.check_files()
