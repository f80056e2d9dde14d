"""Workers as processes: they share the work, and what one of them leaves behind another one takes up."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pullwright.agents.testing.endpoint_script import by_turn
from pullwright.agents.testing.scripted_model import Reply
from pullwright.integrations.testing.sample_repositories import SAMPLES
from tests.e2e.stage import OpenStage, Stage, fixing, until_replied
from tests.e2e.test_trouble import INVOICE, SLEEP, left_behind, one_line, wait_for_file_in_container

TAKEOVER_SECONDS = 2.0

pytestmark = pytest.mark.docker


@contextmanager
def worker(stage: Stage, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Start a worker and wait until it serves."""
    with serving(stage, "worker", *arguments) as (process, _):
        yield process


@contextmanager
def serving(stage: Stage, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a command that serves and wait until it says so; what it says comes along."""
    process = stage.start(*arguments, cwd=stage.folder)
    try:
        assert process.stderr is not None
        said = next((line for line in process.stderr if " serves " in line or " serving " in line), "")
        assert said, "it ended before it served"
        yield process, said
    finally:
        process.kill()
        process.communicate()


def rows(stage: Stage, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stage.agent(*arguments, "--json", cwd=stage.folder).out.splitlines()]


def until_it_works(stage: Stage, task: str) -> None:
    watcher = stage.start("watch", task, "--json", cwd=stage.folder)
    assert until_replied(watcher) == task
    watcher.kill()
    watcher.communicate()
    wait_for_file_in_container(task)


def sleeping_first() -> Callable[..., Reply]:
    turns = iter([SLEEP])
    return lambda request: next(turns, None) or by_turn({"": fixing(INVOICE)})(request)


def moves(events: list[dict[str, Any]]) -> list[str]:
    return [event["data"]["new"] for event in events if event["type"] == "task.moved"]


def test_a_killed_workers_run_goes_on_in_another_within_two_seconds(tmp_path: Path) -> None:
    with OpenStage(tmp_path, sleeping_first()) as stage:
        stage.forge.create_sample("acme", INVOICE)
        checkout = stage.clone(INVOICE)
        with worker(stage, "--slots", "1") as one, worker(stage, "--slots", "1") as two:
            assert {row["pid"] for row in rows(stage, "workers")} == {one.pid, two.pid}
            filed = stage.agent("run", "fix issue #42", "--detach", cwd=checkout)
            task = filed.out.strip()
            until_it_works(stage, task)
            (busy,) = [row["pid"] for row in rows(stage, "workers") if row["running"]]
            killed = time.time()
            os.kill(busy, signal.SIGKILL)
            assert stage.agent("watch", task, cwd=tmp_path).code == 0
        events = rows(stage, "show", task)
        assert moves(events) == ["queued", "running", "queued", "running"]
        claimed = [event for event in events if event["type"] == "task.moved"][-1]
        assert datetime.fromisoformat(claimed["at"]).timestamp() - killed < TAKEOVER_SECONDS
        assert events[-1]["attempt"] == 2
        assert not (tmp_path / "agent-home" / "logs").exists(), "no process was started: workers were there"
        assert len(stage.forge.pull_requests("acme", "invoice")) == 1
        assert left_behind(task) == []


def test_a_worker_that_is_told_to_end_finishes_its_step_and_leaves_the_rest(tmp_path: Path) -> None:
    slow = Reply(calls=(("bash", {"command": "echo half done > half.txt; sleep 3"}),))
    turns = iter([slow])
    with OpenStage(tmp_path, lambda request: next(turns, None) or by_turn({"": fixing(INVOICE)})(request)) as stage:
        stage.forge.create_sample("acme", INVOICE)
        checkout = stage.clone(INVOICE)
        with worker(stage, "--slots", "1") as one:
            task = stage.agent("run", "fix issue #42", "--detach", cwd=checkout).out.strip()
            until_it_works(stage, task)
            one.send_signal(signal.SIGTERM)
            _, err = one.communicate(timeout=60)
            assert one.returncode == 0, err
        events = rows(stage, "show", task)
        assert moves(events) == ["queued", "running", "queued"]
        assert [event["type"] for event in events].count("tool.finished") == 1
        assert rows(stage, "workers") == []
        ran = stage.agent("worker", "--drain", cwd=tmp_path)
        assert ran.code == 0, ran.err
        assert rows(stage, "list")[0]["status"] == "succeeded"
        assert len(stage.forge.pull_requests("acme", "invoice")) == 1


def test_one_worker_has_runs_of_several_repositories_in_hand(tmp_path: Path) -> None:
    other = SAMPLES["deep-folders"]()
    with OpenStage(tmp_path, [SLEEP]) as stage:
        for sample in (INVOICE, other):
            stage.forge.create_sample("acme", sample)
        with worker(stage, "--slots", "2"):
            tasks = [
                stage.agent("run", "look around", "--detach", cwd=stage.clone(sample)).out.strip()
                for sample in (INVOICE, other)
            ]
            for task in tasks:
                until_it_works(stage, task)
            assert [row["running"] for row in rows(stage, "lanes")] == [1, 1]
            for task in tasks:
                asked = time.monotonic()
                assert "is canceled" in stage.agent("cancel", task, cwd=tmp_path).out
                assert time.monotonic() - asked < 6, "two seconds, and the command's own start"


def test_a_task_that_came_by_http_is_worked_on_and_told_about(tmp_path: Path) -> None:
    with OpenStage(tmp_path, fixing(INVOICE)) as stage:
        stage.forge.create_sample("acme", INVOICE)
        stage.extra["AGENT_API_TOKEN"] = token = "0123456789abcdef"
        with (
            serving(stage, "serve", "--port", "0", "--slots", "1") as (process, said),
            httpx2.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client,
        ):
            url = re.findall(r"http://\S+", said)[0]
            wanted = {"instruction": "fix issue #42", "repository": stage.forge.clone_url("acme", "invoice")}
            filed = client.post(f"{url}/api/tasks", json=wanted)
            assert filed.status_code == 201, filed.text
            again = client.post(f"{url}/api/tasks", json=wanted)
            assert again.status_code == 409
            task = filed.json()["task"]
            with client.stream("GET", f"{url}/api/tasks/{task}/events") as answer:
                types = [line.removeprefix("event: ") for line in answer.iter_lines() if line.startswith("event: ")]
            assert types[-1] == "run.finished"
            shown = client.get(f"{url}/api/tasks/{task}").json()
            assert shown["status"] == "succeeded"
            assert shown["pull_request_url"]
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=60)
            assert process.returncode == 0, err
            assert token not in err + said
        assert len(stage.forge.pull_requests("acme", "invoice")) == 1


def test_a_server_without_a_token_does_not_start(tmp_path: Path) -> None:
    with OpenStage(tmp_path, []) as stage:
        one_line(stage.agent("serve", cwd=tmp_path), 2, "AGENT_API_TOKEN")
