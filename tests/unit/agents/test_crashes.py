"""Kill a run at any moment: the next attempt, on this host or another one, ends as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from pullwright.agents.conversation import fold
from pullwright.agents.errors import StoreUnavailable
from pullwright.agents.events import ModelReplied, RunFinished
from pullwright.agents.message import AssistantMessage, Message, ToolResult
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.ports.model import ModelRequest
from pullwright.agents.ports.sandbox import ExecResult
from pullwright.agents.ports.store import SignalKind
from pullwright.agents.queue.life import LEASE_SECONDS
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.fake_code_host import FakeCodeHost
from pullwright.agents.testing.fake_mirror import FakeMirror, FakeRemote
from pullwright.agents.testing.fake_sandbox import FakeProvider, FakeSandbox, output
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel
from pullwright.agents.worker.advance import Advancer
from tests.unit.agents.pipeline_scene import LOOK, WRITE, Scene, Turn, finish

pytestmark = [pytest.mark.anyio]

FILES = {"AGENTS.md": b"Be brief.", "a": b"old\n"}
APPEND = ("bash", {"command": "append"})
STEPS = (
    Reply(calls=[APPEND]),
    LOOK,
    WRITE,
    Reply(calls=[("plan", {"items": [{"text": "go on", "state": "doing"}]})]),
    Reply(text="Hm."),
    Reply(calls=[("write", {"path": "b", "content": "1\n"}), APPEND]),
    Reply(calls=[("bash", {"command": "rm b"})]),
    LOOK,
    finish("make"),
)
WRITES = frozenset({"append", "finish", "park", "release", "retry", "put", "intend", "settle", "confirm"})


class Mortal:
    """A store as one process sees it; from its n-th write on, that process does nothing any more."""

    def __init__(self, store: Any, dies_at: int, *, before: bool) -> None:
        self._store = store
        self._dies_at = dies_at
        self._before = before
        self.writes = 0

    def __getattr__(self, name: str) -> Any:
        async def call(*args: Any, **options: Any) -> Any:
            if 0 < self._dies_at <= self.writes:
                raise StoreUnavailable("this process is dead")
            self.writes += name in WRITES
            dies = name in WRITES and self.writes == self._dies_at
            answer = None if dies and self._before else await getattr(self._store, name)(*args, **options)
            if dies:
                raise StoreUnavailable("this process is dead")
            return answer

        return call


@dataclass(kw_only=True)
class World:
    """A code host, a database, and hosts that die."""

    folder: Path
    steps: Sequence[Reply] = STEPS
    ran: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scene = Scene(model=ScriptedModel(()), patches=self.folder)
        self.remote = FakeRemote()
        self.mirrors: list[FakeMirror] = []
        self.host = self.scene.host = FakeCodeHost(token="t")
        self.repository = self.host.add_repository("o/r")
        self.settle()

    def settle(self) -> None:
        """Make this a fresh host: nothing of the work is on it."""
        self.scene.mirror = FakeMirror(dict(FILES), remote=self.remote)
        self.mirrors.append(self.scene.mirror)
        self.scene.provider = FakeProvider(FILES, self.command)

    async def command(self, command: str, sandbox: FakeSandbox) -> ExecResult:
        self.ran.append(command)
        if command == "append":
            sandbox.files["/workspace/log"] = sandbox.files.get("/workspace/log", b"") + b"x\n"
        if command == "rm b":
            sandbox.files.pop("/workspace/b", None)
        return output(exit_code=command == "make" and sandbox.files.get("/workspace/a") != b"new\n")

    async def file(self, **spec: Any) -> Task:
        task = await self.scene.file(repository=self.host.ref("o/r"), publish=True, **spec)
        self.repository.push(f"agent/{task.id}")
        return task

    async def attempt(self, task: Task, *, dies_at: int = 0, before: bool = False) -> int:
        """Give the task an attempt whose process may die; return how often it wrote."""
        await self.scene.store.tend()
        claimed = await self.scene.store.claim("w", task.id)
        assert claimed is not None
        mortal = Mortal(self.scene.store, dies_at, before=before)
        self.scene.model = ScriptedModel([self.think] * 99)
        try:
            await Advancer(replace(self.scene.parts, store=cast(DurableStore, mortal)))(Turn(task=claimed))
        except StoreUnavailable:
            self.scene.clock.advance(LEASE_SECONDS + 1)
        return mortal.writes

    def think(self, request: ModelRequest) -> Reply:
        """Go on after the last step that was not interrupted."""
        return self.steps[len(list(rounds(request.messages)))]

    async def go_on(self, task: Task) -> None:
        """Answer whatever is asked, and attempt it until it has ended."""
        while not (status := await self.scene.store.status(task.id)).terminal:
            if status is TaskStatus.WAITING:
                await self.scene.store.send(task.id, SignalKind.ANSWER, "red")
            await self.attempt(task)

    async def end(self, task: Task, *, kills: int = 1) -> tuple[str, str]:
        """Check that all is well and return what came of it."""
        done = await self.scene.store.get(task.id)
        assert (done.status, done.status_reason) == (TaskStatus.SUCCEEDED, "Change a")
        assert len(self.repository.pulls) == 1
        assert done.pull_request_url == self.repository.pulls[0].url
        (pushed,) = [change for mirror in self.mirrors for change, _ in mirror.pushed]
        events = await self.scene.events(done)
        assert sum(isinstance(event, RunFinished) for event in events) == 1
        replies = sum(isinstance(event, ModelReplied) for event in events)
        assert replies <= len(self.steps) + 2 * kills, "one step is repeated, and the reply that was made meanwhile"
        return pushed.head_sha, Path(done.patch_path).read_text()


def rounds(messages: Sequence[Message]) -> Iterator[AssistantMessage]:
    """Yield the replies that count: none that was interrupted."""
    for place, message in enumerate(messages):
        if isinstance(message, AssistantMessage):
            results = messages[place + 1 : place + 1 + len(message.tool_calls)]
            if not any(isinstance(one, ToolResult) and "interrupted" in one.content.lower() for one in results):
                yield message


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("moves", [False, True], ids=["same host", "new host"])
@pytest.mark.parametrize("before", [False, True], ids=["after", "before"])
async def test_a_run_that_is_killed_at_any_write_ends_as_if_it_had_not_been(
    tmp_path: Path, moves: bool, before: bool
) -> None:
    calm = World(folder=tmp_path / "calm")
    task = await calm.file()
    writes = await calm.attempt(task)
    expected = await calm.end(task)
    for dies_at in range(1, writes + 1):
        world = World(folder=tmp_path / f"{dies_at}")
        task = await world.file()
        await world.attempt(task, dies_at=dies_at, before=before)
        if moves:
            world.settle()
        if not (await world.scene.store.status(task.id)).terminal:
            await world.attempt(task)
        assert await world.end(task) == expected, dies_at
        assert len(world.ran) <= len(calm.ran) + 2, dies_at


async def test_an_answer_is_heard_once_whatever_dies_around_it(tmp_path: Path) -> None:
    ask = Reply(calls=[("ask", {"question": "red or blue?"})])
    steps = (Reply(calls=[APPEND]), ask, WRITE, finish("make"))

    async def world(name: str) -> tuple[World, Task]:
        made = World(folder=tmp_path / name, steps=steps)
        return made, await made.file(may_ask=True)

    calm, task = await world("calm")
    writes = await calm.attempt(task)
    await calm.go_on(task)
    expected = await calm.end(task)
    for dies_at in range(1, 2 * writes + 6):
        stage, task = await world(f"{dies_at}")
        first = await stage.attempt(task, dies_at=dies_at)
        stage.settle()
        if dies_at > writes == first:
            await stage.scene.store.send(task.id, SignalKind.ANSWER, "red")
            await stage.attempt(task, dies_at=dies_at - writes)
            stage.settle()
        await stage.go_on(task)
        assert await stage.end(task) == expected, dies_at
        heard = fold(await stage.scene.store.journal(task.id)).messages
        results = [one for one in heard if isinstance(one, ToolResult)]
        assert [one.content for one in results if one.name == "ask"] == ["red"]
        assert await stage.scene.store.signals(task.id) == []


async def test_a_run_may_be_killed_again_while_it_recovers(tmp_path: Path) -> None:
    calm = World(folder=tmp_path / "calm")
    task = await calm.file()
    writes = await calm.attempt(task)
    expected = await calm.end(task)
    for dies_at in range(1, writes, 3):
        for again in (1, 2, 3, 5):
            world = World(folder=tmp_path / f"{dies_at}.{again}")
            task = await world.file()
            await world.attempt(task, dies_at=dies_at)
            world.settle()
            await world.attempt(task, dies_at=again, before=again % 2 == 0)
            world.settle()
            if not (await world.scene.store.status(task.id)).terminal:
                await world.attempt(task)
            assert await world.end(task, kills=2) == expected, (dies_at, again)
