"""The commands around checkpoints, on a real store and a real mirror."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pullwright.agents.change import RepositoryRef
from pullwright.agents.clock import SystemClock
from pullwright.agents.events import CheckpointMade, RunStarted
from pullwright.agents.ports.mirror import Checkpoint
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import Task, TaskSpec
from pullwright.sandbox.mirror import GitMirror
from tests.integration.sandbox.repositories import git, make_checkout

pytestmark = pytest.mark.anyio


@dataclass
class Scene:
    home: Path
    checkout: Path
    task: Task
    base: str
    made: list[Checkpoint]

    def agent(
        self, *arguments: str, cwd: Path | None = None, home: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command on the host with this home; all hosts have one store."""
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pullwright.cli", *arguments],
            cwd=cwd or self.checkout,
            env={**os.environ, "AGENT_HOME": str(home or self.home), "AGENT_DATABASE_URL": self.store()},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def store(self) -> str:
        return f"sqlite:///{self.home / 'pullwright.db'}"


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    checkout = tmp_path / "checkout"
    base = make_checkout(checkout, {"a": b"1\n", "b": b"1\n"})
    scene = Scene(tmp_path / "home", checkout, task=None, base=base, made=[])  # type: ignore[arg-type]
    repository = RepositoryRef(url=str(checkout), name="checkout")
    mirror = GitMirror(scene.home / "mirrors")
    at = await mirror.sync(repository, "", None)
    async with open_store(scene.store(), SystemClock()) as store:
        filed = await store.create(TaskSpec(instruction="x", repository=repository, checkout=str(checkout)))
        scene.task = await store.claim("w", filed.id) or filed
        started = RunStarted(model="m", effort="high", base_ref="main", base_sha=base, system_prompt="", user_prompt="")
        await store.append(scene.task, [started])
        for number, content in ((1, b"2\n"), (2, b"3\n")):
            make_checkout(checkout, {"a": content, f"new{number}": b"", ".envrc": b"x\n"})
            patch = git(checkout, "diff", "--binary", "--full-index", base, "HEAD").encode() + b"\n"
            one = await mirror.checkpoint(at, patch, task_id=filed.id, number=number, parent=None)
            await store.put(scene.task, f"checkpoint/{number}", zlib.compress(patch))
            event = CheckpointMade(step=number * 3, number=number, sha=one.sha, tree=one.tree)
            await store.append(scene.task, [event])
            unchanged = CheckpointMade(step=number * 3 + 1, number=number, sha=one.sha, tree=one.tree)
            await store.append(scene.task, [unchanged])
            scene.made.append(one)
    git(checkout, "reset", "-q", "--hard", base)
    return scene


async def test_checkpoints_are_listed_with_their_steps(scene: Scene) -> None:
    rows = [json.loads(line) for line in scene.agent("checkpoints", scene.task.id, "--json").stdout.splitlines()]
    assert [(row["number"], row["step"], row["files"]) for row in rows] == [(1, 3, 3), (2, 6, 4)]
    assert [row["sha"] for row in rows] == [made.sha for made in scene.made]
    assert all(row["at"] for row in rows)
    assert scene.made[1].sha[:12] in scene.agent("checkpoints", scene.task.id[:-2]).stdout


@pytest.mark.parametrize(
    ("options", "shown", "hidden"),
    [
        (["--to", "1"], ["+2", "new1"], ["+3", "new2"]),
        (["--from", "1"], ["-2", "+3", "new2"], ["new1"]),
        (["--from", "2", "--to", "0"], ["+1", "-3"], []),
        (["--from", "1", "--to", "1"], [], ["diff"]),
    ],
)
async def test_the_difference_between_two_checkpoints(
    scene: Scene, options: list[str], shown: list[str], hidden: list[str]
) -> None:
    done = scene.agent("diff", scene.task.id, *options)
    assert done.returncode == 0, done.stderr
    assert all(part in done.stdout for part in shown)
    assert not any(part in done.stdout for part in hidden)


async def test_files_come_back_as_a_branch_that_nothing_is_lost_by(scene: Scene) -> None:
    names = []
    for _ in range(2):
        done = scene.agent("restore", scene.task.id, "--at", "2")
        assert done.returncode == 0, done.stderr
        assert "git diff" in done.stderr
        names.append(done.stdout.strip())
        assert git(scene.checkout, "rev-parse", f"{names[-1]}^{{tree}}") == scene.made[1].tree
        assert git(scene.checkout, "rev-parse", f"{names[-1]}^") == scene.base
    assert names == [f"pullwright/{scene.task.id}-at-2", f"pullwright/{scene.task.id}-at-2-2"]
    assert git(scene.checkout, "branch", "--show-current") == "main"
    assert (scene.checkout / "a").read_text() == "1\n"


async def test_a_fork_is_a_new_task_that_knows_where_it_starts(scene: Scene) -> None:
    done = scene.agent("fork", scene.task.id, "--at", "1", "now in\nanother way", "--json")
    assert done.returncode == 0, done.stderr
    assert "agent worker --task" in done.stderr
    async with open_store(scene.store(), SystemClock()) as store:
        made = await store.get(json.loads(done.stdout)["task"])
    assert made.spec == replace(
        scene.task.spec,
        instruction="now in\nanother way",
        title="now in",
        base_ref=scene.base,
        start=scene.made[0].sha,
        start_base=scene.base,
        parent_id=scene.task.id,
    )


@pytest.mark.parametrize(("step", "start"), [(2, ""), (3, "0"), (5, "0"), (99, "1")])
async def test_a_retry_keeps_the_files_that_a_step_left(scene: Scene, step: int, start: str) -> None:
    early = scene.agent("retry", scene.task.id, "--from", str(step))
    assert early.returncode == 1
    assert "only one that has ended" in early.stderr
    async with open_store(scene.store(), SystemClock()) as store:
        await store.release(scene.task, reason="")
        await store.cancel(scene.task.id, reason="")
    done = scene.agent("retry", scene.task.id, "--from", str(step), "--json")
    assert done.returncode == 0, done.stderr
    async with open_store(scene.store(), SystemClock()) as store:
        made = await store.get(json.loads(done.stdout)["task"])
    kept = scene.made[int(start)].sha if start else scene.base
    assert made.spec == replace(
        scene.task.spec, base_ref=scene.base, start=kept, start_base=scene.base, parent_id=scene.task.id
    )


async def test_what_is_not_there_is_named(scene: Scene, tmp_path: Path) -> None:
    for arguments in (["diff", scene.task.id, "--to", "7"], ["restore", scene.task.id, "--at", "7"]):
        done = scene.agent(*arguments)
        assert (done.returncode, done.stdout) == (1, "")
        assert "no checkpoint 7; see `agent checkpoints" in done.stderr
    assert scene.agent("fork", scene.task.id, "--at", "1", " ").returncode == 2
    async with open_store(scene.store(), SystemClock()) as store:
        queued = await store.create(scene.task.spec)
    assert "it is queued" in scene.agent("checkpoints", queued.id).stderr


async def test_files_are_brought_into_no_other_checkout(scene: Scene, tmp_path: Path) -> None:
    other = tmp_path / "other"
    make_checkout(other, {"x": b""})
    remote = RepositoryRef(url=scene.task.spec.repository.url, name="checkout", owner="acme")
    async with open_store(scene.store(), SystemClock()) as store:
        filed = await store.create(TaskSpec(instruction="x", repository=remote))
        task = await store.claim("w", filed.id)
        assert task is not None
        started = RunStarted(
            model="m", effort="high", base_ref="", base_sha=scene.base, system_prompt="", user_prompt=""
        )
        await store.append(task, [started])
        mirror = GitMirror(scene.home / "mirrors")
        at = await mirror.sync(remote, scene.base, None)
        made = await mirror.checkpoint(at, b"", task_id=task.id, number=1, parent=scene.made[0])
        await store.append(task, [CheckpointMade(step=1, number=1, sha=made.sha, tree=made.tree)])
    done = scene.agent("restore", task.id, "--at", "1", cwd=other)
    assert done.returncode == 2
    assert "no checkout of 'acme/checkout'" in done.stderr
    assert git(other, "branch", "--list", "pullwright/*") == ""
