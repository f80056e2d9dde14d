"""The files of a run, asked for on a host that has never seen it: another home on the same store."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path

import pytest

from pullwright.agents.budget import Usage
from pullwright.agents.clock import SystemClock
from pullwright.agents.events import CheckpointMade, RunFinished, RunStarted
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import TaskStatus
from pullwright.agents.worker.restore import keep_patch
from tests.integration.cli.test_checkpoints import Scene, scene
from tests.integration.sandbox.repositories import git, make_checkout

__all__ = ["scene"]

pytestmark = pytest.mark.anyio


async def test_every_command_says_the_same_on_another_host(scene: Scene, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for arguments in (["checkpoints", scene.task.id, "--json"], ["diff", scene.task.id, "--from", "1", "--to", "2"]):
        here, there = scene.agent(*arguments), scene.agent(*arguments, home=elsewhere)
        assert there.stdout == here.stdout != "", there.stderr
        assert (there.returncode, there.stderr) == (0, "")


async def test_files_come_back_on_another_host(scene: Scene, tmp_path: Path) -> None:
    done = scene.agent("restore", scene.task.id, "--at", "2", home=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert git(scene.checkout, "rev-parse", f"{done.stdout.strip()}^{{tree}}") == scene.made[1].tree


async def test_a_checkout_of_another_host_is_replaced_by_the_one_here(scene: Scene, tmp_path: Path) -> None:
    """The repository of the task is a path that exists on the host that filed it only."""
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(scene.checkout), str(clone))
    shutil.rmtree(scene.checkout)
    done = scene.agent("restore", scene.task.id, "--at", "1", cwd=clone, home=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert git(clone, "rev-parse", f"{done.stdout.strip()}^{{tree}}") == scene.made[0].tree
    stranger = tmp_path / "stranger"
    make_checkout(stranger, {"x": b""})
    refused = scene.agent("restore", scene.task.id, "--at", "1", cwd=stranger, home=tmp_path / "third")
    assert (refused.returncode, refused.stdout, len(refused.stderr.splitlines())) == (1, "", 1)


async def test_a_task_is_filed_from_a_checkpoint_without_its_files(scene: Scene, tmp_path: Path) -> None:
    """What only needs the journal needs no mirror and no repository."""
    shutil.rmtree(scene.checkout)
    elsewhere = tmp_path / "elsewhere"
    forked = scene.agent("fork", scene.task.id, "--at", "2", "go on", "--json", cwd=tmp_path, home=elsewhere)
    assert forked.returncode == 0, forked.stderr
    listed = scene.agent("checkpoints", scene.task.id, "--json", cwd=tmp_path, home=elsewhere)
    assert [json.loads(line)["files"] for line in listed.stdout.splitlines()] == [None, None]
    assert "changed files are not counted" in listed.stderr
    assert not (elsewhere / "mirrors" / "local").exists() or not list((elsewhere / "mirrors").rglob("*.pack"))


async def test_a_damaged_checkpoint_is_told_and_the_others_are_shown(scene: Scene, tmp_path: Path) -> None:
    async with open_store(scene.store(), SystemClock()) as store:
        await store.put(scene.task, "checkpoint/1", zlib.compress(b"nonsense")[:-3])
    elsewhere = tmp_path / "elsewhere"
    listed = scene.agent("checkpoints", scene.task.id, "--json", home=elsewhere)
    assert [json.loads(line)["files"] for line in listed.stdout.splitlines()] == [None, 4]
    assert "checkpoint 1 can not be looked at" in listed.stderr
    refused = scene.agent("restore", scene.task.id, "--at", "1", home=elsewhere)
    assert refused.returncode == 1
    assert "not whole" in refused.stderr


async def test_the_patch_of_a_task_is_shown_on_any_host(scene: Scene, tmp_path: Path) -> None:
    stale = tmp_path / "stale.patch"
    stale.write_bytes(b"an older attempt's\n")
    async with open_store(scene.store(), SystemClock()) as store:
        await keep_patch(store, scene.task, b"the patch\n")
        ended = RunFinished(status="succeeded", reason="", usage=Usage(), steps=1, patch_path=str(stale))
        await store.finish(scene.task, TaskStatus.SUCCEEDED, ended)
    assert scene.agent("diff", scene.task.id, home=tmp_path / "elsewhere").stdout == "the patch\n"
    async with open_store(scene.store(), SystemClock()) as store:
        await store.forget(scene.task.id)
    assert scene.agent("diff", scene.task.id).stdout == stale.read_text(), "a task of an older release has a file only"
    stale.unlink()
    gone = scene.agent("diff", scene.task.id)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "is gone" in gone.stderr


async def test_a_retry_of_a_fork_that_changed_nothing_keeps_what_the_fork_began_with(scene: Scene) -> None:
    forked = json.loads(scene.agent("fork", scene.task.id, "--at", "1", "go on", "--json").stdout)["task"]
    async with open_store(scene.store(), SystemClock()) as store:
        task = await store.claim("w", forked)
        assert task is not None
        started = RunStarted(
            model="m", effort="high", base_ref="main", base_sha=scene.base, system_prompt="", user_prompt=""
        )
        made = CheckpointMade(step=4, number=1, sha="0" * 40, tree="0" * 40)
        await store.append(task, [started, made])
        await store.release(task, reason="")
        await store.cancel(forked, reason="")
    done = scene.agent("retry", forked, "--from", "2", "--json")
    assert done.returncode == 0, done.stderr
    async with open_store(scene.store(), SystemClock()) as store:
        again = await store.get(json.loads(done.stdout)["task"])
    assert (again.spec.start, again.spec.start_base) == (scene.made[0].sha, scene.base)
