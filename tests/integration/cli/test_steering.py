"""Commands that tell tasks something, and those that show who works on what."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pullwright.agents.clock import SystemClock
from pullwright.agents.events import QuestionAsked
from pullwright.agents.ports.durable import DurableStore
from pullwright.agents.queue.open import open_store
from pullwright.agents.task import Task, TaskStatus, WaitReason
from pullwright.agents.testing.contracts_engine import end, work
from pullwright.agents.worker.queue_engine import this_worker

pytestmark = pytest.mark.anyio


@dataclass
class Scene:
    folder: Path
    store: DurableStore
    worker: str = "01WORKER"

    def agent(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "pullwright.cli", *arguments],
            cwd=self.folder,
            env={**os.environ, "AGENT_HOME": str(self.folder), "COLUMNS": "200", **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.agent(*arguments, "--json").stdout.splitlines()]

    async def claimed(self) -> Task:
        task = await self.store.claim(self.worker, (await self.store.create(work())).id)
        assert task
        return task

    async def waiting(self) -> Task:
        asked = QuestionAsked(step=1, question="tabs or\nspaces?", wait="input_required")
        return await self.store.park(
            await self.claimed(), WaitReason.INPUT_REQUIRED, asked, question="tabs or\nspaces?"
        )


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with open_store(f"sqlite:///{tmp_path / 'pullwright.db'}", SystemClock()) as store:
        scene = Scene(tmp_path, store)
        worker = this_worker(slots=3, name="big box", version="1.2")
        await store.enlist(type(worker)(id=scene.worker, name=worker.name, host=worker.host, pid=worker.pid, slots=3))
        yield scene


async def test_words_wait_for_the_run(scene: Scene) -> None:
    task = await scene.claimed()
    done = scene.agent("say", task.id[:-1], "also the docs")
    assert (done.returncode, "at its next step" in done.stdout) == (0, True)
    assert [signal.text for signal in await scene.store.signals(task.id)] == ["also the docs"]
    assert scene.agent("say", task.id, "  ").returncode == 2
    await end(scene.store, task)
    assert scene.agent("say", task.id, "too late").returncode == 1


async def test_a_question_is_shown_and_answered(scene: Scene) -> None:
    task = await scene.waiting()
    assert "? tabs or spaces?" in scene.agent("list").stdout
    assert f"agent answer {task.id}" in scene.agent("show", task.id).stdout
    (row,) = scene.rows("list")
    assert (row["status"], row["waits_for"], row["attempt"]) == ("waiting", "input_required", 1)
    done = scene.agent("answer", task.id, "spaces")
    assert done.returncode == 0, done.stderr
    assert await scene.store.status(task.id) is TaskStatus.QUEUED
    assert not (scene.folder / "logs").exists(), "a worker is there: no process was started"
    again = scene.agent("answer", task.id, "tabs")
    assert again.returncode == 1
    assert "waits for no answer" in again.stderr


async def test_an_answer_brings_a_process_when_no_worker_is_there(scene: Scene) -> None:
    task = await scene.waiting()
    await scene.store.retire(scene.worker)
    assert scene.agent("answer", task.id, "spaces").returncode == 0
    log = scene.folder / "logs" / f"{task.id}.log"
    assert log.exists()
    for _ in range(300):
        if "AGENT_ENDPOINT_URL" in log.read_text():
            break
        time.sleep(0.05)  # noqa: ASYNC251 - another process writes it
    assert "AGENT_ENDPOINT_URL" in log.read_text(), "the process says why it can not work"


async def test_a_cancel_says_what_became_of_the_task(scene: Scene) -> None:
    waiting, running = await scene.waiting(), await scene.claimed()
    assert "is canceled\n" in scene.agent("cancel", waiting.id).stdout
    assert "is canceling; its work is being kept" in scene.agent("cancel", running.id).stdout
    assert scene.agent("cancel", waiting.id).returncode == 1


async def test_attempts_are_shown(scene: Scene) -> None:
    task = await scene.claimed()
    await scene.store.release(task, reason="drained")
    again = await scene.store.claim(scene.worker, task.id)
    assert again
    assert "attempt 2: " not in scene.agent("show", task.id).stdout
    shown = scene.agent("show", task.id).stdout
    assert "attempt 1 by worker 01WORKER" in shown
    assert ": yielded after" in shown
    assert "attempt 2 by worker 01WORKER since" in shown


async def test_workers_are_listed(scene: Scene) -> None:
    await scene.claimed()
    (row,) = scene.rows("workers")
    assert (row["name"], row["slots"], row["running"], row["draining"]) == ("big box", 3, 1, False)
    assert "big box" in scene.agent("workers").stdout
    await scene.store.retire(scene.worker)
    assert "agent worker" in scene.agent("workers").stdout


async def test_lanes_are_listed_and_changed(scene: Scene) -> None:
    assert "no repository" in scene.agent("lanes").stdout
    await scene.store.create(work(lane="shop"))
    done = scene.agent("lane", "example.test/o/shop", "--weight", "2.5", "--max-running", "8", "--pause")
    assert done.returncode == 0, done.stderr
    (row,) = scene.rows("lanes")
    assert row == {
        "key": "example.test/o/shop",
        "weight": 2.5,
        "max_running": 8,
        "paused": True,
        "queued": 1,
        "running": 0,
    }
    scene.agent("lane", "example.test/o/shop", "--resume")
    (row,) = scene.rows("lanes")
    assert (row["paused"], row["weight"]) == (False, 2.5)
    assert scene.agent("lane", "x", "--weight", "0").returncode == 2


async def test_the_same_once_more(scene: Scene) -> None:
    task = await scene.claimed()
    assert scene.agent("retry", task.id).returncode == 1
    await end(scene.store, task, TaskStatus.FAILED)
    done = scene.agent("retry", task.id)
    assert done.returncode == 0, done.stderr
    again = await scene.store.get(done.stdout.strip())
    assert again.spec.parent_id == task.id
    assert again.spec.instruction == task.spec.instruction
