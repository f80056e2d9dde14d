"""A run moves to another host in the middle: another mirror, another engine's labels, nothing shared but the store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from pullwright.agents.budget import Budget
from pullwright.agents.change import RepositoryRef
from pullwright.agents.clock import SystemClock
from pullwright.agents.events import ChangeCommitted, CheckpointMade, RunResumed
from pullwright.agents.message import ToolResult
from pullwright.agents.ports.sandbox import SandboxProvider
from pullwright.agents.queue.memory import MemoryStore
from pullwright.agents.task import Task, TaskStatus
from pullwright.agents.testing.contracts_store import a_spec
from pullwright.agents.testing.fake_environments import FakeEnvironments
from pullwright.agents.testing.scripted_model import Reply, ScriptedModel
from pullwright.agents.worker.advance import Advancer
from pullwright.agents.worker.parts import Parts
from pullwright.sandbox.local_provider import LocalProvider
from pullwright.sandbox.mirror import GitMirror
from pullwright.sandbox.verifier import FreshVerifier
from tests.integration.sandbox.engine import docker_provider
from tests.integration.sandbox.hostile import EDITS, blobs, make_hostile
from tests.integration.sandbox.repositories import git
from tests.unit.agents.pipeline_scene import PlainWording, Turn, finish

pytestmark = pytest.mark.anyio

MakeHost = Callable[[str], AbstractAsyncContextManager[SandboxProvider]]


@pytest.fixture(params=["local", pytest.param("docker", marks=pytest.mark.docker)])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> MakeHost:
    @asynccontextmanager
    async def opened(name: str) -> AsyncIterator[SandboxProvider]:
        if request.param == "docker":
            async with docker_provider() as made:
                yield made
        else:
            (tmp_path / name).mkdir()
            yield LocalProvider(tmp_path / name)

    return opened


class Hosts:
    """One store, and a fresh host for each attempt."""

    def __init__(self, folder: Path, host: MakeHost, script: list[Reply]) -> None:
        self.store = MemoryStore(SystemClock())
        self.folder = folder
        self.host = host
        self.model = ScriptedModel(script)

    async def attempt(self, task: Task, name: str, *, steps: int | None = None) -> tuple[Task, GitMirror]:
        claimed = await self.store.claim(name, task.id)
        assert claimed is not None
        mirror = GitMirror(self.folder / f"{name}-mirrors")
        async with self.host(name) as provider:
            parts = Parts(
                store=self.store,
                model=self.model,
                sandboxes=provider,
                verifier=FreshVerifier(provider),
                environments=FakeEnvironments(),
                mirror=mirror,
                code_host=lambda _: None,
                wording=PlainWording(),
                clock=SystemClock(),
                patches=self.folder / f"{name}-patches",
            )
            await Advancer(parts)(Turn(task=claimed, steps=steps))
        return await self.store.get(task.id), mirror


def bash(command: str) -> Reply:
    return Reply(calls=[("bash", {"command": command})])


async def test_a_run_moves_with_every_shape_of_file_it_has_not_committed(tmp_path: Path, host: MakeHost) -> None:
    checkout = tmp_path / "checkout"
    make_hostile(checkout)
    looked = "git add -A && git write-tree && git reset -q"
    hosts = Hosts(tmp_path, host, [bash(EDITS), bash(looked), bash(looked), finish()])
    spec = a_spec(
        repository=RepositoryRef(url=str(checkout), name="checkout"),
        **{"checks": (), "images": (), "publish": False, "start": "", "start_base": "", "budget": Budget()},
    )
    task = await hosts.store.create(spec)
    first, _ = await hosts.attempt(task, "one", steps=2)
    assert first.status is TaskStatus.QUEUED
    empty = git(checkout, "commit-tree", git(checkout, "mktree"), "-p", "HEAD", "-m", "not for this run")
    git(checkout, "update-ref", "HEAD", empty)
    done, mirror = await hosts.attempt(task, "two")
    assert done.status is TaskStatus.SUCCEEDED, done.status_reason
    results = [message for message in hosts.model.requests[-1].messages if isinstance(message, ToolResult)]
    assert results[1].content == results[2].content, "git sees the same tree"
    events = [entry.event for entry in await hosts.store.journal(task.id)]
    assert len([event for event in events if isinstance(event, CheckpointMade)]) >= 2
    (resumed,) = [event for event in events if isinstance(event, RunResumed)]
    assert (resumed.step, resumed.reason) == (2, "")
    (committed,) = [event for event in events if isinstance(event, ChangeCommitted)]
    base = await mirror.sync(spec.repository, committed.head_sha, None)
    assert len(blobs(base.mirror, committed.head_sha)) > 1
